import { describe, expect, test } from "bun:test";
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { callMachine } from "../../actors/call.machine.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { seeded } from "../support/seeded.ts";
import { Walk } from "./walk.ts";

const WALKS = Number(process.env["WALKS"] ?? 150);
const STEPS_MAX = 60;
const SEED = process.env["SEED"];

/** Every state that holds no other: each must be come to. */
function leavesOf(machine: AnyStateMachine): string[] {
  const leaves = (node: AnyStateNode): string[] => {
    const inner = Object.values(node.states);
    return inner.length === 0 ? [`${machine.id} ${node.path.join(".")}`] : inner.flatMap(leaves);
  };
  return leaves(machine.root).sort();
}

function walked(seed: number): Walk {
  const walk = new Walk(seeded(seed));
  try {
    const random = seeded(seed ^ 0x5eed);
    const steps = random.below(STEPS_MAX);
    for (let step = 0; step < steps && !walk.isOver; step += 1) walk.step();
    if (!walk.isOver) walk.finish();
  } catch (error) {
    const what = error instanceof Error ? error.stack : String(error);
    throw new Error(`SEED=${seed}: ${what}\n${walk.trail.join("\n")}`);
  }
  return walk;
}

describe("a call and its sessions in a world of chance", () => {
  test("keep what must hold at all times, and come to an end with nothing left", () => {
    const visited = new Set<string>();
    const seeds = SEED === undefined ? Array.from({ length: WALKS }, (_, at) => at + 1)
      : [Number(SEED)];
    for (const seed of seeds) for (const state of walked(seed).visited) visited.add(state);
    if (SEED !== undefined) return;
    expect([...visited].sort()).toEqual([...leavesOf(callMachine), ...leavesOf(siprecMachine)]);
  });
});
