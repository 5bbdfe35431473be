// Waiting for a last answer, but not for ever.
import type { Clock } from "../runtime/types.ts";

/** Resolves with the work, or when the time is over. */
export async function within(clock: Clock, maxMs: number, work: Promise<unknown>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = clock.after(maxMs, resolve);
  await Promise.race([work, over]);
  timer.cancel();
}
