// A call as REST and callbacks see it, made from its context and state; and its context at birth.
import type {
  CallRecord, CallResource, CallStatus, Fault, OutboxEntry, SiprecRecord,
} from "../schemas/call.ts";
import { CALL_RECORD_VERSION } from "../schemas/call.ts";
import { siprecCallbackParams, type SiprecEventName } from "../protocol/twiml/callback.ts";
import { initialLeg } from "./leg.ts";
import type { CallContext, CallInput } from "./call-types.ts";

/** With so many callbacks undelivered nothing more is started by REST, */
export const OUTBOX_BUSY = 50;
/** and with so many what becomes due is not told any more: a record has to fit into a message. */
export const OUTBOX_MAX = 100;

/** An inbound call rings until its caller gives up: that is the caller's clock. */
const NEVER = Number.MAX_SAFE_INTEGER;

export const initialCall = (input: CallInput): CallContext => ({
  callSid: input.callSid,
  accountSid: input.accountSid,
  parentCallSid: input.parentCallSid,
  direction: input.direction,
  from: input.from,
  to: input.to,
  callerName: input.callerName,
  sipHost: input.sipHost,
  seed: input.seed,
  codecs: input.codecs,
  mediaTimeoutMs: input.mediaTimeoutMs,
  mediaProcess: input.mediaProcess,
  maxForwards: input.maxForwards,
  params: input.params,
  document: input.document,
  createdAt: input.at,
  updatedAt: input.at,
  startAt: null,
  endAt: null,
  endStatus: null,
  endSipStatus: 500,
  ringDueAt: input.leg.role === "uac" ? input.at + input.ringTimeoutMs : NEVER,
  leg: initialLeg(input),
  port: null,
  revision: 0,
  appliedRevision: 0,
  bridge: null,
  dialling: false,
  answerWanted: false,
  hangupWanted: false,
  sessions: [],
  forks: [],
  forkPorts: {},
  closingForks: [],
});

const STATUSES: readonly CallStatus[] = [
  "queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled",
];

/** Twilio's word: an end counts from when it is decided, not from the answer to the last BYE. */
export function statusOf(context: CallContext, state: string): CallStatus {
  if (context.endStatus !== null) return context.endStatus;
  const top = state.split(".")[0];
  return STATUSES.find((status) => status === top) ?? "failed";
}

export const resourceOf = (context: CallContext, state: string): CallResource => ({
  sid: context.callSid,
  accountSid: context.accountSid,
  parentCallSid: context.parentCallSid,
  to: context.to,
  from: context.from,
  callerName: context.callerName,
  status: statusOf(context, state),
  direction: context.direction,
  createdAt: context.createdAt,
  updatedAt: context.updatedAt,
  startAt: context.startAt,
  endAt: context.endAt,
});

/** What a session has to tell by now, in order: each at most once, one of them the last. */
function eventsOf(session: SiprecRecord): { name: SiprecEventName; at: number }[] {
  const events: { name: SiprecEventName; at: number }[] = [];
  if (session.startedAt !== null) events.push({ name: "siprec-started", at: session.startedAt });
  if (session.state === "stopped") {
    events.push({ name: "siprec-stopped", at: session.endedAt ?? session.updatedAt });
  }
  if (session.state === "error") {
    events.push({ name: "siprec-error", at: session.endedAt ?? session.updatedAt });
  }
  return events;
}

/**
 * The call's record after a change: resource, sessions, and the callbacks that became due. Made
 * from the last one, so that running it again, after a restart too, adds nothing twice.
 */
export const recordAfter = (
  last: CallRecord | null, context: CallContext, state: string,
): CallRecord => recordOfCall(last, resourceOf(context, state), context.sessions);

/** Of a call that nobody can go on with: it is over, with all that was recorded of it. */
export const abandonedRecord = (last: CallRecord, fault: Fault, at: number): CallRecord =>
  recordOfCall(
    last,
    { ...last.call, status: "failed", endAt: last.call.endAt ?? at, updatedAt: at },
    last.siprecs.map((session) => session.state === "stopped" || session.state === "error"
      ? session
      : {
        ...session, status: "stopped", state: "error", fault: session.fault ?? fault,
        endedAt: session.endedAt ?? at, updatedAt: at,
      }),
  );

function recordOfCall(
  last: CallRecord | null, call: CallResource, sessions: SiprecRecord[],
): CallRecord {
  const told = new Set(last?.told ?? []);
  const sids = new Set(sessions.map(({ sid }) => sid));
  const due = sessions.flatMap((session) =>
    eventsOf(session).flatMap(({ name, at }) => {
      const id = `${session.sid}:${name}`;
      if (session.statusCallback === null || told.has(id)) return [];
      told.add(id);
      return [outboxEntry(id, call, session, name, at)];
    })
  );
  return {
    version: CALL_RECORD_VERSION,
    call,
    siprecs: sessions,
    outbox: [...last?.outbox ?? [], ...due].slice(0, OUTBOX_MAX),
    told: [...told].filter((id) => sids.has(id.slice(0, id.indexOf(":")))),
  };
}

function outboxEntry(
  id: string, call: CallResource, session: SiprecRecord, event: SiprecEventName, at: number,
): OutboxEntry {
  const facts = {
    callSid: call.sid, accountSid: call.accountSid, from: call.from, to: call.to,
    status: call.status, direction: call.direction, parentCallSid: call.parentCallSid,
    forwardedFrom: null, callerName: call.callerName,
  };
  const error = event === "siprec-error" ? session.fault : null;
  return {
    id,
    siprecSid: session.sid,
    url: session.statusCallback ?? "",
    method: session.statusCallbackMethod,
    createdAt: at,
    params: siprecCallbackParams(facts, {
      siprecSid: session.sid, name: session.name, event, at, error,
    }),
  };
}

export const withoutEntry = (record: CallRecord, id: string): CallRecord => ({
  ...record, outbox: record.outbox.filter((entry) => entry.id !== id),
});
