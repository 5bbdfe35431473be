// How things end: a recorder that is killed, an edge that is told to stop, many calls one after the
// other. Nothing may be left: no process, port, socket, subscription or snapshot.
import { afterEach, beforeEach, describe, expect } from "bun:test";
import { join } from "node:path";
import { Type as T } from "@sinclair/typebox";
import { jetstreamManager } from "@nats-io/jetstream";
import { request } from "../../edge/nats/rpc.ts";
import { callSubject } from "../../edge/nats/subjects.ts";
import { isRunning } from "../../edge/runtime/spawn.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import { eventually } from "../support/eventually.ts";
import { ACCOUNT, LiveEdge, recorded } from "../support/live-edge.ts";
import { has, needs } from "../support/needs.ts";
import { boundPorts, identityOf, isBound, openFiles } from "../support/processes.ts";

const liveTest = needs("nats-server");
const MAIN = join(import.meta.dir, "..", "..", "edge", "main.ts");
const NUMBER = "+15550700";
const CALLS = 100;

let edge: LiveEdge;
let recorder: ReturnType<typeof Bun.spawn> | null = null;

beforeEach(async () => {
  if (has("nats-server")) edge = await LiveEdge.start();
}, 20_000);
afterEach(async () => {
  recorder?.kill("SIGKILL");
  recorder = null;
  await edge?.stop();
}, 30_000);

