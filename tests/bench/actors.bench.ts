// What the machines cost: a recorded call from INVITE to its end with ports that do nothing, its
// events, its snapshot. Run: bun run bench actors
import { createActor, fromCallback, fromPromise } from "xstate";
import { callMachine } from "../../actors/call.machine.ts";
import { recordAfter } from "../../actors/call-record.ts";
import type {
  callsPort, deadlinePort, documentPort, mediaPort, preparePort, sipPort,
} from "../../actors/ports.ts";
import { packSnapshot } from "../../actors/restore.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { stateText } from "../../actors/state-text.ts";
import { twimlMachine } from "../../actors/twiml.machine.ts";
import type { CallInput } from "../../actors/call-types.ts";

const ROUNDS = 3_000;
const CALL_SID = `CA${"03".repeat(16)}`;

const deadline: typeof deadlinePort = fromCallback(() => {});
const sip: typeof sipPort = fromCallback(() => {});
const media: typeof mediaPort = fromCallback(() => {});
const calls: typeof callsPort = fromCallback(() => {});
const document: typeof documentPort = fromPromise(() => new Promise(() => {}));
const prepare: typeof preparePort = fromPromise(() => new Promise(() => {}));
const machine = callMachine.provide({
  actors: {
    sip, media, calls, deadline,
    siprec: siprecMachine.provide({ actors: { sip, deadline } }),
    twiml: twimlMachine.provide({ actors: { deadline, document, prepare } }),
  },
});

const input: CallInput = {
  callSid: CALL_SID, accountSid: `AC${"1".repeat(32)}`, parentCallSid: null, direction: "inbound",
  from: "+15550001", to: "+15550002", callerName: null, at: 1, sipHost: "127.0.0.1",
  seed: "00".repeat(16), codecs: ["PCMU", "PCMA"], mediaTimeoutMs: 60_000, mediaProcess: "0",
  ringTimeoutMs: 0, maxForwards: 70, params: {},
  document: { kind: "inline", twiml: "<Response><Pause/><Pause length=\"60\"/></Response>" },
  leg: {
    role: "uas", transactionId: "t", offer: null, allow: [],
    invite: {
      method: "INVITE", uri: "sip:+15550002@127.0.0.1",
      headers: [
        { name: "Via", value: "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1" },
        { name: "From", value: "<sip:+15550001@127.0.0.1>;tag=1" },
        { name: "To", value: "<sip:+15550002@127.0.0.1>" },
        { name: "Call-ID", value: "c" }, { name: "CSeq", value: "1 INVITE" },
      ],
    },
    dialog: {
      callId: "c", localTag: "l", remoteTag: "1", localUri: "<sip:+15550002@127.0.0.1>",
      remoteUri: "<sip:+15550001@127.0.0.1>", localSeq: 0, remoteSeq: 1,
      remoteTarget: "sip:+15550001@127.0.0.1", routeSet: [], role: "uas", state: "early",
      flow: null,
    },
  },
};

function time(name: string, rounds: number, work: () => void): void {
  for (let warm = 0; warm < rounds / 10; warm += 1) work();
  const from = performance.now();
  for (let round = 0; round < rounds; round += 1) work();
  const microseconds = ((performance.now() - from) * 1_000) / rounds;
  console.log(`${name.padEnd(34)} ${microseconds.toFixed(1)} µs`);
}

time("a call made and ended", ROUNDS, () => {
  const actor = createActor(machine, { input }).start();
  actor.send({ type: "call.hangup", reason: "stop", at: 2 });
  actor.stop();
});

const actor = createActor(machine, { input }).start();
time("an event that changes nothing", ROUNDS * 10, () => {
  actor.send({ type: "child.ended", childSid: CALL_SID, status: "completed", at: 3 });
});
time("its persisted snapshot", ROUNDS * 10, () => {
  packSnapshot(actor.getPersistedSnapshot(), 4);
});
const packed = packSnapshot(actor.getPersistedSnapshot(), 4);
const { context, value } = actor.getSnapshot();
time("its record", ROUNDS * 10, () => {
  recordAfter(null, context, stateText(value));
});
console.log(`bytes of a stored snapshot             ${JSON.stringify(packed.stored).length}`);

Bun.gc(true);
const before = process.memoryUsage().heapUsed;
const many = Array.from({ length: ROUNDS }, () => createActor(machine, { input }).start());
Bun.gc(true);
const bytes = (process.memoryUsage().heapUsed - before) / many.length;
console.log(`heap of a standing call's actors       ${(bytes / 1_024).toFixed(1)} kB`);
for (const one of many) one.stop();
