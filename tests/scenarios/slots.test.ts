// The four fork slots of a call, and the names of its sessions.
import { afterEach, expect, test } from "bun:test";
import { OUTBOX_MAX } from "../../actors/call-record.ts";
import { SESSIONS_OVER_MAX, SESSIONS_UNDER_WAY_MAX } from "../../actors/slots.ts";
import { labelsIn } from "../../protocol/sdp/recording.ts";
import { ADDRESSES, CALLBACK_URL, DIAL, EdgeBench } from "../support/edge-bench/bench.ts";
import { refusalOf } from "../support/edge-bench/control.ts";

let bench: EdgeBench;
afterEach(async () => {
  bench.caller.calls[0]?.bye();
  await bench.finish();
});

const recorded = async (track: string | null = null, name = "one"): Promise<void> => {
  const attribute = track === null ? "" : `track="${track}"`;
  bench = await EdgeBench.open({
    twiml: `<Start><Siprec name="${name}" connectorName="Recorder" ${attribute}
      statusCallback="${CALLBACK_URL}"/></Start>${DIAL}`,
  });
  await bench.call();
};

test("a session of the inbound track has label 1 alone, and both parties in metadata", async () => {
  await recorded("inbound_track");
  expect(labelsIn(bench.srs.call.offer ?? "")).toEqual(["1"]);
  expect(bench.media.open(bench.callSid)).toEqual({ 1: `${ADDRESSES.srs}:6000` });
  const metadata = bench.srs.call.snapshots.at(-1);
  expect(metadata?.streams.map(({ label }) => label)).toEqual(["1"]);
  expect(metadata?.participants).toHaveLength(2);
});

test("a session of the outbound track has label 2 alone", async () => {
  await recorded("outbound_track");
  expect(labelsIn(bench.srs.call.offer ?? "")).toEqual(["2"]);
  expect(bench.media.last(bench.callSid)?.forks.map(({ track }) => track))
    .toEqual(["outbound_track"]);
});

test("a session of both tracks takes two slots: two of them fill the call", async () => {
  await recorded();
  expect(await refusalOf(bench.start({ name: "two" }))).toBeNull();
  expect(await refusalOf(bench.start({ name: "three", track: "inbound_track" })))
    .toBe("SLOTS_FULL");
  expect(bench.record.siprecs).toHaveLength(2);
  expect(bench.srs.calls).toHaveLength(2);
});

test("four single tracks fit, a fifth stream is refused by REST and changes nothing", async () => {
  await recorded("inbound_track");
  for (const name of ["b", "c", "d"]) {
    expect(await refusalOf(bench.start({ name, track: "outbound_track" }))).toBeNull();
  }
  const before = JSON.stringify(bench.record);
  expect(await refusalOf(bench.start({ name: "e", track: "inbound_track" }))).toBe("SLOTS_FULL");
  expect(await refusalOf(bench.start({ name: "f" }))).toBe("SLOTS_FULL");
  await bench.run(100);
  expect(JSON.stringify(bench.record)).toBe(before);
  expect(bench.media.last(bench.callSid)?.forks).toHaveLength(4);
});

test("a fifth stream asked for by TwiML ends in siprec-error alone, the others go on", async () => {
  const siprec = (name: string) =>
    `<Siprec name="${name}" connectorName="Recorder" statusCallback="${CALLBACK_URL}"/>`;
  bench = await EdgeBench.open({
    twiml: `<Start>${siprec("one")}${siprec("two")}${siprec("three")}</Start>${DIAL}`,
  });
  await bench.call();
  const [one, two, three] = bench.record.siprecs;
  expect([one?.state, two?.state]).toEqual(["in-progress.recording", "in-progress.recording"]);
  expect(three).toMatchObject({ state: "error", status: "stopped", fault: { code: 31960 } });
  expect(bench.app.events(three?.sid)).toEqual(["siprec-error"]);
  expect(bench.alertCodes).toEqual([31960]);
  expect(bench.srs.calls).toHaveLength(2);
});

test("a name is unique while its session runs, and free again after its stop", async () => {
  await recorded("inbound_track");
  expect(await refusalOf(bench.start({ name: "one", track: "outbound_track" }))).toBe("CONFLICT");
  await bench.stop("one");
  expect(await refusalOf(bench.start({ name: "one", track: "outbound_track" }))).toBeNull();
  await bench.run(100);
  expect(bench.record.siprecs.map(({ state }) => state))
    .toEqual(["stopped", "in-progress.recording"]);
});

test("a name that TwiML uses twice ends the second session in an error", async () => {
  bench = await EdgeBench.open({
    twiml: `<Start><Siprec name="x" connectorName="Recorder" track="inbound_track"/>
      <Siprec name="x" connectorName="Recorder" track="outbound_track"/></Start>${DIAL}`,
  });
  await bench.call();
  expect(bench.record.siprecs.map(({ state }) => state))
    .toEqual(["in-progress.recording", "error"]);
  expect(bench.alertCodes).toEqual([20409]);
});

