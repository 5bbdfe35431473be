import { describe, expect, test } from "bun:test";
import { ForkTimeline, MARKER, NOT_KEPT } from "../../../protocol/rtp/fork-stream.ts";

const A = 0xaaaa;
const B = 0xbbbb;

const openTimeline = (clockRate = 8000): ForkTimeline =>
  new ForkTimeline({ ssrc: 1, sequence: 100, timestamp: 5000, clockRate });

interface Sent {
  sequence: number;
  timestamp: number;
  marker: boolean;
}

/** Packets of 20 ms: `in` is the sequence number, timestamps and arrivals follow from it. */
function send(timeline: ForkTimeline, inSequence: number, more: { source?: number; atMs?: number;
  timestamp?: number; marker?: boolean } = {}): Sent | null {
  const inTimestamp = more.timestamp ?? (inSequence * 160) >>> 0;
  const kept = timeline.keep(more.source ?? A, inSequence, inTimestamp, more.marker ?? false,
    more.atMs ?? inSequence * 20);
  if (kept === NOT_KEPT) return null;
  return {
    sequence: kept & 0xffff, timestamp: (inTimestamp + timeline.timestampOffset) >>> 0,
    marker: (kept & MARKER) !== 0,
  };
}

const sequences = (sent: (Sent | null)[]): (number | null)[] =>
  sent.map((one) => one?.sequence ?? null);

