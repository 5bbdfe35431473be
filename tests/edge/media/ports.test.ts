import { describe, expect, test } from "bun:test";
import { PortPool, shareOfPorts } from "../../../edge/media/ports.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import { StillClock } from "./rig.ts";

function openPool(range: [number, number], restMs = 5000) {
  const clock = new StillClock();
  return { clock, pool: new PortPool({ range, restMs, clock, random: systemRandom }) };
}
const lendAll = (pool: PortPool): (number | null)[] =>
  Array.from({ length: pool.all + 1 }, () => pool.lend());

describe("port pool", () => {
  test("lends each even port once, in no order, then says that there is none", () => {
    const { pool } = openPool([10_000, 10_399]);
    const lent = lendAll(pool);
    expect(lent.pop()).toBeNull();
    expect(new Set(lent).size).toBe(200);
    expect(lent.every((port) => port !== null && port % 2 === 0)).toBe(true);
    // One chance in 200! that this is a shuffled order.
    expect(lent).not.toEqual(lent.toSorted());
  });

  test("a pair needs both its ports inside the range", () => {
    expect([[10_001, 10_003], [10_001, 10_004], [10_000, 10_000], [9, 2]].map(([first, last]) =>
      openPool([first ?? 0, last ?? 0]).pool.all)).toEqual([1, 1, 0, 0]);
    expect(openPool([10_000, 10_000]).pool.lend()).toBeNull();
  });

  test("a pair rests before it is lent again, and the longest free goes first", () => {
    const { pool, clock } = openPool([10_000, 10_005]);
    const [a, b, c] = lendAll(pool);
    for (const port of [b, a, c]) {
      pool.giveBack(port ?? 0);
      clock.advance(1000);
    }
    expect([pool.free, pool.lend()]).toEqual([3, null]);
    clock.advance(2000);
    expect([pool.lend(), pool.lend()]).toEqual([b ?? 0, null]);
    clock.advance(2000);
    expect([pool.lend(), pool.lend(), pool.free]).toEqual([a ?? 0, c ?? 0, 0]);
  });

  test("what was never lent goes before what was given back", () => {
    const { pool, clock } = openPool([10_000, 10_007], 0);
    const first = pool.lend() ?? 0;
    pool.giveBack(first);
    clock.advance(1);
    expect(lendAll(pool).indexOf(first)).toBe(3);
  });

  test("processes share a range without a port in common", () => {
    expect([0, 1, 2, 3].map((n) => shareOfPorts({ min: 10_001, max: 10_020 }, 3, n))).toEqual([
      [10_002, 10_007], [10_008, 10_013], [10_014, 10_019], [10_002, 10_007],
    ]);
    expect(shareOfPorts({ min: 10_000, max: 10_019 }, 0, 7)).toEqual([10_000, 10_019]);
  });
});
