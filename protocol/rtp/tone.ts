// Ringback as North America hears it: 440 and 480 Hz together, 2 s on and 4 s off, in packets of
// 20 ms. Both tones repeat after 200 samples, so five different payloads hold the whole tone.
import { ALAW_SILENCE, alawEncode, ULAW_SILENCE, ulawEncode } from "./g711.ts";

export type Law = "PCMU" | "PCMA";

export const TONE_PACKET_SAMPLES = 160;
const SAMPLE_RATE_HZ = 8000;
const PERIOD_SAMPLES = 200;
const PHASES = 5;
const CADENCE_PACKETS = 300;
const CADENCE_ON_PACKETS = 100;
/** -19 dBm0 each, where 3.14 dBm0 is a sine of full scale. */
const AMPLITUDE = 32767 * 10 ** ((-19 - 3.14) / 20);

const silence = {
  PCMU: new Uint8Array(TONE_PACKET_SAMPLES).fill(ULAW_SILENCE),
  PCMA: new Uint8Array(TONE_PACKET_SAMPLES).fill(ALAW_SILENCE),
};
const ringback = { PCMU: phases(ulawEncode), PCMA: phases(alawEncode) };

/** A payload that must not be written to: everybody shares it. */
export const silencePayload = (law: Law): Uint8Array => silence[law];

/** The payload of the n-th packet of 20 ms since the tone began. */
export function ringbackPayload(law: Law, packet: number): Uint8Array {
  if (packet % CADENCE_PACKETS >= CADENCE_ON_PACKETS) return silence[law];
  return ringback[law][packet % PHASES] ?? silence[law];
}

function phases(encode: (samples: Int16Array) => Uint8Array): Uint8Array[] {
  return Array.from({ length: PHASES }, (_, phase) =>
    encode(Int16Array.from({ length: TONE_PACKET_SAMPLES }, (_, i) =>
      toneSample((phase * TONE_PACKET_SAMPLES + i) % PERIOD_SAMPLES))));
}

function toneSample(at: number): number {
  const turn = (2 * Math.PI * at) / SAMPLE_RATE_HZ;
  return AMPLITUDE * (Math.sin(440 * turn) + Math.sin(480 * turn));
}
