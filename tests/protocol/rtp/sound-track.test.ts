import { describe, expect, test } from "bun:test";
import { alawEncode, ulawDecode, ulawEncode } from "../../../protocol/rtp/g711.ts";
import type { RtpPacket } from "../../../protocol/rtp/packet.ts";
import { SOUND_MAX_SAMPLES, SoundTrack } from "../../../protocol/rtp/sound-track.ts";

const CODECS = [
  { name: "PCMU", payloadType: 0, clockRate: 8000, channels: 1 },
  { name: "PCMA", payloadType: 8, clockRate: 8000, channels: 1 },
  { name: "OPUS", payloadType: 111, clockRate: 48000, channels: 2 },
];
const LEVEL = Int16Array.from({ length: 160 }, () => 1000);
const HEARD = ulawDecode(ulawEncode(LEVEL))[0] ?? 0;

function packet(number: number, more: Partial<RtpPacket> = {}): RtpPacket {
  return {
    payloadType: 0, marker: false, sequence: (65530 + number) & 0xffff,
    timestamp: (0xffffff00 + number * 160) >>> 0, ssrc: 7, csrcs: [],
    payload: ulawEncode(LEVEL), ...more,
  };
}

/** The track as one letter a packet's time: "x" sounds, "." is silent. */
function picture(track: SoundTrack): string {
  const { samples } = track.sound();
  return Array.from({ length: Math.ceil(samples.length / 160) }, (_, i) =>
    samples[i * 160 + 80] === 0 ? "." : "x").join("");
}

function play(numbers: number[], track = new SoundTrack()): SoundTrack {
  numbers.forEach((number, i) => track.accept(packet(number), CODECS, 1000 + i * 20));
  return track;
}

describe("a received stream as one sound", () => {
  test("packets in order stand one after the other, over both wraps", () => {
    const track = play([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(picture(track)).toBe("xxxxxxxxx");
    expect(track.durationMs).toBe(180);
    expect(track.sound().samples[500]).toBe(HEARD);
    expect(track.counters.lost).toBe(0);
  });

  test("a lost packet is a gap of silence, and counted", () => {
    const track = play([0, 1, 3, 4]);
    expect(picture(track)).toBe("xx.xx");
    expect(track.counters.lost).toBe(1);
  });

  test("a late packet still finds its place", () => {
    const track = play([0, 1, 3, 2, 4]);
    expect(picture(track)).toBe("xxxxx");
    expect(track.counters.late).toBe(1);
    expect(track.counters.lost).toBe(0);
  });

  test("a pause in the timestamps with no packet missing is silence", () => {
    const track = play([0, 1]);
    const later = packet(2, { timestamp: (0xffffff00 + 160 * 52) >>> 0, marker: true });
    track.accept(later, CODECS, 1000 + 52 * 20);
    expect(picture(track)).toBe(`xx${".".repeat(50)}x`);
    expect(track.counters.lost).toBe(0);
  });

  test("another source goes on where the clock says", () => {
    const track = play([0, 1, 2]);
    track.accept(packet(0, { ssrc: 8, timestamp: 5 }), CODECS, 1000 + 200);
    expect(picture(track)).toBe("xxx.......x");
  });

  test("a source that sets its timestamps anew goes on where the clock says", () => {
    const track = play([0, 1, 2]);
    track.accept(packet(3, { timestamp: 0x7fffff00 }), CODECS, 1000 + 60);
    track.accept(packet(4, { timestamp: 0x7fffff00 + 160 }), CODECS, 1000 + 80);
    expect(picture(track)).toBe("xxxxx");
  });

  test("µ-law may change to A-law", () => {
    const track = play([0]);
    track.accept(packet(1, { payloadType: 8, payload: alawEncode(LEVEL) }), CODECS, 1020);
    expect(picture(track)).toBe("xx");
    expect(track.codec).toBe("PCMA");
  });

  test("what can't be decoded is counted, what was not negotiated is dropped", () => {
    const track = play([0]);
    expect(track.accept(packet(1, { payloadType: 111 }), CODECS, 1020)).toBe(true);
    expect(track.accept(packet(2, { payloadType: 101 }), CODECS, 1040)).toBe(false);
    expect(track.undecoded).toBe(1);
    expect(track.counters.dropped).toBe(1);
    expect(track.counters.packets).toBe(2);
    expect(picture(track)).toBe("x");
  });

  test("a key that was pressed is no loss and no sound", () => {
    const track = play([0, 1]);
    track.pass(packet(2, { payloadType: 101, payload: new Uint8Array(4) }), 1040);
    track.accept(packet(3), CODECS, 1060);
    expect(track.counters.lost).toBe(0);
    expect(picture(track)).toBe("xx.x");
  });

  test("a packet from before the first has no place", () => {
    expect(picture(play([5, 4, 6]))).toBe("xx");
  });

  test("after an hour packets are counted and no longer kept", () => {
    const track = play([0]);
    const hours = packet(1, { ssrc: 9 });
    track.accept(hours, CODECS, 1000 + 3_600_001);
    expect(track.undecoded).toBe(1);
    expect(track.sound().samples.length).toBeLessThan(SOUND_MAX_SAMPLES);
  });
});
