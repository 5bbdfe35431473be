// A control process that is told to end: no new calls, running ones may end, the rest is hung up.
import { expect, test } from "bun:test";
import { DIAL, EdgeBench, SIPREC } from "../support/edge-bench/bench.ts";

test("while draining, a running call talks and records on, a new one is refused", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.control.refuseNew();
  const late = await bench.call();
  expect(late.statuses).toEqual([503]);
  expect(bench.session.state).toBe("in-progress.recording");
  const isEmpty = bench.control.host.empty();
  call.bye();
  await bench.run(200);
  await isEmpty;
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  await bench.finish();
});

test("what is left after the time is hung up, with all that belongs to it", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  bench.control.refuseNew();
  bench.control.hangUpAll();
  await bench.run(200);
  expect(call.heard).toEqual(["BYE"]);
  expect(bench.callee.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.srs.call.heard.at(-1)).toBe("BYE");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect([bench.status, bench.child.call.status]).toEqual(["completed", "completed"]);
  await bench.finish();
});

test("a call that rings when the time is over is refused, its callee cancelled", async () => {
  const bench = await EdgeBench.open({ twiml: "<Pause length=\"60\"/>" });
  const call = await bench.call();
  bench.control.hangUpAll();
  await bench.run(200);
  expect(call.statuses).toEqual([180, 500]);
  expect(bench.status).toBe("canceled");
  await bench.finish();
});

test("a Dial while draining is refused with an alert, and the document goes on", async () => {
  const bench = await EdgeBench.open({
    twiml: `<Start>${SIPREC}</Start><Pause length="2"/>${DIAL}<Pause length="2"/>`,
  });
  const call = await bench.call();
  bench.control.refuseNew();
  await bench.run(2_000);
  expect(bench.alertCodes).toEqual([20503]);
  expect(bench.status).toBe("in-progress");
  await bench.run(2_000);
  expect(call.heard).toEqual(["BYE"]);
  await bench.finish();
});
