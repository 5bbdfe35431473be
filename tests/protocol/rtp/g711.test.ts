import { describe, expect, test } from "bun:test";
import {
  ALAW_SILENCE, ALAW_TO_LINEAR, ALAW_TO_ULAW, alawDecode, alawEncode, translate, ULAW_SILENCE,
  ULAW_TO_ALAW, ULAW_TO_LINEAR, ulawDecode, ulawEncode,
} from "../../../protocol/rtp/g711.ts";

const allOctets = Uint8Array.from({ length: 256 }, (_, i) => i);

describe("G.711", () => {
  test("µ-law has the values of G.711 at its ends, scaled to 16 bits", () => {
    expect([0x00, 0x80, 0x7f, 0xff, 0x0f, 0x8f].map((o) => ULAW_TO_LINEAR[o])).toEqual([
      -32124, 32124, 0, 0, -16764, 16764,
    ]);
  });

  test("A-law has the values of G.711 at its ends, scaled to 16 bits", () => {
    expect([0x2a, 0xaa, 0x55, 0xd5, 0x25, 0xa5].map((o) => ALAW_TO_LINEAR[o])).toEqual([
      -32256, 32256, -8, 8, -16896, 16896,
    ]);
  });

  test("decoding and encoding again gives the same octet, but for µ-law's second zero", () => {
    const again = ulawEncode(ulawDecode(allOctets));
    expect([...again].filter((octet, i) => octet !== i)).toEqual([0xff]);
    expect(alawEncode(alawDecode(allOctets))).toEqual(allOctets);
  });

  test("every sample comes back within half a step of its segment", () => {
    for (let sample = -32768; sample < 32768; sample += 7) {
      const one = Int16Array.of(sample);
      const bound = Math.max(16, Math.abs(sample) / 16) + 644 * Number(Math.abs(sample) > 32000);
      expect(Math.abs((ulawDecode(ulawEncode(one))[0] ?? 0) - sample)).toBeLessThanOrEqual(bound);
      expect(Math.abs((alawDecode(alawEncode(one))[0] ?? 0) - sample)).toBeLessThanOrEqual(bound);
    }
  });

  test("encoding is monotone: a louder sample never decodes to a softer one", () => {
    let ulaw = -40000;
    let alaw = -40000;
    for (let sample = -32768; sample < 32768; sample += 3) {
      const u = ulawDecode(ulawEncode(Int16Array.of(sample)))[0] ?? 0;
      const a = alawDecode(alawEncode(Int16Array.of(sample)))[0] ?? 0;
      expect(u >= ulaw && a >= alaw).toBe(true);
      [ulaw, alaw] = [u, a];
    }
  });

  test("table to table goes to the nearest octet of the other law, and silence to silence", () => {
    expect([0x00, 0x80, 0x0f].map((o) => ULAW_TO_ALAW[o])).toEqual([0x2a, 0xaa, 0x25]);
    expect(ULAW_TO_ALAW[ULAW_SILENCE]).toBe(ALAW_SILENCE);
    expect(ALAW_TO_ULAW[ALAW_SILENCE]).toBeOneOf([0xff, 0xfe]);
    for (const octet of allOctets) {
      const linear = ULAW_TO_LINEAR[octet] ?? 0;
      const other = ALAW_TO_LINEAR[ULAW_TO_ALAW[octet] ?? 0] ?? 0;
      expect(Math.abs(other - linear)).toBeLessThanOrEqual(Math.max(8, Math.abs(linear) / 32));
    }
  });

  test("translate touches only the octets between start and end", () => {
    const octets = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
    translate(octets, 1, 3, ULAW_TO_ALAW);
    expect([...octets]).toEqual([0xff, 0xd5, 0xd5, 0xff]);
  });
});
