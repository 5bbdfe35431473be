import { describe, expect, test } from "bun:test";
import { ReceivedCounters } from "../../../protocol/rtp/counters.ts";

function receive(numbers: number[], source = 1, counters = new ReceivedCounters()) {
  for (const [i, n] of numbers.entries()) counters.accept(source, n & 0xffff, 160, i * 20);
  return counters;
}
const seen = ({ packets, bytes, lost, late }: ReceivedCounters) => ({ packets, bytes, lost, late });

describe("received counters", () => {
  test("nothing received is nothing lost", () => {
    expect(seen(new ReceivedCounters())).toEqual({ packets: 0, bytes: 0, lost: 0, late: 0 });
  });

  test("losses are what was expected and did not come, over the end of the circle too", () => {
    expect(seen(receive([65_534, 65_535, 65_537, 65_539]))).toEqual({
      packets: 4, bytes: 640, lost: 2, late: 0,
    });
  });

  test("a late packet is late and not lost; a duplicate makes no loss negative", () => {
    expect(seen(receive([1, 3, 2]))).toMatchObject({ lost: 0, late: 1 });
    expect(seen(receive([1, 2, 2, 2]))).toMatchObject({ lost: 0, packets: 4 });
  });

  test("another source and a restart of the same begin anew and keep the sum", () => {
    const counters = receive([1, 3]);
    expect(seen(receive([500, 502], 2, counters))).toMatchObject({ packets: 4, lost: 2 });
    expect(seen(receive([40_000, 40_001], 2, counters))).toMatchObject({ packets: 6, lost: 2 });
    expect(counters.firstAtMs).toBe(0);
  });
});
