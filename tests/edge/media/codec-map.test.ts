import { describe, expect, test } from "bun:test";
import { ALAW_TO_ULAW, ULAW_TO_ALAW } from "../../../protocol/rtp/g711.ts";
import { clockRates, entryType, forkMap, isComfortNoise, NOT_MAPPED, PLAIN_BELOW, relayMap,
  SharedMaps, tableOf } from "../../../edge/media/codec-map.ts";
import type { Codec } from "../../../schemas/media.ts";
import { CN, events, PCMA, PCMU } from "./rig.ts";

const opus = (payloadType: number): Codec =>
  ({ name: "opus", payloadType, clockRate: 48_000, channels: 2 });

/** Payload types that are mapped at all. */
const mapped = (map: Int16Array): [number, number][] =>
  [...map].flatMap((entry, type): [number, number][] =>
    entry === NOT_MAPPED ? [] : [[type, entryType(entry)]]);

describe("codec map", () => {
  test("the same codec goes by its own number on each side", () => {
    const map = relayMap([PCMU, opus(111)], [], [opus(96), PCMU], []);
    expect(mapped(map)).toEqual([[0, 0], [111, 96]]);
    expect([...map].every((entry) => entry < PLAIN_BELOW)).toBe(true);
  });

  test("names match in any case; clock and channels have to be equal", () => {
    expect(mapped(relayMap([{ ...opus(111), name: "OPUS" }], [], [opus(96)], []))).toHaveLength(1);
    expect(mapped(relayMap([opus(111)], [], [{ ...opus(96), channels: 1 }], []))).toEqual([]);
    expect(mapped(relayMap([PCMU], [], [{ ...PCMU, clockRate: 16_000 }], []))).toEqual([]);
  });

  test("µ-law and A-law are translated when the other side has only the other", () => {
    const toAlaw = relayMap([PCMU], [], [PCMA], [])[0] ?? NOT_MAPPED;
    const toUlaw = forkMap([PCMA], [PCMU])[8] ?? NOT_MAPPED;
    expect([entryType(toAlaw), entryType(toUlaw)]).toEqual([8, 0]);
    expect([tableOf(toAlaw), tableOf(toUlaw), tableOf(0)]).toEqual([
      ULAW_TO_ALAW, ALAW_TO_ULAW, null,
    ]);
  });

  test("digits go to a leg by its own number and with the same clock only", () => {
    const wide = { ...events(110), clockRate: 48_000 };
    expect(mapped(relayMap([], [events(101), wide], [], [events(96)]))).toEqual([[101, 96]]);
    expect(mapped(relayMap([PCMU], [events(101)], [PCMU], []))).toEqual([[0, 0]]);
  });

  test("digits and what may carry them are never forked, whatever the recorder offers", () => {
    const red = { ...PCMU, name: "red", payloadType: 99 };
    const all = [PCMU, events(101), { ...events(102), name: "TELEPHONE-EVENT" }, red];
    expect(mapped(forkMap(all, all))).toEqual([[0, 0]]);
  });

  test("comfort noise goes only to whom it was agreed with", () => {
    expect(mapped(forkMap([PCMU, CN], [PCMU]))).toEqual([[0, 0]]);
    const map = forkMap([PCMU, CN], [PCMU, CN]);
    expect([isComfortNoise(map[13] ?? 0), isComfortNoise(map[0] ?? 0)]).toEqual([true, false]);
  });

  test("of all payload types only the agreed ones are mapped", () => {
    expect(mapped(forkMap([PCMU, PCMA], [PCMU]))).toEqual([[0, 0], [8, 0]]);
    expect(clockRates([PCMU, opus(111)]).filter((rate) => rate > 0)).toHaveLength(2);
  });

  test("equal tables are one, different ones stay different", () => {
    const shared = new SharedMaps();
    const first = shared.map(forkMap([PCMU], [PCMU]));
    expect(shared.map(forkMap([PCMU], [PCMU]))).toBe(first);
    expect(shared.map(forkMap([PCMU], [PCMA]))).not.toBe(first);
    expect(shared.clocks(clockRates([PCMU]))).toEqual(clockRates([PCMU]));
  });
});
