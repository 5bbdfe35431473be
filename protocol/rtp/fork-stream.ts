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

/** In what `keep` returns: the packet carries the marker. */
export const MARKER = 1 << 16;
/** What `keep` returns for a packet that must not be sent. */
export const NOT_KEPT = -1;
/** Another source begins at least one packet after the last of the one before. */
const SPLICE_MIN_MS = 20;
const NO_SOURCE = -1;

export interface ForkStart {
  ssrc: number;
  /** Random, below 2^15 (RFC 4568 §6.4 wants it for SRTP, and it does no harm without). */
  sequence: number;
  timestamp: number;
  clockRate: number;
}

/** `keep` and `filter` see each packet of the source. */
export class ForkTimeline {
  // What each packet needs stands first: side by side in memory, and nothing twice.
  readonly ssrc: number;
  readonly clockRate: number;
  #source = NO_SOURCE;
  #highest: number;
  /** out = in - offset, one more for each packet filtered on purpose. */
  #offset = 0;
  /** out = in + this. */
  timestampOffset = 0;
  /** Of the newest packet that was kept. */
  #inTimestamp: number;
  newestAtMs = -1;
  #markNext = true;
  // Wall clock of the timeline: arrival less timestamp, in ticks, smallest of two windows.
  #extended: number;
  #transit = Number.POSITIVE_INFINITY;
  #transitWindowAtMs = 0;
  #transitBefore = Number.POSITIVE_INFINITY;
  /** Packets of the source that never came. */
  lost = 0;
  /** The source from before a pause: its timestamps go on. */
  #pausedSource = NO_SOURCE;
  #restartAt = -1;
  /**
   * The numbers kept for packets that have not come, by the number they will come with. Only gaps
   * are written down: a stream without loss never touches this. What is late and not in here was
   * sent or filtered before.
   */
  readonly #missing = new Map<number, number>();

  constructor(start: ForkStart) {
    this.ssrc = start.ssrc;
    this.clockRate = start.clockRate;
    // As if the packet before the first had been kept, of a source whose numbers were ours.
    this.#highest = (start.sequence - 1) & 0xffff;
    this.#inTimestamp = start.timestamp;
    this.#extended = start.timestamp;
  }

  /** The sequence number to send with, and MARKER; or NOT_KEPT: a duplicate, or not believed. */
  keep(source: number, inSequence: number, inTimestamp: number, marker: boolean, nowMs: number,
  ): number {
    if (source !== this.#source) {
      this.#splice(source, inSequence, inTimestamp, nowMs);
    } else {
      const step = sequenceDistance(this.#highest, inSequence);
      if (step <= 0 && (step > -MAX_MISORDER || this.#missing.has(inSequence))) {
        return this.#keepLate(inSequence, marker);
      }
      if (step > 0 && step <= MAX_DROPOUT) {
        if (step > 1) this.#reserve(inSequence, step);
      } else if (this.#restarts(inSequence)) {
        this.#splice(source, inSequence, inTimestamp, nowMs);
      } else {
        return NOT_KEPT;
      }
    }
    this.#highest = inSequence;
    this.#advance(inTimestamp, nowMs);
    const marked = marker || this.#markNext;
    this.#markNext = false;
    return ((inSequence - this.#offset) & 0xffff) | (marked ? MARKER : 0);
  }

  /** A packet that is left out on purpose: the next one takes the number it would have had. */
  filter(source: number, inSequence: number): void {
    this.#markNext = true;
    if (source !== this.#source) return;
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
    if (this.#source !== NO_SOURCE) this.#pausedSource = this.#source;
    this.#source = NO_SOURCE;
  }

  /** RFC 3550 §6.4.1: the timestamp of this instant, not of the last packet. */
  timestampAt(nowMs: number): number {
    if (this.newestAtMs < 0) return this.#inTimestamp;
    const transit = Math.min(this.#transit, this.#transitBefore);
    return modulo32(Math.round((nowMs * this.clockRate) / 1000 - transit));
  }

  #advance(inTimestamp: number, nowMs: number): void {
    const ticks = timestampDistance(this.#inTimestamp, inTimestamp);
    if (ticks < 0 || ticks > this.clockRate) this.#checkJump(inTimestamp, ticks, nowMs);
    this.#extended += timestampDistance(this.#inTimestamp, inTimestamp);
    this.#inTimestamp = inTimestamp;
    this.newestAtMs = nowMs;
    const transit = (nowMs * this.clockRate) / 1000 - this.#extended;
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

  #keepLate(inSequence: number, marker: boolean): number {
    const out = this.#missing.get(inSequence);
    if (out === undefined) return NOT_KEPT;
    this.#missing.delete(inSequence);
    this.lost -= 1;
    return out | (marker ? MARKER : 0);
  }

  /** Keeps numbers for the packets between the highest and this one: they may come late. */
  #reserve(inSequence: number, step: number): void {
    this.lost += step - 1;
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
    if (this.newestAtMs < 0) this.#rebase(inTimestamp, 0);
    else if (source !== this.#pausedSource) this.#rebase(inTimestamp, this.#elapsedTicks(nowMs));
    const newest = (this.#highest - this.#offset) & 0xffff;
    this.#offset = (inSequence - newest - 1) & 0xffff;
    this.#source = source;
    this.#pausedSource = NO_SOURCE;
    this.#markNext = true;
    this.#missing.clear();
  }

  #checkJump(inTimestamp: number, ticks: number, nowMs: number): void {
    const elapsed = ((nowMs - this.newestAtMs) * this.clockRate) / 1000;
    if (Math.abs(ticks - elapsed) <= TIMESTAMP_JUMP_MAX_S * this.clockRate) return;
    this.#rebase(inTimestamp, this.#elapsedTicks(nowMs));
    this.#markNext = true;
  }

  #elapsedTicks(nowMs: number): number {
    const elapsedMs = Math.max(SPLICE_MIN_MS, nowMs - this.newestAtMs);
    return Math.round((elapsedMs * this.clockRate) / 1000);
  }

  /** From here on this timestamp of the source comes `ticks` after the newest of ours. */
  #rebase(inTimestamp: number, ticks: number): void {
    const newest = this.#inTimestamp + this.timestampOffset;
    this.timestampOffset = (newest + ticks - inTimestamp) | 0;
    this.#inTimestamp = (inTimestamp - ticks) >>> 0;
  }
}

function modulo32(value: number): number {
  const rest = value % 2 ** 32;
  return rest < 0 ? rest + 2 ** 32 : rest;
}
