// The pictures of the machines in docs/machines and in the README: this file, run by bun, writes
// them, and tests/actors/picture.test.ts compares them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { callMachine } from "../../actors/call.machine.ts";
import { callbackMachine } from "../../actors/callback.machine.ts";
import { picture } from "../../actors/picture.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { twimlMachine } from "../../actors/twiml.machine.ts";

export const PICTURES = resolve(import.meta.dir, "../../docs/machines");

export const README = resolve(import.meta.dir, "../../README.md");

const never = (): boolean => false;

/** File names of PICTURES and what they hold. */
export const machinePictures = (): Record<string, string> => ({
  "call.md": picture(callMachine, {
    title: "The call machine",
    isRaised: (type) => type.startsWith("leg."),
  }),
  "siprec.md": picture(siprecMachine, {
    title: "The siprec machine",
    isRaised: (type) => type.startsWith("srs."),
  }),
  "twiml.md": picture(twimlMachine, { title: "The twiml machine", isRaised: never }),
  "callback.md": picture(callbackMachine, { title: "The callback machine", isRaised: never }),
});

const BETWEEN = /(<!-- picture:siprec -->\n)[^]*?(<!-- \/picture -->)/;

/** The README with the diagram of the siprec machine as it is, between its marks. */
export function pictured(readme: string): string {
  const diagram = /```mermaid\n[^]*?```\n/.exec(machinePictures()["siprec.md"] ?? "")?.[0] ?? "";
  return readme.replace(BETWEEN, (_, before: string, after: string) => before + diagram + after);
}

if (import.meta.main) {
  writeFileSync(README, pictured(readFileSync(README, "utf8")));
  mkdirSync(PICTURES, { recursive: true });
  for (const [file, text] of Object.entries(machinePictures())) {
    writeFileSync(`${PICTURES}/${file}`, text);
  }
}
