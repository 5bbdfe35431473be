// The `deadline` port: tells a machine once that the wall clock has reached a time. Timers are
// short ones on the monotonic clock, so that a wall clock that is set does not fire them early.
import { fromCallback } from "xstate";
import type { Clock, Timer } from "../runtime/types.ts";

/** Longer waits are looked at again: timers of the runtimes end at 2^31 ms. */
const LOOK_AGAIN_MS = 3_600_000;
/** From here on a time means never (Number.MAX_SAFE_INTEGER in a machine's context). */
const NEVER_AT = 8_640_000_000_000_000;

export const deadlineOf = (clock: Clock) =>
  fromCallback<{ type: "none" }, { at: number }>(({ input, sendBack }) => {
    if (input.at >= NEVER_AT) return;
    let timer: Timer | null = null;
    const look = (): void => {
      const leftMs = input.at - clock.wallMs();
      if (leftMs <= 0) sendBack({ type: "deadline", at: clock.wallMs() });
      else timer = clock.after(Math.min(leftMs, LOOK_AGAIN_MS), look);
    };
    const leftMs = input.at - clock.wallMs();
    // Never within the transition that invokes it: a machine must have settled first.
    timer = clock.after(Math.max(0, Math.min(leftMs, LOOK_AGAIN_MS)), look);
    return () => timer?.cancel();
  });
