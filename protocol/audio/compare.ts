// Is this voice in that recording? Normalised cross-correlation, window by window: 1 where the
// waveform itself is there, near 0.3 for another voice, whatever the level and the place.
import type { Sound } from "../rtp/wav.ts";
import { transform, transformLength } from "./fft.ts";

/** A window of this length holds several syllables' worth of pitch and formants. */
const WINDOW_MS = 400;
/** Windows of the voice below this share of its mean power are its pauses: not looked for. */
const PAUSE_SHARE = 0.1;
/** What G.711 makes of silence, per sample: places in the recording below it match nothing. */
const FLOOR_POWER = 30 * 30;

/** A voice counts as found from here on, and as absent below ABSENT_BELOW. */
export const FOUND_FROM = 0.85;
export const ABSENT_BELOW = 0.5;

export interface Match {
  /** Mean of the windows' best correlations, weighted by their energy: 0 to 1. */
  score: number;
  /** Share of the voice's windows that were found (correlation of at least FOUND_FROM). */
  coverage: number;
  /** Where the voice begins in the recording, from the windows that agree; null if none do. */
  offsetMs: number | null;
}

/** How much of `voice` is in `recording`; both must have the same sample rate. */
export function findVoice(recording: Sound, voice: Sound): Match {
  const length = Math.round((voice.sampleRate * WINDOW_MS) / 1000);
  const windows = loudWindows(voice.samples, length);
  if (windows.length === 0 || recording.samples.length < length) return NOTHING;
  const correlate = correlator(recording.samples, length);
  let weights = 0;
  let sum = 0;
  let found = 0;
  const offsets: number[] = [];
  for (const window of windows) {
    const best = correlate(voice.samples.subarray(window.start, window.start + length));
    weights += window.energy;
    sum += window.energy * best.score;
    if (best.score < FOUND_FROM) continue;
    found += 1;
    offsets.push(best.at - window.start);
  }
  offsets.sort((a, b) => a - b);
  const middle = offsets[offsets.length >> 1];
  return {
    score: sum / weights,
    coverage: found / windows.length,
    offsetMs: middle === undefined ? null : (middle * 1000) / voice.sampleRate,
  };
}

/** Root mean square of the samples: how loud a sound is. */
export function loudness(samples: Int16Array): number {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return samples.length === 0 ? 0 : Math.sqrt(energy / samples.length);
}

const NOTHING: Match = { score: 0, coverage: 0, offsetMs: null };

interface Window {
  start: number;
  energy: number;
}

function loudWindows(samples: Int16Array, length: number): Window[] {
  const windows: Window[] = [];
  let total = 0;
  for (let start = 0; start + length <= samples.length; start += length) {
    let energy = 0;
    for (let i = start; i < start + length; i += 1) energy += (samples[i] ?? 0) ** 2;
    windows.push({ start, energy });
    total += energy;
  }
  const pause = (total / Math.max(1, windows.length)) * PAUSE_SHARE;
  return windows.filter((window) => window.energy > Math.max(pause, FLOOR_POWER * length));
}

/** Gives a function that finds the best place of one window in the recording. */
function correlator(recording: Int16Array, length: number) {
  const size = transformLength(recording.length + length);
  const real = new Float64Array(size);
  const imaginary = new Float64Array(size);
  real.set(recording);
  transform(real, imaginary);
  const energies = runningEnergies(recording, length);

  return (window: Int16Array): { score: number; at: number } => {
    // Correlation is multiplication by the conjugate of the window's spectrum.
    const productReal = new Float64Array(size);
    const productImaginary = new Float64Array(size);
    productReal.set(window);
    transform(productReal, productImaginary);
    for (let i = 0; i < size; i += 1) {
      const a = real[i] ?? 0;
      const b = imaginary[i] ?? 0;
      const c = productReal[i] ?? 0;
      const d = productImaginary[i] ?? 0;
      productReal[i] = a * c + b * d;
      productImaginary[i] = b * c - a * d;
    }
    transform(productReal, productImaginary, true);
    let windowEnergy = 0;
    for (const sample of window) windowEnergy += sample * sample;
    let best = { score: 0, at: 0 };
    for (let at = 0; at < energies.length; at += 1) {
      const energy = energies[at] ?? 0;
      if (energy < FLOOR_POWER * length) continue;
      const score = (productReal[at] ?? 0) / size / Math.sqrt(energy * windowEnergy);
      if (score > best.score) best = { score, at };
    }
    return best;
  };
}

/** Energy of each stretch of `length` samples. */
function runningEnergies(samples: Int16Array, length: number): Float64Array {
  const energies = new Float64Array(Math.max(0, samples.length - length + 1));
  let energy = 0;
  for (let i = 0; i < samples.length; i += 1) {
    energy += (samples[i] ?? 0) ** 2;
    if (i >= length) energy -= (samples[i - length] ?? 0) ** 2;
    if (i >= length - 1) energies[i - length + 1] = energy;
  }
  return energies;
}
