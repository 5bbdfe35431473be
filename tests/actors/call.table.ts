// A call in a world that a table plays: how each state is come to, and what can happen there.
import type { CallInput } from "../../actors/call-types.ts";
import type { SipCommand } from "../../actors/ports.ts";
import type { SipRequest } from "../../protocol/sip/message.ts";
import {
  appliedFact, callerRequest, CHILD_SID, dialledCall, inboundCall, peerFlow, peerResponse,
  phoneSdp, siprecOrder, siprecSid,
} from "../support/machine-samples.ts";
import { MachineWorld } from "../support/machine-world.ts";

type Play = (world: MachineWorld) => void;

/** What only a call that came in can meet: the others dial nobody and answer nobody. */
const inbound = (play: Play): Play => (world) => {
  if (world.context.leg.role === "uas") play(world);
};

const callers = (method: string, body: string | null = null, cseq = 2): Play => inbound((world) => {
  world.actor.send({
    type: "sip.request", flow: peerFlow, at: world.tick(),
    transactionId: method === "ACK" ? null : `tx-${method}`,
    request: callerRequest({ method, cseq, body }),
  });
});

function last(world: MachineWorld, method: string): { id: string; request: SipRequest } | null {
  return world.sent("leg", "send.request").filter(({ request }) => request.method === method)
    .at(-1) ?? null;
}

/** Nothing happens where there is nothing to answer. */
const answers = (
  method: string, status: number, body: string | null = null, toTag = "peer",
): Play => (world) => {
  const sent = last(world, method);
  if (sent === null) return;
  world.ports.get("leg")?.tell({
    type: "sip.response", id: sent.id, flow: peerFlow, at: world.tick(),
    response: peerResponse(sent.request, status, toTag, body),
  });
};

const fails = (method: string): Play => (world) => {
  const sent = last(world, method);
  if (sent === null) return;
  world.ports.get("leg")?.tell({
    type: "sip.failed", id: sent.id, reason: "timeout", message: "x", at: world.tick(),
  });
};

const SDP = phoneSdp();

/** Whatever can happen to a call, by a short name. */
export const CALL_PLAYS = {
  applied: (world) => {
    const order = world.orders.at(-1);
    if (order !== undefined) world.actor.send(appliedFact(order, world.tick()));
  },
  "no media": (world) => world.actor.send({
    type: "media.failed", revision: world.context.revision, code: "PORTS_EXHAUSTED",
    message: "none is free", at: world.tick(),
  }),
  "no audio": (world) => world.actor.send({
    type: "media.timeout", callSid: world.context.callSid, at: world.tick(),
  }),
  hangup: (world) => world.actor.send({ type: "call.hangup", reason: "drain", at: world.tick() }),
  deadline: (world) => world.actor.send({ type: "deadline", at: world.tick() }),
  restored: (world) => world.actor.send({ type: "restored", at: world.tick() }),
  CANCEL: inbound((world) => world.actor.send({ type: "sip.cancelled", at: world.tick() })),
  "no ACK": inbound((world) =>
    world.actor.send({ type: "sip.unacknowledged", at: world.tick() })),
  ACK: callers("ACK", null, 1),
  BYE: callers("BYE"),
  INFO: callers("INFO"),
  PUBLISH: callers("PUBLISH"),
  "re-INVITE": callers("INVITE", phoneSdp(2, "sendonly")),
  "UPDATE with an odd offer": callers("UPDATE", "v=0\r\n"),
  "old CSeq": callers("OPTIONS", null, 0),
  start: (world) => world.actor.send({
    type: "siprec.start", order: siprecOrder(1), at: world.tick(),
  }),
  "stop of nobody": (world) => world.actor.send({
    type: "siprec.stop", siprecSid: siprecSid(9), at: world.tick(),
  }),
  "child made": inbound((world) => world.actor.send({
    type: "child.created", childSid: CHILD_SID, at: world.tick(),
  })),
  "child refused": inbound((world) => world.actor.send({
    type: "child.refused", code: 13223, message: "no", at: world.tick(),
  })),
  "stranger ends": (world) => world.actor.send({
    type: "child.ended", childSid: siprecSid(3).replace("SR", "CA"), status: "busy",
    at: world.tick(),
  }),
  "100": answers("INVITE", 100),
  "180": answers("INVITE", 180),
  "183 with SDP": answers("INVITE", 183, SDP),
  "200": answers("INVITE", 200, SDP),
  "200 without SDP": answers("INVITE", 200),
  "200 of a fork": answers("INVITE", 200, SDP, "other"),
  "486": answers("INVITE", 486),
  "480": answers("INVITE", 480),
  "487": answers("INVITE", 487),
  "no answer": fails("INVITE"),
  "BYE answered": answers("BYE", 200),
  "BYE unanswered": fails("BYE"),
} satisfies Record<string, Play>;

export type CallPlay = keyof typeof CALL_PLAYS;

export interface Path {
  input: () => CallInput;
  plays: CallPlay[];
}

const DIAL = "<Response><Dial>+15550077</Dial></Response>";

/** How each state is come to, by name and kind of call. */
export const CALL_PATHS: Record<string, Path> = {
  "queued.opening, placed": { input: dialledCall, plays: [] },
  "queued.calling, placed": { input: dialledCall, plays: ["applied"] },
  "queued.closing, placed": { input: dialledCall, plays: ["applied", "100", "hangup"] },
  "ringing.waiting, placed": { input: dialledCall, plays: ["applied", "180"] },
  "ringing.waiting, inbound": { input: () => inboundCall(DIAL), plays: [] },
  "ringing.closing, placed": { input: dialledCall, plays: ["applied", "180", "deadline"] },
  "in-progress.talking, placed": { input: dialledCall, plays: ["applied", "200", "applied"] },
  "in-progress.talking, inbound": { input: () => inboundCall(DIAL), plays: ["applied", "ACK"] },
  "in-progress.closing, inbound": {
    input: () => inboundCall(DIAL), plays: ["applied", "ACK", "hangup"],
  },
};

function short(command: SipCommand): string {
  switch (command.type) {
    case "send.request": return command.request.method;
    case "send.ack": return "ACK";
    case "send.cancel": return "CANCEL";
    case "send.response": return String(command.response.status);
  }
}

export function playedCall({ input, plays }: Path): MachineWorld {
  const world = new MachineWorld(input());
  for (const play of plays) CALL_PLAYS[play](world);
  return world;
}

/** The state it comes to, and what is said on the way; "" for nothing at all. */
export function callOutcome(path: Path, play: CallPlay): string {
  const world = playedCall(path);
  const before = world.state;
  const [said, calls, orders, alerts] =
    [world.said.length, world.calls.length, world.orders.length, world.alerts.length];
  CALL_PLAYS[play](world);
  const news = [
    ...world.said.slice(said).filter(({ who }) => who === "leg")
      .map(({ command }) => short(command)),
    ...world.calls.slice(calls).map((one) =>
      one.type === "call.tell" ? one.event.type : one.type),
    ...world.orders.slice(orders).map(({ endpoint, forks }) =>
      endpoint === null ? "release" : `media${forks.length > 0 ? ` ${forks.length} forks` : ""}`),
    ...world.alerts.slice(alerts).map(({ level }) => level),
  ];
  return world.state === before && news.length === 0 ? "" : `${world.state}: ${news.join(", ")}`;
}
