import { describe, expect, test } from "bun:test";
import { ladder, loudnessBar, table } from "../../../edge/tools/picture.ts";

describe("a ladder of messages", () => {
  test("draws arrows both ways, over other lanes, in the order of time", () => {
    expect(ladder(["Alice", "edge", "Bob"], [
      { atMs: 1500, from: "Bob", to: "Alice", label: "voice" },
      { atMs: 20, from: "Alice", to: "edge", label: "INVITE" },
      { atMs: 40, from: "edge", to: "Alice", label: "200" },
      { atMs: 2000, from: "edge", to: "edge", label: "a note" },
    ])).toEqual([
      "        Alice              edge                Bob",
      " 0.02 s   │──── INVITE ─────>│                  │",
      " 0.04 s   │<────── 200 ──────│                  │",
      " 1.50 s   │<────────────── voice ───────────────│",
      " 2.00 s   │                  │ a note           │",
    ]);
  });

  test("cuts a label that is wider than its arrow", () => {
    const [, line = ""] = ladder(["a", "b"], [
      { atMs: 0, from: "a", to: "b", label: "x".repeat(40) },
    ]);
    expect(line).toBe(` 0.00 s   │ ${"x".repeat(14)} ─>│`);
  });
});

describe("a bar of loudness", () => {
  test("has a column a stretch: silence empty, speech high", () => {
    const samples = new Int16Array(3200);
    samples.fill(8000, 1600, 2400);
    samples.fill(150, 2400, 3200);
    expect(loudnessBar({ sampleRate: 8000, samples }, 100)).toBe("  █▃");
  });
});

describe("a table", () => {
  test("is as wide as its cells, with a line under its head", () => {
    expect(table([["a", "long head"], ["wide cell", "b"]])).toEqual([
      "a          long head",
      "─────────  ─────────",
      "wide cell  b",
    ]);
  });
});
