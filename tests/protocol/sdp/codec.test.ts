import { describe, expect, test } from "bun:test";
import {
  codecNamed, codecsNamed, eventsFor, isAudio, isEvent, isKnownCodec, rtpmapName, sameCodec,
  staticCodec,
} from "../../../protocol/sdp/codec.ts";

describe("codecs", () => {
  test("are known by name without case; events and comfort noise are nothing to configure", () => {
    for (const name of ["PCMU", "pcma", "G722", "g729", "Opus"]) {
      expect([name, isKnownCodec(name)]).toEqual([name, true]);
    }
    for (const name of ["", "CN", "telephone-event", "iLBC", "constructor", "__proto__"]) {
      expect([name, isKnownCodec(name), codecNamed(name)]).toEqual([name, false, null]);
    }
  });

  test("a list keeps its order, without what is unknown or said twice", () => {
    expect(codecsNamed(["PCMA", "nope", "opus", "pcma"]).map(({ name }) => name))
      .toEqual(["PCMA", "OPUS"]);
  });

  test("payload types that we offer never collide", () => {
    const codecs = codecsNamed(["PCMU", "PCMA", "G722", "G729", "opus"]);
    const all = [...codecs, ...eventsFor(codecs)].map(({ payloadType }) => payloadType);
    expect(new Set(all).size).toBe(7);
    for (const codec of codecs) {
      const assigned = staticCodec(codec.payloadType);
      if (assigned !== null) expect(assigned).toEqual(codec);
    }
  });

  test("RFC 8866 §6.6: the same codec has name, clock and channels in common", () => {
    const opus = { name: "OPUS", payloadType: 111, clockRate: 48000, channels: 2 };
    expect(sameCodec(opus, { ...opus, name: "opus", payloadType: 96 })).toBe(true);
    expect(sameCodec(opus, { ...opus, channels: 1 })).toBe(false);
    expect(sameCodec(opus, { ...opus, clockRate: 16000 })).toBe(false);
  });

  test("audio is neither events nor comfort noise; names are written as registered", () => {
    const named = (name: string): Parameters<typeof isAudio>[0] =>
      ({ name, payloadType: 96, clockRate: 8000, channels: 1 });
    expect(["PCMU", "CN", "telephone-event"].map((name) => isAudio(named(name))))
      .toEqual([true, false, false]);
    expect(["PCMU", "TELEPHONE-EVENT"].map((name) => isEvent(named(name)))).toEqual([false, true]);
    expect(["opus", "TELEPHONE-EVENT", "PCMU", "X"].map((name) => rtpmapName(named(name))))
      .toEqual(["opus", "telephone-event", "PCMU", "X"]);
  });
});
