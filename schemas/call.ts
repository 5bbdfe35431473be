// A call as it is stored and told: its record (what REST shows, receipts, the outbox of its
// callbacks) and the requests on siprec.v1.call.<CallSid>.<verb>.
import { type Static, Type as T } from "@sinclair/typebox";
import { CALL_SID, SIPREC_SID } from "./sid.ts";

const Nullable = <S extends Parameters<typeof T.Optional>[0]>(schema: S) =>
  T.Union([schema, T.Null()]);
const EpochMs = T.Integer({ minimum: 0 });

export const CallStatus = T.Union([
  T.Literal("queued"), T.Literal("ringing"), T.Literal("in-progress"), T.Literal("completed"),
  T.Literal("busy"), T.Literal("failed"), T.Literal("no-answer"), T.Literal("canceled"),
]);
export type CallStatus = Static<typeof CallStatus>;

export const CallDirection = T.Union([
  T.Literal("inbound"), T.Literal("outbound-dial"), T.Literal("outbound-api"),
]);
export type CallDirection = Static<typeof CallDirection>;

/** What REST shows of a call; times are epoch ms. */
export const CallResource = T.Object({
  sid: T.String({ pattern: CALL_SID }),
  accountSid: T.String(),
  parentCallSid: Nullable(T.String({ pattern: CALL_SID })),
  to: T.String(), from: T.String(), callerName: Nullable(T.String()),
  status: CallStatus, direction: CallDirection,
  createdAt: EpochMs, updatedAt: EpochMs,
  startAt: Nullable(EpochMs), endAt: Nullable(EpochMs),
});
export type CallResource = Static<typeof CallResource>;

/** What was sent of one stream of a session, for the receipt. */
export const StreamReceipt = T.Object({
  label: T.String(), track: T.String(), codec: Nullable(T.String()),
  packets: T.Integer(), bytes: T.Integer(), lost: T.Integer(),
  firstAt: Nullable(EpochMs), lastAt: Nullable(EpochMs),
});
export type StreamReceipt = Static<typeof StreamReceipt>;

export const SiprecTrack = T.Union([
  T.Literal("inbound_track"), T.Literal("outbound_track"), T.Literal("both_tracks"),
]);
export type SiprecTrack = Static<typeof SiprecTrack>;

export const HttpMethod = T.Union([T.Literal("GET"), T.Literal("POST")]);

export const Fault = T.Object({ code: T.Integer(), message: T.String() });
export type Fault = Static<typeof Fault>;

/** What REST and callbacks show of a SIPREC session. `status` is Twilio's; `state` is ours. */
export const SiprecRecord = T.Object({
  sid: T.String({ pattern: SIPREC_SID }),
  callSid: T.String({ pattern: CALL_SID }),
  accountSid: T.String(),
  name: Nullable(T.String()),
  connectorName: T.String(),
  track: SiprecTrack,
  status: T.Union([T.Literal("in-progress"), T.Literal("stopped")]),
  state: T.String({ description: "the machine's state, dotted: in-progress.recording" }),
  createdAt: EpochMs, updatedAt: EpochMs,
  startedAt: Nullable(EpochMs), endedAt: Nullable(EpochMs),
  fault: Nullable(Fault),
  statusCallback: Nullable(T.String()),
  statusCallbackMethod: HttpMethod,
  receipt: T.Array(StreamReceipt),
});
export type SiprecRecord = Static<typeof SiprecRecord>;

/** One webhook that waits to be delivered. */
export const OutboxEntry = T.Object({
  id: T.String({ description: "siprecSid:event, also the idempotency token" }),
  siprecSid: T.String(),
  url: T.String(), method: HttpMethod,
  params: T.Record(T.String(), T.String()),
  createdAt: EpochMs,
});
export type OutboxEntry = Static<typeof OutboxEntry>;

export const CALL_RECORD_VERSION = 1;
export const CallRecord = T.Object({
  version: T.Literal(CALL_RECORD_VERSION),
  call: CallResource,
  siprecs: T.Array(SiprecRecord),
  outbox: T.Array(OutboxEntry),
  /** Ids of all entries that were ever put into the outbox: each event goes out once. */
  told: T.Array(T.String()),
});
export type CallRecord = Static<typeof CallRecord>;

/** siprec.v1.call.<CallSid>.start */
export const StartRequest = T.Object({
  accountSid: T.String(),
  name: Nullable(T.String({ maxLength: 256 })),
  connectorName: Nullable(T.String({ maxLength: 256 })),
  track: SiprecTrack,
  statusCallback: Nullable(T.String({ maxLength: 4096 })),
  statusCallbackMethod: HttpMethod,
  parameters: T.Array(T.Object({ name: T.String(), value: T.String() }), { maxItems: 99 }),
});
export type StartRequest = Static<typeof StartRequest>;

/** siprec.v1.call.<CallSid>.stop */
export const StopRequest = T.Object({
  accountSid: T.String(),
  /** A SiprecSid or a name: the first that exists is stopped. */
  candidates: T.Array(T.String(), { minItems: 1, maxItems: 4 }),
});
export type StopRequest = Static<typeof StopRequest>;

/** siprec.v1.call.<CallSid>.fetch */
export const FetchRequest = T.Object({ accountSid: T.String() });
export type FetchRequest = Static<typeof FetchRequest>;

/** The answer to start, stop and fetch. */
export const CallReply = T.Union([
  T.Object({ ok: T.Literal(true), record: CallRecord, siprecSid: Nullable(T.String()) }),
  T.Object({ ok: T.Literal(false), error: T.String(), message: T.String() }),
]);
export type CallReply = Static<typeof CallReply>;
