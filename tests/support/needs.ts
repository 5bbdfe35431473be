// Tests that need a program of the system: run where it is installed, else skipped with its name.
import { test } from "bun:test";

/** The Debian package that brings each program. */
const PACKAGES = {
  "nats-server": "nats-server",
  cc: "gcc",
  sipp: "sip-tester",
  tshark: "tshark",
  xmllint: "libxml2-utils",
} as const;

export type Program = keyof typeof PACKAGES;

type Test = (name: string, body: () => void | Promise<void>, timeoutMs?: number) => void;

/** The program's path; Debian's sbin folders are not in the PATH of ordinary users. */
export function programPath(program: Program): string | null {
  const path = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin`;
  return Bun.which(program, { PATH: path });
}

/** For what is started before tests that need these. */
export const has = (...programs: Program[]): boolean =>
  programs.every((program) => programPath(program) !== null);

/** `needs("sipp")("a caller hears ringback", …)`: like `test`, skipped when a program is absent. */
export function needs(...programs: Program[]): Test {
  const absent = programs.filter((program) => programPath(program) === null);
  if (absent.length === 0) return (name, body, timeoutMs) => test(name, body, timeoutMs);
  const packages = absent.map((program) => PACKAGES[program]).join(" ");
  return (name, body) => test.skip(`${name} [needs ${absent.join(", ")}: ${packages}]`, body);
}
