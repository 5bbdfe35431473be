// What a recorder may answer to the INVITE of a recording session, and what becomes of it.
import { afterEach, expect, test } from "bun:test";
import {
  ADDRESSES, answerAsRecorder, type BenchOptions, EdgeBench,
} from "../support/edge-bench/bench.ts";
import { recorderAnswer } from "../support/edge-bench/sdp.ts";

let bench: EdgeBench;
afterEach(async () => {
  bench.caller.calls[0]?.bye();
  await bench.finish();
});

const UDP = `sip:srs@${ADDRESSES.srs};transport=udp`;

async function open(
  onCall: EdgeBench["srs"]["onCall"], options: BenchOptions = {}, ms = 500,
): Promise<void> {
  bench = await EdgeBench.open(options);
  bench.srs.onCall = onCall;
  await bench.call({ ms });
}

function failedWith(code: number): void {
  expect(bench.session).toMatchObject({ state: "error", status: "stopped", fault: { code } });
  expect(bench.app.events()).toEqual(["siprec-error"]);
  expect(bench.alertCodes).toEqual([code]);
  expect(bench.status).toBe("in-progress");
  expect(bench.media.open(bench.callSid)).toEqual({});
  expect(bench.media.last(bench.callSid)?.forks).toEqual([]);
}

for (const [status, code] of [[486, 32011], [420, 32011], [503, 32011], [401, 32106]] as const) {
  test(`a recorder that answers ${status} ends the session in error, not the call`, async () => {
    await open((call) => call.reject(status));
    failedWith(code);
    expect(bench.srs.call.heard).toEqual([]);
  });
}

test("a recorder that is silent is given up after Timer B, 32 s", async () => {
  await open((call) => call.ignore(), { recorders: [UDP] }, 31_900);
  expect(bench.session.state).toBe("inviting.calling");
  expect(bench.app.events()).toEqual([]);
  await bench.run(300);
  failedWith(32011);
  expect(bench.session.fault?.message).toContain("timeout");
});

test("a recorder at which nobody listens ends the session in error, at once over TCP", async () => {
  await open(() => {}, { recorders: ["sip:srs@198.51.100.99;transport=tcp"] });
  failedWith(32011);
  expect(bench.session.fault?.message).toContain("can't be reached");
});

test("a recorder's name that has no address ends the session in error", async () => {
  await open(() => {}, { recorders: ["sip:srs@nowhere.test"] });
  failedWith(32011);
});

test("a recorder that takes no connection is given up after the connect timeout", async () => {
  bench = await EdgeBench.open({ recorders: ["sip:srs@198.51.100.98;transport=tcp"] });
  bench.wire.blackHoles.add("198.51.100.98:5060");
  await bench.call({ ms: 1_900 });
  expect(bench.session.state).toBe("inviting.calling");
  await bench.run(200);
  failedWith(32011);
});

test("a recorder that answers without SDP is acknowledged and hung up", async () => {
  await open((call) => call.answer(null));
  failedWith(32102);
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
});

test("a recorder that answers with SDP that can't be read is hung up", async () => {
  await open((call) => call.answer("v=0\r\nnonsense"));
  failedWith(32102);
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
});

test("a recorder that answers with fewer m-lines than were offered is hung up", async () => {
  await open((call) => {
    const answer = recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs });
    call.answer(answer.slice(0, answer.lastIndexOf("m=audio")));
  });
  failedWith(32102);
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
});

test("a recorder that rejects one of two streams is hung up: half is none", async () => {
  await open((call) => call.answer(
    recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, accepts: (index) => index === 0 }),
  ));
  failedWith(32102);
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
});

test("a recorder that wants to send to us is hung up", async () => {
  await open((call) => call.answer(
    recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs }).replaceAll("recvonly", "sendonly"),
  ));
  failedWith(32102);
});

test("a recorder that answers inactive gets no audio until it offers recvonly", async () => {
  await open((call) => call.answer(
    recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, direction: "inactive" }),
  ));
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.app.events()).toEqual(["siprec-started"]);
  expect(bench.media.open(bench.callSid)).toEqual({});
  const { call } = bench.srs;
  const exchange = call.request("INVITE", {
    sdp: recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, port: 7000, version: 2 }),
  });
  await bench.run(100);
  expect(exchange.responses.map(({ status }) => status)).toEqual([200]);
  expect(bench.media.open(bench.callSid)).toEqual({
    1: `${ADDRESSES.srs}:7000`, 2: `${ADDRESSES.srs}:7002`,
  });
});

test("a recorder may pause a running recording and let it go on", async () => {
  await open(answerAsRecorder);
  const { call } = bench.srs;
  const offer = (direction: "inactive" | "recvonly", version: number) =>
    recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, direction, version });
  call.request("INVITE", { sdp: offer("inactive", 2) });
  await bench.run(100);
  expect(bench.media.open(bench.callSid)).toEqual({});
  call.request("INVITE", { sdp: offer("recvonly", 3) });
  await bench.run(100);
  expect(Object.keys(bench.media.open(bench.callSid))).toEqual(["1", "2"]);
});

test("a 200 of the recorder that is repeated gets its ACK again, and nothing else", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  let lost = 0;
  bench.wire.weather = ({ to, text }) =>
    to === `${ADDRESSES.srs}:5060` && text.startsWith("ACK") && ++lost <= 2 ? [] : [1];
  await bench.call({ ms: 5_000 });
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.app.events()).toEqual(["siprec-started"]);
  expect(bench.srs.call.isUnacknowledged).toBe(false);
});

test("the recording INVITE that is lost on UDP is repeated, and is one session", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  let seen = 0;
  bench.wire.weather = ({ to, text }) =>
    to === `${ADDRESSES.srs}:5060` && text.startsWith("INVITE") && ++seen <= 2 ? [] : [1];
  await bench.call({ ms: 3_000 });
  expect(bench.srs.calls).toHaveLength(1);
  expect(bench.session.state).toBe("in-progress.recording");
});
