// What was received from one RTP source after another on a leg: packets, losses, late ones
// (RFC 3550 §A.1 and §A.3, without the jitter that only a receiver report would need).
import { MAX_DROPOUT, MAX_MISORDER } from "./fork-stream.ts";
import { sequenceDistance } from "./packet.ts";

export class ReceivedCounters {
  ssrc = -1;
  lastAtMs = -1;
  /** Payload octets. */
  bytes = 0;
  #highest = 0;
  #ofSource = 0;
  late = 0;
  /** From strangers, malformed, or of a payload type that was not negotiated. */
  dropped = 0;
  firstAtMs = -1;
  #packetsBefore = 0;
  #lostBefore = 0;
  #cycles = 0;
  #first = 0;

  accept(source: number, sequence: number, payloadBytes: number, nowMs: number): void {
    this.bytes += payloadBytes;
    this.lastAtMs = nowMs;
    const step = sequenceDistance(this.#highest, sequence);
    if (source !== this.ssrc || step > MAX_DROPOUT || step < -MAX_MISORDER) {
      this.#open(source, sequence, nowMs);
      return;
    }
    this.#ofSource += 1;
    if (step > 0) {
      if (sequence < this.#highest) this.#cycles += 65536;
      this.#highest = sequence;
    } else {
      this.late += 1;
    }
  }

  get packets(): number {
    return this.#packetsBefore + this.#ofSource;
  }

  /** Expected less received, over all sources; duplicates can't make it negative. */
  get lost(): number {
    return this.#lostBefore + this.#lostOfSource();
  }

  #open(source: number, sequence: number, nowMs: number): void {
    if (this.firstAtMs < 0) this.firstAtMs = nowMs;
    this.#lostBefore += this.#lostOfSource();
    this.#packetsBefore += this.#ofSource;
    this.ssrc = source;
    this.#cycles = 0;
    this.#first = sequence;
    this.#highest = sequence;
    this.#ofSource = 1;
  }

  #lostOfSource(): number {
    if (this.ssrc < 0) return 0;
    return Math.max(0, this.#cycles + this.#highest - this.#first + 1 - this.#ofSource);
  }
}
