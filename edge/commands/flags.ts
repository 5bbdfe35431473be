// Command lines of the tools: options with values, options without, addresses and durations.
import { parseArgs } from "node:util";
import { parseDuration, parseSipListen } from "../config/text.ts";
import { writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import type { ListenAddress } from "../sip/types.ts";
import { EXIT_FINE, EXIT_USAGE } from "./configured.ts";

export interface FlagUsage {
  usage: string;
  /** Options that take a value, by name without dashes. */
  values: readonly string[];
  /** Options that are there or not. */
  switches: readonly string[];
}

export interface Flags {
  value(name: string): string | null;
  has(name: string): boolean;
  /** null where it was not given. */
  durationMs(name: string): number | null;
  /** "udp:127.0.0.1:5090,tcp:127.0.0.1:5090" */
  listen(name: string, fallback: string): ListenAddress[];
}

/** What is wrong with an option's value: printed with the usage. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** Runs a command with its options; mistakes in them are printed and give 2. */
export async function withFlags(
  args: string[], usage: FlagUsage, body: (flags: Flags) => Promise<number>,
): Promise<number> {
  try {
    const flags = readFlags(args, usage);
    if (flags.has("help")) {
      writeStandardOutput(`usage: ${usage.usage}\n`);
      return EXIT_FINE;
    }
    return await body(flags);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    writeStandardError(`${error.message}\nusage: ${usage.usage}\n`);
    return EXIT_USAGE;
  }
}

function readFlags(args: string[], { values, switches }: FlagUsage): Flags {
  const known = parse(args, values, switches);
  const value = (name: string): string | null => {
    const found = known[name];
    return typeof found === "string" ? found : null;
  };
  return {
    value,
    has: (name) => known[name] === true,
    durationMs(name) {
      const text = value(name);
      const ms = text === null ? null : parseDuration(text);
      if (text !== null && ms === null) {
        throw new FlagError(`--${name} is ${JSON.stringify(text)}; expected a duration such as 5s`);
      }
      return ms;
    },
    listen: (name, fallback) =>
      (value(name) ?? fallback).split(",").map((text) => listenAddress(name, text)),
  };
}

function parse(
  args: string[], values: readonly string[], switches: readonly string[],
): Record<string, unknown> {
  const option = (type: "string" | "boolean") => (name: string) => [name, { type }] as const;
  try {
    return parseArgs({
      args, strict: true, allowPositionals: false,
      options: Object.fromEntries([
        ...values.map(option("string")), ...[...switches, "help"].map(option("boolean")),
      ]),
    }).values;
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error));
  }
}

function listenAddress(name: string, text: string): ListenAddress {
  const address = parseSipListen(text);
  if (address === null) {
    throw new FlagError(
      `--${name} has ${JSON.stringify(text)}; expected an address such as udp:127.0.0.1:5090`,
    );
  }
  if (address.transport === "tls") throw new FlagError(`--${name}: TLS is not offered here yet`);
  return address;
}
