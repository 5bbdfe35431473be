// The embedded nats-server: started detached, so that calls outlive the process that started it,
// and adopted by the next one.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Config, ListenAddress } from "../../schemas/config.ts";
import type { Environment } from "../runtime/env.ts";
import { ensureFolder, PRIVATE_MODE, readText, writeText } from "../runtime/files.ts";
import { readGreeting } from "../runtime/greeting.ts";
import { livingRecord, removeRecord, type RunRecord, writeRecord } from "../runtime/run-file.ts";
import { type Child, endProcess, isRunning, processStart, spawnDetached }
  from "../runtime/spawn.ts";
import type { Clock, Log } from "../runtime/types.ts";
import { serverConfig } from "./server-config.ts";

export const SERVER_READY_TIMEOUT_MS = 10_000;
const READY_POLL_MS = 5;
const PROBE_TIMEOUT_MS = 500;
const STOP_TIMEOUT_MS = 5_000;
const PROGRAM = "nats-server";

export interface NatsServerOptions {
  edge: string;
  dataDir: string;
  nats: Config["nats"];
  env: Environment;
  clock: Clock;
  log: Log;
}

export interface NatsServer {
  readonly pid: number;
  /** It ran already, started by an earlier supervisor. */
  readonly adopted: boolean;
  isRunning(): boolean;
  stop(): Promise<void>;
}

/** Rejects with a sentence for the operator: no such program, port taken, configuration. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { dataDir, nats, log, clock } = options;
  const startedMs = clock.monotonicMs();
  const runFile = join(dataDir, "run", "nats.json");
  const storeDir = join(dataDir, "nats");
  const logPath = join(storeDir, "nats.log");
  const text = serverConfig(options.edge, nats, { storeDir, logPath });
  const settings = createHash("sha256").update(text).digest("hex");
  const living = livingRecord(runFile);
  if (living !== null && living.settings === settings) {
    await serverReady(options, living, () => "it was ended");
    log.info("nats.adopted", { pid: living.pid });
    return serverOf(options, living, runFile, true);
  }
  if (living !== null) {
    log.warn("nats.restart", { reason: "its settings have changed", pid: living.pid });
    await endProcess(living, STOP_TIMEOUT_MS, clock);
  }
  const where = `nats.listen ${nats.listen.host}:${nats.listen.port}`;
  if (await probe(nats.listen) !== null) throw new Error(`${where} is taken by another program`);
  ensureFolder(storeDir);
  const configPath = join(dataDir, "run", "nats.conf");
  writeText(configPath, text, PRIVATE_MODE);
  const child = await spawnServer(options, configPath);
  const record: RunRecord = {
    pid: child.pid, start: processStart(child.pid) ?? "", version: PROGRAM, settings,
    startedAt: clock.wallMs(),
  };
  writeRecord(runFile, record);
  await serverReady(options, record, () => lastWords(dataDir, logPath));
  log.info("nats.started", {
    pid: child.pid, ready_ms: Math.round(clock.monotonicMs() - startedMs),
  });
  return serverOf(options, record, runFile, false);
}

async function spawnServer(options: NatsServerOptions, configPath: string): Promise<Child> {
  const logPath = join(options.dataDir, "run", "nats.err");
  try {
    return await spawnDetached([PROGRAM, "-c", configPath],
      { env: options.env, logPath, append: false });
  } catch (error) {
    throw new Error(`${PROGRAM} cannot be started: install it (apt-get install nats-server), `
      + "or name running servers in nats.servers", { cause: error });
  }
}

function serverOf(
  options: NatsServerOptions, record: RunRecord, runFile: string, adopted: boolean,
): NatsServer {
  return {
    pid: record.pid, adopted,
    isRunning: () => isRunning(record),
    async stop() {
      await endProcess(record, STOP_TIMEOUT_MS, options.clock);
      removeRecord(runFile);
    },
  };
}

/** Waits for the server of that name to greet us; `endedBecause` says why it never will. */
async function serverReady(
  options: NatsServerOptions, record: RunRecord, endedBecause: () => string,
): Promise<void> {
  const { edge, nats, clock } = options;
  const endsAt = clock.monotonicMs() + SERVER_READY_TIMEOUT_MS;
  for (;;) {
    const name = await probe(nats.listen);
    if (!isRunning(record)) throw new Error(`${PROGRAM} ended at once: ${endedBecause()}`);
    if (name === edge) return;
    if (name !== null) throw new Error(`another nats-server ("${name}") listens in its place`);
    if (clock.monotonicMs() > endsAt) {
      throw new Error(`${PROGRAM} (pid ${record.pid}) does not answer`);
    }
    await new Promise<void>((resolve) => void clock.after(READY_POLL_MS, resolve));
  }
}

/** The name in the server's greeting, "" for another kind of program, null: nobody listens. */
export async function probe(listen: ListenAddress): Promise<string | null> {
  const host = listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host === "::" ? "::1" : listen.host;
  const line = await readGreeting(host, listen.port, PROBE_TIMEOUT_MS);
  return line === null ? null : serverName(/^INFO (\{.*\})\s*$/.exec(line)?.[1] ?? "");
}

function serverName(greeting: string): string {
  try {
    const info: unknown = JSON.parse(greeting);
    const known = typeof info === "object" && info !== null && "server_name" in info;
    return known ? String(info.server_name) : "";
  } catch {
    return "";
  }
}

/** The line that says why it ended. */
function lastWords(dataDir: string, logPath: string): string {
  const early = readText(join(dataDir, "run", "nats.err")) ?? "";
  const lines = `${readText(logPath) ?? ""}\n${early}`.trim().split("\n");
  const fatal = lines.findLast((line) => line.includes("[FTL]")) ?? lines.at(-1) ?? "";
  return fatal.replace(/^\[\d+\] \S+ \S+ /, "") || "it said nothing";
}