test("slots are free as soon as BYE is sent, before the recorder answers it", async () => {
  await recorded();
  await bench.start({ name: "two" });
  bench.srs.calls[0]!.onRequest = ({ transactionId }) => {
    if (transactionId !== null) bench.srs.agent.ignore(transactionId);
  };
  await bench.stop("one");
  expect(bench.session.state).toBe("in-progress.stopping");
  expect(bench.session.status).toBe("stopped");
  expect(await refusalOf(bench.start({ name: "three" }))).toBeNull();
  await bench.run(2_500);
  expect(bench.session.state).toBe("stopped");
});

test("an unknown connector is refused by REST, and by TwiML ends in siprec-error", async () => {
  bench = await EdgeBench.open({
    twiml: `<Start><Siprec connectorName="Nobody" statusCallback="${CALLBACK_URL}"/></Start>
      ${DIAL}`,
  });
  await bench.call();
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 31940 } });
  expect(bench.app.events()).toEqual(["siprec-error"]);
  expect(bench.app.callbacks[0]?.params["SiprecErrorCode"]).toBe("31940");
  expect(await refusalOf(bench.start({ connectorName: "Nobody" }))).toBe("CONNECTOR_UNKNOWN");
  expect(await refusalOf(bench.start({ track: "sideways" }))).toBe("TRACK_INVALID");
});

test("a session that TwiML starts before the answer waits in idle, with its slots", async () => {
  bench = await EdgeBench.open({
    twiml: `<Pause length="3"/><Start><Siprec connectorName="Recorder" name="x"/></Start>${DIAL}`,
  });
  bench.callee.onCall = (call) => call.progress(180);
  bench.media.fault = () => ({ code: "UNREACHABLE", message: "not yet" });
  bench.media.fault = () => null;
  await bench.call({ ms: 1_000 });
  expect(bench.status).toBe("ringing");
  expect(bench.record.siprecs).toEqual([]);
  await bench.run(2_100);
  expect(bench.status).toBe("in-progress");
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.witness.timeOf(/edge>srs INVITE/))
    .toBeGreaterThanOrEqual(bench.witness.timeOf(/fork|edge>callee INVITE|edge>caller 180/));
});

test("a stop of what is not there is 404, and of a session that ended is its record", async () => {
  await recorded();
  expect(await refusalOf(bench.stop("nobody"))).toBe("NOT_FOUND");
  await bench.stop("one");
  await bench.run(50);
  const again = await bench.stop("one");
  expect(again).toMatchObject({ name: "one", status: "stopped" });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
});

test("started and stopped without end, a call remembers the newest sessions only", async () => {
  await recorded("inbound_track");
  for (let round = 1; round <= 60; round += 1) {
    expect(await refusalOf(bench.start({ name: `r${round}` }))).toBeNull();
    await bench.run(20);
    await bench.stop(`r${round}`);
    await bench.run(20);
  }
  await bench.run(1_000);
  const { siprecs, outbox, told } = bench.record;
  expect([siprecs.length <= SESSIONS_OVER_MAX + 2, outbox]).toEqual([true, []]);
  expect(siprecs.map(({ name }) => name)).toEqual(
    ["one", ...siprecs.slice(1).map((_, index) => `r${62 - siprecs.length + index}`)],
  );
  expect(told.length).toBe(2 * siprecs.length - 1);
  expect(bench.session.state).toBe("in-progress.recording");
  // Two events of each, once.
  expect(new Set(bench.app.callbacks.map(({ token }) => token)).size).toBe(121);
  expect(bench.app.callbacks).toHaveLength(121);
});

test("a recorder that answers nothing does not make a call collect sessions that end", async () => {
  await recorded("inbound_track");
  bench.srs.onCall = (call) => call.ignore();
  for (let round = 1; round < SESSIONS_UNDER_WAY_MAX; round += 1) {
    expect(await refusalOf(bench.start({ name: `r${round}` }))).toBeNull();
    await bench.run(20);
    await bench.stop(`r${round}`);
  }
  expect(await refusalOf(bench.start({ name: "more" }))).toBe("TOO_MANY_REQUESTS");
  await bench.run(40_000);
  expect(await refusalOf(bench.start({ name: "more" }))).toBeNull();
  expect(bench.status).toBe("in-progress");
});

test("while too many callbacks wait to be delivered nothing is started", async () => {
  await recorded("inbound_track");
  bench.app.receive = () =>
    ({ ok: false, kind: "connect", code: 11205, message: "away", mayRetry: true });
  let refusal: string | null = null;
  let rounds = 0;
  for (; refusal === null && rounds < OUTBOX_MAX; rounds += 1) {
    refusal = await refusalOf(bench.start({ name: `r${rounds}` }));
    await bench.run(20);
    if (refusal === null) await bench.stop(`r${rounds}`);
    await bench.run(20);
  }
  expect([refusal, rounds]).toEqual(["TOO_MANY_REQUESTS", 26]);
  expect(bench.record.outbox.length).toBeLessThan(OUTBOX_MAX);
  bench.app.receive = () => ({ ok: true });
  await bench.run(120_000);
  expect(bench.record.outbox).toEqual([]);
  expect(await refusalOf(bench.start({ name: "again" }))).toBeNull();
});
