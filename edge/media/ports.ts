// Port pairs (RFC 3550 §11: RTP even, RTCP the next one). The order is random, the pair that has
// been free longest goes first and rests before it is lent again, so that late packets of an ended
// call reach nobody.
import type { Clock, Random } from "../runtime/types.ts";

export interface PortPoolOptions {
  /** First and last port, both included. */
  range: [first: number, last: number];
  restMs: number;
  clock: Clock;
  random: Random;
}

export class PortPool {
  readonly all: number;
  readonly #clock: Clock;
  readonly #restMs: number;
  /** RTP ports, longest free first, as a ring; beside each the time from which it may be lent. */
  readonly #ring: Uint16Array;
  readonly #readyAtMs: Float64Array;
  #head = 0;
  #free: number;

  constructor(options: PortPoolOptions) {
    const first = options.range[0] + (options.range[0] % 2);
    this.all = Math.max(0, Math.floor((options.range[1] - first + 1) / 2));
    this.#clock = options.clock;
    this.#restMs = options.restMs;
    this.#ring = shuffled(this.all, first, options.random);
    this.#readyAtMs = new Float64Array(this.all).fill(Number.NEGATIVE_INFINITY);
    this.#free = this.all;
  }

  /** Pairs that are not lent, resting ones too. */
  get free(): number {
    return this.#free;
  }

  /** The RTP port of a pair; null: all are lent or resting. */
  lend(): number | null {
    const readyAtMs = this.#readyAtMs[this.#head];
    if (this.#free === 0 || readyAtMs === undefined) return null;
    if (readyAtMs > this.#clock.monotonicMs()) return null;
    const port = this.#ring[this.#head] ?? null;
    this.#head = (this.#head + 1) % this.all;
    this.#free -= 1;
    return port;
  }

  giveBack(port: number): void {
    const tail = (this.#head + this.#free) % this.all;
    this.#ring[tail] = port;
    this.#readyAtMs[tail] = this.#clock.monotonicMs() + this.#restMs;
    this.#free += 1;
  }
}

function shuffled(pairs: number, first: number, random: Random): Uint16Array {
  const ring = Uint16Array.from({ length: pairs }, (_, i) => first + 2 * i);
  const bytes = random(4 * pairs);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = pairs - 1; i > 0; i -= 1) {
    const other = words.getUint32(4 * i) % (i + 1);
    [ring[i], ring[other]] = [ring[other] ?? 0, ring[i] ?? 0];
  }
  return ring;
}

/** The n-th of equal shares of a range; every share begins with an even port. */
export function shareOfPorts(
  range: { min: number; max: number }, shares: number, index: number,
): [first: number, last: number] {
  const first = range.min + (range.min % 2);
  const pairs = Math.floor((range.max - first + 1) / 2 / Math.max(1, shares));
  const start = first + 2 * pairs * (shares === 0 ? 0 : index % shares);
  return [start, start + 2 * pairs - 1];
}
