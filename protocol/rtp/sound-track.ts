// A received stream as one sound: each packet is put where its RTP timestamp says (RFC 3550 §5.1),
// so that losses and pauses are silence and late packets still find their place.
import type { Codec } from "../../schemas/media.ts";
import { ReceivedCounters } from "./counters.ts";
import { ALAW_TO_LINEAR, ULAW_TO_LINEAR } from "./g711.ts";
import { type RtpPacket, timestampDistance } from "./packet.ts";
import type { Sound } from "./wav.ts";

export const SAMPLE_RATE_HZ = 8000;
/** One hour: what comes after it is counted, but not kept. */
export const SOUND_MAX_SAMPLES = 3600 * SAMPLE_RATE_HZ;
/** A timestamp further from the clock's time than this is a new beginning of the source's clock. */
const JUMP_MAX_S = 10;
const FIRST_SAMPLES = 30 * SAMPLE_RATE_HZ;

const TABLES: Readonly<Record<string, Int16Array>> = {
  PCMU: ULAW_TO_LINEAR, PCMA: ALAW_TO_LINEAR,
};

export class SoundTrack {
  readonly counters = new ReceivedCounters();
  /** Packets of a codec that can't be decoded here, or past the limit: counted, not heard. */
  undecoded = 0;
  /** The name of the codec that was received last; null before the first packet. */
  codec: string | null = null;
  #samples = new Int16Array(FIRST_SAMPLES);
  #length = 0;
  #source = -1;
  /** Where the packet with the timestamp `#timestamp` stands. */
  #position = 0;
  #timestamp = 0;

  /** `codecs` are those of the SDP, by payload type; false when the packet is none of them. */
  accept(packet: RtpPacket, codecs: readonly Codec[], nowMs: number): boolean {
    const codec = codecs.find((one) => one.payloadType === packet.payloadType);
    if (codec === undefined) {
      this.counters.dropped += 1;
      return false;
    }
    const { ssrc, sequence, payload } = packet;
    this.counters.accept(ssrc, sequence, payload.length, nowMs);
    this.codec = codec.name;
    const table = TABLES[codec.name];
    const position = this.#place(packet, nowMs);
    if (table === undefined || position + payload.length > SOUND_MAX_SAMPLES) this.undecoded += 1;
    else this.#write(table, position, payload);
    return true;
  }

  /** A packet of the stream that is no sound (telephone-event): it has a sequence number too. */
  pass(packet: RtpPacket, nowMs: number): void {
    this.counters.accept(packet.ssrc, packet.sequence, packet.payload.length, nowMs);
  }

  /** What was heard until now, from the first packet on. */
  sound(): Sound {
    return { sampleRate: SAMPLE_RATE_HZ, samples: this.#samples.slice(0, this.#length) };
  }

  get durationMs(): number {
    return (this.#length * 1000) / SAMPLE_RATE_HZ;
  }

  #place(packet: RtpPacket, nowMs: number): number {
    const byClock = ((nowMs - this.counters.firstAtMs) * SAMPLE_RATE_HZ) / 1000;
    const position = this.#position + timestampDistance(this.#timestamp, packet.timestamp);
    const isJump = Math.abs(position - byClock) > JUMP_MAX_S * SAMPLE_RATE_HZ;
    if (packet.ssrc !== this.#source || isJump) {
      // RFC 3550 §5.1: another source's timestamps begin anywhere; only the clock joins them.
      this.#source = packet.ssrc;
      this.#position = Math.max(0, Math.round(byClock));
      this.#timestamp = packet.timestamp;
      return this.#position;
    }
    if (position > this.#position) {
      this.#position = position;
      this.#timestamp = packet.timestamp;
    }
    return position;
  }

  #write(table: Int16Array, position: number, payload: Uint8Array): void {
    // A packet from before the first one has no place; the first one began the sound.
    if (position < 0) return;
    const end = position + payload.length;
    if (end > this.#samples.length) {
      const grown = new Int16Array(Math.min(SOUND_MAX_SAMPLES, Math.max(end, 2 * this.#length)));
      grown.set(this.#samples.subarray(0, this.#length));
      this.#samples = grown;
    }
    for (let i = 0; i < payload.length; i += 1) {
      this.#samples[position + i] = table[payload[i] ?? 0] ?? 0;
    }
    this.#length = Math.max(this.#length, end);
  }
}
