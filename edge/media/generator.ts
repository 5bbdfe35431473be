// What a leg hears while nobody speaks to it: ringback or silence as an RTP stream of ours, one
// packet each 20 ms, its timestamps going on while it pauses.
import { RTP_HEADER_BYTES, setSequence, setSsrc, setTimestamp }
  from "../../protocol/rtp/packet.ts";
import { type Law, ringbackPayload, silencePayload, TONE_PACKET_SAMPLES }
  from "../../protocol/rtp/tone.ts";
import type { Codec } from "../../schemas/media.ts";
import { type MediaEnvironment, random32 } from "./environment.ts";
import type { Tap } from "./fork.ts";

export class Generator {
  /** The outbound fork streams of the leg. */
  taps: Tap | null = null;
  /** The codec that it speaks; null: the leg takes no G.711, so nothing can be generated. */
  codec: Codec | null = null;
  readonly #ssrc: number;
  readonly #timestamp: number;
  readonly #packet = new Uint8Array(RTP_HEADER_BYTES + TONE_PACKET_SAMPLES);
  #sequence: number;
  #began = -1;
  #last = -2;

  constructor(env: MediaEnvironment) {
    this.#ssrc = random32(env);
    this.#timestamp = random32(env);
    this.#sequence = random32(env) & 0xffff;
  }

  negotiate(send: Codec[]): void {
    this.codec = send.find((codec) => lawOf(codec) !== null && codec.clockRate === 8000) ?? null;
  }

  /** A tone starts with its first packet. */
  begin(): void {
    this.#began = -1;
  }

  /** The packet of this 20 ms; it may be changed until the next call. */
  next(tick: number, ringing: boolean): Uint8Array | null {
    const law = this.codec === null ? null : lawOf(this.codec);
    if (this.codec === null || law === null) return null;
    if (this.#began < 0) this.#began = tick;
    const p = this.#packet;
    p[0] = 0x80;
    p[1] = this.codec.payloadType | (tick === this.#last + 1 ? 0 : 0x80);
    this.#last = tick;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    setSequence(p, this.#sequence);
    setTimestamp(p, this.#timestampOf(tick));
    setSsrc(p, this.#ssrc);
    p.set(ringing ? ringbackPayload(law, tick - this.#began) : silencePayload(law),
      RTP_HEADER_BYTES);
    return p;
  }

  fork(p: Uint8Array, nowMs: number): void {
    const marked = ((p[1] ?? 0) & 0x80) !== 0;
    const type = this.codec?.payloadType ?? 0;
    for (let tap = this.taps; tap !== null; tap = tap.next) {
      tap.fork.forward(tap, p, RTP_HEADER_BYTES, type, marked, this.#sequence,
        this.#timestampOf(this.#last), this.#ssrc, nowMs);
    }
  }

  #timestampOf(tick: number): number {
    return (this.#timestamp + tick * TONE_PACKET_SAMPLES) % 2 ** 32;
  }
}

function lawOf(codec: Codec): Law | null {
  const name = codec.name.toUpperCase();
  return name === "PCMU" || name === "PCMA" ? name : null;
}
