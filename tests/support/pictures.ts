// The pictures of the machines in docs/machines: `bun run tests/support/pictures.ts` writes them,
// tests/actors/picture.test.ts compares them.
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { callMachine } from "../../actors/call.machine.ts";
import { callbackMachine } from "../../actors/callback.machine.ts";
import { picture } from "../../actors/picture.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { twimlMachine } from "../../actors/twiml.machine.ts";

export const PICTURES = resolve(import.meta.dir, "../../docs/machines");

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

if (import.meta.main) {
  mkdirSync(PICTURES, { recursive: true });
  for (const [file, text] of Object.entries(machinePictures())) {
    writeFileSync(`${PICTURES}/${file}`, text);
  }
}
