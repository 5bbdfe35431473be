// The shapes of a call: one SIP leg, who it talks to, what it plays and what is recorded of it.
import type { Dialog } from "../protocol/sip/dialog.ts";
import type { InviteClientState } from "../protocol/sip/invite-client.ts";
import type { SipHeader } from "../protocol/sip/message.ts";
import type { SentSdp } from "../protocol/sdp/version.ts";
import type { ForkOrder, MediaFact, MediaPort, MediaRemote } from "../schemas/media.ts";
import type { CallDirection, Fault, SiprecRecord } from "../schemas/call.ts";
import type {
  CallsCommand, EndStatus, MediaEvent, OriginateFact, RelationEvent, Route, SipCommand, SipFact,
  SiprecOrder,
} from "./ports.ts";
import type { CallFact, SiprecInput, SiprecTold } from "./siprec-types.ts";
import type { DocumentSource, TwimlFact, TwimlTold } from "./twiml-types.ts";

/** What is needed of an INVITE to answer it later: its body has been read. */
export interface InviteHead {
  method: string;
  uri: string;
  headers: SipHeader[];
}

export interface Leg {
  role: "uas" | "uac";
  /** The INVITE to answer (uas). */
  invite: InviteHead | null;
  transactionId: string | null;
  /** Where to call (uac). */
  route: Route | null;
  /** Value of From without tag, and headers of the INVITE that we send (uac). */
  from: string;
  headers: SipHeader[];
  client: InviteClientState | null;
  dialog: Dialog | null;
  /** The peer's offer that waits for our answer; null: none came, ours goes out. */
  offer: string | null;
  /** Our last description; `offering`: it was an offer, and the answer comes in the ACK. */
  sdp: SentSdp | null;
  offering: boolean;
  remote: MediaRemote | null;
  /** Media addresses of its trunk besides the one in its SDP. */
  allow: string[];
  answered: boolean;
  /** Our 2xx has its ACK (uas), or we have sent one (uac): only now may we send BYE (§15). */
  acked: boolean;
  /** Nothing more is due on this leg. */
  over: boolean;
}

export type LegInput =
  | {
    role: "uas";
    invite: InviteHead;
    transactionId: string;
    dialog: Dialog;
    offer: string | null;
    allow: string[];
  }
  | { role: "uac"; route: Route; from: string; headers: SipHeader[]; allow: string[] };

export interface CallInput {
  callSid: string;
  accountSid: string;
  parentCallSid: string | null;
  direction: CallDirection;
  from: string;
  to: string;
  callerName: string | null;
  at: number;
  /** Host part of our own addresses. */
  sipHost: string;
  /** 32 hexadecimal digits that the ids of the leg derive from. */
  seed: string;
  codecs: string[];
  mediaTimeoutMs: number;
  mediaProcess: string;
  /** How long the other side may ring (uac). */
  ringTimeoutMs: number;
  /** Hops left for calls dialled from this one (RFC 3261 §8.1.1.6). */
  maxForwards: number;
  leg: LegInput;
  document: DocumentSource | null;
  /** The standard parameters of webhooks, as they are at the start. */
  params: Record<string, string>;
}

/** The other call of a bridge. */
export interface Bridge {
  callSid: string;
  /** Its party as metadata names it. */
  party: string;
  joinedAt: number;
  answered: boolean;
  /** It has audio for us: early media, or an answer. */
  hearable: boolean;
}

export interface CallContext {
  callSid: string;
  accountSid: string;
  parentCallSid: string | null;
  direction: CallDirection;
  from: string;
  to: string;
  callerName: string | null;
  sipHost: string;
  seed: string;
  codecs: string[];
  mediaTimeoutMs: number;
  mediaProcess: string;
  maxForwards: number;
  params: Record<string, string>;
  document: DocumentSource | null;
  createdAt: number;
  updatedAt: number;
  startAt: number | null;
  endAt: number | null;
  endStatus: EndStatus | null;
  /** The SIP status that ends an unanswered INVITE. */
  endSipStatus: number;
  ringDueAt: number;
  leg: Leg;
  port: MediaPort | null;
  /** Of the last order sent, and of the last one applied. */
  revision: number;
  appliedRevision: number;
  bridge: Bridge | null;
  /** A child call is being made or rings. */
  dialling: boolean;
  answerWanted: boolean;
  hangupWanted: boolean;
  sessions: SiprecRecord[];
  forks: ForkOrder[];
  forkPorts: Record<string, MediaPort>;
  /** Sessions whose forks an order in flight takes away. */
  closingForks: { siprecSid: string; revision: number }[];
}

export type CallVerdict =
  | { type: "leg.answered"; at: number }
  | { type: "leg.ringing"; at: number }
  | { type: "leg.ended"; status: EndStatus; at: number }
  | { type: "restored"; at: number };

export type CallEvent =
  | SipFact | MediaEvent | MediaFact | OriginateFact | RelationEvent | TwimlTold | SiprecTold
  | CallVerdict
  | { type: "siprec.start"; order: SiprecOrder; at: number }
  | { type: "siprec.stop"; siprecSid: string; at: number }
  /** A message of a recorder's dialog: it goes to that session. */
  | { type: "siprec.sip"; siprecSid: string; fact: SipFact }
  | { type: "deadline"; at: number }
  | { type: `xstate.done.actor.${string}`; output: unknown }
  | { type: `xstate.error.actor.${string}`; error: unknown };

export interface CallAlert {
  type: "alert";
  level: "error" | "warning";
  fault: Fault;
  siprecSid: string | null;
  at: number;
}

export interface CallStep {
  context?: Partial<CallContext>;
  send?: SipCommand[];
  calls?: CallsCommand[];
  sessions?: { siprecSid: string; event: CallFact | SipFact | { type: "restored"; at: number } }[];
  spawn?: SiprecInput[];
  twiml?: TwimlFact[];
  alerts?: Omit<CallAlert, "type">[];
  raise?: CallVerdict[];
  /** The wanted state of the media changed: a new order goes out. */
  media?: boolean;
}
