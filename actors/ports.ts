// What the machines ask of the world. Each port is an invoked actor that edge/ports provides; the
// machines import these names and types only. Every port is safe to run twice: a restored machine
// invokes it again (an INVITE is a command, and commands are not repeated by a restore).
import { fromCallback, fromPromise } from "xstate";
import type { SipFlow, SipRequest, SipResponse } from "../protocol/sip/message.ts";
import type { MediaOrder, MediaReply } from "../schemas/media.ts";
import type { TwimlResult, SiprecStart } from "../protocol/twiml/document.ts";
import type { Fault } from "../schemas/call.ts";
import type { OutboxEntry } from "../schemas/call.ts";
import type { EndStatus, RelationRequest } from "../schemas/relation.ts";

const notProvided = (port: string) => (): never => {
  throw new Error(`The port ${port} is not provided: machines run with edge/ports only`);
};

/** Sends `{ type: "deadline", at }` once the wall clock reaches `at` (epoch ms). */
export const deadlinePort = fromCallback<{ type: "none" }, { at: number }>(
  notProvided("deadline"),
);

/** Where a request goes when neither its Route nor its flow says so. */
export interface SendTarget {
  transport: "udp" | "tcp" | "tls" | null;
  host: string;
  port: number | null;
}

/** What a machine tells its `sip` port. `id` is the machine's own name for a transaction. */
export type SipCommand =
  | {
    type: "send.request";
    id: string;
    request: SipRequest;
    target: SendTarget | null;
    flow: SipFlow | null;
    contactParams: string;
    connectTimeoutMs: number | null;
  }
  | { type: "send.cancel"; id: string }
  | { type: "send.ack"; request: SipRequest; flow: SipFlow | null }
  | {
    type: "send.response";
    transactionId: string;
    response: SipResponse;
    contactParams: string;
    /** Wait until what led to this answer is written (creation and stop). */
    durable: boolean;
    /** The request that another process received: its transaction is not here. */
    revive?: { request: SipRequest; flow: SipFlow };
  };

/** What comes back, and what reaches the machine's dialog from outside. */
export type SipFact =
  | { type: "sip.response"; id: string; response: SipResponse; flow: SipFlow; at: number }
  | { type: "sip.failed"; id: string; reason: "timeout" | "transport"; message: string; at: number }
  | {
    type: "sip.request";
    request: SipRequest;
    flow: SipFlow;
    transactionId: string | null;
    at: number;
  }
  | { type: "sip.cancelled"; at: number }
  | { type: "sip.unacknowledged"; at: number };

export interface SipPortInput {
  callSid: string;
  siprecSid: string | null;
  /** Whose credentials header goes on the INVITE; null on a call's own leg. */
  connectorName: string | null;
  accountSid: string;
}

export const sipPort = fromCallback<SipCommand, SipPortInput>(notProvided("sip"));

export type MediaCommand = { type: "media.apply"; order: Omit<MediaOrder, "edge" | "epoch"> };

export type MediaEvent =
  | { type: "media.applied"; reply: Extract<MediaReply, { ok: true }>; at: number }
  | { type: "media.failed"; revision: number; code: string; message: string; at: number }
  /** The media process has started anew, or can be reached again: does it have what we want? */
  | { type: "media.doubted"; at: number };

export interface MediaPortInput {
  callSid: string;
  /** The media process that holds this call and the calls it dialled. */
  process: string;
}

export const mediaPort = fromCallback<MediaCommand, MediaPortInput>(notProvided("media"));

/** Where the other party of a new call is found. */
export interface Route {
  requestUri: string;
  target: SendTarget;
}

export type CallsCommand =
  | {
    type: "call.originate";
    target: { kind: "sip"; uri: string } | { kind: "number"; number: string };
    callerId: string | null;
    timeoutMs: number;
    /** Of the call that dials: its From serves as caller id, its hops and group are inherited. */
    from: string;
    maxForwards: number;
    /** What the child may use so that the two can be joined. */
    codecs: string[];
    at: number;
  }
  | { type: "call.tell"; callSid: string; event: RelationEvent };

/** What a parent and the calls it dialled say to each other. */
export type RelationEvent = RelationRequest;
export type { EndStatus };

/** The answers to `call.originate`. */
export type OriginateFact =
  | { type: "child.created"; childSid: string; at: number }
  | { type: "child.refused"; code: number; message: string; at: number };

export interface CallsPortInput {
  callSid: string;
  accountSid: string;
  mediaProcess: string;
}

export const callsPort = fromCallback<CallsCommand, CallsPortInput>(notProvided("calls"));

export interface DocumentRequest {
  callSid: string;
  accountSid: string;
  url: string;
  method: "GET" | "POST";
  params: Record<string, string>;
}

/** Fetches a TwiML document; a document that can't be had is a result, not a rejection. */
export const documentPort = fromPromise<
  { result: TwimlResult; at: number },
  DocumentRequest
>(notProvided("document"));

/** One address of a connector, taken apart once (schemas/connector.ts has the syntax). */
export interface RecorderTarget {
  requestUri: string;
  target: SendTarget;
  secure: boolean;
  edge: string | null;
}

/** A session as the call gets it: everything looked up, every id and random byte made. */
export interface SiprecOrder {
  siprecSid: string;
  name: string | null;
  connectorName: string;
  track: "inbound_track" | "outbound_track" | "both_tracks";
  statusCallback: string | null;
  statusCallbackMethod: "GET" | "POST";
  parameters: { name: string; value: string }[];
  parameterPlace: "metadata" | "headers" | "both";
  targets: RecorderTarget[];
  answerTimeoutMs: number;
  connectTimeoutMs: number;
  /** 32 hexadecimal digits that all ids of the session's dialogs derive from. */
  seed: string;
  /** Set when it can't be started: the session is made, and ends in `error` at once. */
  fault: Fault | null;
}

/** Looks the connectors of some `<Siprec>` elements up. */
export const preparePort = fromPromise<
  { orders: SiprecOrder[]; at: number },
  { accountSid: string; siprecs: SiprecStart[] }
>(notProvided("prepare"));

export type DeliveryResult =
  | { kind: "delivered"; at: number }
  /** Answered, but not with 2xx: that ends it too, with an alert. */
  | { kind: "refused"; code: number; message: string; at: number }
  | { kind: "unreachable"; code: number; message: string; final: boolean; at: number };

export const deliverPort = fromPromise<DeliveryResult, { accountSid: string; entry: OutboxEntry }>(
  notProvided("deliver"),
);
