// `siprec edge`: one whole edge on this host, supervised.
import { join } from "node:path";
import type { Config } from "../../schemas/config.ts";
import { writeExample } from "../config/example.ts";
import { systemClock } from "../runtime/clock.ts";
import { isTerminal, ownProgram } from "../runtime/env.ts";
import { type LogLine, writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals, onStarterGone } from "../runtime/signals.ts";
import type { Log } from "../runtime/types.ts";
import { VERSION } from "../runtime/version.ts";
import { readCommand } from "./configured.ts";
import { Supervisor } from "./supervisor.ts";

export const USAGE = "siprec edge [--config siprec.toml]";

export async function run(args: string[]): Promise<number> {
  const startedMs = systemClock.monotonicMs();
  const configured = readCommand(args, { usage: USAGE, prepare: writeMissing });
  if (typeof configured === "number") return configured;
  const { config, configPath, env, log } = configured;
  const program = ownProgram(join(import.meta.dir, "..", "main.ts"));
  const supervisor = new Supervisor({
    config, configPath, env, log, version: VERSION, clock: systemClock,
    sink: {
      terminal: isTerminal("stderr"), write: writeStandardError, wallMs: systemClock.wallMs,
    },
    childCommand: (name, more) => [...program, name, ...more],
    onReady: (line, pids) => {
      const readyMs = Math.round(systemClock.monotonicMs() - startedMs);
      log.info("edge.ready", { ready_ms: readyMs });
      writeStandardOutput(readyTable(config, line, pids, readyMs));
    },
  });
  onSignals({
    onTerminate: (count) => void (count === 1 ? supervisor.drain() : supervisor.kill()),
    onReload: () => supervisor.reload(),
  });
  // Started by a program that is gone: nobody else is left to stop us.
  if (env["SIPREC_SUPERVISED"] === "1") onStarterGone(() => void supervisor.drain());
  return supervisor.run();
}

function writeMissing(configPath: string, log: Log): void {
  if (!writeExample(configPath, systemRandom)) return;
  log.info("config.example-written", { file: configPath });
  writeStandardOutput(`There was no configuration: an example was written to ${configPath}\n`);
}

/** What listens where, for a person. */
export function readyTable(
  config: Config, line: LogLine, pids: { nats: number | null; media: number[] }, readyMs: number,
): string {
  const { media, nats } = config;
  const said = (name: string, fallback: string): string => String(line[name] ?? fallback);
  const processes = pids.media.length === 1 ? "process" : "processes";
  const rows = [
    ["http", said("http", config.http.publicUrl)],
    ["sip", said("sip", config.sip.listen.map(({ transport, address, port }) =>
      `${transport}:${address}:${port}`).join(" "))],
    ["media", `${media.listen} ${media.ports.min}-${media.ports.max}, `
      + `${processes} ${pids.media.join(" ") || "elsewhere"}`],
    ["nats", nats.servers.join(" ") + (pids.nats === null ? "" : `, process ${pids.nats}`)],
    ["data", config.dataDir],
  ];
  const seconds = (readyMs / 1000).toFixed(2);
  return [
    `edge ${config.edge} is ready (${seconds} s)`,
    ...rows.map(([name = "", value = ""]) => `  ${name.padEnd(7)}${value}`), "",
  ].join("\n");
}
