import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { findVoice, FOUND_FROM } from "../../../protocol/audio/compare.ts";
import { decodeWav, type Sound } from "../../../protocol/rtp/wav.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import { Phone } from "../../../edge/tools/phone.ts";
import type { PhoneCall } from "../../../edge/tools/phone-call.ts";
import { quietLog } from "../../support/quiet-log.ts";

const phones: Phone[] = [];

async function phone(user: string, transport: "udp" | "tcp" = "udp"): Promise<Phone> {
  const made = new Phone({
    listen: [{ transport, address: "127.0.0.1", port: 0 }], user,
    clock: systemClock, random: systemRandom, log: quietLog,
  });
  await made.start();
  phones.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(phones.splice(0).map((each) => each.stop()));
});

const nextCall = (called: Phone): Promise<PhoneCall> =>
  new Promise((resolve) => {
    called.onCall = resolve;
  });

/** The first 0.9 s of a voice: enough to know it by. */
function voice(name: string): Sound {
  const read = decodeWav(readFileSync(`${import.meta.dir}/../../assets/${name}`));
  if (!read.ok) throw new Error(read.reason);
  return { ...read.sound, samples: read.sound.samples.subarray(0, 7200) };
}

describe("a phone", () => {
  test("calls another one, both speak, and each hears the other", async () => {
    const [alice, bob] = [await phone("alice"), await phone("bob", "tcp")];
    const [toAlice, toBob] = [voice("voice-b.wav"), voice("voice-a.wav")];
    const coming = nextCall(bob);
    const out = await alice.call(bob.uri, { from: '"Alice" <sip:alice@example.com>' });
    const into = await coming;
    into.ring();
    into.answer();
    expect(await out.answered).toBe(true);
    expect(out.statuses.filter((status) => status > 100)).toEqual([180, 200]);
    await Promise.all([out.say(toBob), into.say(toAlice)]);
    out.press("1#");
    // Digits take the place of 16 packets; a tenth of a second lets the last ones arrive.
    await out.say({ sampleRate: 8000, samples: new Int16Array(800) });
    const end = out.hangUp();
    expect(await end).toEqual({ by: "us", status: 200, reason: "" });
    expect((await into.ended).by).toBe("them");
    expect(findVoice(into.heard.sound(), toBob).score).toBeGreaterThan(FOUND_FROM);
    expect(findVoice(out.heard.sound(), toAlice).score).toBeGreaterThan(FOUND_FROM);
    expect(into.heard.counters.lost).toBe(0);
    expect(into.digitsHeard).toBe("1#");
  });

  test("the called one may hang up", async () => {
    const [alice, bob] = [await phone("alice"), await phone("bob")];
    bob.onCall = (call) => call.answer();
    const coming = await alice.call(bob.uri);
    expect(await coming.answered).toBe(true);
    await bob.stop();
    expect(await coming.ended).toEqual({ by: "them", status: 200, reason: "" });
    expect(coming.state).toBe("ended");
  });

  test("is told that the other one is busy", async () => {
    const [alice, bob] = [await phone("alice"), await phone("bob")];
    bob.onCall = (call) => call.reject(486);
    const out = await alice.call(bob.uri);
    expect(await out.answered).toBe(false);
    expect(await out.ended).toMatchObject({ by: "refused", status: 486 });
  });

  test("gives up while it rings: the called one sees it end", async () => {
    const [alice, bob] = [await phone("alice"), await phone("bob")];
    const coming = nextCall(bob);
    const out = await alice.call(bob.uri);
    const into = await coming;
    into.ring();
    expect(await out.hangUp()).toMatchObject({ by: "refused", status: 487 });
    expect(await into.ended).toMatchObject({ by: "refused", status: 487 });
  });

  test("refuses what it has no codec for", async () => {
    const [alice, bob] = [await phone("alice"), new Phone({
      listen: [{ transport: "udp", address: "127.0.0.1", port: 0 }], user: "bob",
      clock: systemClock, random: systemRandom, log: quietLog, codecs: ["OPUS"],
    })];
    await bob.start();
    phones.push(bob);
    bob.onCall = (call) => call.answer();
    const out = await alice.call(bob.uri);
    expect(await out.ended).toMatchObject({ by: "refused", status: 488 });
  });

  test("nobody who takes calls is not there", async () => {
    const [alice, bob] = [await phone("alice"), await phone("bob")];
    const out = await alice.call(bob.uri);
    expect(await out.ended).toMatchObject({ by: "refused", status: 480 });
  });
});
