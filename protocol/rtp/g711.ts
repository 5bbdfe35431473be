// G.711 µ-law and A-law (ITU-T G.711; RFC 3551 §4.5.14) as tables: to and from 16-bit linear, and
// from one law straight to the other, which is the only transcoding that this product does.

const SAMPLE_MAX = 32767;
const ULAW_BIAS = 132;
const ULAW_CLIP = 32635;

/** The octets that decode to (nearly) nothing: what silence is made of. */
export const ULAW_SILENCE = 0xff;
export const ALAW_SILENCE = 0xd5;

/** Linear 16-bit sample of each µ-law octet. */
export const ULAW_TO_LINEAR = Int16Array.from({ length: 256 }, (_, octet) => ulawSample(octet));
/** Linear 16-bit sample of each A-law octet. */
export const ALAW_TO_LINEAR = Int16Array.from({ length: 256 }, (_, octet) => alawSample(octet));
/** The A-law octet nearest to each µ-law octet. */
export const ULAW_TO_ALAW = Uint8Array.from(ULAW_TO_LINEAR, (sample) => alawOctet(sample));
/** The µ-law octet nearest to each A-law octet. */
export const ALAW_TO_ULAW = Uint8Array.from(ALAW_TO_LINEAR, (sample) => ulawOctet(sample));

/** Linear samples of µ-law octets. */
export function ulawDecode(octets: Uint8Array): Int16Array {
  return decodeBy(ULAW_TO_LINEAR, octets);
}

/** Linear samples of A-law octets. */
export function alawDecode(octets: Uint8Array): Int16Array {
  return decodeBy(ALAW_TO_LINEAR, octets);
}

/** µ-law octets of linear 16-bit samples. */
export function ulawEncode(samples: Int16Array): Uint8Array {
  const octets = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) octets[i] = ulawOctet(samples[i] ?? 0);
  return octets;
}

/** A-law octets of linear 16-bit samples. */
export function alawEncode(samples: Int16Array): Uint8Array {
  const octets = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) octets[i] = alawOctet(samples[i] ?? 0);
  return octets;
}

/** Translates octets from `start` to `end` in place by one of the law-to-law tables. */
export function translate(octets: Uint8Array, start: number, end: number, table: Uint8Array): void {
  for (let i = start; i < end; i += 1) octets[i] = table[octets[i] ?? 0] ?? 0;
}

function decodeBy(table: Int16Array, octets: Uint8Array): Int16Array {
  const samples = new Int16Array(octets.length);
  for (let i = 0; i < octets.length; i += 1) samples[i] = table[octets[i] ?? 0] ?? 0;
  return samples;
}

// µ-law octet, all bits inverted on the wire: sign, three bits of segment, four of step.
function ulawSample(octet: number): number {
  const bits = ~octet & 0xff;
  const magnitude = (((bits & 0x0f) << 3) + ULAW_BIAS << ((bits >> 4) & 7)) - ULAW_BIAS;
  return (bits & 0x80) === 0 ? magnitude : -magnitude;
}

function ulawOctet(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const biased = Math.min(Math.abs(sample), ULAW_CLIP) + ULAW_BIAS;
  const segment = Math.max(0, 24 - Math.clz32(biased));
  return ~(sign | (segment << 4) | ((biased >> (segment + 3)) & 0x0f)) & 0xff;
}

// A-law octet, even bits inverted on the wire: the sign bit is set for positive samples. Segment 0
// is linear with segment 1's step; the half step puts the sample in the middle of its interval.
function alawSample(octet: number): number {
  const bits = octet ^ 0x55;
  const segment = (bits >> 4) & 7;
  const step = ((bits & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 256) << (segment - 1);
  return (bits & 0x80) === 0 ? -magnitude : magnitude;
}

function alawOctet(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80;
  // -1 and 0 share the first step of their own side: the negative side counts from -1.
  const magnitude = Math.min(sample < 0 ? -1 - sample : sample, SAMPLE_MAX);
  const segment = Math.max(0, 24 - Math.clz32(magnitude));
  const step = segment === 0 ? magnitude >> 4 : magnitude >> (segment + 3);
  return (sign | (segment << 4) | (step & 0x0f)) ^ 0x55;
}
