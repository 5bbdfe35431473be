import { describe, expect, test } from "bun:test";
import {
  decodeRtp, encodeRtp, hasMarker, kindOf, payloadEnd, payloadStart, payloadType, sequence,
  sequenceDistance, setMarker, setPayloadType, setSequence, setSsrc, setTimestamp, ssrc, timestamp,
  timestampDistance,
} from "../../../protocol/rtp/packet.ts";

const packet = {
  payloadType: 8, marker: true, sequence: 65535, timestamp: 0xfffffff0, ssrc: 0xdeadbeef,
  csrcs: [1, 0xffffffff], payload: Uint8Array.of(1, 2, 3),
};

/** Deterministic bytes: a test that fails must fail again. */
function* bytes(seed: number): Generator<number, never> {
  let x = seed;
  while (true) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    yield x >>> 24;
  }
}

describe("RTP packet", () => {
  test("what is encoded decodes to the same packet", () => {
    expect(decodeRtp(encodeRtp(packet))).toEqual({ ok: true, packet });
  });

  test("each field can be patched in place and the others stay", () => {
    const p = encodeRtp(packet);
    setPayloadType(p, 127);
    setSequence(p, 0x1234);
    setTimestamp(p, 0x89abcdef);
    setSsrc(p, 0x80000001);
    expect([payloadType(p), hasMarker(p), sequence(p), timestamp(p), ssrc(p)]).toEqual([
      127, true, 0x1234, 0x89abcdef, 0x80000001,
    ]);
    setMarker(p, false);
    expect([payloadType(p), hasMarker(p)]).toEqual([127, false]);
    expect(decodeRtp(p)).toMatchObject({ packet: { csrcs: [1, 0xffffffff] } });
  });

  test("header extension and padding are not payload", () => {
    const extended = Uint8Array.of(
      0xb0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 7, 7, 0, 2,
    );
    expect([payloadStart(extended), payloadEnd(extended)]).toEqual([20, 22]);
  });

  test.each([
    ["version 1", [0x40, ...Array(19).fill(0)]],
    ["eleven octets", [0x80, ...Array(10).fill(0)]],
    ["CSRCs that are not there", [0x8f, ...Array(20).fill(0)]],
    ["an extension header cut off", [0x90, ...Array(13).fill(0)]],
    ["an extension longer than the packet", [0x90, ...Array(14).fill(0), 200, 0, 0]],
    ["a padding count of zero", [0xa0, ...Array(19).fill(0)]],
    ["more padding than payload", [0xa0, ...Array(18).fill(0), 9]],
    ["an RTCP packet type", [0x80, 200, ...Array(18).fill(0)]],
    ["nothing at all", []],
  ])("RFC 3550 §A.1: a packet with %s is not valid", (_, octets) => {
    expect(payloadStart(Uint8Array.from(octets))).toBe(-1);
    expect(decodeRtp(Uint8Array.from(octets)).ok).toBe(false);
  });

  test("any bytes give a value, and a payload inside the datagram", () => {
    const source = bytes(7);
    for (let round = 0; round < 2000; round += 1) {
      const length = source.next().value % 40;
      const datagram = Uint8Array.from({ length }, () => source.next().value);
      if (round % 2 === 0 && length > 0) datagram[0] = 0x80 | ((datagram[0] ?? 0) & 0x3f);
      const start = payloadStart(datagram);
      if (start >= 0) {
        expect(start).toBeLessThanOrEqual(payloadEnd(datagram));
        expect(payloadEnd(datagram)).toBeLessThanOrEqual(length);
      }
      expect(decodeRtp(datagram).ok).toBe(start >= 0);
    }
  });

  test("RFC 7983 §7: the first octet tells what a datagram is, all 256 of them", () => {
    const seen = Array.from({ length: 256 }, (_, first) => kindOf(Uint8Array.of(first, 0)));
    const expected = seen.map((_, o) =>
      o <= 3 ? "stun" : o < 16 ? "unknown" : o <= 19 ? "zrtp" : o <= 63 ? "dtls"
      : o <= 79 ? "turn" : o < 128 ? "unknown" : o <= 191 ? "rtp" : "unknown");
    expect(seen).toEqual(expected);
    expect([191, 192, 223, 224].map((second) => kindOf(Uint8Array.of(0x80, second)))).toEqual([
      "rtp", "rtcp", "rtcp", "rtp",
    ]);
    expect(kindOf(Uint8Array.of(0x80))).toBe("unknown");
  });

  test("distances go the short way round the circle", () => {
    expect([sequenceDistance(65535, 1), sequenceDistance(1, 65535)]).toEqual([2, -2]);
    expect([timestampDistance(0xfffffff0, 16), timestampDistance(16, 0xfffffff0)]).toEqual([
      32, -32,
    ]);
  });
});
