// How long to wait before a process that has ended is started again.
import type { Clock } from "../runtime/types.ts";

const FIRST_MS = 100;
const MOST_MS = 5_000;
/** One that has run for this long starts from the first delay again. */
const STEADY_MS = 30_000;

export class BackOff {
  private failures = 0;
  private startedMs: number;

  constructor(private readonly clock: Clock) {
    this.startedMs = clock.monotonicMs();
  }

  started(): void {
    this.startedMs = this.clock.monotonicMs();
  }

  /** The delay before the next start; twice as long each time. */
  next(): number {
    if (this.clock.monotonicMs() - this.startedMs >= STEADY_MS) this.failures = 0;
    const delayMs = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(this.failures, 16));
    this.failures += 1;
    return delayMs;
  }
}
