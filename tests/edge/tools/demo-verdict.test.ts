import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  checkLines, judge, metadataChecks, verdictTable,
} from "../../../edge/tools/demo-verdict.ts";
import { decodeWav, type Sound } from "../../../protocol/rtp/wav.ts";
import { metadata } from "../../support/recording-client.ts";

function voice(name: string): Sound {
  const read = decodeWav(readFileSync(`${import.meta.dir}/../../assets/${name}`));
  if (!read.ok) throw new Error(read.reason);
  return { ...read.sound, samples: read.sound.samples.subarray(0, 16000) };
}

const alice = { name: "Alice", voice: voice("voice-a.wav") };
const bob = { name: "Bob", voice: voice("voice-b.wav") };

const judged = (sound: Sound | null) =>
  judge({ name: "stream 1", sound, expected: alice, other: bob, receipt: null });

const mixed = (): Sound => ({
  sampleRate: 8000,
  samples: alice.voice.samples.map((sample, i) => (sample + (bob.voice.samples[i] ?? 0)) / 2),
});

describe("the demo's verdict on audio", () => {
  test("is good for the right voice alone", () => {
    expect(judged(alice.voice).ok).toBe(true);
  });

  test("is bad for the other voice, for both, for half of it, for silence and for nothing", () => {
    const half = { sampleRate: 8000, samples: alice.voice.samples.slice(0, 8000) };
    const silence = { sampleRate: 8000, samples: new Int16Array(16000) };
    const sounds = [bob.voice, mixed(), half, silence, null];
    expect(sounds.map((sound) => judged(sound).ok)).toEqual(sounds.map(() => false));
  });

  test("is shown with what was found", () => {
    const [, , right = "", wrong = ""] = verdictTable([judged(alice.voice), judged(null)]);
    expect(right).toMatch(/^stream 1 +Alice +100 % +0\.00 s +\d+ % +2\.00 s +ok$/);
    expect(wrong).toMatch(/^stream 1 +Alice +0 % +nowhere +0 % +0\.00 s +WRONG$/);
  });
});

describe("the demo's verdict on metadata", () => {
  const oks = (documents: string[], labels = ["1", "2"]) =>
    metadataChecks(documents, labels, ["alice@example.com", "bob@example.com"]).map(({ ok }) => ok);

  test("is good for valid documents that name both parties", () => {
    expect(oks([metadata(), metadata()])).toEqual([true, true]);
  });

  test("is bad for none, for a broken one, for a label without stream, for a missing party", () => {
    expect(oks([])).toEqual([false, false]);
    expect(oks([metadata().replace("</recording>", ""), metadata()])).toEqual([false, true]);
    expect(oks([metadata()], ["1"])).toEqual([false, true]);
    expect(oks([metadata().replaceAll("bob@", "eve@")])).toEqual([true, false]);
  });

  test("says what is wrong", () => {
    expect(checkLines([
      { text: "a thing", ok: true, detail: "" }, { text: "another", ok: false, detail: "why" },
    ])).toEqual(["ok     a thing", "WRONG  another: why"]);
  });
});
