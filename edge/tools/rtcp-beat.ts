// The beat of a tool's RTCP: a few seconds apart and never in step with others (RFC 3550 §6.2).
import type { Clock, Random, Timer } from "../runtime/types.ts";

const FIRST_MS = 1000;
const INTERVAL_MS = 5000;

/** Calls back until it is cancelled. */
export function beatRtcp(clock: Clock, random: Random, callback: () => void): Timer {
  // §6.3.1: between half and one and a half of the interval.
  const wait = (ms: number): number => ms * (0.5 + (random(1)[0] ?? 0) / 255);
  let timer = clock.after(wait(FIRST_MS), beat);
  function beat(): void {
    callback();
    timer = clock.after(wait(INTERVAL_MS), beat);
  }
  return { cancel: () => timer.cancel() };
}
