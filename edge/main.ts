// The command line: reads the first argument and runs one command.
import { EXIT_FAILED, EXIT_FINE, EXIT_USAGE } from "./commands/configured.ts";
import { commandLine } from "./runtime/env.ts";
import { writeStandardError, writeStandardOutput } from "./runtime/log.ts";
import { exitProcess } from "./runtime/signals.ts";

/** What each command is for. */
export const COMMANDS: ReadonlyMap<string, string> = new Map([
  ["edge", "one edge: control, media, and its own nats-server when none is configured"],
  ["control", "the control process of an edge alone: SIP, HTTP, calls"],
  ["media", "one media process of an edge alone"],
  ["srs", "a session recording server to try and test with"],
  ["call", "a phone that calls or is called, plays a WAV and keeps what it hears"],
  ["demo", "the whole product on this machine, verified by what was recorded"],
]);

type Run = (args: string[]) => Promise<number>;

/** Loads one command only, because a media process needs no HTTP. `name` is of the table. */
async function loadCommand(name: string): Promise<Run> {
  const module: unknown = await import(`./commands/${name}.ts`);
  if (typeof module === "object" && module !== null && "run" in module) {
    const { run } = module;
    // Every file of a command exports `run(args): Promise<number>`.
    if (typeof run === "function") return (args) => run(args) as Promise<number>;
  }
  throw new Error(`the command ${name} has no run()`);
}

export function usage(): string {
  const rows = [...COMMANDS].map(([name, summary]) => `  ${name.padEnd(9)}${summary}`);
  return ["usage: siprec <command> [options]", "", ...rows, "",
    "siprec <command> --help says what a command takes.", ""].join("\n");
}

export async function main(args: string[]): Promise<number> {
  const [name = "", ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") {
    writeStandardOutput(usage());
    return EXIT_FINE;
  }
  if (!COMMANDS.has(name)) {
    const what = name === "" ? "a command is missing" : `no such command: ${JSON.stringify(name)}`;
    writeStandardError(`${what}\n${usage()}`);
    return EXIT_USAGE;
  }
  const run = await loadCommand(name);
  return run(rest);
}

if (import.meta.main) {
  try {
    exitProcess(await main(commandLine()));
  } catch (error) {
    // Nothing below has caught it: our bug, or a runtime's error; with its stack.
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    writeStandardError(`${text}\n`);
    exitProcess(EXIT_FAILED);
  }
}
