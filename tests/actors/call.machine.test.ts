import { describe, expect, test } from "bun:test";
import type { AnyStateNode } from "xstate";
import { callMachine } from "../../actors/call.machine.ts";
import { endStatusOf } from "../../actors/leg-uac.ts";
import { header } from "../../protocol/sip/header.ts";
import {
  appliedFact, callerRequest, CHILD_SID, inboundCall, peerFlow, phoneSdp, siprecOrder, siprecSid,
} from "../support/machine-samples.ts";
import { MachineWorld } from "../support/machine-world.ts";
import { CALL_PATHS, CALL_PLAYS, type CallPlay, callOutcome, playedCall } from "./call.table.ts";

const sameFor = (plays: CallPlay[], outcome: string): Partial<Record<CallPlay, string>> =>
  Object.fromEntries(plays.map((play) => [play, outcome]));

const ANSWERED = "in-progress.talking: ACK, child.answered, media, media";

/** State, event: what comes of it. Whatever is not here leaves the state as it is, and is mute. */
const TABLE: Record<string, Partial<Record<CallPlay, string>>> = {
  "queued.opening, placed": {
    applied: "queued.calling: INVITE",
    "no media": "queued.closing: child.ended, release, error",
    start: "queued.opening: media 2 forks",
    ...sameFor(["hangup", "restored"], "queued.closing: child.ended, release"),
  },
  "queued.calling, placed": {
    "180": "ringing.waiting: child.ringing",
    "183 with SDP": "ringing.waiting: child.ringing, media",
    "200": ANSWERED, "200 of a fork": ANSWERED,
    "200 without SDP": "queued.closing: ACK, BYE, child.ended, release",
    start: "queued.calling: media 2 forks",
    ...sameFor(["480", "486", "487", "no answer", "hangup", "deadline", "restored"],
      "queued.closing: child.ended, release"),
  },
  "queued.closing, placed": {
    restored: "queued.closing: release",
    ...sameFor(["200", "200 without SDP", "200 of a fork"], "queued.closing: ACK, BYE"),
  },
  "ringing.waiting, placed": {
    "180": "ringing.waiting: child.ringing",
    "183 with SDP": "ringing.waiting: child.ringing, media",
    "200": ANSWERED, "200 of a fork": ANSWERED,
    "200 without SDP": "ringing.closing: ACK, BYE, child.ended, release",
    start: "ringing.waiting: media 2 forks",
    ...sameFor(["480", "486", "487", "no answer", "restored"],
      "ringing.closing: child.ended, release"),
    ...sameFor(["hangup", "deadline"], "ringing.closing: CANCEL, child.ended, release"),
  },
  "ringing.waiting, inbound": {
    applied: "in-progress.talking: 200, media",
    "no media": "ringing.closing: 503, release, error",
    CANCEL: "ringing.closing: 487, release", BYE: "ringing.closing: 200, release",
    INFO: "ringing.waiting: 200", PUBLISH: "ringing.waiting: 405",
    "re-INVITE": "ringing.waiting: 491", "UPDATE with an odd offer": "ringing.waiting: 491",
    "old CSeq": "ringing.waiting: 500", "child refused": "ringing.waiting: error",
    start: "ringing.waiting: media 2 forks",
    ...sameFor(["hangup", "deadline", "restored"], "ringing.closing: 500, release"),
  },
  "ringing.closing, placed": {
    restored: "ringing.closing: release",
    ...sameFor(["200", "200 without SDP", "200 of a fork"], "ringing.closing: ACK, BYE"),
  },
  "in-progress.talking, placed": {
    "200": "in-progress.talking: ACK", "200 without SDP": "in-progress.talking: ACK",
    "200 of a fork": "in-progress.talking: ACK, BYE",
    "no audio": "in-progress.closing: BYE, child.ended, release, error",
    hangup: "in-progress.closing: BYE, child.ended, release",
    restored: "in-progress.talking: media", start: "in-progress.talking: media 2 forks",
  },
  "in-progress.talking, inbound": {
    "no audio": "in-progress.closing: BYE, release, error",
    BYE: "in-progress.closing: 200, release", INFO: "in-progress.talking: 200",
    PUBLISH: "in-progress.talking: 405", "re-INVITE": "in-progress.talking: 200, media",
    "UPDATE with an odd offer": "in-progress.talking: 488",
    "old CSeq": "in-progress.talking: 500",
    "child refused": "in-progress.closing: BYE, media, release, error",
    restored: "in-progress.talking: media", start: "in-progress.talking: media 2 forks",
    ...sameFor(["hangup", "no ACK"], "in-progress.closing: BYE, release"),
  },
  "in-progress.closing, inbound": {
    restored: "in-progress.closing: BYE, release", BYE: "in-progress.closing: 200",
    INFO: "in-progress.closing: 200", PUBLISH: "in-progress.closing: 405",
    "re-INVITE": "in-progress.closing: 481",
    "UPDATE with an odd offer": "in-progress.closing: 481",
    "old CSeq": "in-progress.closing: 500", "child made": "in-progress.closing: call.hangup",
    "child refused": "in-progress.closing: release, error",
  },
};

