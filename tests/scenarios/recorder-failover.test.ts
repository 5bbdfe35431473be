// Several addresses of one connector: the next takes over when one fails.
import { afterEach, expect, test } from "bun:test";
import { ADDRESSES, answerAsRecorder, EdgeBench } from "../support/edge-bench/bench.ts";
import { recorderAnswer } from "../support/edge-bench/sdp.ts";
import type { SipPeer } from "../support/edge-bench/peer.ts";

let bench: EdgeBench;
let second: SipPeer;

async function open(first: EdgeBench["srs"]["onCall"], transport = "tcp"): Promise<void> {
  bench = await EdgeBench.open({
    recorders: [
      `sip:srs@${ADDRESSES.srs};transport=${transport}`,
      `sip:srs@${ADDRESSES.srs2};transport=${transport}`,
    ],
  });
  second = await bench.peer("srs2");
  bench.srs.onCall = first;
  second.onCall = answerAsRecorder;
  await bench.call();
}

afterEach(async () => {
  bench.caller.calls[0]?.bye();
  await bench.finish();
});

function recordsAtSecond(): void {
  expect(bench.session).toMatchObject({ state: "in-progress.recording", fault: null });
  expect(bench.media.open(bench.callSid)).toEqual({
    1: `${ADDRESSES.srs2}:6000`, 2: `${ADDRESSES.srs2}:6002`,
  });
  expect(bench.app.events()).toEqual(["siprec-started"]);
}

test("an address that refuses is followed by the next", async () => {
  await open((call) => call.reject(503));
  recordsAtSecond();
  expect(bench.alertCodes).toEqual([]);
});

test("an address that says nothing is followed by the next after the answer timeout", async () => {
  await open((call) => call.ignore(), "udp");
  await bench.run(4_400);
  expect(second.calls.length).toBe(0);
  await bench.run(200);
  recordsAtSecond();
});

for (const status of [100, 180]) test(`a ${status} stops the answer clock`, async () => {
  await open((call) => call.progress(status));
  await bench.run(20_000);
  expect(second.calls.length).toBe(0);
  expect(bench.session.state).toBe("inviting.calling");
  answerAsRecorder(bench.srs.call);
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.recording");
});

test("an answer that comes after the address was given up gets ACK and BYE", async () => {
  await open((call) => call.ignore(), "udp");
  bench.srs.onCall = answerAsRecorder;
  bench.wire.weather = ({ from }) => from.startsWith(ADDRESSES.srs) ? [6_000] : [1];
  await bench.run(20_000);
  recordsAtSecond();
  expect(bench.srs.calls[0]?.heard.filter((method) => method === "BYE")).toEqual(["BYE"]);
  expect(bench.srs.calls[0]?.heard).toContain("ACK");
});

test("an address that answers badly is hung up, and the next takes over", async () => {
  await open((call) => call.answer(
    recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, accepts: (index) => index === 0 }),
  ));
  recordsAtSecond();
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
});

test("the last address that fails ends the session in one error", async () => {
  bench = await EdgeBench.open({
    recorders: [
      `sip:srs@${ADDRESSES.srs};transport=tcp`, `sip:srs@${ADDRESSES.srs2};transport=tcp`,
    ],
  });
  second = await bench.peer("srs2");
  bench.srs.onCall = (call) => call.reject(500);
  second.onCall = (call) => call.reject(486);
  await bench.call();
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.app.events()).toEqual(["siprec-error"]);
  expect(bench.alertCodes).toEqual([32011]);
});

test("each dialog of a session has ids and a sequence of its own", async () => {
  await open((call) => call.reject(503));
  const [first, next] = [bench.srs.call, second.call];
  expect(next.callId).not.toBe(first.callId);
  expect(next.callId).toContain(bench.session.sid);
  expect(next.snapshots[0]).toEqual(first.snapshots[0]!);
});
