// WAV files (RIFF "WAVE"): one channel of 16-bit samples out; PCM of 8 and 16 bits, µ-law and
// A-law of any rate and number of channels in.
import { alawDecode, ulawDecode } from "./g711.ts";

export const WAV_MAX_BYTES = 64 * 1024 * 1024;

export interface Sound {
  sampleRate: number;
  /** One channel; several channels of a file are averaged. */
  samples: Int16Array;
}

export type WavResult = { ok: true; sound: Sound } | { ok: false; reason: string };

// Format tags of the "fmt " chunk. The extensible one has the real tag in its sub-format's start.
const FORMAT_PCM = 1;
const FORMAT_ALAW = 6;
const FORMAT_ULAW = 7;
const FORMAT_EXTENSIBLE = 0xfffe;

const HEADER_BYTES = 44;
const RIFF_BYTES = 12;
const CHUNK_HEAD_BYTES = 8;
const FMT_MIN_BYTES = 16;
const SUB_FORMAT_OFFSET = 24;
const CHANNELS_MAX = 64;
const SAMPLE_RATE_MAX = 768_000;

interface Format {
  tag: number;
  channels: number;
  sampleRate: number;
  bits: number;
}

/** Reads a whole file. A data chunk that claims more than there is gives what is there. */
export function decodeWav(bytes: Uint8Array): WavResult {
  if (bytes.length > WAV_MAX_BYTES) return fail(`larger than ${WAV_MAX_BYTES} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (chunkName(bytes, 0) !== "RIFF" || chunkName(bytes, 8) !== "WAVE") {
    return fail("not a RIFF WAVE file");
  }
  let format: Format | null = null;
  for (let at = RIFF_BYTES; at + CHUNK_HEAD_BYTES <= bytes.length;) {
    const name = chunkName(bytes, at);
    const size = view.getUint32(at + 4, true);
    const start = at + CHUNK_HEAD_BYTES;
    if (name === "fmt ") {
      const read = readFormat(view, start, size);
      if (typeof read === "string") return fail(read);
      format = read;
    } else if (name === "data") {
      if (format === null) return fail("the data chunk comes before the format");
      return readSamples(bytes.subarray(start, start + size), format);
    }
    // Chunks are padded to an even length.
    at = start + size + (size & 1);
  }
  return fail("no data chunk");
}

/** One channel of 16-bit PCM. */
export function encodeWav(sound: Sound): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + sound.samples.length * 2);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  text.encodeInto("RIFF", bytes);
  view.setUint32(4, bytes.length - CHUNK_HEAD_BYTES, true);
  text.encodeInto("WAVEfmt ", bytes.subarray(8));
  view.setUint32(16, FMT_MIN_BYTES, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sound.sampleRate, true);
  view.setUint32(28, sound.sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text.encodeInto("data", bytes.subarray(36));
  view.setUint32(40, sound.samples.length * 2, true);
  sound.samples.forEach((sample, i) => view.setInt16(HEADER_BYTES + i * 2, sample, true));
  return bytes;
}

/** The same sound at another rate, by straight lines between samples: enough for speech. */
export function resample(sound: Sound, sampleRate: number): Sound {
  if (sound.sampleRate === sampleRate) return sound;
  const ratio = sound.sampleRate / sampleRate;
  const source = lowPassed(sound.samples, ratio);
  const samples = new Int16Array(Math.floor(source.length / ratio));
  for (let i = 0; i < samples.length; i += 1) {
    const at = i * ratio;
    const before = Math.floor(at);
    const left = source[before] ?? 0;
    const right = source[before + 1] ?? left;
    samples[i] = Math.round(left + (right - left) * (at - before));
  }
  return { sampleRate, samples };
}

// Means over one output sample's width keep most of what would fold back when the rate goes down.
function lowPassed(samples: Int16Array, ratio: number): Int16Array {
  const width = Math.floor(ratio);
  if (width < 2) return samples;
  const smooth = new Int16Array(samples.length);
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) {
    sum += samples[i] ?? 0;
    if (i >= width) sum -= samples[i - width] ?? 0;
    smooth[i] = Math.round(sum / Math.min(width, i + 1));
  }
  return smooth;
}

function readFormat(view: DataView, start: number, size: number): Format | string {
  if (size < FMT_MIN_BYTES || start + size > view.byteLength) return "the format chunk is cut off";
  let tag = view.getUint16(start, true);
  if (tag === FORMAT_EXTENSIBLE && size >= SUB_FORMAT_OFFSET + 2) {
    tag = view.getUint16(start + SUB_FORMAT_OFFSET, true);
  }
  const channels = view.getUint16(start + 2, true);
  const sampleRate = view.getUint32(start + 4, true);
  const bits = view.getUint16(start + 14, true);
  if (channels < 1 || channels > CHANNELS_MAX) return `${channels} channels`;
  if (sampleRate < 1 || sampleRate > SAMPLE_RATE_MAX) return `a sample rate of ${sampleRate} Hz`;
  const known = (tag === FORMAT_PCM && (bits === 8 || bits === 16)) ||
    ((tag === FORMAT_ALAW || tag === FORMAT_ULAW) && bits === 8);
  if (!known) return `format ${tag} of ${bits} bits; expected PCM of 8 or 16 bits, µ-law or A-law`;
  return { tag, channels, sampleRate, bits };
}

function readSamples(data: Uint8Array, format: Format): WavResult {
  const all = linear(data, format);
  const { channels, sampleRate } = format;
  if (channels === 1) return { ok: true, sound: { sampleRate, samples: all } };
  const samples = new Int16Array(Math.floor(all.length / channels));
  for (let i = 0; i < samples.length; i += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += all[i * channels + channel] ?? 0;
    samples[i] = Math.round(sum / channels);
  }
  return { ok: true, sound: { sampleRate, samples } };
}

function linear(data: Uint8Array, format: Format): Int16Array {
  if (format.tag === FORMAT_ULAW) return ulawDecode(data);
  if (format.tag === FORMAT_ALAW) return alawDecode(data);
  // PCM of 8 bits is unsigned, around 128.
  if (format.bits === 8) return Int16Array.from(data, (octet) => (octet - 128) << 8);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const samples = new Int16Array(data.length >> 1);
  for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(i * 2, true);
  return samples;
}

function chunkName(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

const fail = (reason: string): WavResult => ({ ok: false, reason });