describe("the call machine, state by event", () => {
  for (const [name, path] of Object.entries(CALL_PATHS)) {
    test(`${name} is come to`, () => {
      expect(playedCall(path).state).toBe(name.slice(0, name.indexOf(",")));
    });

    for (const play of Object.keys(CALL_PLAYS) as CallPlay[]) {
      const expected = TABLE[name]?.[play] ?? "";
      test(`${name}, ${play}: ${expected === "" ? "nothing" : expected}`, () => {
        expect(callOutcome(path, play)).toBe(expected);
      });
    }
  }

  test("the table has every state that holds no other and is not the end", () => {
    const leaves = (node: AnyStateNode): string[] => {
      const inner = Object.values(node.states);
      if (inner.length > 0) return inner.flatMap(leaves);
      return node.type === "final" ? [] : [node.path.join(".")];
    };
    const had = new Set(Object.keys(CALL_PATHS).map((name) => name.slice(0, name.indexOf(","))));
    expect([...had].sort()).toEqual(leaves(callMachine.root).sort());
  });
});

describe("the end of a call", () => {
  const ends: [string, CallPlay[], string][] = [
    ["queued.calling, placed", ["486"], "busy"],
    ["queued.calling, placed", ["480"], "no-answer"],
    ["ringing.waiting, placed", ["deadline", "487"], "no-answer"],
    ["ringing.waiting, placed", ["hangup", "487"], "canceled"],
    ["queued.opening, placed", ["no media"], "failed"],
    ["ringing.waiting, inbound", ["CANCEL"], "canceled"],
    ["in-progress.talking, inbound", ["BYE"], "completed"],
    ["in-progress.talking, inbound", ["hangup", "BYE unanswered"], "completed"],
  ];
  for (const [from, plays, status] of ends) {
    test(`${from}: ${plays.join(", ")} ends in ${status}, with the media given back`, () => {
      const path = CALL_PATHS[from];
      if (path === undefined) throw new Error(from);
      const world = playedCall({ ...path, plays: [...path.plays, ...plays] });
      expect(world.actor.getSnapshot().status).toBe("active");
      CALL_PLAYS.applied(world);
      expect(world.actor.getSnapshot().status).toBe("done");
      expect(world.state).toBe(status);
      expect<unknown>(world.context.endStatus).toBe(status);
      expect(world.orders.at(-1)?.endpoint).toBeNull();
      expect([world.ports.size, world.deadlines.size]).toEqual([0, 0]);
    });
  }

  test("SIP's refusals in Twilio's words", () => {
    const words = [486, 600, 603, 408, 480, 487, 404, 500, 503].map(endStatusOf);
    expect(words).toEqual([
      "busy", "busy", "busy", "no-answer", "no-answer", "canceled", "failed", "failed", "failed",
    ]);
  });

  test("RFC 3261 §15: BYE waits for the ACK to our 2xx, and goes out once", () => {
    const dialled = playedCall({
      input: () => inboundCall("<Response><Dial>+15550077</Dial></Response>"),
      plays: ["applied", "hangup"],
    });
    const byes = () => dialled.sent("leg", "send.request").length;
    expect(byes()).toBe(0);
    for (const play of ["ACK", "ACK", "no ACK"] as const) CALL_PLAYS[play](dialled);
    expect(byes()).toBe(1);
  });
});

