import type { Clock, Timer } from "../../edge/runtime/types.ts";

interface Waiting {
  at: number;
  ordinal: number;
  callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = 1000;
  #ordinal = 0;
  readonly #waiting = new Set<Waiting>();

  monotonicMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const waiting = { at: this.#now + Math.max(0, delayMs), ordinal: ++this.#ordinal, callback };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** How many timers run. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Fires what is due on the way, in order; promises settle after each. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs;
    await settled();
    for (;;) {
      const next = this.#next(end);
      if (next === null) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settled();
    }
    this.#now = end;
    await settled();
  }

  #next(end: number): Waiting | null {
    let first: Waiting | null = null;
    for (const each of this.#waiting) {
      if (each.at > end) continue;
      const isSooner = first === null || each.at < first.at ||
        each.at === first.at && each.ordinal < first.ordinal;
      if (isSooner) first = each;
    }
    return first;
  }
}

/** Enough turns for promises that wait for promises; no timer is involved. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
