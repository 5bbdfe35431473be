// The sequence numbers and timestamps of a fork stream: we are an RTP endpoint towards the SRS
// (RFC 7866 §8.2.3), so the numbers are ours. What the source lost stays a visible gap; what we
// filter on purpose (digits, comfort noise the SRS can't take) closes up.
import { sequenceDistance, timestampDistance } from "./packet.ts";

/** How far back a late packet still finds the number that was kept for it. */
export const FORK_WINDOW_PACKETS = 512;
/** RFC 3550 §A.1. */
export const MAX_DROPOUT = 3000;
export const MAX_MISORDER = 100;
/** The transit time is the smallest of this long a window and the one before it. */
export const TRANSIT_WINDOW_MS = 8000;
/** An in-order packet whose timestamp is this far from real time restarts the timeline. */
export const TIMESTAMP_JUMP_MAX_S = 2;

export interface ForkStart {
  ssrc: number;
  /** Random, below 2^15 (RFC 4568 §6.4 wants it for SRTP, and it does no harm without). */
  sequence: number;
  timestamp: number;
  clockRate: number;
}

/** `keep` and `filter` see each packet of the source; after a true `keep` the out fields hold. */
export class ForkTimeline {
  readonly ssrc: number;
  readonly clockRate: number;
  outSequence: number;
  outTimestamp: number;
  outMarker = true;
  /** Numbers used up, from the first to the newest: less the packets sent, what was lost. */
  span = 0;

  #source = -1;
  #highest = 0;
  /** out = in - offset, one more for each packet filtered on purpose. */
  #offset = 0;
  #timestampOffset = 0;
  #lastInTimestamp = 0;
  /** Sequence number and timestamp of the newest packet that was kept. */
  #newestSequence: number;
  #newestTimestamp: number;
  #newestAtMs = 0;
  #stepTicks = 0;
  #markNext = true;
  #paused = false;
  #restartAt = -1;
  /**
   * The numbers kept for packets that have not come, by the number they will come with. Only gaps
   * are written down: a stream without loss never touches this. What is late and not in here was
   * sent or filtered before.
   */
  readonly #missing = new Map<number, number>();

  // Wall clock of the timeline: arrival less timestamp, in ticks, smallest of two windows.
  #extended: number;
  #transit = Number.POSITIVE_INFINITY;
  #transitBefore = Number.POSITIVE_INFINITY;
  #transitWindowAtMs = 0;
  readonly #ticksPerMs: number;

  constructor(start: ForkStart) {
    this.ssrc = start.ssrc;
    this.clockRate = start.clockRate;
    this.#ticksPerMs = start.clockRate / 1000;
    this.#newestSequence = (start.sequence - 1) & 0xffff;
    this.#newestTimestamp = start.timestamp;
    this.outSequence = start.sequence;
    this.outTimestamp = start.timestamp;
    this.#extended = start.timestamp;
  }

  get started(): boolean {
    return this.#source >= 0;
  }

