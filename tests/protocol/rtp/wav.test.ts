import { describe, expect, test } from "bun:test";
import { ulawEncode } from "../../../protocol/rtp/g711.ts";
import { decodeWav, encodeWav, resample } from "../../../protocol/rtp/wav.ts";

const SAMPLES = Int16Array.from({ length: 400 }, (_, i) => Math.round(9000 * Math.sin(i / 5)));

/** A file with the given format chunk and data, for what our own writer never makes. */
function wav(tag: number, channels: number, rate: number, bits: number, data: Uint8Array) {
  const bytes = new Uint8Array(44 + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RIFF....WAVEfmt "));
  view.setUint32(4, bytes.length - 8, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, tag, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint16(34, bits, true);
  bytes.set(new TextEncoder().encode("data"), 36);
  view.setUint32(40, data.length, true);
  bytes.set(data, 44);
  return bytes;
}

function soundOf(bytes: Uint8Array) {
  const read = decodeWav(bytes);
  if (!read.ok) throw new Error(read.reason);
  return read.sound;
}

const reasonOf = (bytes: Uint8Array): string => {
  const read = decodeWav(bytes);
  return read.ok ? "no fault" : read.reason;
};

describe("WAV files", () => {
  test("what is written is read back, sample by sample", () => {
    expect(soundOf(encodeWav({ sampleRate: 8000, samples: SAMPLES })))
      .toEqual({ sampleRate: 8000, samples: SAMPLES });
  });

  test("an empty sound is a file too", () => {
    const empty = { sampleRate: 8000, samples: new Int16Array(0) };
    expect(soundOf(encodeWav(empty))).toEqual(empty);
  });

  test("chunks that are not known are stepped over, with their padding", () => {
    const plain = encodeWav({ sampleRate: 8000, samples: SAMPLES });
    const extra = new TextEncoder().encode("LIST\x03\0\0\0abc\0");
    const bytes = new Uint8Array([...plain.subarray(0, 36), ...extra, ...plain.subarray(36)]);
    expect(soundOf(bytes).samples).toEqual(SAMPLES);
  });

  test("a stereo file gives the mean of its channels", () => {
    const data = new Uint8Array(new Int16Array([100, 300, -50, 50]).buffer);
    expect([...soundOf(wav(1, 2, 8000, 16, data)).samples]).toEqual([200, 0]);
  });

  test("8-bit PCM is unsigned around 128", () => {
    const sound = soundOf(wav(1, 1, 8000, 8, new Uint8Array([128, 255, 0])));
    expect([...sound.samples]).toEqual([0, 127 << 8, -128 << 8]);
  });

  test("µ-law is decoded by G.711's table", () => {
    const octets = ulawEncode(SAMPLES);
    const sound = soundOf(wav(7, 1, 8000, 8, octets));
    expect(ulawEncode(sound.samples)).toEqual(octets);
  });

  test("the extensible format's tag is that of its sub-format", () => {
    const plain = encodeWav({ sampleRate: 16000, samples: SAMPLES });
    const bytes = new Uint8Array([
      ...plain.subarray(0, 36), ...new Uint8Array(24), ...plain.subarray(36),
    ]);
    const view = new DataView(bytes.buffer);
    view.setUint32(16, 40, true);
    view.setUint16(20, 0xfffe, true);
    view.setUint16(44, 1, true);
    expect(soundOf(bytes)).toEqual({ sampleRate: 16000, samples: SAMPLES });
  });

  test("a data chunk that claims more than the file holds gives what is there", () => {
    const cut = encodeWav({ sampleRate: 8000, samples: SAMPLES }).subarray(0, 44 + 101);
    expect(soundOf(cut).samples).toEqual(SAMPLES.subarray(0, 50));
  });

  test("what is no WAV is refused with its reason", () => {
    expect(reasonOf(new Uint8Array(0))).toBe("not a RIFF WAVE file");
    expect(reasonOf(new TextEncoder().encode("RIFF....AVI LIST"))).toBe("not a RIFF WAVE file");
    expect(reasonOf(wav(3, 1, 8000, 32, new Uint8Array(8)))).toStartWith("format 3 of 32 bits");
    expect(reasonOf(wav(1, 0, 8000, 16, new Uint8Array(8)))).toBe("0 channels");
    expect(reasonOf(wav(1, 1, 0, 16, new Uint8Array(8)))).toBe("a sample rate of 0 Hz");
    expect(reasonOf(wav(1, 1, 8000, 16, new Uint8Array(0)).subarray(0, 36))).toBe("no data chunk");
    expect(reasonOf(wav(1, 1, 8000, 16, new Uint8Array(0)).subarray(0, 30)))
      .toBe("the format chunk is cut off");
    const swapped = encodeWav({ sampleRate: 8000, samples: SAMPLES });
    swapped.set(new TextEncoder().encode("data"), 12);
    expect(reasonOf(swapped)).toBe("the data chunk comes before the format");
  });

  test("any cut of a file gives a value, never a throw", () => {
    const whole = encodeWav({ sampleRate: 8000, samples: SAMPLES.subarray(0, 20) });
    for (let end = 0; end < whole.length; end += 1) {
      const read = decodeWav(whole.subarray(0, end));
      expect(read.ok).toBe(end >= 44);
    }
  });
});

describe("another sample rate", () => {
  test("the same rate gives the same sound", () => {
    const sound = { sampleRate: 8000, samples: SAMPLES };
    expect(resample(sound, 8000)).toBe(sound);
  });

  test("a tone keeps its length in seconds and its pitch", () => {
    const tone = (rate: number) => Int16Array.from(
      { length: rate / 10 }, (_, i) => Math.round(9000 * Math.sin((i * 2 * Math.PI * 300) / rate)),
    );
    const { sampleRate, samples } = resample({ sampleRate: 48000, samples: tone(48000) }, 8000);
    expect(sampleRate).toBe(8000);
    expect(samples.length).toBe(800);
    const crossings = samples.filter((s, i) => s >= 0 && (samples[i - 1] ?? 0) < 0).length;
    expect(crossings).toBeGreaterThanOrEqual(29);
    expect(crossings).toBeLessThanOrEqual(31);
  });
});
