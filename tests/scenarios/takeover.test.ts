// A control process dies and another one of its edge goes on from what was stored.
import { expect, test } from "bun:test";
import {
  ADDRESSES, answerAsPhone, answerAsRecorder, DIAL, EdgeBench, SIPREC,
} from "../support/edge-bench/bench.ts";
import { statusesOf } from "../support/edge-bench/exchange.ts";
import { sdpOf } from "../support/edge-bench/peer-call.ts";
import { phoneOffer } from "../support/edge-bench/sdp.ts";

const UDP = `sip:srs@${ADDRESSES.srs};transport=udp`;
const invites = (bench: EdgeBench): number =>
  bench.witness.matching(/^edge>\w+ INVITE$/).length;

async function died(bench: EdgeBench, afterMs = 1_000): Promise<void> {
  await bench.crash();
  await bench.run(afterMs);
  await bench.takeOver();
}

test("a recorded call goes on under another process, without one INVITE more", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const before = invites(bench);
  const orders = bench.media.orders.length;
  await died(bench, 2_000);
  expect(bench.status).toBe("in-progress");
  expect(bench.session.state).toBe("in-progress.recording");
  expect(invites(bench)).toBe(before);
  expect(bench.media.orders.length).toBe(orders + 2);
  expect(Object.keys(bench.media.open(bench.callSid))).toEqual(["1", "2"]);
  expect(bench.app.events()).toEqual(["siprec-started"]);
  const bye = call.bye();
  await bench.run(500);
  expect(statusesOf(bye)).toEqual([200]);
  expect(bench.srs.call.heard.filter((method) => method === "BYE")).toHaveLength(1);
  expect(bench.callee.call.heard.filter((method) => method === "BYE")).toHaveLength(1);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
  expect(invites(bench)).toBe(before);
});

test("after a takeover the call still answers its peers, and REST", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  await died(bench);
  const hold = call.request("INVITE", {
    sdp: phoneOffer({ address: ADDRESSES.caller, direction: "sendonly", version: 2 }),
  });
  const options = bench.srs.call.request("OPTIONS");
  await bench.run(100);
  expect([statusesOf(hold), statusesOf(options)]).toEqual([[200], [200]]);
  expect(await bench.stop("one")).toMatchObject({ name: "one", status: "stopped" });
  await bench.run(100);
  expect(bench.session.state).toBe("stopped");
  call.bye();
  await bench.finish();
});

test("after a takeover the callee that hangs up ends the Dial, the document goes on", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start>${DIAL}<Pause length="3"/>`,
  });
  const call = await bench.call();
  await died(bench);
  bench.callee.call.bye();
  await bench.run(200);
  expect(bench.status).toBe("in-progress");
  expect(bench.srs.call.snapshots.at(-1)?.participants[1]?.names[0]?.aor).toBe("tel:+15550000001");
  await bench.run(3_000);
  expect(call.heard).toEqual(["BYE"]);
  await bench.finish();
});

test("a Pause that was under way ends when it would have ended", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start><Pause length="10"/><Stop><Siprec name="one"/></Stop>${DIAL}`,
  });
  const call = await bench.call();
  await died(bench, 2_000);
  await bench.run(7_000);
  expect(bench.session.state).toBe("in-progress.recording");
  await bench.run(1_000);
  expect(bench.session.state).toBe("stopped");
  expect(bench.child.call.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("where the audio went before the takeover, it goes after it", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  call.request("INVITE", {
    sdp: phoneOffer({ address: ADDRESSES.caller, port: 4400, version: 2 }),
  });
  await bench.run(100);
  await died(bench);
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.rtp?.port).toBe(4400);
  const again = call.request("INVITE", {
    sdp: phoneOffer({ address: ADDRESSES.caller, port: 4402, version: 3 }),
  });
  await bench.run(100);
  // The version of our own description goes on from where it was (RFC 3264 §8).
  expect(sdpOf(again.responses[0]!)).toContain("o=- ");
  expect(bench.media.last(bench.callSid)?.endpoint?.remote?.rtp?.port).toBe(4402);
  call.bye();
  await bench.finish();
});

test("a call whose first order was never answered is taken over too", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ ms: 2 });
  await died(bench);
  await bench.run(2_000);
  expect(bench.control.host.size).toBe(0);
  call.cancel();
  await bench.finish();
});

