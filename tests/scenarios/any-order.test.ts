// Calls under bad weather, with everything happening in any order: whatever comes, nothing that
// must never happen does, and nothing is left. The seed that fails is in the test's name.
import { expect, test } from "bun:test";
import {
  ADDRESSES, answerAsPhone, answerAsRecorder, CALLBACK_URL, DIAL, EDGE_URI, EdgeBench, SIPREC,
} from "../support/edge-bench/bench.ts";
import { refusalOf } from "../support/edge-bench/control.ts";
import type { PeerCall } from "../support/edge-bench/peer-call.ts";
import { phoneAnswer, phoneOffer, recorderAnswer } from "../support/edge-bench/sdp.ts";
import { type Seeded, seeded } from "../support/seeded.ts";

const SEEDS = 40;
const STEPS = 14;

const caller = { address: ADDRESSES.caller };

/** What the recorder makes of an INVITE. */
const RECORDERS: ((call: PeerCall) => void)[] = [
  answerAsRecorder, answerAsRecorder, answerAsRecorder,
  (call) => call.reject(486),
  (call) => call.ignore(),
  (call) => call.answer(null),
  (call) => call.progress(180),
  (call) => {
    call.progress(180);
    call.onCancel = () => answerAsRecorder(call);
  },
];

const CALLEES: ((call: PeerCall) => void)[] = [
  answerAsPhone, answerAsPhone, answerAsPhone,
  (call) => call.reject(486),
  (call) => call.progress(183, { sdp: phoneAnswer(call.offer ?? "", call.peer) }),
  (call) => call.ignore(),
];

/** Something that may happen at any time; what it can't be done to is left alone. */
type Move = (bench: EdgeBench, call: PeerCall, random: Seeded) => Promise<void> | void;

const MOVES: Move[] = [
  async (bench, _, random) => {
    if (bench.status !== "in-progress") return;
    const name = random.pick(["one", "two", "three", null]);
    const track = random.pick(["inbound_track", "outbound_track", "both_tracks"]);
    await refusalOf(bench.start({ name, track, statusCallback: CALLBACK_URL }));
  },
  async (bench, _, random) => {
    await refusalOf(bench.stop(random.pick(["one", "two", "three"])));
  },
  (_, call, random) => {
    if (call.dialog?.state !== "confirmed") return;
    const direction = random.pick(["sendrecv", "sendonly", "inactive"] as const);
    const version = random.below(99);
    call.request("INVITE", { sdp: phoneOffer({ ...caller, direction, version }) });
  },
  (bench) => {
    const session = bench.srs.calls.at(-1);
    if (session?.dialog?.state === "confirmed") session.bye();
  },
  (bench, _, random) => {
    const session = bench.srs.calls.at(-1);
    if (session?.dialog?.state !== "confirmed") return;
    const direction = random.pick(["recvonly", "inactive"] as const);
    session.request("INVITE", {
      sdp: recorderAnswer(session.offer ?? "", {
        address: ADDRESSES.srs, direction, version: 2 + random.below(99),
      }),
    });
  },
  (bench) => {
    const callee = bench.callee.calls.at(-1);
    if (callee?.dialog?.state === "confirmed") callee.bye();
  },
  (bench) => {
    const callee = bench.callee.calls.at(-1);
    if (callee?.dialog?.state === "early" && !callee.isCancelled) answerAsPhone(callee);
  },
  (bench, _, random) => {
    const code = random.pick(["PORTS_EXHAUSTED", "UNREACHABLE"]);
    bench.media.fault = (order) =>
      order.endpoint !== null && random.chance(3) ? { code, message: "by chance" } : null;
  },
  (bench) => {
    bench.media.fault = () => null;
  },
  (bench, _, random) => {
    bench.app.receive = () => random.chance(2) ? { ok: true }
      : { ok: false, kind: "connect", code: 11205, message: "away", mayRetry: true };
  },
  async (bench) => {
    await bench.crash();
    await bench.run(200);
    await bench.takeOver();
  },
];

function hangUp(bench: EdgeBench, call: PeerCall): void {
  const at = bench.clock.wallMs();
  if (call.dialog?.state === "confirmed") call.bye();
  else call.cancel();
  for (const callSid of bench.control.host.callSids()) {
    bench.control.host.send(callSid, { type: "call.hangup", reason: "stop", at });
  }
}

async function liveThrough(seed: number): Promise<void> {
  const random = seeded(seed);
  const transport = random.pick(["", ";transport=udp"]);
  const bench = await EdgeBench.open({
    seed, recorders: [`sip:srs@${ADDRESSES.srs}${transport}`],
    twiml: `<Start>${SIPREC}</Start>${DIAL}<Pause length="4"/><Stop><Siprec name="one"/></Stop>
      ${DIAL}`,
  });
  bench.srs.onCall = (call) => random.pick(RECORDERS)(call);
  bench.callee.onCall = (call) => random.pick(CALLEES)(call);
  bench.wire.weather = () => random.chance(8) ? []
    : random.chance(8) ? [1 + random.below(50), 1 + random.below(400)] : [1 + random.below(60)];
  const call = bench.caller.invite(EDGE_URI, { sdp: phoneOffer(caller) });
  await bench.run(1_000);
  for (let step = 0; step < STEPS; step++) {
    if (bench.store.records().length === 0) break;
    await random.pick(MOVES)(bench, call, random);
    await bench.run(random.below(1_500));
    expect(bench.witness.problems).toEqual([]);
  }
  bench.media.fault = () => null;
  bench.app.receive = () => ({ ok: true });
  // Whoever is still on the way arrives before the end is made.
  await bench.run(35_000);
  hangUp(bench, call);
  await bench.run(5_000);
  hangUp(bench, call);
  await bench.run(70_000);
  await bench.finish();
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`whatever happens in whatever order, nothing breaks and nothing is left (${seed})`, () =>
    liveThrough(seed));
}