  /** False: a duplicate, too late, or not believed yet; it must not be sent. */
  keep(source: number, inSequence: number, inTimestamp: number, marker: boolean, nowMs: number,
  ): boolean {
    if (source !== this.#source || this.#paused) {
      this.#splice(source, inSequence, inTimestamp, nowMs);
    } else {
      const step = sequenceDistance(this.#highest, inSequence);
      if (step <= 0 && (step > -MAX_MISORDER || this.#missing.has(inSequence))) {
        return this.#keepLate(inSequence, inTimestamp, marker);
      }
      if (step > 0 && step <= MAX_DROPOUT) {
        if (step > 1) this.#reserve(inSequence, step);
        const ticks = timestampDistance(this.#lastInTimestamp, inTimestamp);
        if (ticks < 0 || ticks > this.clockRate) this.#checkJump(inTimestamp, ticks, nowMs);
        else if (step === 1) this.#stepTicks = ticks;
      } else if (!this.#restarts(inSequence)) {
        return false;
      } else {
        this.#splice(-1, inSequence, inTimestamp, nowMs);
        this.#source = source;
      }
    }
    this.#advance(inSequence, inTimestamp, nowMs);
    this.outMarker = marker || this.#markNext;
    this.#markNext = false;
    return true;
  }

  /** A packet that is left out on purpose: the next one takes the number it would have had. */
  filter(source: number, inSequence: number): void {
    this.#markNext = true;
    if (source !== this.#source || this.#paused) return;
    const step = sequenceDistance(this.#highest, inSequence);
    if (step <= 0) {
      // Its number was kept for it and is behind us: a gap now, as if it had been lost.
      this.#missing.delete(inSequence);
      return;
    }
    if (step > MAX_DROPOUT) return;
    if (step > 1) this.#reserve(inSequence, step);
    this.#highest = inSequence;
    this.#offset = (this.#offset + 1) & 0xffff;
  }

  /** Nothing is sent for a while: the numbers go on without a gap, the timestamps at true time. */
  pause(): void {
    this.#paused = true;
  }

  /** RFC 3550 §6.4.1: the timestamp of this instant, not of the last packet. */
  timestampAt(nowMs: number): number {
    if (!this.started) return this.#newestTimestamp;
    const transit = Math.min(this.#transit, this.#transitBefore);
    return modulo32(Math.round(nowMs * this.#ticksPerMs - transit));
  }

  #advance(inSequence: number, inTimestamp: number, nowMs: number): void {
    const out = (inSequence - this.#offset) & 0xffff;
    const outTimestamp = (inTimestamp + this.#timestampOffset) >>> 0;
    this.#highest = inSequence;
    this.#lastInTimestamp = inTimestamp;
    this.#extended += timestampDistance(this.#newestTimestamp, outTimestamp);
    this.span += (out - this.#newestSequence) & 0xffff;
    this.#newestSequence = out;
    this.#newestTimestamp = outTimestamp;
    this.#newestAtMs = nowMs;
    this.outSequence = out;
    this.outTimestamp = outTimestamp;
    const transit = nowMs * this.#ticksPerMs - this.#extended;
    if (nowMs - this.#transitWindowAtMs > TRANSIT_WINDOW_MS) this.#turnWindow(transit, nowMs);
    else if (transit < this.#transit) this.#transit = transit;
  }

  #turnWindow(transit: number, nowMs: number): void {
    const stale = nowMs - this.#transitWindowAtMs > 2 * TRANSIT_WINDOW_MS;
    this.#transitBefore = stale ? transit : this.#transit;
    this.#transit = transit;
    this.#transitWindowAtMs = nowMs;
    this.#forgetOld(this.#highest);
  }

  #keepLate(inSequence: number, inTimestamp: number, marker: boolean): boolean {
    const out = this.#missing.get(inSequence);
    if (out === undefined) return false;
    this.#missing.delete(inSequence);
    this.outSequence = out;
    this.outTimestamp = (inTimestamp + this.#timestampOffset) >>> 0;
    this.outMarker = marker;
    return true;
  }

  /** Keeps numbers for the packets between the highest and this one: they may come late. */
  #reserve(inSequence: number, step: number): void {
    this.#forgetOld(inSequence);
    for (let back = Math.min(step - 1, FORK_WINDOW_PACKETS); back > 0; back -= 1) {
      const missing = (inSequence - back) & 0xffff;
      this.#missing.set(missing, (missing - this.#offset) & 0xffff);
    }
  }

  /** What has left the window: the same number means another packet when it comes again. */
  #forgetOld(highest: number): void {
    for (const old of this.#missing.keys()) {
      const back = sequenceDistance(old, highest);
      if (back > FORK_WINDOW_PACKETS || back < 0) this.#missing.delete(old);
    }
  }

  /** RFC 3550 §A.1: two packets in sequence far from the others mean that the source restarted. */
  #restarts(inSequence: number): boolean {
    const believed = inSequence === this.#restartAt;
    this.#restartAt = believed ? -1 : (inSequence + 1) & 0xffff;
    return believed;
  }

  /** Another source, or the same after a pause: the next number, the timestamp of real time. */
  #splice(source: number, inSequence: number, inTimestamp: number, nowMs: number): void {
    const first = !this.started;
    if (first || source !== this.#source) {
      this.#timestampOffset = first
        ? (this.#newestTimestamp - inTimestamp) | 0
        : this.#offsetByElapsed(inTimestamp, nowMs);
    }
    this.#source = source;
    this.#paused = false;
    this.#markNext = true;
    this.#offset = (inSequence - this.#newestSequence - 1) & 0xffff;
    this.#missing.clear();
  }

  #checkJump(inTimestamp: number, ticks: number, nowMs: number): void {
    const elapsed = (nowMs - this.#newestAtMs) * this.#ticksPerMs;
    if (Math.abs(ticks - elapsed) <= TIMESTAMP_JUMP_MAX_S * this.clockRate) return;
    this.#timestampOffset = this.#offsetByElapsed(inTimestamp, nowMs);
    this.#markNext = true;
  }

  #offsetByElapsed(inTimestamp: number, nowMs: number): number {
    // At least one packet further, or two would overlap when the new source's clock is ahead.
    const elapsed = Math.round((nowMs - this.#newestAtMs) * this.#ticksPerMs);
    return (this.#newestTimestamp + Math.max(elapsed, this.#stepTicks) - inTimestamp) | 0;
  }
}

function modulo32(value: number): number {
  const rest = value % 2 ** 32;
  return rest < 0 ? rest + 2 ** 32 : rest;
}
