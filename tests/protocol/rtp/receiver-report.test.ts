import { describe, expect, test } from "bun:test";
import type { RtpPacket } from "../../../protocol/rtp/packet.ts";
import { ReceiverReport } from "../../../protocol/rtp/receiver-report.ts";
import {
  decodeRtcp, encodeCompound, roundTripMs, type ReportBlock,
} from "../../../protocol/rtp/rtcp.ts";

const packet = (sequence: number): RtpPacket => ({
  payloadType: 0, marker: false, sequence: sequence & 0xffff, timestamp: sequence * 160, ssrc: 42,
  csrcs: [], payload: new Uint8Array(160),
});

function blockOf(bytes: Uint8Array): ReportBlock | undefined {
  const read = decodeRtcp(bytes);
  if (!read.ok) throw new Error(read.reason);
  expect(read.packets.map(({ type }) => type)).toEqual([201, 202]);
  return read.packets[0]?.blocks[0];
}

describe("receiver reports", () => {
  test("are empty before anything was received", () => {
    expect(blockOf(new ReceiverReport().encode(1, "srs", 0))).toBeUndefined();
  });

  test("say the losses since the beginning and since the report before, over a wrap", () => {
    const report = new ReceiverReport();
    const numbers = [65533, 65534, 65536, 65537];
    numbers.forEach((number, i) => report.accept(packet(number), 8000, 1000 + i * 20));
    const first = blockOf(report.encode(1, "srs", 2000));
    expect(first).toMatchObject({
      ssrc: 42, fractionLost: Math.floor(256 / 5) / 256, cumulativeLost: 1,
      highestSequence: 65537, lastSr: 0, delaySinceLastSr: 0,
    });
    report.accept(packet(65538), 8000, 2020);
    expect(blockOf(report.encode(1, "srs", 3000))).toMatchObject({
      fractionLost: 0, cumulativeLost: 1, highestSequence: 65538,
    });
  });

  test("give the sender its round trip", () => {
    const report = new ReceiverReport();
    report.accept(packet(1), 8000, 0);
    const sentAt = 1_700_000_000_000;
    const sender = { wallMs: sentAt, rtpTimestamp: 0, packets: 1, octets: 160 };
    const compound = encodeCompound({ ssrc: 42, cname: "us", sender, bye: null });
    report.readSenderReport(compound, sentAt + 40);
    const block = blockOf(report.encode(1, "srs", sentAt + 540));
    if (block === undefined) throw new Error("no block");
    expect(roundTripMs(block, sentAt + 580)).toBeCloseTo(80, 0);
  });

  test("know the jitter: none for a steady stream, some for an uneven one", () => {
    const steady = new ReceiverReport();
    const uneven = new ReceiverReport();
    for (let i = 0; i < 50; i += 1) {
      steady.accept(packet(i), 8000, 1000 + i * 20);
      uneven.accept(packet(i), 8000, 1000 + i * 20 + (i % 2) * 10);
    }
    expect(blockOf(steady.encode(1, "srs", 2000))?.jitterTicks).toBe(0);
    expect(blockOf(uneven.encode(1, "srs", 2000))?.jitterTicks).toBeGreaterThan(60);
  });

  test("what is no sender report is not remembered", () => {
    const report = new ReceiverReport();
    report.accept(packet(1), 8000, 0);
    report.readSenderReport(new Uint8Array(4), 10);
    report.readSenderReport(report.encode(1, "x", 0), 10);
    expect(blockOf(report.encode(1, "srs", 20))?.lastSr).toBe(0);
  });
});