/** `siprec srs` as a process of its own, so that it can be killed. */
async function startRecorder(): Promise<ReturnType<typeof Bun.spawn>> {
  const listen = `udp:127.0.0.1:${edge.srsPort},tcp:127.0.0.1:${edge.srsPort}`;
  const out = join(edge.folder, "recordings");
  const child = Bun.spawn(
    [process.execPath, "run", MAIN, "srs", "--listen", listen, "--out", out],
    { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  );
  recorder = child;
  await eventually("the recorder listens", () => isBound("tcp", edge.srsPort));
  return child;
}

/** Alice calls Bob by way of the edge, and both are up. */
async function callUp(verbs = "<Dial>+15559999</Dial>") {
  const alice = await edge.phone("alice");
  const bob = await edge.answeringPhone();
  const { promise, resolve } = Promise.withResolvers<PhoneCall>();
  bob.onCall = (call) => {
    call.answer();
    resolve(call);
  };
  edge.app.documents.set(NUMBER, recorded(edge.app, "end", verbs));
  const call = await alice.call(edge.uri(NUMBER));
  const far = await promise;
  await edge.app.callback("/end", "siprec-started");
  return { alice, bob, call, far, callSid: await edge.app.callSid(NUMBER) };
}

const mediaPortsBound = (): number[] => {
  const { first, last } = edge.mediaPorts;
  return [...boundPorts("udp")].filter((port) => port >= first && port <= last);
};

describe("endings", () => {
  liveTest("the recorder is killed in mid-call: the call goes on, and ends as usual", async () => {
    const srs = await startRecorder();
    const { call, far, callSid } = await callUp();
    srs.kill("SIGKILL");
    await srs.exited;
    const before = [call, far].map(({ heard }) => heard.counters.packets);
    await eventually("two seconds of audio go on", () => [call, far].every(({ heard }, index) =>
      heard.counters.packets > (before[index] ?? 0) + 100));
    expect([call, far].map(({ heard }) => heard.counters.lost)).toEqual([0, 0]);
    expect(await edge.callStatus(callSid)).toBe("in-progress");
    await call.hangUp();
    await far.ended;
    await edge.becomes(callSid, "completed");
    // Stopped or failed: told once, and nobody waits for an answer that can't come.
    await eventually("the end is told", () => edge.app.callbacks("/end").length === 2, 8_000);
    await edge.quiet(8_000);
    expect(mediaPortsBound()).toEqual([]);
  }, 30_000);

  liveTest("SIGTERM with a call up: all ends in order, and nothing is left", async () => {
    const srs = await edge.srs();
    const { call, far } = await callUp();
    const pids = Object.values(edge.pids());
    const identities = pids.flatMap((pid) => identityOf(pid) ?? []);
    expect(identities.length).toBe(4);
    const ends = Promise.all([call.ended, far.ended]);
    const stopped = edge.stopEdge();
    expect((await ends).map(({ by }) => by)).toEqual(["them", "them"]);
    await eventually("the recorder is told", () => srs.ended.length === 1);
    expect(srs.ended[0]?.endedBy).toBe("src");
    expect(await stopped).toEqual({ code: 0, left: [] });
    expect(identities.filter(isRunning)).toEqual([]);
    expect(mediaPortsBound()).toEqual([]);
    const ports = [edge.sipPort, edge.httpPort, edge.natsPort];
    expect(ports.filter((port) => isBound("tcp", port) || isBound("udp", port))).toEqual([]);
    const told = edge.app.callbacks("/end").map(({ params }) => params["SiprecEvent"]);
    expect(told).toEqual(["siprec-started", "siprec-stopped"]);
  }, 40_000);

  liveTest(`${CALLS} recorded calls, one after the other, leave nothing behind`, async () => {
    const srs = await edge.srs();
    const { alice, call: first, callSid: firstSid } = await callUp();
    await first.hangUp();
    await edge.quiet();
    const link = await edge.link();
    const { control, media } = edge.pids();
    const look = () => ({ control: openFiles(control).sockets, media: openFiles(media).sockets });
    await eventually("ports are closed", () => mediaPortsBound().length === 0);
    const before = look();
    const callSids = new Set([firstSid]);
    for (let round = 1; round <= CALLS; round += 1) {
      const number = `+15557${String(round).padStart(3, "0")}`;
      edge.app.documents.set(number, recorded(edge.app, `r${round}`, "<Dial>+15559999</Dial>"));
      const call = await alice.call(edge.uri(number));
      await edge.app.callback(`/r${round}`, "siprec-started");
      await call.hangUp();
      callSids.add(await edge.app.callSid(number));
    }
    await edge.quiet();
    expect(callSids.size).toBe(CALLS + 1);
    await eventually("ports are closed", () => mediaPortsBound().length === 0);
    // One or two more are connections that were being replaced when we looked.
    const after = look();
    expect([after.control - before.control <= 2, after.media - before.media <= 0])
      .toEqual([true, true]);
    const hello = await edge.mediaHello(link);
    expect([hello.calls, hello.portsFree]).toEqual([0, hello.portsAll]);
    expect(srs.live.length).toBe(0);
    expect(srs.ended.length).toBe(CALLS + 1);
    expect(srs.ended.flatMap(({ problems }) => problems)).toEqual([]);

    // A request that was under way at the end is still answered: subjects go a little later.
    await eventually("no call's subject is served", async () => {
      const replies = await Promise.all([...callSids].map((callSid) =>
        request(link, callSubject(callSid, "fetch"), T.Unknown(), { accountSid: ACCOUNT })));
      return replies.every((reply) => !reply.ok && reply.reason === "no-responders");
    }, 15_000);
    const jsm = await jetstreamManager(link.nc);
    const messages = async (kind: string): Promise<number> =>
      (await jsm.streams.info(`KV_siprec_${kind}_ashburn`)).state.messages;
    await eventually("no snapshot is kept", async () => await messages("snapshots") === 0);
    // Two calls each, Alice's and the one to Bob.
    expect(await messages("records")).toBe(2 * (CALLS + 1));
    // Each event was told once, in order.
    for (let round = 1; round <= CALLS; round += 1) {
      const told = edge.app.callbacks(`/r${round}`).map(({ params }) => params["SiprecEvent"]);
      expect(told).toEqual(["siprec-started", "siprec-stopped"]);
    }
  }, 90_000);
});
