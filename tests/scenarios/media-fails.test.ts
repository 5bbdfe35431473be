// A media process that can't serve, or hears nothing: the call is refused, the recording ends,
// never the other way round.
import { expect, test } from "bun:test";
import { ADDRESSES, answerAsPhone, DIAL, EdgeBench } from "../support/edge-bench/bench.ts";
import { refusalOf } from "../support/edge-bench/control.ts";
import type { Draft } from "../support/edge-bench/media.ts";
import { phoneOffer } from "../support/edge-bench/sdp.ts";

const fault = (code: string) => ({ code, message: "by order of the test" });
/** A process that can't be reached is asked again for as long. */
const patienceMs = (code: string): number => (code === "UNREACHABLE" ? 3_500 : 0);
const wantsForks = (order: Draft): boolean => order.forks.length > 0;

for (const code of ["PORTS_EXHAUSTED", "UNREACHABLE", "DRAINING"]) {
  test(`a call that gets no port (${code}) is answered 503, with an alert`, async () => {
    const bench = await EdgeBench.open();
    bench.media.fault = () => fault(code);
    const call = await bench.call();
    await bench.run(patienceMs(code));
    expect(call.statuses.at(-1)).toBe(503);
    expect(bench.status).toBe("failed");
    // The call that was dialled meanwhile has the same fault, and says so too.
    const own = bench.alerts.filter(({ callSid }) => callSid === bench.callSid);
    expect(own.map((alert) => alert.code)).toEqual([31900]);
    expect(bench.callee.calls.length).toBe(0);
    await bench.finish();
  });

  test(`forks that can't be had (${code}) end the session in error, the call goes on`, async () => {
    const bench = await EdgeBench.open();
    bench.media.fault = (order) => wantsForks(order) ? fault(code) : null;
    const call = await bench.call();
    await bench.run(patienceMs(code));
    expect(bench.session).toMatchObject({ state: "error", fault: { code: 31900 } });
    expect(bench.app.events()).toEqual(["siprec-error"]);
    expect(bench.alertCodes).toEqual([31900]);
    expect(bench.srs.calls.length).toBe(0);
    expect(bench.status).toBe("in-progress");
    expect(bench.media.last(bench.callSid)?.endpoint?.hears)
      .toEqual({ kind: "call", callSid: bench.child.call.sid });
    call.bye();
    await bench.finish();
  });
}

test("an order that is lost once is repeated, and nobody notices", async () => {
  const bench = await EdgeBench.open();
  const seen = new Set<string>();
  bench.media.fault = ({ callSid, revision }) => {
    const order = `${callSid} ${revision}`;
    const isFirst = !seen.has(order);
    seen.add(order);
    return isFirst ? fault("UNREACHABLE") : null;
  };
  const call = await bench.call();
  await bench.run(1_000);
  expect(bench.session.state).toBe("in-progress.recording");
  call.bye();
  await bench.finish();
  expect(bench.alerts).toEqual([]);
});

test("a second session that finds no port leaves the first one and the call alone", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.media.pairs = bench.media.lent;
  expect(await refusalOf(bench.start({ name: "two" }))).toBeNull();
  await bench.run(100);
  expect(bench.record.siprecs.map(({ state }) => state))
    .toEqual(["in-progress.recording", "error"]);
  expect(Object.keys(bench.media.open(bench.callSid))).toEqual(["1", "2"]);
  call.bye();
  await bench.finish();
});

test("the called party's leg that gets no port ends that leg alone", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="2"/>` });
  const first: string[] = [];
  bench.media.fault = ({ callSid }) => {
    if (first.length === 0) first.push(callSid);
    return first.includes(callSid) ? null : fault("PORTS_EXHAUSTED");
  };
  const call = await bench.call();
  expect(bench.child.call.status).toBe("failed");
  expect(bench.callee.calls.length).toBe(0);
  expect(bench.status).toBe("in-progress");
  await bench.run(2_000);
  expect(call.heard).toEqual(["BYE"]);
  await bench.finish();
});

test("a media process that dies under a call does not keep the call from ending", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.media.fault = () => fault("UNREACHABLE");
  call.bye();
  await bench.run(100);
  expect(bench.status).toBe("completed");
  await bench.run(3_500);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect(bench.control.host.size).toBe(0);
  bench.media.forget();
  await bench.finish();
});

test("an order that is lost while NATS starts again is carried out when it is back", async () => {
  const bench = await EdgeBench.open();
  let isAway = false;
  bench.media.fault = () => (isAway ? fault("UNREACHABLE") : null);
  bench.callee.onCall = (call) => {
    isAway = true;
    answerAsPhone(call);
  };
  const call = await bench.call();
  await bench.run(1_500);
  isAway = false;
  await bench.run(500);
  expect(bench.media.last(bench.callSid)?.endpoint?.hears)
    .toEqual({ kind: "call", callSid: bench.child.call.sid });
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.alerts).toEqual([]);
  call.bye();
  await bench.finish();
});

test("what could not be ordered for longer is ordered when the doubt is looked into", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.media.fault = () => fault("UNREACHABLE");
  call.request("INVITE", {
    sdp: phoneOffer({ address: ADDRESSES.caller, direction: "inactive", version: 2 }),
  });
  await bench.run(4_000);
  bench.media.fault = () => null;
  bench.control.host.send(bench.callSid, { type: "media.doubted", at: bench.clock.wallMs() });
  await bench.run(100);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.direction).toBe("inactive");
  expect(bench.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("a media process that was replaced under a call ends it and its recording", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.media.forget();
  const at = bench.clock.wallMs();
  for (const sid of bench.control.host.callSids()) {
    bench.control.host.send(sid, { type: "media.doubted", at });
  }
  await bench.run(500);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.status).toBe("completed");
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 31900 } });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-error"]);
  expect(bench.srs.call.heard.at(-1)).toBe("BYE");
  await bench.finish();
  expect(bench.media.lent).toBe(0);
});

test("a leg that sends no audio for too long ends the call, with an alert", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const at = bench.clock.wallMs();
  expect(bench.media.last(bench.callSid)?.endpoint?.timeoutMs).toBe(60_000);
  bench.control.service.media(bench.callSid, { type: "media.timeout", callSid: bench.callSid, at });
  await bench.run(200);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.status).toBe("completed");
  expect(bench.alertCodes).toEqual([32014]);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("a callee that sends no audio ends its own leg, and the document goes on", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="2"/>` });
  const call = await bench.call();
  const callSid = bench.child.call.sid;
  bench.control.service.media(callSid, {
    type: "media.timeout", callSid, at: bench.clock.wallMs(),
  });
  await bench.run(200);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});
