import { beforeAll, describe, expect, test } from "bun:test";
import { ABSENT_BELOW, findVoice, FOUND_FROM, loudness } from "../../../protocol/audio/compare.ts";
import { transform } from "../../../protocol/audio/fft.ts";
import { alawDecode, alawEncode, ulawDecode, ulawEncode } from "../../../protocol/rtp/g711.ts";
import { decodeWav, type Sound } from "../../../protocol/rtp/wav.ts";

let alice: Sound;
let bob: Sound;

async function load(name: string): Promise<Sound> {
  const read = decodeWav(await Bun.file(`${import.meta.dir}/../../assets/${name}`).bytes());
  if (!read.ok) throw new Error(read.reason);
  // Two seconds are enough to tell the voices apart.
  return { ...read.sound, samples: read.sound.samples.subarray(0, 16000) };
}

beforeAll(async () => {
  alice = await load("voice-a.wav");
  bob = await load("voice-b.wav");
});

/** Sounds laid over each other at their places (in samples), as one recording. */
function recording(length: number, ...parts: [Sound, number][]): Sound {
  const samples = new Int16Array(length);
  for (const [sound, at] of parts) {
    sound.samples.forEach((sample, i) => {
      samples[at + i] = Math.max(-32768, Math.min(32767, (samples[at + i] ?? 0) + sample));
    });
  }
  return { sampleRate: 8000, samples };
}

const overUlaw = (sound: Sound): Sound =>
  ({ ...sound, samples: ulawDecode(ulawEncode(sound.samples)) });

describe("a voice in a recording", () => {
  test("is found through µ-law, at its place, and the other voice is not", () => {
    const heard = overUlaw(recording(30_000, [alice, 5000]));
    const match = findVoice(heard, alice);
    expect(match.score).toBeGreaterThan(0.99);
    expect(match.coverage).toBe(1);
    expect(match.offsetMs).toBeCloseTo(625, 1);
    expect(findVoice(heard, bob).score).toBeLessThan(ABSENT_BELOW);
    expect(findVoice(heard, bob).offsetMs).toBeNull();
  });

  test("is found through A-law at a tenth of its level", () => {
    const quiet = { ...bob, samples: bob.samples.map((sample) => sample / 10) };
    const heard = { ...quiet, samples: alawDecode(alawEncode(quiet.samples)) };
    expect(findVoice(heard, bob).score).toBeGreaterThan(FOUND_FROM);
    expect(findVoice(heard, alice).score).toBeLessThan(ABSENT_BELOW);
  });

  test("is found after a ringback tone, and with every twentieth packet lost", () => {
    const heard = overUlaw(recording(40_000, [bob, 16_000]));
    for (let i = 0; i < 16_000; i += 1) heard.samples[i] = 6000 * Math.sin(i * 0.3456);
    for (let at = 0; at < 40_000; at += 160 * 20) heard.samples.fill(0, at, at + 160);
    expect(findVoice(heard, bob).score).toBeGreaterThan(FOUND_FROM);
  });

  test("is half covered when its second half is missing", () => {
    const heard = recording(20_000, [{ ...alice, samples: alice.samples.subarray(0, 8000) }, 0]);
    const { score, coverage } = findVoice(heard, alice);
    expect(coverage).toBeGreaterThan(0.3);
    expect(coverage).toBeLessThan(0.7);
    expect(score).toBeLessThan(FOUND_FROM);
  });

  test("two voices mixed are neither of them alone", () => {
    const heard = recording(20_000, [alice, 0], [bob, 0]);
    expect(findVoice(heard, alice).coverage).toBeLessThan(1);
    expect(findVoice(heard, bob).score).toBeGreaterThan(ABSENT_BELOW);
  });

  test("silence, a short recording and a silent voice match nothing", () => {
    const silence = recording(20_000);
    expect(findVoice(silence, alice).score).toBe(0);
    expect(findVoice(recording(100), alice)).toEqual({ score: 0, coverage: 0, offsetMs: null });
    expect(findVoice(alice, silence)).toEqual({ score: 0, coverage: 0, offsetMs: null });
  });
});

describe("loudness", () => {
  test("is the root mean square", () => {
    expect(loudness(Int16Array.of(3, -3, 3, -3))).toBe(3);
    expect(loudness(new Int16Array(0))).toBe(0);
  });
});

describe("Fourier transform", () => {
  test("agrees with the sum of its definition, and its inverse undoes it", () => {
    const length = 16;
    const input = Array.from({ length }, (_, i) => [Math.sin(i * 1.7), (i * 7) % 5] as const);
    const real = Float64Array.from(input, ([re]) => re);
    const imaginary = Float64Array.from(input, ([, im]) => im);
    transform(real, imaginary);
    for (let k = 0; k < length; k += 1) {
      let re = 0;
      let im = 0;
      input.forEach(([a, b], n) => {
        const angle = (-2 * Math.PI * k * n) / length;
        re += a * Math.cos(angle) - b * Math.sin(angle);
        im += a * Math.sin(angle) + b * Math.cos(angle);
      });
      expect(real[k]).toBeCloseTo(re, 9);
      expect(imaginary[k]).toBeCloseTo(im, 9);
    }
    transform(real, imaginary, true);
    input.forEach(([re, im], n) => {
      expect((real[n] ?? 0) / length).toBeCloseTo(re, 9);
      expect((imaginary[n] ?? 0) / length).toBeCloseTo(im, 9);
    });
  });
});
