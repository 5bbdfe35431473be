// What the called party may do, and what the caller hears of it.
import { expect, test } from "bun:test";
import { header, tagOf } from "../../protocol/sip/header.ts";
import {
  ADDRESSES, answerAsPhone, CALLEE_NUMBER, DIAL, EDGE_URI, EdgeBench,
} from "../support/edge-bench/bench.ts";
import { statusesOf } from "../support/edge-bench/exchange.ts";
import { phoneAnswer, phoneOffer } from "../support/edge-bench/sdp.ts";

const callee = { address: ADDRESSES.callee };
const heardBy = (bench: EdgeBench) => bench.media.last(bench.callSid)?.endpoint?.hears;

const ENDS = [
  [486, "busy"], [600, "busy"], [603, "busy"], [480, "no-answer"], [408, "no-answer"],
  [404, "failed"], [500, "failed"], [503, "failed"],
] as const;

for (const [status, word] of ENDS) {
  test(`a callee that answers ${status} is ${word}, and the document goes on`, async () => {
    const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="5"/>` });
    bench.callee.onCall = (call) => call.reject(status);
    const call = await bench.call();
    expect(bench.child.call).toMatchObject({ status: word, startAt: null });
    expect(bench.status).toBe("in-progress");
    expect(heardBy(bench)).toEqual({ kind: "silence" });
    await bench.run(5_000);
    expect(bench.status).toBe("completed");
    expect(call.heard).toEqual(["BYE"]);
    await bench.finish();
  });
}

test("a callee that does not answer in time is cancelled: no-answer", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="1"/>` });
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call({ ms: 19_900 });
  expect(bench.child.call.status).toBe("ringing");
  await bench.run(300);
  expect(bench.callee.call.isCancelled).toBe(true);
  expect(bench.child.call.status).toBe("no-answer");
  await bench.finish();
});

test("a callee that answers in the moment of our CANCEL gets ACK and BYE: no-answer", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="1"/>` });
  bench.callee.onCall = (call) => {
    call.progress(180);
    call.onCancel = () => call.answer(phoneAnswer(call.offer ?? "", callee));
  };
  await bench.call({ ms: 20_300 });
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.child.call.status).toBe("no-answer");
  await bench.finish();
});

test("the caller hears ringback until the callee answers, then the callee", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  expect(heardBy(bench)).toEqual({ kind: "ringback" });
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  expect(heardBy(bench)).toEqual({ kind: "call", callSid: bench.child.call.sid });
  expect(bench.media.last(bench.child.call.sid)?.endpoint?.hears)
    .toEqual({ kind: "call", callSid: bench.callSid });
  call.bye();
  await bench.finish();
});

test("early media of the callee is heard before the answer", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) =>
    call.progress(183, { sdp: phoneAnswer(call.offer ?? "", { ...callee, port: 4500 }) });
  const call = await bench.call();
  expect(heardBy(bench)).toEqual({ kind: "call", callSid: bench.child.call.sid });
  expect(bench.media.last(bench.child.call.sid)?.endpoint?.remote?.rtp?.port).toBe(4500);
  expect(bench.child.call.status).toBe("ringing");
  call.bye();
  await bench.finish();
});

test("early media that begins after a 180 without SDP is heard too", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  expect(heardBy(bench)).toEqual({ kind: "ringback" });
  bench.callee.call.progress(183, { sdp: phoneAnswer(bench.callee.call.offer ?? "", callee) });
  await bench.run(100);
  expect(heardBy(bench)).toEqual({ kind: "call", callSid: bench.child.call.sid });
  call.bye();
  await bench.finish();
});

test("the second of two forked 200s gets ACK and BYE, the first is the call", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => {
    const sdp = phoneAnswer(call.offer ?? "", callee);
    call.answer(sdp);
    call.answer(sdp, { tag: "another-branch" });
  };
  const call = await bench.call();
  expect(bench.child.call.status).toBe("in-progress");
  const to = (method: string) => bench.callee.call.requests
    .filter(({ request }) => request.method === method)
    .map(({ request }) => tagOf(header(request, "To") ?? "") === "another-branch");
  expect(to("ACK")).toContain(true);
  expect(to("ACK")).toContain(false);
  expect(to("BYE")).toEqual([true]);
  call.bye();
  await bench.run(100);
  expect(to("BYE")).toEqual([true, false]);
  await bench.finish();
});

test("a callee that answers without SDP is hung up: failed", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="1"/>` });
  bench.callee.onCall = (call) => call.answer(null);
  await bench.call();
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.child.call.status).toBe("failed");
  await bench.finish();
});

test("a trunk where nobody is ends the dial after Timer B: no-answer, not before", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Dial timeout="60"><Number>${CALLEE_NUMBER}</Number></Dial><Pause length="1"/>`,
  });
  bench.callee.onCall = (call) => call.ignore();
  await bench.call({ ms: 31_500 });
  expect(bench.child.call.status).toBe("queued");
  await bench.run(1_000);
  expect(bench.child.call.status).toBe("no-answer");
  await bench.finish();
});

test("the callee may put the call on hold: its leg alone is told", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const hold = bench.callee.call.request("INVITE", {
    sdp: phoneOffer({ ...callee, direction: "sendonly", version: 2 }),
  });
  await bench.run(100);
  expect(statusesOf(hold)).toEqual([200]);
  expect(bench.media.last(bench.child.call.sid)?.endpoint?.remote?.direction).toBe("recvonly");
  expect(call.heard).toEqual([]);
  call.bye();
  await bench.finish();
});

test("a number that no trunk takes is an alert, and the document goes on", async () => {
  const bench = await EdgeBench.open({
    twiml: `${DIAL}<Pause length="1"/>`, trunk: { numbers: ["+44*"] },
  });
  const call = await bench.call();
  expect(bench.alertCodes).toEqual([13223]);
  expect(bench.callee.calls.length).toBe(0);
  await bench.run(1_000);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("completed");
  await bench.finish();
});

test("a trunk at its limit refuses the call with 503, and has room again after it", async () => {
  const bench = await EdgeBench.open({
    twiml: "<Pause length=\"0\"/><Pause length=\"60\"/>", trunk: { maxCalls: 1 },
  });
  const first = await bench.call();
  const second = await bench.call();
  expect(second.statuses).toEqual([503]);
  first.bye();
  await bench.run(100);
  const third = await bench.call();
  expect(third.statuses).toEqual([180, 200]);
  third.bye();
  await bench.finish();
});

test("a SIP address is dialled as it is written, with its X- headers", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Dial><Sip>sip:agent@${ADDRESSES.callee}?X-Queue=sales</Sip></Dial>`,
  });
  const call = await bench.call();
  expect(bench.callee.call.invite.uri).toBe(`sip:agent@${ADDRESSES.callee}`);
  expect(header(bench.callee.call.invite, "X-Queue")).toBe("sales");
  call.bye();
  await bench.finish();
});

test("a call that dials us in circles ends when its hops are used up", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Dial><Sip>${EDGE_URI}</Sip></Dial>`, trunk: { allow: ["0.0.0.0/0"] },
  });
  bench.media.pairs = 1_000;
  const call = await bench.call({ ms: 3_000 });
  expect(bench.alertCodes).toEqual([13227]);
  expect(bench.store.records().length).toBeLessThanOrEqual(2 * 71);
  call.bye();
  await bench.finish();
});
