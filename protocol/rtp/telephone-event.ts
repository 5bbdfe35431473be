// Digits as RTP events (RFC 4733 §2.3): event, end bit, volume, duration; and the detector that
// says each key once, whatever is lost of the three packets that end it (§2.5.1.4).
//
//   |     event     |E|R| volume    |          duration             |

import { timestampDistance } from "./packet.ts";

const DIGITS = "0123456789*#ABCD";
const PAYLOAD_BYTES = 4;
/** A packet of an event that began up to this much before the last one is a late one. */
const LATE_TICKS_MAX = 16000;

export interface TelephoneEvent {
  event: number;
  end: boolean;
  volume: number;
  durationTicks: number;
}

export function decodeTelephoneEvent(payload: Uint8Array): TelephoneEvent | null {
  if (payload.length < PAYLOAD_BYTES) return null;
  const flags = payload[1] ?? 0;
  return {
    event: payload[0] ?? 0, end: (flags & 0x80) !== 0, volume: flags & 0x3f,
    durationTicks: ((payload[2] ?? 0) << 8) | (payload[3] ?? 0),
  };
}

export function encodeTelephoneEvent(event: TelephoneEvent): Uint8Array {
  return Uint8Array.of(
    event.event, (event.end ? 0x80 : 0) | (event.volume & 0x3f),
    event.durationTicks >> 8, event.durationTicks,
  );
}

/** Says a key when it is let go; one whose end was lost when the next begins. */
export class DigitDetector {
  #timestamp = -1;
  #digit: string | null = null;

  /** The digits that this packet completes: none, one, or two when an end was lost. */
  push(timestamp: number, payload: Uint8Array): string {
    const event = decodeTelephoneEvent(payload);
    const digit = event === null ? undefined : DIGITS[event.event];
    if (event === null || digit === undefined) return "";
    let done = "";
    const step = timestampDistance(this.#timestamp, timestamp);
    if (this.#timestamp >= 0 && step < 0 && step > -LATE_TICKS_MAX) return "";
    if (timestamp !== this.#timestamp) {
      done = this.#digit ?? "";
      this.#timestamp = timestamp;
      this.#digit = digit;
    }
    if (event.end && this.#digit !== null) {
      done += this.#digit;
      this.#digit = null;
    }
    return done;
  }
}
