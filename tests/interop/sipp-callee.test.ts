// SIPp is dialled by <Number> and <Sip>: every way in which a far end answers, or does not.
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { FOUND_FROM, findVoice } from "../../protocol/audio/compare.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { Phone } from "../../edge/tools/phone.ts";
import { eventually } from "../support/eventually.ts";
import { LiveEdge, voice } from "../support/live-edge.ts";
import { has } from "../support/needs.ts";
import { isBound } from "../support/processes.ts";
import { endSipps, Sipp, type SippOptions, sippTest } from "../support/sipp.ts";

let edge: LiveEdge;
let alice: Phone;
let nextNumber = 15550200;

beforeAll(async () => {
  if (!has("nats-server", "sipp")) return;
  edge = await LiveEdge.start();
  alice = await edge.phone("alice");
}, 20_000);
afterAll(async () => void await edge?.stop(), 30_000);
afterEach(endSipps);

interface Dialled {
  sipp: Sipp;
  call: PhoneCall;
  callSid: string;
  childSid: string;
}

/** Alice calls a number whose document dials SIPp. */
async function dials(
  scenario: string, transport: "udp" | "tcp",
  more: Partial<SippOptions> & { document?: string } = {},
): Promise<Dialled> {
  const { document, ...rest } = more;
  const sipp = await Sipp.start({ scenario, transport, port: edge.callee[transport], ...rest });
  return { sipp, ...await callOut(document ?? dialNumber(transport)) };
}

async function callOut(document: string) {
  nextNumber += 1;
  const number = `+${nextNumber}`;
  edge.app.documents.set(number, document);
  const call = await alice.call(edge.uri(number));
  const callSid = await edge.app.callSid(number);
  return { call, callSid, childSid: await edge.childOf(callSid) };
}

const dialNumber = (transport: "udp" | "tcp", attributes = ""): string =>
  `<Response><Dial ${attributes}>+155${transport === "udp" ? 5 : 6}0000</Dial></Response>`;
const dialSip = (transport: "udp" | "tcp"): string =>
  `<Response><Dial><Sip>sip:callee@127.0.0.1:${edge.callee[transport]};transport=${transport}`
  + "</Sip></Dial></Response>";

describe("SIPp as callee", () => {
  for (const transport of ["udp", "tcp"] as const) {
    for (const verb of ["Number", "Sip"] as const) {
      sippTest(`<${verb}> over ${transport}: answers, and is hung up on`, async () => {
        const document = verb === "Sip" ? dialSip(transport) : dialNumber(transport);
        const { sipp, call, callSid, childSid } = await dials("callee", transport, { document });
        expect(await call.answered).toBe(true);
        await edge.becomes(childSid, "in-progress");
        await call.hangUp();
        await sipp.done();
        await edge.becomes(childSid, "completed");
        await edge.becomes(callSid, "completed");
      }, 20_000);
    }
  }

  sippTest("hangs up: both calls end", async () => {
    const { sipp, call, callSid, childSid } = await dials("callee-hangs-up", "tcp", {
      pauseMs: 300,
    });
    await sipp.done();
    expect((await call.ended).by).toBe("them");
    await edge.becomes(childSid, "completed");
    await edge.becomes(callSid, "completed");
  }, 20_000);

  for (const [status, reason, told] of [
    ["486", "Busy Here", "busy"], ["603", "Decline", "busy"], ["480", "Temporarily Unavailable",
      "no-answer"], ["404", "Not Found", "failed"], ["500", "Server Internal Error", "failed"],
  ] as const) {
    sippTest(`${status} ${reason}: the dialled call is ${told}, the document goes on`, async () => {
      const { sipp, call, callSid, childSid } = await dials("callee-refuses", "udp", {
        keys: { status, reason },
        document: "<Response><Dial>+15550000</Dial><Pause length=\"1\"/></Response>",
      });
      await sipp.done();
      await edge.becomes(childSid, told);
      expect(await edge.callStatus(callSid)).toBe("in-progress");
      expect((await call.ended).by).toBe("them");
      await edge.becomes(callSid, "completed");
    }, 20_000);
  }

  sippTest("never answers: cancelled after the timeout of <Dial>, then no-answer", async () => {
    const { sipp, childSid, callSid, call } = await dials("callee-cancelled", "udp", {
      document: dialNumber("udp", "timeout=\"1\""),
    });
    await sipp.done();
    await edge.becomes(childSid, "no-answer");
    expect((await call.ended).by).toBe("them");
    await edge.becomes(callSid, "completed");
  }, 20_000);

  sippTest("is cancelled when the caller hangs up while it rings", async () => {
    const { sipp, call, callSid, childSid } = await dials("callee-cancelled", "tcp");
    await edge.becomes(childSid, "ringing");
    await call.hangUp();
    await sipp.done();
    await edge.becomes(childSid, "canceled");
    await edge.becomes(callSid, "completed");
  }, 20_000);

  sippTest("183 with SDP: its audio is heard before it answers", async () => {
    const says = voice("b");
    const { sipp, call } = await dials("callee-early", "udp", { says, pauseMs: 2_500 });
    await eventually("SIPp answers", () => sipp.count(/^SIP\/2\.0 200/) > 0);
    const early = call.heard.sound();
    await call.hangUp();
    await sipp.done();
    const begun = { ...says, samples: says.samples.subarray(0, 2 * says.sampleRate) };
    expect(findVoice(early, begun).score).toBeGreaterThan(FOUND_FROM);
  }, 20_000);

  sippTest("repeats its 200 because the ACK was lost: each one is acknowledged", async () => {
    const { sipp, call } = await dials("callee-repeats-200", "udp");
    await eventually("two ACKs", () => sipp.count(/^ACK /) === 2);
    await call.hangUp();
    await sipp.done();
  }, 20_000);

  sippTest("two answers from behind a proxy: one call, the other dialog is ended", async () => {
    const { sipp, call, childSid } = await dials("callee-forks", "udp");
    await eventually("the second one is ended", () => sipp.count(/^BYE /) === 1);
    expect(await edge.callStatus(childSid)).toBe("in-progress");
    await call.hangUp();
    await sipp.done();
    await edge.becomes(childSid, "completed");
  }, 20_000);

  sippTest("nobody is there: no-answer over UDP in time, failed at once over TCP", async () => {
    expect(isBound("udp", edge.callee.udp)).toBe(false);
    const udp = await callOut(dialNumber("udp", "timeout=\"1\""));
    const tcp = await callOut(dialNumber("tcp", "timeout=\"10\""));
    await edge.becomes(tcp.childSid, "failed");
    await edge.becomes(udp.childSid, "no-answer");
    expect((await Promise.all([udp.call.ended, tcp.call.ended])).map(({ by }) => by))
      .toEqual(["them", "them"]);
  }, 20_000);
});