test("an INVITE to a recorder that was under way is not sent again: a new one begins", async () => {
  const bench = await EdgeBench.open({ recorders: [UDP] });
  bench.srs.onCall = (call) => call.progress(180);
  const call = await bench.call();
  expect(bench.session.state).toBe("inviting.calling");
  await bench.crash();
  bench.srs.onCall = (one) => bench.clock.after(10, () => answerRecorder(one));
  await bench.run(500);
  await bench.takeOver();
  await bench.run(200);
  const [first, second] = bench.srs.calls;
  expect(bench.srs.calls.length).toBe(2);
  expect(second?.callId).not.toBe(first?.callId);
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.app.events()).toEqual(["siprec-started"]);
  call.bye();
  await bench.finish();
});

test("a recorder's session whose snapshot was under way can be told of changes again", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start>${DIAL}<Pause length="9"/>`,
  });
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  bench.srs.call.onRequest = () => {};
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.updating");
  bench.srs.call.onRequest = null;
  await died(bench);
  await bench.run(6_000);
  expect(bench.session.state).toBe("in-progress.recording");
  bench.callee.call.bye();
  await bench.run(500);
  expect(bench.srs.call.snapshots.at(-1)?.participants[1]?.names[0]?.aor).toBe("tel:+15550000001");
  call.bye();
  await bench.finish();
});

test("a call that rang when the process died ends, and its caller is told (500)", async () => {
  const bench = await EdgeBench.open({ twiml: "<Pause length=\"60\"/>" });
  const call = await bench.call();
  expect(call.statuses).toEqual([180]);
  await died(bench);
  await bench.run(1_000);
  expect(bench.status).toBe("failed");
  expect(bench.control.host.size).toBe(0);
  expect(call.statuses).toEqual([180, 500]);
  await bench.finish();
});

test("a callee that was being called when the process died is given up", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="60"/>` });
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  await died(bench);
  await bench.run(1_000);
  expect(bench.child.call.status).toBe("failed");
  expect(bench.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("a process that dies while a call closes leaves no call that never ends", async () => {
  for (const afterMs of [0, 1, 2, 3, 5, 40]) {
    const bench = await EdgeBench.open({ recorders: [UDP] });
    const call = await bench.call();
    bench.wire.weather = () => [10];
    bench.control.hangUpAll();
    await bench.run(afterMs, 1);
    await died(bench);
    call.bye();
    await bench.finish();
    expect(call.heard.includes("BYE") || bench.status === "completed").toBe(true);
    expect(bench.app.events().at(-1)).toBe("siprec-stopped");
  }
});

test("callbacks that wait when the process dies are delivered by the next one", async () => {
  const bench = await EdgeBench.open();
  bench.app.receive = () =>
    ({ ok: false, kind: "connect", code: 11205, message: "away", mayRetry: true });
  const call = await bench.call();
  await bench.crash();
  bench.app.receive = () => ({ ok: true });
  await bench.run(1_000);
  await bench.takeOver();
  await bench.run(5_000);
  expect(bench.app.events()).toEqual(["siprec-started"]);
  call.bye();
  await bench.finish();
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
});

test("callbacks of a call that had ended are delivered by the next process too", async () => {
  const bench = await EdgeBench.open();
  bench.app.receive = () =>
    ({ ok: false, kind: "connect", code: 11205, message: "away", mayRetry: true });
  const call = await bench.call();
  call.bye();
  await bench.run(2_000);
  expect(bench.control.host.size).toBe(0);
  await bench.crash();
  bench.app.receive = () => ({ ok: true });
  await bench.run(100);
  await bench.takeOver();
  await bench.run(5_000);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

function answerRecorder(call: EdgeBench["srs"]["call"]): void {
  call.peer.onCall = () => {};
  answerAsRecorder(call);
}

test("a call whose snapshot can't be read ends in its record, and its child with it", async () => {
  const bench = await EdgeBench.open();
  await bench.call();
  await bench.crash();
  bench.store.spoilSnapshot(bench.callSid);
  await bench.run(1_000);
  await bench.takeOver();
  await bench.run(1_000);
  expect(bench.status).toBe("failed");
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 20500 } });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-error"]);
  expect(bench.alertCodes).toContain(20500);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.child.call.status).toBe("completed");
  expect(bench.control.host.size).toBe(0);
  expect(bench.store.left()).toEqual([]);
});

test("a Dial whose child can't be taken over is over, and the document goes on", async () => {
  const bench = await EdgeBench.open({ twiml: `${DIAL}<Pause length="5"/>` });
  const call = await bench.call();
  await bench.crash();
  bench.store.spoilSnapshot(bench.child.call.sid);
  await bench.run(1_000);
  await bench.takeOver();
  await bench.run(1_000);
  expect(bench.child.call.status).toBe("failed");
  expect(bench.status).toBe("in-progress");
  expect(bench.media.last(bench.callSid)?.endpoint?.hears).toEqual({ kind: "silence" });
  await bench.run(6_000);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("completed");
});
