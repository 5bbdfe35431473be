// `siprec media`: one media process of an edge. It takes orders over NATS and outlives control.
import { Type as T } from "@sinclair/typebox";
import { MediaOrder, MediaStatsRequest } from "../../schemas/media.ts";
import { MediaProcess } from "../media/process.ts";
import { PortPool, shareOfPorts } from "../media/ports.ts";
import { connectNats, type NatsLink } from "../nats/connect.ts";
import { publish, requestPatiently, route } from "../nats/rpc.ts";
import { openService } from "../nats/service.ts";
import { callSubject, isSubjectToken, mediaHelloSubject, mediaSubject } from "../nats/subjects.ts";
import { systemClock } from "../runtime/clock.ts";
import { cpuTimeMs } from "../runtime/cpu.ts";
import { ownPid } from "../runtime/env.ts";
import { mediaSockets } from "../runtime/media-socket.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals } from "../runtime/signals.ts";
import { VERSION } from "../runtime/version.ts";
import { type Configured, EXIT_FAILED, EXIT_FINE, EXIT_USAGE, readCommand } from "./configured.ts";

const USAGE = "siprec media [--config siprec.toml] [--id 0]";
/** A new owner of the call may be on its way. */
const FACT_PATIENCE_MS = 5_000;

export async function run(args: string[]): Promise<number> {
  const configured = readCommand(args, { usage: USAGE, options: ["id"] });
  if (typeof configured === "number") return configured;
  const id = configured.values["id"] ?? "0";
  const log = configured.log.with({ media: id });
  if (!isSubjectToken(id)) {
    log.error("media.id.invalid", { came: id, expected: "letters, digits, - and _" });
    return EXIT_USAGE;
  }
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener("abort", () => resolve());
  });
  onSignals({ onTerminate: () => stopping.abort() });
  const { nats, edge } = configured.config;
  const usesTls = Object.values(nats.tls).some((file) => file !== null);
  let link: NatsLink;
  try {
    link = await connectNats({
      servers: nats.servers, name: `media.${edge}.${id}`, log, clock: systemClock,
      credentials: nats.credentials, tls: usesTls ? nats.tls : null, signal: stopping.signal,
    });
  } catch (error) {
    if (stopping.signal.aborted) return EXIT_FINE;
    log.error("media.start.failed", { reason: String(error) });
    return EXIT_FAILED;
  }
  const media = open({ ...configured, log }, id, link, () => stopping.abort());
  const service = await serveOrders(media, link, edge, id);
  media.start();
  log.info("media.ready", { pid: ownPid() });
  await stopped;
  media.stop();
  service.stop();
  await link.close();
  log.info("media.stopped");
  return EXIT_FINE;
}

function open({ config, log }: Configured, id: string, link: NatsLink, onIdle: () => void,
): MediaProcess {
  const { media, edge } = config;
  const helloSubject = mediaHelloSubject(edge);
  const ports = new PortPool({
    range: shareOfPorts(media.ports, media.processes, Number.parseInt(id, 10) || 0),
    restMs: media.restMs, clock: systemClock, random: systemRandom,
  });
  return new MediaProcess({
    edge, id, version: VERSION, pid: ownPid(), clock: systemClock, log, cpuTimeMs, onIdle,
    media: {
      sockets: mediaSockets, ports, random: systemRandom, address: media.listen,
      advertise: media.advertise ?? media.listen,
    },
    publishHello: (hello) => void publish(link, helloSubject, hello),
    tellOwner: async (fact) => {
      const subject = callSubject(fact.callSid, "media");
      const told = await requestPatiently(link, systemClock, subject, T.Unknown(), fact,
        { patienceMs: FACT_PATIENCE_MS });
      return told.ok;
    },
  });
}

async function serveOrders(media: MediaProcess, link: NatsLink, edge: string, id: string) {
  const service = await openService(link, {
    name: "siprec-media", version: VERSION, id: `${edge}-${id}-${ownPid()}`, clock: systemClock,
    description: "RTP of an edge's calls: relay, forks, ringback",
    metadata: { edge, media: id },
  });
  service.serve("apply", mediaSubject(edge, id, "apply"),
    route(MediaOrder, (order) => media.apply(order)));
  service.serve("stats", mediaSubject(edge, id, "stats"),
    route(MediaStatsRequest, (request) => media.stats(request)));
  service.serve("hello", mediaSubject(edge, id, "hello"),
    route(T.Unknown(), () => media.answerHello()));
  await link.nc.flush();
  return service;
}
