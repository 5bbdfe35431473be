import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setup } from "xstate";
import { picture } from "../../actors/picture.ts";
import { machinePictures, pictured, PICTURES, README } from "../support/pictures.ts";

const lamp = setup({
  types: {
    context: {} as { broken: boolean }, events: {} as { type: "on" | "off" | "lamp.tired" },
  },
  guards: { isBroken: ({ context }) => context.broken },
  actions: { hum: () => {} },
}).createMachine({
  id: "lamp",
  context: { broken: false },
  initial: "dark",
  on: { "*": {}, off: { actions: "hum" } },
  states: {
    dark: {
      description: "No | light.",
      on: { on: [{ guard: "isBroken", target: "gone" }, { target: "lit-up" }], off: {} },
    },
    "lit-up": {
      description: "Light.",
      initial: "bright",
      always: { guard: "isBroken", target: "gone" },
      on: { off: "dark", "lamp.tired": "dark" },
      states: { bright: {} },
    },
    gone: { type: "final" },
  },
});

describe("the picture of a machine", () => {
  const text = picture(lamp, { title: "A lamp", isRaised: (type) => type.startsWith("lamp.") });
  const lines = text.split("\n").map((line) => line.trim());

  test("states stand within their parents, and names with hyphens have an id without", () => {
    const at = lines.indexOf('state "lit-up" as lit_up {');
    expect(lines.slice(at, at + 4)).toEqual([
      'state "lit-up" as lit_up {', "[*] --> lit_up_bright",
      'state "bright" as lit_up_bright', "}",
    ]);
    expect(lines).toContain("[*] --> dark");
    expect(lines).toContain("gone --> [*]");
  });

  test("one arrow bears all that leads there; raised events are in parentheses", () => {
    expect(lines.filter((line) => line.startsWith("lit_up --> dark"))).toEqual([
      "lit_up --> dark : off, (lamp.tired)",
    ]);
  });

  test("guards are in brackets, alone where no event is waited for", () => {
    expect(lines).toContain("dark --> gone : on [isBroken]");
    expect(lines).toContain("lit_up --> gone : [isBroken]");
  });

  test("descriptions and what changes no state are in the table below", () => {
    expect(lines).toContain("| `dark` | No \\| light. |  | off |");
    expect(lines).toContain("In every state it also takes: off.");
  });
});

test("the README shows the siprec machine as it is (bun run tests/support/pictures.ts)", () => {
  const readme = readFileSync(README, "utf8");
  expect(readme).toContain("stateDiagram-v2");
  expect(pictured(readme)).toBe(readme);
});

describe("docs/machines", () => {
  for (const [file, text] of Object.entries(machinePictures())) {
    test(`${file} shows the machine as it is (bun run tests/support/pictures.ts)`, () => {
      const path = `${PICTURES}/${file}`;
      expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(text);
    });

    test(`${file} names every guard: a condition without a name says nothing`, () => {
      expect(text).not.toContain("[condition]");
    });
  }

  test("holds nothing else", () => {
    expect(readdirSync(PICTURES).sort()).toEqual(Object.keys(machinePictures()).sort());
  });
});