describe("a bridge", () => {
  const world = playedCall(CALL_PATHS["in-progress.talking, inbound"] ?? {
    input: () => inboundCall(null), plays: [],
  });
  const hears = () => world.orders.at(-1)?.endpoint?.hears;

  test("is ringback until the child can be heard, then the child, then silence or the end", () => {
    expect(hears()).toEqual({ kind: "ringback" });
    CALL_PLAYS["child made"](world);
    world.actor.send({
      type: "child.ringing", childSid: CHILD_SID, hearable: false, at: world.tick(),
    });
    expect(hears()).toEqual({ kind: "ringback" });
    world.actor.send({
      type: "child.ringing", childSid: CHILD_SID, hearable: true, at: world.tick(),
    });
    expect(hears()).toEqual({ kind: "call", callSid: CHILD_SID });
    world.actor.send({
      type: "child.answered", childSid: CHILD_SID, to: "+15550077", at: world.tick(),
    });
    CALL_PLAYS["stranger ends"](world);
    expect(hears()).toEqual({ kind: "call", callSid: CHILD_SID });
    world.actor.send({
      type: "child.ended", childSid: CHILD_SID, status: "completed", at: world.tick(),
    });
    expect(world.state).toBe("in-progress.closing");
  });
});

describe("sessions of a call", () => {
  const talking = (): MachineWorld => playedCall(CALL_PATHS["in-progress.talking, inbound"] ?? {
    input: () => inboundCall(null), plays: [],
  });
  const start = (world: MachineWorld, ordinal: number, name: string | null = null): void =>
    world.actor.send({
      type: "siprec.start", order: siprecOrder(ordinal, { name }), at: world.tick(),
    });

  test("a fifth stream ends in error and changes nothing", () => {
    const world = talking();
    for (const ordinal of [1, 2]) start(world, ordinal);
    const { forks, revision } = world.context;
    start(world, 3);
    expect(world.context.forks).toEqual(forks);
    expect(world.context.revision).toBe(revision);
    expect(world.context.sessions.map(({ state }) => state)).toEqual(["idle", "idle", "error"]);
    expect(world.context.sessions[2]?.fault?.code).toBe(31960);
    expect(world.alerts.map(({ siprecSid: sid }) => sid)).toEqual([siprecSid(3)]);
  });

  test("two of one name: the second is refused while the first is live", () => {
    const world = talking();
    start(world, 1, "a");
    start(world, 2, "a");
    expect(world.context.sessions[1]?.fault?.code).toBe(20409);
    world.actor.send({ type: "siprec.stop", siprecSid: siprecSid(1), at: world.tick() });
    start(world, 3, "a");
    expect(world.context.sessions[2]?.state).toBe("idle");
  });

  test("stopped before it was sent, its ports are given back with the next order", () => {
    const world = talking();
    start(world, 1);
    world.actor.send({ type: "siprec.stop", siprecSid: siprecSid(1), at: world.tick() });
    expect(world.orders.at(-1)?.forks).toEqual([]);
  });

  test("started while it rings, a session waits for the answer, then label 1 is inbound", () => {
    const world = new MachineWorld(inboundCall("<Response><Dial>+15550077</Dial></Response>"));
    start(world, 1);
    expect(world.context.sessions[0]?.state).toBe("idle");
    const order = world.orders.at(-1);
    if (order === undefined) throw new Error("no order");
    world.actor.send(appliedFact(order, world.tick()));
    expect(world.context.sessions[0]?.state).toBe("inviting.calling");
    const [invite] = world.sent(siprecSid(1), "send.request");
    const body = new TextDecoder().decode(invite?.request.body);
    expect(invite && header(invite.request, "Require")).toBe("siprec");
    expect(body.indexOf("a=label:1")).toBeGreaterThan(0);
    expect(body.indexOf("a=label:2")).toBeGreaterThan(body.indexOf("a=label:1"));
    expect(world.context.forks.map(({ id, track }) => [id.slice(-1), track])).toEqual([
      ["1", "inbound_track"], ["2", "outbound_track"],
    ]);
  });

  test("no port for a stream is the end of its session, and of nothing else", () => {
    const world = talking();
    start(world, 1);
    CALL_PLAYS["no media"](world);
    expect(world.context.sessions[0]?.state).toBe("error");
    expect(world.state).toBe("in-progress.talking");
    expect(world.orders.at(-1)?.forks).toEqual([]);
  });

  test("an offerless INVITE is answered by an offer; its ACK without answer ends the call", () => {
    const twiml = "<Response><Dial>+15550077</Dial></Response>";
    for (const [body, state] of [[phoneSdp(), "talking"], [null, "closing"]] as const) {
      const world = playedCall({ input: () => inboundCall(twiml, null), plays: ["applied"] });
      world.actor.send({
        type: "sip.request", transactionId: null, at: world.tick(), flow: peerFlow,
        request: callerRequest({ method: "ACK", cseq: 1, body }),
      });
      expect(world.state).toBe(`in-progress.${state}`);
    }
  });
});

