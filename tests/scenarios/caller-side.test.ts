// What a caller may do to its leg.
import { expect, test } from "bun:test";
import { header } from "../../protocol/sip/header.ts";
import {
  ADDRESSES, answerAsPhone, EDGE_URI, EdgeBench, NUMBER,
} from "../support/edge-bench/bench.ts";
import { statusesOf } from "../support/edge-bench/exchange.ts";
import { phoneAnswer, phoneOffer } from "../support/edge-bench/sdp.ts";
import { sdpOf } from "../support/edge-bench/peer-call.ts";

const RING = "<Pause length=\"30\"/>";
const caller = { address: ADDRESSES.caller };

test("a caller that cancels while it rings gets 487, and the call is canceled", async () => {
  const bench = await EdgeBench.open({ twiml: RING });
  const call = await bench.call();
  expect(call.statuses).toEqual([180]);
  call.cancel();
  await bench.run(100);
  expect(call.statuses).toEqual([180, 487]);
  expect(bench.status).toBe("canceled");
  await bench.finish();
});

test("a CANCEL that comes before anything was fetched ends the call", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ ms: 3 });
  call.cancel();
  await bench.run(2_000);
  const last = call.statuses.at(-1) ?? 0;
  expect([200, 487]).toContain(last);
  if (last === 200) call.bye();
  await bench.finish();
  expect(["canceled", "completed"]).toContain(bench.status);
});

test("a caller that hangs up while we dial cancels the callee and its own recording", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  call.bye();
  await bench.run(300);
  expect(bench.callee.call.isCancelled).toBe(true);
  expect(bench.status).toBe("completed");
  expect(bench.child.call.status).toBe("canceled");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("a caller that hangs up before the callee said anything: CANCEL waits for a 1xx", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.ignore();
  const call = await bench.call({ ms: 300 });
  call.bye();
  await bench.run(300);
  expect(bench.witness.between("callee")).not.toContain("> CANCEL");
  await bench.run(33_000);
  expect(bench.child.call.status).toBe("canceled");
  await bench.finish();
});

test("either side may hang up: the caller", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const bye = call.bye();
  await bench.run(100);
  expect(statusesOf(bye)).toEqual([200]);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  await bench.finish();
});

test("either side may hang up: the callee, then the document ends and so the call", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const bye = bench.callee.call.bye();
  await bench.run(200);
  expect(statusesOf(bye)).toEqual([200]);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("completed");
  await bench.finish();
});

test("a 2xx whose ACK is lost is repeated, and ends in BYE after 32 s", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ autoAck: false, ms: 31_000 });
  expect(call.statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
  expect(bench.status).toBe("in-progress");
  await bench.run(3_000);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("failed");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("an ACK that comes late stops the repeating, and the call lives", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ autoAck: false, ms: 5_000 });
  const before = call.statuses.length;
  expect(before).toBeGreaterThan(3);
  call.ack();
  await bench.run(35_000);
  expect(call.statuses.length).toBe(before);
  expect(bench.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("a hang-up of ours waits for the ACK: the callee must not send BYE before it", async () => {
  const bench = await EdgeBench.open({ twiml: "<Start/><Pause length=\"1\"/>" });
  const call = await bench.call({ autoAck: false, ms: 4_000 });
  expect(bench.status).toBe("completed");
  expect(call.heard).toEqual([]);
  call.ack();
  // It answers the 2xx that was repeated: each of them.
  call.ack();
  await bench.run(100);
  expect(call.heard).toEqual(["BYE"]);
  await bench.finish();
});

test("an INVITE that comes twice is one call, and gets the same answers", async () => {
  const bench = await EdgeBench.open();
  bench.wire.weather = ({ text }) => text.startsWith("INVITE") ? [1, 40] : [1];
  const call = await bench.call();
  expect(bench.store.records().filter(({ call: one }) => one.direction === "inbound"))
    .toHaveLength(1);
  expect(bench.control.userAgent.stats.retransmissions).toBeGreaterThan(0);
  call.bye();
  await bench.finish();
});

test("a call without an offer gets ours in the 2xx, recorded as the ACK answers", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ sdp: null, autoAck: false });
  expect(call.statuses).toEqual([180, 200]);
  const offer = sdpOf(call.responses.at(-1)!);
  expect(offer).toContain("m=audio");
  expect(bench.session.state).toBe("idle");
  const answer = phoneAnswer(offer ?? "", caller);
  call.ack({ body: new TextEncoder().encode(answer), contentType: "application/sdp" });
  await bench.run(200);
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.rtp?.address).toBe(ADDRESSES.caller);
  call.bye();
  await bench.finish();
});

test("an ACK without the answer that is due ends the call", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ sdp: null });
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("failed");
  await bench.finish();
});

