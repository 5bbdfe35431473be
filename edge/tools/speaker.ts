// The mouth of a phone: one packet each 20 ms, of what is to be said or of silence.
import { alawEncode, ulawEncode } from "../../protocol/rtp/g711.ts";
import { encodeRtp } from "../../protocol/rtp/packet.ts";
import { encodeTelephoneEvent } from "../../protocol/rtp/telephone-event.ts";
import { resample, type Sound } from "../../protocol/rtp/wav.ts";
import type { Codec } from "../../schemas/media.ts";
import type { Clock, Random, Timer } from "../runtime/types.ts";

const PACKET_MS = 20;
const PACKET_SAMPLES = 160;
const SAMPLE_RATE_HZ = 8000;
const DIGITS = "0123456789*#ABCD";
/** A key is held for this many packets; its last one is sent three times (RFC 4733 §2.5.1.4). */
const DIGIT_PACKETS = 5;
const DIGIT_END_PACKETS = 3;
const DIGIT_VOLUME = 10;
/** After a stall (a stopped process) the packets of at most this long are sent at once. */
const CATCH_UP_MAX_MS = 200;

export interface SpeakerOptions {
  clock: Clock;
  random: Random;
  /** Each packet, ready for the wire. */
  send: (bytes: Uint8Array) => void;
}

interface Saying {
  samples: Int16Array;
  at: number;
  done: () => void;
}

interface Key {
  event: number;
  packets: number;
  timestamp: number;
}

export class Speaker {
  packets = 0;
  readonly ssrc: number;
  #codec: Codec | null = null;
  #event: Codec | null = null;
  #sequence: number;
  #timestamp: number;
  #timer: Timer | null = null;
  #nextAt = 0;
  #queue: Saying[] = [];
  #keys: Key[] = [];

  constructor(private readonly options: SpeakerOptions) {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = options.random(8);
    this.ssrc = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    this.#sequence = (e << 8) | f;
    this.#timestamp = ((g << 24) | (h << 16)) >>> 0;
  }

  /** The RTP timestamp of now, for sender reports. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** Begins, or goes on with another codec; `event` is telephone-event where it was negotiated. */
  start(codec: Codec, event: Codec | null): void {
    this.#codec = codec;
    this.#event = event;
    if (this.#timer !== null) return;
    this.#nextAt = this.options.clock.monotonicMs();
    this.#tick();
  }

  /** On hold: nothing goes out. What was to be said waits. */
  pause(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Ends; what was not said counts as said. */
  stop(): void {
    this.pause();
    for (const saying of this.#queue.splice(0)) saying.done();
  }

  /** Says a sound after what is being said; done when its last packet has gone out. */
  say(sound: Sound): Promise<void> {
    const { samples } = resample(sound, SAMPLE_RATE_HZ);
    return new Promise((done) => this.#queue.push({ samples, at: 0, done }));
  }

  /** Presses keys, one after the other; characters that are no keys are left out. */
  press(digits: string): void {
    for (const digit of digits.toUpperCase()) {
      const event = DIGITS.indexOf(digit);
      if (event >= 0) this.#keys.push({ event, packets: 0, timestamp: -1 });
    }
  }

  #tick(): void {
    const now = this.options.clock.monotonicMs();
    if (now - this.#nextAt > CATCH_UP_MAX_MS) this.#nextAt = now;
    while (this.#nextAt <= now) {
      this.#sendNext();
      this.#nextAt += PACKET_MS;
    }
    const wait = this.#nextAt - this.options.clock.monotonicMs();
    this.#timer = this.options.clock.after(wait, () => this.#tick());
  }

  #sendNext(): void {
    const codec = this.#codec;
    if (codec === null) return;
    const [key] = this.#keys;
    if (key !== undefined && this.#event !== null) this.#sendKey(key, this.#event);
    else this.#sendSound(codec);
    this.#timestamp = (this.#timestamp + PACKET_SAMPLES) >>> 0;
  }

  #sendSound(codec: Codec): void {
    const samples = new Int16Array(PACKET_SAMPLES);
    const [saying] = this.#queue;
    if (saying !== undefined) {
      samples.set(saying.samples.subarray(saying.at, saying.at + PACKET_SAMPLES));
      saying.at += PACKET_SAMPLES;
    }
    const payload = codec.name === "PCMA" ? alawEncode(samples) : ulawEncode(samples);
    this.#send(codec.payloadType, this.packets === 0, this.#timestamp, payload);
    if (saying === undefined || saying.at < saying.samples.length) return;
    this.#queue.shift();
    saying.done();
  }

  // RFC 4733 §2.5.1: every packet of a key bears the timestamp of its beginning.
  #sendKey(key: Key, codec: Codec): void {
    if (key.packets === 0) key.timestamp = this.#timestamp;
    key.packets += 1;
    const held = Math.min(key.packets, DIGIT_PACKETS);
    const payload = encodeTelephoneEvent({
      event: key.event, end: key.packets > DIGIT_PACKETS, volume: DIGIT_VOLUME,
      durationTicks: held * PACKET_SAMPLES,
    });
    this.#send(codec.payloadType, key.packets === 1, key.timestamp, payload);
    if (key.packets === DIGIT_PACKETS + DIGIT_END_PACKETS) this.#keys.shift();
  }

  #send(payloadType: number, marker: boolean, timestamp: number, payload: Uint8Array): void {
    const { ssrc } = this;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) & 0xffff;
    this.packets += 1;
    this.options.send(encodeRtp({
      payloadType, marker, sequence, timestamp, ssrc, csrcs: [], payload,
    }));
  }
}
