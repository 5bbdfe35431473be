// A control process dies at an awkward moment: what was said then, the next one can't know.
import { expect, test } from "bun:test";
import { ADDRESSES, EDGE_URI, EdgeBench, SIPREC } from "../support/edge-bench/bench.ts";
import { phoneOffer } from "../support/edge-bench/sdp.ts";

const UDP = `sip:srs@${ADDRESSES.srs};transport=udp`;

test("an ACK that came while no process was there does not keep the call from ending", async () => {
  const bench = await EdgeBench.open({ twiml: `<Start>${SIPREC}</Start><Pause length="3"/>` });
  const call = await bench.call({ autoAck: false, ms: 100 });
  await bench.crash();
  call.ack();
  await bench.run(500);
  await bench.takeOver();
  await bench.run(5_000);
  expect(bench.status).toBe("completed");
  expect(call.heard).toEqual(["BYE"]);
  await bench.finish();
});

test("at whatever moment of a call's start the process dies, nothing is left of it", async () => {
  for (let afterMs = 1; afterMs <= 12; afterMs++) {
    const bench = await EdgeBench.open({ recorders: [UDP] });
    bench.wire.weather = () => [2];
    const call = bench.caller.invite(EDGE_URI, { sdp: phoneOffer({ address: ADDRESSES.caller }) });
    await bench.run(afterMs, 1);
    await bench.crash();
    await bench.run(1_000);
    await bench.takeOver();
    if (call.dialog === null) call.cancel();
    else call.bye();
    await bench.run(1_000);
    bench.control.hangUpAll();
    await bench.finish();
  }
});