test("hold and resume concern the leg alone: the recorder's dialog is not told", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const before = bench.srs.call.heard.length;
  const hold = call.request("INVITE", {
    sdp: phoneOffer({ ...caller, direction: "sendonly", version: 2 }),
  });
  await bench.run(100);
  expect(statusesOf(hold)).toEqual([200]);
  expect(sdpOf(hold.responses[0]!)).toContain("a=recvonly");
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.direction).toBe("recvonly");
  const resume = call.request("INVITE", { sdp: phoneOffer({ ...caller, port: 4100, version: 3 }) });
  await bench.run(100);
  expect(statusesOf(resume)).toEqual([200]);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote).toMatchObject({
    direction: "sendrecv", rtp: { address: ADDRESSES.caller, port: 4100 },
  });
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.srs.call.heard.length).toBe(before);
  call.bye();
  await bench.finish();
});

test("hold by a=inactive and by the address 0.0.0.0 are understood", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  call.request("INVITE", { sdp: phoneOffer({ ...caller, direction: "inactive", version: 2 }) });
  await bench.run(50);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.direction).toBe("inactive");
  call.request("INVITE", { sdp: phoneOffer({ address: "0.0.0.0", version: 3 }) });
  await bench.run(50);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.rtp).toBeNull();
  call.bye();
  await bench.finish();
});

test("a re-INVITE without one codec in common is refused 488 and changes nothing", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const orders = bench.media.orders.length;
  const offer = call.request("INVITE", {
    sdp: phoneOffer({ ...caller, codecs: ["G722"], version: 2 }),
  });
  await bench.run(100);
  expect(statusesOf(offer)).toEqual([488]);
  expect(bench.media.orders.length).toBe(orders);
  expect(bench.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("an offerless re-INVITE gets our description, its ACK is the answer", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  call.answerOffer = (offer) => phoneAnswer(offer, { ...caller, port: 4200, version: 2 });
  const exchange = call.request("INVITE");
  await bench.run(100);
  expect(statusesOf(exchange)).toEqual([200]);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.rtp?.port).toBe(4200);
  call.bye();
  await bench.finish();
});

test("OPTIONS and INFO in a call's dialog are answered 200, an unknown method 405", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const answers = ["OPTIONS", "INFO", "MESSAGE"].map((method) => call.request(method));
  await bench.run(50);
  expect(answers.map(statusesOf)).toEqual([[200], [200], [405]]);
  expect(header(answers[0]!.responses[0]!, "Allow")).toContain("INVITE");
  call.bye();
  await bench.finish();
});

test("a request that comes out of order in the dialog is answered 500", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  call.request("OPTIONS");
  await bench.run(50);
  call.dialog = { ...call.dialog!, localSeq: 0 };
  const late = call.request("INFO");
  await bench.run(50);
  expect(statusesOf(late)).toEqual([500]);
  call.dialog = { ...call.dialog!, localSeq: 10 };
  call.bye();
  await bench.finish();
});

test("each losing one datagram of two still makes and ends one recorded call", async () => {
  const bench = await EdgeBench.open({
    recorders: [`sip:srs@${ADDRESSES.srs};transport=udp`], seed: 7,
  });
  let count = 0;
  bench.wire.weather = () => count++ % 2 === 0 ? [] : [1];
  bench.callee.onCall = (call) => {
    call.progress(180);
    bench.clock.after(2_000, () => answerAsPhone(call));
  };
  const call = await bench.call({ ms: 25_000 });
  expect(bench.status).toBe("in-progress");
  expect(bench.session.state).toBe("in-progress.recording");
  call.bye();
  await bench.run(20_000);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("each datagram arriving twice, the second late, changes nothing", async () => {
  const bench = await EdgeBench.open({ recorders: [`sip:srs@${ADDRESSES.srs};transport=udp`] });
  bench.wire.weather = () => [1, 30];
  const call = await bench.call();
  expect(bench.store.records()).toHaveLength(2);
  expect(bench.srs.calls).toHaveLength(1);
  expect(bench.callee.calls).toHaveLength(1);
  call.bye();
  await bench.run(500);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("who called which number, with which X- headers, reaches the app", async () => {
  const bench = await EdgeBench.open();
  const call = bench.caller.invite(EDGE_URI, {
    sdp: phoneOffer(caller), headers: [{ name: "X-Order", value: "42" }],
    from: "\"Ann\" <sip:+15551112222@203.0.113.10>",
  });
  await bench.run(300);
  expect(bench.app.fetched[0]?.params).toMatchObject({
    From: "+15551112222", To: NUMBER, CallStatus: "ringing", Direction: "inbound",
    CallerName: "Ann", "SipHeader_X-Order": "42",
  });
  call.bye();
  await bench.finish();
});
