import { describe, expect, test } from "bun:test";
import {
  compactNtp, decodeRtcp, encodeCompound, ntpOf, type ReportBlock, roundTripMs, RTCP_BYE, RTCP_RR,
  RTCP_SDES, RTCP_SR, rtcpIntervalMs,
} from "../../../protocol/rtp/rtcp.ts";
import { seededBytes } from "./seeded-bytes.ts";

const sender = { wallMs: 1_700_000_000_500, rtpTimestamp: 0xdeadbeef, packets: 7, octets: 1120 };
const report = { ssrc: 0x01020304, cname: "AbCdEfGhIjKlMnOp", sender, bye: null };
const typesOf = (bytes: Uint8Array): number[] => {
  const decoded = decodeRtcp(bytes);
  return decoded.ok ? decoded.packets.map(({ type }) => type) : [];
};

describe("RTCP", () => {
  test("RFC 3550 §6.1: report first, CNAME in each compound, BYE last, whole words", () => {
    expect(typesOf(encodeCompound(report))).toEqual([RTCP_SR, RTCP_SDES]);
    expect(typesOf(encodeCompound({ ...report, sender: null }))).toEqual([RTCP_RR, RTCP_SDES]);
    for (let length = 0; length < 9; length += 1) {
      const bytes = encodeCompound({ ...report, cname: "x".repeat(length + 1),
        bye: "y".repeat(length) });
      expect(typesOf(bytes)).toEqual([RTCP_SR, RTCP_SDES, RTCP_BYE]);
      expect(bytes.length % 4).toBe(0);
    }
  });

  test("RFC 3550 §6.4.1: a sender report, octet by octet", () => {
    expect([...encodeCompound(report).subarray(0, 28)]).toEqual([
      0x80, 200, 0, 6, 1, 2, 3, 4, 0xe8, 0xfe, 0x6f, 0x80, 0x80, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef,
      0, 0, 0, 7, 0, 0, 4, 0x60,
    ]);
  });

  test("RFC 3550 §6.5: the SDES chunk ends with at least one zero octet", () => {
    const sdes = encodeCompound({ ...report, cname: "abcdef", sender: null }).subarray(8);
    expect([...sdes]).toEqual([
      0x81, 202, 0, 4, 1, 2, 3, 4, 1, 6, 97, 98, 99, 100, 101, 102, 0, 0, 0, 0,
    ]);
  });

  test("NTP counts from 1900 and its fraction is 2^32 a second", () => {
    expect(ntpOf(0)).toEqual([2208988800, 0]);
    expect(ntpOf(1_700_000_000_250)).toEqual([3908988800, 2 ** 30]);
    expect(compactNtp(1_700_000_000_250)).toBe(((3908988800 % 65536) * 65536 + 2 ** 14) >>> 0);
  });

  const block = (fields: Partial<ReportBlock> = {}): ReportBlock => ({
    ssrc: 1, fractionLost: 0, cumulativeLost: 0, highestSequence: 0, jitterTicks: 0, lastSr: 0,
    delaySinceLastSr: 0, ...fields,
  });

  test("a receiver report is read, with its signed count of losses", () => {
    const bytes = Uint8Array.of(
      0x81, 201, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 5, 0, 0, 0, 80,
      1, 1, 1, 1, 0, 0, 0, 2,
    );
    expect(decodeRtcp(bytes)).toEqual({
      ok: true,
      packets: [{
        type: RTCP_RR, ssrc: 9,
        blocks: [{
          ssrc: 0x01020304, fractionLost: 0.25, cumulativeLost: -2, highestSequence: 65541,
          jitterTicks: 80, lastSr: 0x01010101, delaySinceLastSr: 2,
        }],
      }],
    });
  });

  test("RFC 3550 §6.4.1: the round trip is now less LSR less DLSR, never negative", () => {
    const wallMs = 1_700_000_000_250;
    const lastSr = (compactNtp(wallMs) - 65536) >>> 0;
    expect(roundTripMs(block({ lastSr, delaySinceLastSr: 32768 }), wallMs)).toBe(500);
    expect(roundTripMs(block({ lastSr, delaySinceLastSr: 99_999 }), wallMs)).toBe(0);
    expect(roundTripMs(block(), wallMs)).toBeNull();
  });

  test.each([
    ["nothing", []],
    ["SDES first", [0x80, 202, 0, 0]],
    ["version 1", [0x40, 201, 0, 1, 0, 0, 0, 0]],
    ["a length beyond the datagram", [0x80, 201, 0, 2, 0, 0, 0, 0]],
    ["half a header", [0x80, 201]],
    ["a second packet cut off", [0x80, 201, 0, 1, 0, 0, 0, 0, 0x80, 202]],
    ["a report block that is not there", [0x81, 201, 0, 1, 0, 0, 0, 0]],
    ["padding on the first of two", [0xa0, 201, 0, 1, 0, 0, 0, 4, 0x80, 202, 0, 0]],
    ["padding longer than the packet", [0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 16]],
  ])("RFC 3550 §A.2: %s is not RTCP", (_, octets) => {
    expect(decodeRtcp(Uint8Array.from(octets)).ok).toBe(false);
  });

  test("any bytes give a value", () => {
    const next = seededBytes(3);
    for (let round = 0; round < 2000; round += 1) {
      const bytes = Uint8Array.from({ length: next() % 64 }, next);
      if (bytes.length > 4) bytes.set([0x80 | (next() & 0x3f), 200 + (next() % 5), 0, next() % 12]);
      expect(decodeRtcp(bytes).ok).toBeBoolean();
    }
  });

  test("many empty packets in one datagram are refused, not collected", () => {
    const many = new Uint8Array(4 * 100).map((_, i) => [0x80, 202, 0, 0][i % 4] ?? 0);
    many.set([0x80, 201, 0, 1, 0, 0, 0, 0]);
    expect(decodeRtcp(many)).toEqual({ ok: false, reason: "too many packets" });
  });

  test("RFC 3550 §6.3.1: first report after 1.03 to 3.08 s, the next every 2.05 to 6.16 s", () => {
    const input = {
      members: 2, senders: 1, weSent: true, bandwidth: 500, averageBytes: 80, initial: true,
    };
    const bounds = (initial: boolean) => [0, 1].map((random) =>
      Math.round(rtcpIntervalMs({ ...input, initial, random }) / 10) / 100);
    expect(bounds(true)).toEqual([1.03, 3.08]);
    expect(bounds(false)).toEqual([2.05, 6.16]);
  });

  test("RFC 3550 §6.2: a narrow band or many members make it longer", () => {
    const input = {
      members: 2, senders: 1, weSent: true, bandwidth: 10, averageBytes: 100, initial: false,
      random: 0.5,
    };
    expect(rtcpIntervalMs(input)).toBeCloseTo((1000 * 128 * 2) / 10 / (Math.E - 1.5), 5);
    expect(rtcpIntervalMs({ ...input, members: 100, bandwidth: 500 })).toBeCloseTo(
      5000 / (Math.E - 1.5), 5);
    expect(rtcpIntervalMs({ ...input, members: 100, weSent: false, bandwidth: 500 })).toBeCloseTo(
      (1000 * 128 * 99) / (500 * 0.75) / (Math.E - 1.5), 5);
  });
});
