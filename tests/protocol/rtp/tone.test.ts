import { describe, expect, test } from "bun:test";
import { alawDecode, ulawDecode } from "../../../protocol/rtp/g711.ts";
import { type Law, ringbackPayload, silencePayload } from "../../../protocol/rtp/tone.ts";

const decode = { PCMU: ulawDecode, PCMA: alawDecode };

function heard(law: Law, packets: number): number[] {
  const payloads = Array.from({ length: packets }, (_, n) => ringbackPayload(law, n));
  return payloads.flatMap((payload) => [...decode[law](payload)]);
}

/** Power at one frequency (Goertzel), relative to a sine of full scale. */
function levelAt(samples: number[], hz: number): number {
  let re = 0;
  let im = 0;
  for (const [i, sample] of samples.entries()) {
    re += sample * Math.cos((2 * Math.PI * hz * i) / 8000);
    im += sample * Math.sin((2 * Math.PI * hz * i) / 8000);
  }
  return (2 * Math.hypot(re, im)) / samples.length / 32767;
}

describe("ringback", () => {
  test.each(["PCMU", "PCMA"] as const)("%s: 440 and 480 Hz and nothing else", (law) => {
    const second = heard(law, 50);
    const [low, high] = [levelAt(second, 440), levelAt(second, 480)];
    expect(20 * Math.log10(low) + 3.14).toBeCloseTo(-19, 0);
    expect(20 * Math.log10(high) + 3.14).toBeCloseTo(-19, 0);
    for (const other of [350, 460, 620, 920]) expect(levelAt(second, other)).toBeLessThan(0.002);
  });

  test("goes on without a step from packet to packet", () => {
    const samples = heard("PCMU", 10);
    const largest = Math.max(...samples.slice(1).map((s, i) => Math.abs(s - (samples[i] ?? 0))));
    // 480 Hz at this level moves by no more in a sample than both slopes together.
    expect(largest).toBeLessThan(2 * 2570 * Math.sin((2 * Math.PI * 480) / 8000) * 1.2);
  });

  test("is on for 2 s and off for 4 s, for ever", () => {
    const isTone = (n: number): boolean => ringbackPayload("PCMA", n) !== silencePayload("PCMA");
    expect([0, 99, 100, 299, 300, 399, 400, 30_000].map(isTone)).toEqual([
      true, true, false, false, true, true, false, true,
    ]);
  });

  test("silence decodes to next to nothing in both laws", () => {
    expect(new Set(ulawDecode(silencePayload("PCMU")))).toEqual(new Set([0]));
    expect(new Set(alawDecode(silencePayload("PCMA")))).toEqual(new Set([8]));
  });
});
