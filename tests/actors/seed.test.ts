import { expect, test } from "bun:test";
import { derive, deriveNumber } from "../../actors/seed.ts";

const SEED = "00112233445566778899aabbccddeeff";

test("the same seed and purpose give the same bytes, after a restart too", () => {
  expect(derive(SEED, "tag", 8)).toEqual(derive(SEED, "tag", 8));
  expect([...derive(SEED, "tag", 8)]).toEqual([...derive(SEED, "tag", 32).subarray(0, 8)]);
});

test("another purpose or seed gives others, and the two do not run into each other", () => {
  const all = [
    derive(SEED, "tag", 8), derive(SEED, "call-id", 8), derive(`${SEED}t`, "ag", 8),
    derive(`${SEED}1`, "tag", 8),
  ].map(String);
  expect(new Set(all).size).toBe(all.length);
});

test("a number for SDP is a whole one below 2^53, in digits", () => {
  for (let at = 0; at < 200; at += 1) {
    const text = deriveNumber(SEED, `session-${at}`);
    expect(text).toMatch(/^(0|[1-9][0-9]*)$/);
    expect(Number.isSafeInteger(Number(text))).toBe(true);
  }
});
