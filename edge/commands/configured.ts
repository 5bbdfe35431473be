// What every command that needs the configuration does first: its arguments, the file, the log.
import { parseArgs } from "node:util";
import type { Config } from "../../schemas/config.ts";
import { loadConfig } from "../config/load.ts";
import { type Problem, problemLine } from "../config/problem.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Environment, environment, isTerminal } from "../runtime/env.ts";
import { absolutePath } from "../runtime/files.ts";
import { createLog, logLevelOf, writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import type { Log } from "../runtime/types.ts";

export const EXIT_FINE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const CONFIG_NAME = "siprec.toml";

export interface Configured {
  config: Config;
  /** Absolute. */
  configPath: string;
  env: Environment;
  /** With the edge on each line. */
  log: Log;
  /** Values of the options, by name without dashes. */
  values: Readonly<Record<string, string | undefined>>;
}

export interface CommandUsage {
  /** `siprec media [--config siprec.toml] [--id 0]` */
  usage: string;
  /** Options besides --config that take a value. */
  options?: string[];
  /** Before the file is read: writes an example, for instance. */
  prepare?: (configPath: string, log: Log) => void;
}

/** The log of this process: JSON lines on standard error, readable when it is a terminal. */
export function processLog(env: Environment = environment()): Log {
  return createLog({
    json: !isTerminal("stderr"), level: logLevelOf(env["SIPREC_LOG"]), write: writeStandardError,
    wallMs: systemClock.wallMs,
  });
}

/** Everything, or the exit code: usage and mistakes have been printed. */
export function readCommand(args: string[], usage: CommandUsage): Configured | number {
  const values = readOptions(args, ["config", ...(usage.options ?? [])], usage.usage);
  if (typeof values === "number") return values;
  const env = environment();
  const log = processLog(env);
  const configPath = absolutePath(values["config"] ?? CONFIG_NAME);
  usage.prepare?.(configPath, log);
  const loaded = loadConfig(configPath, env);
  for (const warning of loaded.warnings) log.warn("config.warning", { ...warning });
  if (!loaded.ok) {
    sayProblems(configPath, loaded.problems, log);
    return EXIT_USAGE;
  }
  const { config } = loaded;
  return { config, configPath, env, log: log.with({ edge: config.edge }), values };
}

/** Options that each take a value; `--help` prints the usage and gives 0. */
export function readOptions(
  args: string[], names: string[], usage: string,
): Record<string, string | undefined> | number {
  const string = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args, strict: true, allowPositionals: false,
      options: {
        ...Object.fromEntries(names.map((name) => [name, string])), help: { type: "boolean" },
      },
    });
    if (values.help === true) {
      writeStandardOutput(`usage: ${usage}\n`);
      return EXIT_FINE;
    }
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    writeStandardError(`${reason}\nusage: ${usage}\n`);
    return EXIT_USAGE;
  }
}

function sayProblems(path: string, problems: Problem[], log: Log): void {
  if (!isTerminal("stderr")) {
    for (const problem of problems) log.error("config.problem", { file: path, ...problem });
    return;
  }
  const count = problems.length === 1 ? "a mistake" : `${problems.length} mistakes`;
  const lines = problems.map((problem) => `  ${problemLine(problem)}\n`);
  writeStandardError(`${path} has ${count}:\n${lines.join("")}`);
}
