// The TwiML document of a call: where it comes from, what goes wrong with it, what its verbs do.
import { expect, test } from "bun:test";
import {
  CALLBACK_URL, DIAL, EdgeBench, SIPREC, VOICE_URL,
} from "../support/edge-bench/bench.ts";
import { refusalOf } from "../support/edge-bench/control.ts";

test("a Voice URL that can't be had refuses the call with 500, and an alert", async () => {
  const bench = await EdgeBench.open();
  bench.app.documents.set(VOICE_URL, { ok: false, code: 11200, message: "HTTP 500" });
  const call = await bench.call();
  expect(call.statuses).toEqual([180, 500]);
  expect(bench.status).toBe("failed");
  expect(bench.alertCodes).toEqual([11200]);
  await bench.finish();
});

test("a document that is no XML refuses the call with 500, and an alert", async () => {
  const bench = await EdgeBench.open();
  bench.app.serve(VOICE_URL, "hello");
  const call = await bench.call();
  expect(call.statuses.at(-1)).toBe(500);
  expect(bench.alertCodes).toEqual([12100]);
  await bench.finish();
});

test("a document in the configuration needs no app", async () => {
  const bench = await EdgeBench.open({ inline: true });
  const call = await bench.call();
  expect(bench.app.fetched).toEqual([]);
  expect(bench.session.state).toBe("in-progress.recording");
  call.bye();
  await bench.finish();
});

test("a document in the configuration that can't be read refuses the call with 500", async () => {
  const bench = await EdgeBench.open({ inline: true, twiml: "<Dial" });
  const call = await bench.call();
  expect(call.statuses.at(-1)).toBe(500);
  expect(bench.alertCodes).toEqual([12100]);
  await bench.finish();
});

test("a Pause as the first verb leaves the call ringing for as long", async () => {
  const bench = await EdgeBench.open({ twiml: "<Pause length=\"2\"/><Pause length=\"3\"/>" });
  const call = await bench.call({ ms: 1_900 });
  expect(call.statuses).toEqual([180]);
  expect(bench.status).toBe("ringing");
  await bench.run(200);
  expect(call.statuses).toEqual([180, 200]);
  await bench.run(3_000);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("completed");
  await bench.finish();
});

test("an empty document answers the call and hangs up", async () => {
  const bench = await EdgeBench.open({ twiml: "" });
  const call = await bench.call();
  expect(call.statuses).toEqual([180, 200]);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.status).toBe("completed");
  await bench.finish();
});

test("a verb that is not offered is an alert, and the next one is run", async () => {
  const bench = await EdgeBench.open({ twiml: `<Say>hello</Say>${DIAL}` });
  const call = await bench.call();
  expect(bench.alertCodes).toEqual([12200]);
  expect(bench.child.call.status).toBe("in-progress");
  call.bye();
  await bench.finish();
});

test("Stop ends a session by its name, and the call goes on", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start><Pause length="2"/><Stop><Siprec name="one"/></Stop>
      <Pause length="2"/>`,
  });
  const call = await bench.call({ ms: 1_500 });
  expect(bench.session.state).toBe("in-progress.recording");
  await bench.run(1_000);
  expect(bench.session.state).toBe("stopped");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect(bench.status).toBe("in-progress");
  expect(bench.alerts).toEqual([]);
  call.bye();
  await bench.finish();
});

test("Stop of a name that is not there is an alert and nothing else", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start><Stop><Siprec name="other"/></Stop><Pause length="5"/>`,
  });
  const call = await bench.call();
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.alerts).toMatchObject([{ code: 12200, level: "warning" }]);
  expect(bench.app.events()).toEqual(["siprec-started"]);
  call.bye();
  await bench.finish();
});

test("Stop right after Start ends a session that waits in idle: siprec-stopped alone", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start><Stop><Siprec name="one"/></Stop><Pause length="5"/>`,
  });
  const call = await bench.call();
  expect(bench.session.state).toBe("stopped");
  expect(bench.app.events()).toEqual(["siprec-stopped"]);
  expect(bench.srs.calls.length).toBe(0);
  call.bye();
  await bench.finish();
});

test("REST starts a session on a running call, not on one that rings or has ended", async () => {
  const bench = await EdgeBench.open({ twiml: "<Pause length=\"1\"/><Pause length=\"10\"/>" });
  const call = await bench.call();
  expect(bench.status).toBe("ringing");
  expect(await refusalOf(bench.start())).toBe("INVALID_CALL_STATE");
  await bench.run(1_000);
  const session = await bench.start({ name: "rest" });
  expect(session).toMatchObject({ name: "rest", status: "in-progress" });
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.recording");
  call.bye();
  await bench.run(200);
  expect(await refusalOf(bench.start({ name: "late" }))).toBe("INVALID_CALL_STATE");
  await bench.finish();
});

test("Parameters go into the metadata, or into headers, as the connector says", async () => {
  const twiml = `<Start><Siprec connectorName="Recorder">
    <Parameter name="order" value="4&#50;"/></Siprec></Start>${DIAL}`;
  for (const place of ["metadata", "headers"] as const) {
    const bench = await EdgeBench.open({ twiml, connector: { parameters: place } });
    const call = await bench.call();
    const parameters = bench.srs.call.snapshots[0]?.sessions[0]?.parameters;
    const headers = bench.srs.call.invite.headers.filter(({ name }) => name === "X-order");
    expect(parameters).toEqual(place === "metadata" ? [{ name: "order", value: "42" }] : []);
    expect(headers.map(({ value }) => value)).toEqual(place === "headers" ? ["42"] : []);
    call.bye();
    await bench.finish();
  }
});

test("a callback that nobody takes is tried again, in order, and delivered once", async () => {
  const bench = await EdgeBench.open();
  const away = {
    ok: false as const, kind: "connect", code: 11205, message: "connection", mayRetry: true,
  };
  bench.app.receive = () => away;
  const call = await bench.call();
  call.bye();
  await bench.run(60_000);
  expect(bench.app.attempts).toBeGreaterThan(4);
  expect(bench.app.events()).toEqual([]);
  bench.app.receive = () => ({ ok: true });
  await bench.run(61_000);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect(bench.alerts).toEqual([]);
  await bench.finish();
});

test("a callback that is answered with an error is an alert; the next one goes", async () => {
  const bench = await EdgeBench.open();
  bench.app.receive = ({ params }) => params["SiprecEvent"] === "siprec-started"
    ? { ok: false, kind: "status", code: 15003, message: "HTTP 500", mayRetry: false }
    : { ok: true };
  const call = await bench.call();
  call.bye();
  await bench.run(1_000);
  expect(bench.app.events()).toEqual(["siprec-stopped"]);
  expect(bench.app.attempts).toBe(2);
  expect(bench.alertCodes).toEqual([15003]);
  await bench.finish();
});

test("a callback that nobody takes for an hour is given up, with an alert", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start><Siprec connectorName="Nobody" statusCallback="${CALLBACK_URL}"/></Start>
      ${DIAL}`,
  });
  bench.app.receive = () =>
    ({ ok: false, kind: "timeout", code: 11203, message: "timeout", mayRetry: true });
  const call = await bench.call();
  call.bye();
  await bench.run(3_500_000, 10_000);
  expect(bench.alertCodes).toEqual([31940]);
  await bench.run(200_000, 10_000);
  expect(bench.alertCodes).toEqual([31940, 11203]);
  await bench.finish();
});
