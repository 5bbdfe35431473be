// A promise that is waited for no longer than it is worth.

import type { Clock } from "../runtime/types.ts";

/** Rejects with that sentence when the time is over; what comes of `work` then is dropped. */
export async function within<T>(
  clock: Clock, timeoutMs: number, work: Promise<T>, sentence: string,
): Promise<T> {
  const silence = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () => silence.reject(new Error(sentence)));
  try {
    return await Promise.race([work, silence.promise]);
  } finally {
    timer.cancel();
  }
}
