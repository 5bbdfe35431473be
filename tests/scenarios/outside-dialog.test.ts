// Requests that belong to no call: who is answered, and how.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { buildRequest } from "../../protocol/sip/build.ts";
import { header } from "../../protocol/sip/header.ts";
import { mintIdentity } from "../../protocol/sip/identity.ts";
import { ADDRESSES, EDGE_URI, EdgeBench } from "../support/edge-bench/bench.ts";
import { EDGE_ADDRESS } from "../support/edge-bench/control.ts";
import { statusesOf, textBody } from "../support/edge-bench/exchange.ts";
import { phoneOffer } from "../support/edge-bench/sdp.ts";

let bench: EdgeBench;
beforeEach(async () => {
  bench = await EdgeBench.open();
});
afterEach(async () => {
  await bench.finish();
  expect(bench.store.records()).toEqual([]);
});

const offer = phoneOffer({ address: ADDRESSES.caller });

async function statusOf(method: string, changes = {}): Promise<number[]> {
  const exchange = bench.caller.ask(method, EDGE_URI, changes);
  await bench.run(100);
  return statusesOf(exchange);
}

test("OPTIONS is answered 200 with what is spoken here, and 503 while draining", async () => {
  const exchange = bench.caller.ask("OPTIONS", EDGE_URI);
  await bench.run(50);
  expect(statusesOf(exchange)).toEqual([200]);
  expect(header(exchange.responses[0]!, "Allow")).toContain("INVITE");
  expect(header(exchange.responses[0]!, "Accept")).toContain("application/sdp");
  bench.control.refuseNew();
  expect(await statusOf("OPTIONS")).toEqual([503]);
});

test("methods that are not for us are answered 405, unknown ones 501", async () => {
  expect(await statusOf("REGISTER")).toEqual([405]);
  expect(await statusOf("SUBSCRIBE")).toEqual([405]);
  expect(await statusOf("MESSAGE")).toEqual([405]);
  expect(await statusOf("NONSENSE")).toEqual([501]);
});

test("BYE, UPDATE, INFO and PRACK outside of a dialog are answered 481", async () => {
  for (const method of ["BYE", "UPDATE", "INFO", "PRACK"]) {
    expect(await statusOf(method)).toEqual([481]);
  }
});

test("a tag that is none of ours, or of a call that is not here, is answered 481", async () => {
  const owner = {
    callSid: `CA03${"0".repeat(30)}`, siprecSid: `SR${"0".repeat(32)}`, ordinal: 0,
  };
  const ours = mintIdentity(owner, new Uint8Array(8));
  for (const tag of ["x", "CA1-2", ours, `${ours}x`, "CA*.x"]) {
    expect(await statusOf("BYE", { to: `<${EDGE_URI}>;tag=${tag}` })).toEqual([481]);
    expect(await statusOf("INVITE", { to: `<${EDGE_URI}>;tag=${tag}` })).toEqual([481]);
  }
});

test("a stranger's INVITE gets no answer at all, not even a 100", async () => {
  const stranger = await bench.peer("stranger");
  const call = stranger.invite(EDGE_URI, { sdp: offer });
  await bench.run(40_000);
  expect(call.statuses).toEqual([]);
  expect(bench.witness.matching(/edge>stranger/)).toEqual([]);
  expect(bench.witness.matching(/stranger>edge INVITE/).length).toBeGreaterThan(5);
});

test("a stranger over TCP gets no answer either", async () => {
  const stranger = await bench.peer("stranger", ["tcp"]);
  const call = stranger.invite(`${EDGE_URI};transport=tcp`, { sdp: offer });
  await bench.run(5_000);
  expect(call.statuses).toEqual([]);
  expect(bench.witness.matching(/edge>stranger/)).toEqual([]);
});

test("a number that is nobody's is answered 404", async () => {
  const call = bench.caller.invite(`sip:+15559999999@${EDGE_ADDRESS}`, { sdp: offer });
  await bench.run(100);
  expect(call.statuses).toEqual([404]);
});

test("an offer that nothing can be made of is answered 488, before anything is made", async () => {
  for (const sdp of [
    phoneOffer({ address: ADDRESSES.caller, codecs: ["G722"] }),
    offer.replace("m=audio", "m=video"),
    offer.replace("RTP/AVP", "RTP/SAVP"),
  ]) {
    const call = bench.caller.invite(EDGE_URI, { sdp });
    await bench.run(100);
    expect(call.statuses).toEqual([488]);
    expect(header(call.responses[0]!, "Warning")).toStartWith("399 siprec");
  }
  expect(bench.media.orders).toEqual([]);
});

test("an extension that we must know and don't is answered 420 with its name", async () => {
  const call = bench.caller.invite(EDGE_URI, {
    sdp: offer, headers: [{ name: "Require", value: "100rel, foo" }],
  });
  await bench.run(100);
  expect(call.statuses).toEqual([420]);
  expect(header(call.responses[0]!, "Unsupported")).toBe("100rel, foo");
});

test("a body that must be understood and is not is answered 415", async () => {
  const odd = bench.caller.send(buildRequest({
    method: "INVITE", uri: EDGE_URI, to: `<${EDGE_URI}>`, from: "<sip:a@203.0.113.10>;tag=a",
    callId: "odd", cseq: 1, ...textBody("<p>", "text/html"),
  }));
  await bench.run(100);
  expect(statusesOf(odd)).toEqual([415]);
});

test("an INVITE while draining is answered 503", async () => {
  bench.control.refuseNew();
  const call = bench.caller.invite(EDGE_URI, { sdp: offer });
  await bench.run(100);
  expect(call.statuses).toEqual([503]);
  expect(header(call.responses[0]!, "Retry-After")).not.toBeNull();
});
