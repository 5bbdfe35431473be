// A call that is recorded from its answer to its end.
import { expect, test } from "bun:test";
import { header, headersOf } from "../../protocol/sip/header.ts";
import { metadataProblems } from "../../protocol/siprec/check.ts";
import { labelsIn } from "../../protocol/sdp/recording.ts";
import {
  ACCOUNT, ADDRESSES, answerAsPhone, CALLBACK_URL, CALLEE_NUMBER, DIAL, EdgeBench,
} from "../support/edge-bench/bench.ts";

const bothForks = { 1: `${ADDRESSES.srs}:6000`, 2: `${ADDRESSES.srs}:6002` };

test("a recorded call goes from answer to end, each callback once and in order", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  expect(call.statuses).toEqual([180, 200]);
  expect(bench.status).toBe("in-progress");
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.media.open(bench.callSid)).toEqual(bothForks);
  call.bye();
  await bench.run(200);
  expect(bench.status).toBe("completed");
  expect(bench.child.call.status).toBe("completed");
  expect(bench.session.state).toBe("stopped");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect(bench.alerts).toEqual([]);
  await bench.finish();
});

test("the forks are opened only after the recorder's 2xx and our ACK", async () => {
  const bench = await EdgeBench.open({ twiml: `<Start><Siprec connectorName="Recorder"/></Start>
    <Pause length="10"/>` });
  bench.srs.onCall = (call) => call.progress(180);
  await bench.call({ ms: 3_000 });
  expect(bench.session.state).toBe("inviting.calling");
  expect(bench.media.open(bench.callSid)).toEqual({});
  await bench.finish();
});

test("stopping by REST closes the forks first, and the call goes on", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.media.speak(bench.callSid, 50);
  const stopped = await bench.stop("one");
  expect(stopped.status).toBe("stopped");
  await bench.run(100);
  expect(bench.session.state).toBe("stopped");
  expect(bench.session.receipt.map(({ label, track, packets }) => ({ label, track, packets })))
    .toEqual([
      { label: "1", track: "inbound_track", packets: 50 },
      { label: "2", track: "outbound_track", packets: 50 },
    ]);
  expect(bench.media.open(bench.callSid)).toEqual({});
  expect(bench.srs.call.heard).toContain("BYE");
  expect(bench.status).toBe("in-progress");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  call.bye();
  await bench.finish();
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
});

test("the INVITE of a recording session says who we are, and bears the credentials", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const { invite } = bench.srs.call;
  expect(header(invite, "X-Twilio-AccountSid")).toBe(ACCOUNT);
  expect(header(invite, "X-Twilio-CallSid")).toBe(bench.callSid);
  expect(header(invite, "X-Twilio-SiprecSid")).toBe(bench.session.sid);
  expect(header(invite, "X-Auth-Token")).toBe("s3cret");
  expect(header(invite, "Require")).toBe("siprec");
  expect(header(invite, "Contact")).toContain(";+sip.src");
  expect(headersOf(invite, "Content-Type")[0]).toStartWith("multipart/mixed");
  // A credential is for the recorder alone: no snapshot and no record holds it.
  expect(JSON.stringify([bench.store.left(), bench.store.records()])).not.toContain("s3cret");
  call.bye();
  await bench.finish();
});

test("label 1 is the caller, and label 2 the application until the callee answers", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  const call = await bench.call();
  const [first] = bench.srs.call.snapshots;
  expect(bench.srs.call.snapshots).toHaveLength(1);
  expect(metadataProblems(first!, labelsIn(bench.srs.call.offer ?? ""))).toEqual([]);
  expect(first!.participants.map(({ names }) => names[0]?.aor)).toEqual([
    `sip:caller@${ADDRESSES.caller}`, "tel:+15550000001",
  ]);
  const labels = Object.fromEntries(first!.streams.map(({ id, label }) => [id, label]));
  expect(first!.participantStreams.map(({ sends }) => sends.map((id) => labels[id])))
    .toEqual([["1"], ["2"]]);
  call.bye();
  await bench.finish();
});

test("a new snapshot tells the recorder who was bridged, and another who left", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start><Siprec connectorName="Recorder"/></Start>${DIAL}<Pause length="5"/>`,
  });
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  answerAsPhone(bench.callee.call);
  await bench.run(200);
  const parties = (index: number) =>
    bench.srs.call.snapshots[index]?.participants.map(({ names }) => names[0]?.aor);
  expect(parties(1)).toEqual([`sip:caller@${ADDRESSES.caller}`, `tel:${CALLEE_NUMBER}`]);
  bench.callee.call.bye();
  await bench.run(200);
  expect(parties(2)).toEqual([`sip:caller@${ADDRESSES.caller}`, "tel:+15550000001"]);
  for (const metadata of bench.srs.call.snapshots) {
    expect(metadata.dataMode).toBe("complete");
    expect(metadataProblems(metadata, labelsIn(bench.srs.call.offer ?? ""))).toEqual([]);
  }
  await bench.finish();
  expect(bench.status).toBe("completed");
});

test("a callback bears Twilio's parameters", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const [started] = bench.app.callbacks;
  expect(started?.url).toBe(CALLBACK_URL);
  expect(started?.params).toMatchObject({
    AccountSid: ACCOUNT, CallSid: bench.callSid, SiprecSid: bench.session.sid, SiprecName: "one",
    SiprecEvent: "siprec-started", CallStatus: "in-progress", Direction: "inbound",
  });
  call.bye();
  await bench.finish();
});

test("the child's leg bears the caller's number and its own identity", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call({ from: "<sip:+15551112222@203.0.113.10>" });
  const { invite } = bench.callee.call;
  expect(invite.uri).toBe(`sip:${CALLEE_NUMBER}@${ADDRESSES.callee}`);
  expect(header(invite, "From")).toStartWith("<sip:+15551112222@192.0.2.1>;tag=CA");
  expect(header(invite, "X-Twilio-CallSid")).toBe(bench.child.call.sid);
  expect(bench.child.call.parentCallSid).toBe(bench.callSid);
  call.bye();
  await bench.finish();
});
