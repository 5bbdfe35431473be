// A siprec session alone, with a parent that writes down what it is told, and the events that a
// table of its transitions is made of.
import { createActor, type EventObject, fromCallback, fromTransition } from "xstate";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import type { SipCommand, SipFact, SipPortInput, SiprecOrder } from "../../actors/ports.ts";
import type { Parties, SiprecContext, SiprecEvent, SiprecTold } from "../../actors/siprec-types.ts";
import { stateText } from "../../actors/state-text.ts";
import { codecsNamed } from "../../protocol/sdp/codec.ts";
import { METADATA_TYPE } from "../../protocol/siprec/body.ts";
import type { SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import {
  ACCOUNT_SID, CALL_SID, peerFlow, peerResponse, type PeerRequestSpec, recorderAnswer,
  recorderRequest, recorderTarget, siprecOrder, STARTED_AT,
} from "../support/machine-samples.ts";

const PARTIES: Parties = {
  inbound: { id: "p1", aor: "sip:ann@192.0.2.7", name: "Ann" },
  outbound: { id: "p2", aor: "tel:+15550001", name: null },
};

const isTold = (event: EventObject): event is SiprecTold =>
  /^(siprec\.changed|forks\.(open|close))$/.test(event.type);

export class LoneSession {
  readonly sent: SipCommand[] = [];
  readonly told: SiprecTold[] = [];
  readonly deadlines: { at: number }[] = [];
  readonly actor;
  at = STARTED_AT + 1_000;
  #tell: (fact: SipFact) => void = () => {};
  #seen = 0;
  #heard = 0;

  constructor(order: Partial<SiprecOrder> = {}) {
    const parent = createActor(fromTransition((told: SiprecTold[], event: EventObject) => {
      if (isTold(event)) told.push(event);
      return told;
    }, this.told));
    parent.start();
    this.actor = createActor(this.#machine(), {
      parent,
      input: {
        order: siprecOrder(1, { targets: ["a", "b"].map(recorderTarget), ...order }),
        callSid: CALL_SID, accountSid: ACCOUNT_SID, parentCallSid: null,
        sipHost: "edge.example.net", callStartAt: STARTED_AT, parties: PARTIES, at: this.at,
      },
    });
    this.actor.start();
  }

  get state(): string {
    return stateText(this.actor.getSnapshot().value);
  }

  get context(): SiprecContext {
    return this.actor.getSnapshot().context;
  }

  send(event: SiprecEvent): void {
    this.actor.send(event);
  }

  tell(fact: SipFact): void {
    this.#tell(fact);
  }

  /** Requests of ours of that method, with the names that they have in the machine. */
  requests(method: string): { id: string; request: SipRequest }[] {
    return this.sent.flatMap((one) =>
      one.type === "send.request" && one.request.method === method ? [one] : []
    );
  }

  last(method: string): { id: string; request: SipRequest } | null {
    return this.requests(method).at(-1) ?? null;
  }

  /** The INVITE that opened the session's dialog. */
  get invite(): SipRequest | null {
    return this.requests("INVITE").filter(({ id }) => id.startsWith("invite")).at(-1)?.request ??
      null;
  }

  /** What was said since the last time, in short. */
  news(): string[] {
    const sent = this.sent.slice(this.#seen).map(shortCommand);
    const told = this.told.slice(this.#heard).map(shortTold);
    this.#seen = this.sent.length;
    this.#heard = this.told.length;
    return [...sent, ...told];
  }

  #machine(): typeof siprecMachine {
    return siprecMachine.provide({
      actors: {
        deadline: fromCallback<{ type: "none" }, { at: number }>(({ input }) => {
          this.deadlines.push(input);
        }),
        sip: fromCallback<SipCommand, SipPortInput>(({ sendBack, receive }) => {
          this.#tell = sendBack;
          receive((command) => void this.sent.push(command));
        }),
      },
    });
  }
}

function shortCommand(command: SipCommand): string {
  switch (command.type) {
    case "send.request": return command.request.method;
    case "send.ack": return "ACK";
    case "send.cancel": return "CANCEL";
    case "send.response": return String(command.response.status);
  }
}

const shortTold = (told: SiprecTold): string =>
  told.type === "siprec.changed" ? `is ${told.record.state}` : told.type;

type Play = (session: LoneSession) => void;

/** Nothing happens where there is nothing to answer. */
const responds = (method: string, make: (request: SipRequest) => SipResponse): Play => (one) => {
  const last = one.last(method);
  if (last === null) return;
  one.tell({
    type: "sip.response", id: last.id, response: make(last.request), flow: peerFlow,
    at: (one.at += 10),
  });
};

const fails = (method: string, reason: "timeout" | "transport"): Play => (one) => {
  const last = one.last(method);
  if (last === null) return;
  one.tell({ type: "sip.failed", id: last.id, reason, message: "x", at: (one.at += 10) });
};

const says = (spec: PeerRequestSpec, toTag = "peer"): Play => (one) => {
  if (one.invite === null) return;
  one.tell({
    type: "sip.request", flow: peerFlow, at: (one.at += 10),
    transactionId: spec.method === "ACK" ? null : "tx",
    request: recorderRequest(one.invite, toTag, spec),
  });
};

const SNAPSHOT_PLEASE = '<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1"/>';

const port = { address: "192.0.2.1", rtpPort: 40_010, rtcpPort: 40_011 };
const codecs = codecsNamed(["PCMU", "PCMA"]);

/** Whatever can happen to a session, by a short name. */
export const PLAYS = {
  ready: (one) => one.send({
    type: "streams.ready", at: (one.at += 10),
    streams: [
      { label: "1", track: "inbound_track", port, codecs },
      { label: "2", track: "outbound_track", port: { ...port, rtpPort: 40_012 }, codecs },
    ],
  }),
  "no ports": (one) => one.send({
    type: "streams.failed", code: 31900, message: "no ports", at: (one.at += 10),
  }),
  closed: (one) => one.send({ type: "streams.closed", receipt: [], at: (one.at += 10) }),
  parties: (one) => one.send({ type: "parties.changed", parties: PARTIES, at: (one.at += 10) }),
  stop: (one) => one.send({ type: "siprec.stop", at: (one.at += 10) }),
  restored: (one) => one.send({ type: "restored", at: (one.at += 10) }),
  deadline: (one) => one.send({ type: "deadline", at: (one.at += 60_000) }),
  "100": responds("INVITE", (request) => peerResponse(request, 100)),
  "180": responds("INVITE", (request) => peerResponse(request, 180)),
  "200": responds("INVITE", (request) =>
    peerResponse(request, 200, "peer", recorderAnswer(request))),
  "200 of a fork": responds("INVITE", (request) =>
    peerResponse(request, 200, "other", recorderAnswer(request))),
  "200 without SDP": responds("INVITE", (request) => peerResponse(request, 200)),
  "200 refusing": responds("INVITE", (request) =>
    peerResponse(request, 200, "peer", recorderAnswer(request, [true, false]))),
  "481": responds("INVITE", (request) => peerResponse(request, 481)),
  "486": responds("INVITE", (request) => peerResponse(request, 486)),
  "491": responds("INVITE", (request) => peerResponse(request, 491)),
  "no answer": fails("INVITE", "timeout"),
  unreachable: fails("INVITE", "transport"),
  "BYE answered": responds("BYE", (request) => peerResponse(request, 200)),
  "BYE unanswered": fails("BYE", "timeout"),
  "SRS BYE": says({ method: "BYE", cseq: 20 }),
  "SRS BYE with Reason": says({
    method: "BYE", cseq: 20, headers: [{ name: "Reason", value: 'SIP;cause=503;text="full"' }],
  }),
  "SRS OPTIONS": says({ method: "OPTIONS", cseq: 20 }),
  "SRS INFO": says({ method: "INFO", cseq: 20 }),
  "SRS INVITE": says({ method: "INVITE", cseq: 20 }),
  "SRS wants a snapshot": says({
    method: "UPDATE", cseq: 20, body: SNAPSHOT_PLEASE, contentType: METADATA_TYPE,
  }),
  "SRS ACK": says({ method: "ACK", cseq: 20 }),
  "stranger's BYE": says({ method: "BYE", cseq: 20 }, "stranger"),
} satisfies Record<string, Play>;

export type PlayName = keyof typeof PLAYS;

export function played(names: readonly PlayName[], order: Partial<SiprecOrder> = {}): LoneSession {
  const session = new LoneSession(order);
  for (const name of names) PLAYS[name](session);
  session.news();
  return session;
}

/** The state it comes to, and what is said on the way: `inviting.calling: INVITE, is …`. */
export function outcome(path: readonly PlayName[], event: PlayName): string {
  const session = played(path);
  const before = session.state;
  PLAYS[event](session);
  const news = session.news();
  if (session.state === before && news.length === 0) return "";
  return `${session.state}: ${news.join(", ")}`;
}