describe("a fault of ours", () => {
  const INBOUND = CALL_PATHS["in-progress.talking, inbound"];
  const broken = (who: string, plays: CallPlay[] = ["applied", "ACK"]): MachineWorld => {
    if (INBOUND === undefined) throw new Error("no path");
    const world = playedCall({ ...INBOUND, plays });
    world.actor.send({ type: "siprec.start", order: siprecOrder(1), at: world.tick() });
    CALL_PLAYS.applied(world);
    world.actor.send({ type: `xstate.error.actor.${who}`, error: new Error("a bug") });
    return world;
  };

  test("in a session ends that recording, never the call", () => {
    const world = broken(siprecSid(1));
    expect(world.state).toBe("in-progress.talking");
    expect(world.context.sessions).toMatchObject([{ state: "error", status: "stopped" }]);
    expect(world.context.sessions[0]?.endedAt).not.toBeNull();
    expect(world.orders.at(-1)?.forks).toEqual([]);
    expect(world.alerts.length).toBe(1);
  });

  test("in the SIP port ends the call, though nobody can be told", () => {
    const world = broken("sip");
    expect(world.state).toBe("in-progress.closing");
    expect(world.orders.at(-1)?.endpoint).toBeNull();
    // The recording has a SIP port of its own, and ends as ever.
    world.ports.get(siprecSid(1))?.tell({
      type: "sip.failed", id: "invite-0", reason: "timeout", message: "x", at: world.tick(),
    });
    CALL_PLAYS.applied(world);
    expect(world.state).toBe("failed");
  });

  test("in the media port ends the call with BYE, without waiting for media", () => {
    const world = broken("media");
    expect(world.sent("leg", "send.request").map(({ request }) => request.method)).toEqual(["BYE"]);
    world.ports.get(siprecSid(1))?.tell({
      type: "sip.failed", id: "invite-0", reason: "timeout", message: "x", at: world.tick(),
    });
    CALL_PLAYS["BYE answered"](world);
    expect(world.state).toBe("failed");
  });

  test("in the run of the document ends the call; one that rings is refused with 500", () => {
    expect(broken("twiml").state).toBe("in-progress.closing");
    const ringing = playedCall({ input: () => inboundCall(null), plays: [] });
    ringing.actor.send({ type: "xstate.error.actor.twiml", error: new Error("a bug") });
    expect(ringing.sent("leg", "send.response").map(({ response }) => response.status))
      .toEqual([180, 500]);
    CALL_PLAYS.applied(ringing);
    expect(ringing.state).toBe("failed");
    expect(ringing.context.endAt).toBeGreaterThan(0);
  });
});
