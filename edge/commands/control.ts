// `siprec control`: SIP, HTTP and the calls of an edge. One process is active, the holder of the
// edge's lease; any other stands by until it has it.
import type { Config } from "../../schemas/config.ts";
import { sidOf } from "../../schemas/sid.ts";
import { connectNats, type NatsLink } from "../nats/connect.ts";
import { type Lease, openLease } from "../nats/lease.ts";
import { openStore, type Store } from "../nats/store.ts";
import { systemClock } from "../runtime/clock.ts";
import { ownPid } from "../runtime/env.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals, onStarterGone } from "../runtime/signals.ts";
import type { Log } from "../runtime/types.ts";
import { type Configured, EXIT_FAILED, EXIT_FINE, readCommand } from "./configured.ts";
import { ActiveControl } from "./control-active.ts";

const USAGE = "siprec control [--config siprec.toml]";

export async function run(args: string[]): Promise<number> {
  const configured = readCommand(args, { usage: USAGE });
  if (typeof configured === "number") return configured;
  const { log } = configured;
  const stopping = new AbortController();
  let terminations = 0;
  const { promise: killed, resolve: kill } = Promise.withResolvers<number>();
  onSignals({
    onTerminate: (count) => {
      terminations = count;
      stopping.abort();
      if (count > 1) kill(EXIT_FAILED);
    },
  });
  // A supervisor that was killed leaves no control behind that holds the lease and the ports.
  if (configured.env["SIPREC_SUPERVISED"] === "1") onStarterGone(() => kill(EXIT_FAILED));
  const work = serveEdge(configured, stopping.signal).catch((error: unknown) => {
    if (stopping.signal.aborted && terminations > 0) return EXIT_FINE;
    log.error("control.failed", { reason: error instanceof Error ? error.message : String(error) });
    return EXIT_FAILED;
  });
  return Promise.race([work, killed]);
}

async function serveEdge(configured: Configured, stop: AbortSignal): Promise<number> {
  const { config, log } = configured;
  const link = await connect(config, log, stop);
  let lease: Lease | null = null;
  const { promise: lost, resolve: lose } = Promise.withResolvers<"lost">();
  const { promise: taken, resolve: take } = Promise.withResolvers<number>();
  const store = await openStore({
    link, edge: config.edge, clock: systemClock, log, historyMs: config.historyMs, signal: stop,
    mayWrite: () => lease?.isHeld() ?? false,
  });
  lease = await openLease({
    link, edge: config.edge, clock: systemClock, log, random: systemRandom, signal: stop,
    holderName: `control-${ownPid()}`,
    onTaken: (epoch) => take(epoch),
    onLost: (reason) => {
      log.error("lease.lost", { reason });
      lose("lost");
    },
  });
  const stopped = new Promise<"stopped">((resolve) => {
    if (stop.aborted) resolve("stopped");
    stop.addEventListener("abort", () => resolve("stopped"), { once: true });
  });
  const first = await Promise.race([taken, stopped]);
  if (first === "stopped") return finish(lease, link, EXIT_FINE);
  const active = await activate(configured, { link, lease, store });
  const end = await Promise.race([stopped, lost]);
  // Another process owns the calls now: nothing is hung up, nothing more is sent.
  if (end === "lost") {
    active.abandon();
    return finish(lease, link, EXIT_FAILED);
  }
  await active.drain(config.drainMs);
  await store.flushed(2_000);
  return finish(lease, link, EXIT_FINE);
}

async function finish(lease: Lease, link: NatsLink, code: number): Promise<number> {
  await lease.release();
  await link.close();
  return code;
}

function connect(config: Config, log: Log, signal: AbortSignal): Promise<NatsLink> {
  const { nats, edge } = config;
  const usesTls = Object.values(nats.tls).some((file) => file !== null);
  return connectNats({
    servers: nats.servers, name: `control.${edge}`, log, clock: systemClock, signal,
    credentials: nats.credentials, tls: usesTls ? nats.tls : null,
  });
}

async function activate(
  { config, log }: Configured, held: { link: NatsLink; lease: Lease; store: Store },
): Promise<ActiveControl> {
  const active = new ActiveControl({
    config, log, clock: systemClock, random: systemRandom, ...held,
    alertSid: () => sidOf("NO", systemRandom(16)),
  });
  await active.start();
  return active;
}
