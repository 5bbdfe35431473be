// SIPp calls us: what another SIP stack makes of how we answer, and what is recorded of its call.
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { FOUND_FROM, findVoice } from "../../protocol/audio/compare.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { Phone } from "../../edge/tools/phone.ts";
import type { Srs } from "../../edge/tools/srs.ts";
import { eventually } from "../support/eventually.ts";
import { LiveEdge, recorded, voice } from "../support/live-edge.ts";
import { has } from "../support/needs.ts";
import { freeSipPort } from "../support/ports.ts";
import { endSipps, Sipp, type SippOptions, sippTest } from "../support/sipp.ts";

let edge: LiveEdge;
let srs: Srs;
let bob: Phone;
let bobsCalls: PhoneCall[] = [];
let nextNumber = 15550100;

beforeAll(async () => {
  if (!has("nats-server", "sipp")) return;
  edge = await LiveEdge.start();
  [srs, bob] = [await edge.srs(), await edge.answeringPhone()];
  const answer = bob.onCall;
  bob.onCall = (call) => {
    bobsCalls.push(call);
    answer(call);
  };
}, 20_000);
afterAll(async () => void await edge?.stop(), 30_000);
afterEach(async () => {
  bobsCalls = [];
  await endSipps();
});

/** SIPp calls a number of its own, where this document is run. */
async function calls(
  scenario: string, transport: "udp" | "tcp",
  document: (number: string) => string | (() => Promise<string>),
  more: Partial<SippOptions> = {},
): Promise<{ sipp: Sipp; number: string }> {
  nextNumber += 1;
  const number = `+${nextNumber}`;
  edge.app.documents.set(number, document(number));
  const sipp = await Sipp.start({
    scenario, transport, port: await freeSipPort(), remote: { port: edge.sipPort, number }, ...more,
  });
  return { sipp, number };
}

const toBob = "<Dial>+15559999</Dial>";
const dialled = (): string => `<Response>${toBob}</Response>`;

describe("SIPp as caller", () => {
  for (const transport of ["udp", "tcp"] as const) {
    sippTest(`over ${transport}: is answered, bridged and recorded, and hangs up`, async () => {
      const voiceA = voice("a");
      const { sipp, number } = await calls("caller", transport, () =>
        recorded(edge.app, `caller-${transport}`, toBob), { pauseMs: 3_000, says: voiceA });
      const callSid = await edge.app.callSid(number);
      await eventually("Bob is called", () => bobsCalls.length === 1);
      void bobsCalls[0]?.say(voice("b"));
      await sipp.done();
      await edge.app.callback(`/caller-${transport}`, "siprec-stopped");
      await edge.becomes(callSid, "completed");
      await edge.quiet();

      const session = srs.ended.at(-1);
      expect(session?.problems).toEqual([]);
      expect(session?.streams.map(({ label, codec, lost }) => [label, codec, lost]))
        .toEqual([["1", "PCMU", 0], ["2", "PCMU", 0]]);
      // Two and a half of its seconds are enough to know a voice.
      const begun = { ...voiceA, samples: voiceA.samples.subarray(0, 2.5 * voiceA.sampleRate) };
      const inbound = session?.sound("1") ?? { ...voiceA, samples: new Int16Array() };
      expect(findVoice(inbound, begun).score).toBeGreaterThan(FOUND_FROM);
      expect((await bobsCalls[0]?.ended)?.by).toBe("them");
      expect(edge.app.webhooks.filter(({ params }) => params["To"] === number).at(0)?.params)
        .toMatchObject({ Direction: "inbound", CallerName: "Carol & Co" });
    }, 20_000);
  }

  sippTest("a late ACK: the 200 comes again, the call stays", async () => {
    const { sipp, number } = await calls("caller-late-ack", "udp", dialled);
    await sipp.done();
    expect(sipp.count(/^SIP\/2\.0 200 OK[\s\S]{0,700}?CSeq: 1 INVITE/)).toBeGreaterThanOrEqual(3);
    await edge.becomes(await edge.app.callSid(number), "completed");
  }, 20_000);

  sippTest("requests that come three times make one call", async () => {
    const { sipp, number } = await calls("caller-repeats", "udp", dialled, { isPatient: true });
    await sipp.done();
    await edge.becomes(await edge.app.callSid(number), "completed");
    await edge.quiet();
    const asked = edge.app.webhooks.filter(({ params }) => params["To"] === number);
    expect([asked.length, bobsCalls.length]).toEqual([1, 1]);
  }, 20_000);

  sippTest("a CANCEL while it rings ends the call; a document is too late then", async () => {
    // It rings until the app has answered.
    const { promise: document, resolve } = Promise.withResolvers<string>();
    const { sipp, number } = await calls("caller-cancels", "udp", () => () => document);
    const callSid = await edge.app.callSid(number);
    await sipp.done();
    await edge.becomes(callSid, "canceled");
    resolve(dialled());
    await edge.quiet();
    expect([bobsCalls.length, await edge.callStatus(callSid)]).toEqual([0, "canceled"]);
  }, 20_000);

  sippTest("without an offer it gets ours, and answers in the ACK", async () => {
    const { sipp, number } = await calls("caller-no-offer", "udp", dialled, { pauseMs: 500 });
    await sipp.done();
    await edge.becomes(await edge.app.callSid(number), "completed");
  }, 20_000);

  sippTest("holds and resumes", async () => {
    const { sipp, number } = await calls("caller-holds", "tcp", dialled);
    await sipp.done();
    await edge.becomes(await edge.app.callSid(number), "completed");
  }, 20_000);
});