describe("fork timeline", () => {
  test("begins with its own numbers and the marker, and goes on one by one", () => {
    const timeline = openTimeline();
    expect([7, 8, 9].map((n) => send(timeline, n))).toEqual([
      { sequence: 100, timestamp: 5000, marker: true },
      { sequence: 101, timestamp: 5160, marker: false },
      { sequence: 102, timestamp: 5320, marker: false },
    ]);
  });

  test("a lost packet of the source stays one loss, and only one", () => {
    const timeline = openTimeline();
    expect(sequences([1, 2, 4, 5].map((n) => send(timeline, n)))).toEqual([100, 101, 103, 104]);
    expect(timeline.lost).toBe(1);
  });

  test("packets that are filtered leave no gap in the numbers, but one in the time", () => {
    const timeline = openTimeline();
    send(timeline, 1);
    for (const digit of [2, 3, 4]) timeline.filter(A, digit);
    expect(send(timeline, 5)).toEqual({ sequence: 101, timestamp: 5000 + 4 * 160, marker: true });
    expect(send(timeline, 6)?.marker).toBe(false);
    expect(timeline.lost).toBe(0);
  });

  test("a late packet gets the number that was kept for it, once", () => {
    const timeline = openTimeline();
    const sent = [1, 2, 5, 3, 4, 4, 5, 6].map((n) => send(timeline, n));
    expect(sequences(sent)).toEqual([100, 101, 104, 102, 103, null, null, 105]);
    expect(timeline.lost).toBe(0);
  });

  test("audio that comes late around digits keeps its place, late digits close nothing up", () => {
    const timeline = openTimeline();
    send(timeline, 1);
    timeline.filter(A, 3);
    expect(sequences([send(timeline, 2), send(timeline, 4)])).toEqual([101, 102]);
    timeline.filter(A, 6);
    expect(send(timeline, 7)?.sequence).toBe(104);
    timeline.filter(A, 5);
    expect(send(timeline, 5)).toBeNull();
    timeline.filter(A, 6);
    expect(send(timeline, 8)?.sequence).toBe(105);
  });

  test("random loss, reorder and digits: no number twice, none out of place", () => {
    let seed = 42;
    const next = (): number => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) / 2 ** 32;
    for (let round = 0; round < 50; round += 1) {
      const timeline = openTimeline();
      const inputs = Array.from({ length: 300 }, (_, i) => ({ n: (65_400 + i) & 0xffff,
        digit: next() < 0.1, order: i + (next() < 0.2 ? next() * 6 : 0) }))
        .filter(({ n }) => n === 65_400 || next() > 0.05).toSorted((a, b) => a.order - b.order);
      const seen = new Map<number, number>();
      for (const [i, { n, digit }] of inputs.entries()) {
        if (digit && i > 0) timeline.filter(A, n);
        const sent = digit && i > 0 ? null : send(timeline, n, { atMs: i * 20 });
        if (sent === null) continue;
        expect(seen.has(sent.sequence)).toBe(false);
        seen.set(sent.sequence, ((n - 65_400) << 16) >> 16);
      }
      // Whoever sorts by our numbers has the order of the source.
      const first = [...seen.keys()][0] ?? 0;
      const byNumber = [...seen].toSorted(([a], [b]) =>
        (((a - first) << 16) >> 16) - (((b - first) << 16) >> 16)).map(([, input]) => input);
      expect(byNumber).toEqual(byNumber.toSorted((a, b) => a - b));
    }
  });

  test("both circles are crossed without a jump", () => {
    const timeline = new ForkTimeline({
      ssrc: 1, sequence: 65_535, timestamp: 0xffffffff, clockRate: 8000,
    });
    const sent = [65_535, 65_536, 65_537].map((n) => send(timeline, n & 0xffff, {
      timestamp: (0xffffff00 + (n - 65_535) * 160) >>> 0, atMs: n * 20,
    }));
    expect(sequences(sent)).toEqual([65_535, 0, 1]);
    expect(sent.map((one) => one?.timestamp)).toEqual([0xffffffff, 159, 319]);
  });

  test("another source is spliced: next number, timestamp of the time that passed", () => {
    const timeline = openTimeline();
    send(timeline, 1, { atMs: 1000 });
    expect(send(timeline, 40_000, { source: B, timestamp: 99, atMs: 1500 })).toEqual({
      sequence: 101, timestamp: 5000 + 4000, marker: true,
    });
    expect(send(timeline, 40_001, { source: B, timestamp: 259, atMs: 1520 })).toEqual({
      sequence: 102, timestamp: 9160, marker: false,
    });
  });

  test("a source that begins at once never overlaps the packet before", () => {
    const timeline = openTimeline();
    send(timeline, 1, { atMs: 1000 });
    expect(send(timeline, 9, { source: B, atMs: 1001 })?.timestamp).toBe(5160);
  });

  test("a pause leaves no gap in the numbers and its length in the timestamps", () => {
    const timeline = openTimeline();
    send(timeline, 1);
    timeline.pause();
    timeline.filter(A, 2);
    expect(send(timeline, 51)).toEqual({ sequence: 101, timestamp: 5000 + 50 * 160, marker: true });
  });

  test("RFC 3550 §A.1: a stray number is not believed, two in sequence are a restart", () => {
    const timeline = openTimeline();
    send(timeline, 10);
    expect(send(timeline, 30_000, { atMs: 220 })).toBeNull();
    expect(send(timeline, 11)?.sequence).toBe(101);
    expect(send(timeline, 40_000, { timestamp: 0, atMs: 240 })).toBeNull();
    expect(send(timeline, 40_001, { timestamp: 160, atMs: 260 })).toMatchObject({ sequence: 102,
      timestamp: 5000 + 160 + 320 });
  });

  test("a timestamp far from real time is brought back to it", () => {
    const timeline = openTimeline();
    send(timeline, 1, { atMs: 1000 });
    expect(send(timeline, 2, { timestamp: 0x7000_0000, atMs: 1020 })).toEqual({
      sequence: 101, timestamp: 5160, marker: true,
    });
    expect(send(timeline, 3, { timestamp: 0x7000_00a0, atMs: 1040 })?.timestamp).toBe(5320);
  });

  test("a real silence of a minute stays a minute", () => {
    const timeline = openTimeline();
    send(timeline, 1, { atMs: 0, timestamp: 0 });
    expect(send(timeline, 2, { atMs: 60_000, timestamp: 480_000 })?.timestamp).toBe(485_000);
  });

  test("a duplicate of the same number a whole circle later is not a late packet", () => {
    const timeline = openTimeline();
    send(timeline, 1);
    send(timeline, 3);
    for (let n = 4; n < 65_536 + 3; n += 1) send(timeline, n & 0xffff, {
      timestamp: (n * 160) >>> 0, atMs: n * 20,
    });
    expect(send(timeline, 2, { timestamp: (65_538 * 160) >>> 0 })).toBeNull();
  });

  test("RFC 3550 §6.4.1: the timestamp of an instant follows the source's own clock", () => {
    const timeline = openTimeline();
    // 200 ppm fast, with up to 15 ms of jitter, for ten minutes.
    for (let n = 0; n < 30_000; n += 1) {
      const jitterMs = (n * 7919) % 16;
      send(timeline, n, { timestamp: n * 160, atMs: n * 20 * (1 - 200e-6) + jitterMs });
    }
    const atMs = 30_000 * 20 * (1 - 200e-6);
    const behindMs = (5000 + 30_000 * 160 - timeline.timestampAt(atMs)) / 8;
    expect(Math.abs(behindMs)).toBeLessThan(5);
    expect(timeline.timestampAt(atMs + 1000) - timeline.timestampAt(atMs)).toBe(8000);
  });

  test("before the first packet the instant's timestamp is the first one", () => {
    expect(openTimeline().timestampAt(123)).toBe(5000);
  });
});
