// What a call does at each event, as pure steps; the machine says when.
import { applicationId, partyAddress, partyId } from "../protocol/siprec/party.ts";
import { ERRORS } from "../schemas/error.ts";
import type { Fault } from "../schemas/call.ts";
import { forksFor, readySessions } from "./call-media.ts";
import { joinCallSteps } from "./call-step.ts";
import { endLeg, endLegAgain } from "./leg-end.ts";
import type { EndStatus, OriginateFact, RelationEvent, SiprecOrder } from "./ports.ts";
import { findSession, holdsSlots, keptSessions, refusalOf } from "./slots.ts";
import type { CallContext, CallEvent, CallStep } from "./call-types.ts";
import { initialContext, recordOf } from "./siprec-record.ts";
import type { Parties, SiprecInput, SiprecTold } from "./siprec-types.ts";
import type { TwimlTold } from "./twiml-types.ts";

/** Whose voice is on the leg: the caller of an inbound call, the called party of one we placed. */
const ownParty = (context: CallContext): string =>
  context.direction === "inbound" ? context.from : context.to;

export function partiesOf(context: CallContext): Parties {
  const { bridge, callSid } = context;
  const name = context.direction === "inbound" ? context.callerName : null;
  const own = partyAddress(ownParty(context));
  const inbound = { id: partyId(callSid), aor: own.aor, name: name ?? own.name };
  if (bridge?.answered === true) {
    const far = partyAddress(bridge.party);
    return {
      inbound,
      outbound: { id: partyId(bridge.callSid), ...far, joinedAt: bridge.joinedAt },
    };
  }
  const application = partyAddress(context.direction === "inbound" ? context.to : context.from);
  return { inbound, outbound: { id: applicationId(callSid), ...application } };
}

const partiesChanged = (context: CallContext, at: number): CallStep => ({
  sessions: context.sessions.filter(holdsSlots).map(({ sid }) => ({
    siprecSid: sid,
    event: { type: "parties.changed", parties: partiesOf(context), at },
  })),
});

/** A session is asked for: it gets its slots and its ports, or ends in `error` at once. */
export function startSession(context: CallContext, order: SiprecOrder, at: number): CallStep {
  const refusal = order.fault === null ? refusalOf(context.sessions, order) : null;
  const fault: Fault | null = refusal === null ? order.fault
    : { code: ERRORS[refusal].code, message: ERRORS[refusal].message };
  const input: SiprecInput = {
    order: { ...order, fault },
    callSid: context.callSid,
    accountSid: context.accountSid,
    parentCallSid: context.parentCallSid,
    sipHost: context.sipHost,
    callStartAt: context.createdAt,
    parties: partiesOf(context),
    at,
  };
  // Its record stands before the machine has said a word: two requests at once see each other.
  const record = recordOf(initialContext(input), "idle");
  const sessions = [...keptSessions(context.sessions), record];
  if (fault !== null) return { context: { sessions }, spawn: [input] };
  return {
    context: { sessions, forks: [...context.forks, ...forksFor(order)] },
    spawn: [input],
    media: true,
  };
}

export function stopByName(
  context: CallContext, event: Extract<TwimlTold, { type: "twiml.siprec.stop" }>,
): CallStep {
  const session = findSession(context.sessions, [event.name]);
  if (session === null || !holdsSlots(session)) {
    const message = `Stop names no running SIPREC session: ${event.name}`;
    return {
      alerts: [{
        level: "warning", fault: { code: ERRORS.TWIML_SCHEMA.code, message }, siprecSid: null,
        at: event.at,
      }],
    };
  }
  return {
    sessions: [{ siprecSid: session.sid, event: { type: "siprec.stop", at: event.at } }],
  };
}

/** A session's new record; one that failed is an entry of the debugger, once. */
export function sessionChanged(
  context: CallContext, event: Extract<SiprecTold, { type: "siprec.changed" }>,
): CallStep {
  const { record } = event;
  const before = context.sessions.find(({ sid }) => sid === record.sid);
  const sessions = before === undefined
    ? [...context.sessions, record]
    : context.sessions.map((one) => (one.sid === record.sid ? record : one));
  const isFailure = record.state === "error" && before?.state !== "error" && record.fault !== null;
  return {
    context: { sessions, updatedAt: Math.max(context.updatedAt, record.updatedAt) },
    alerts: isFailure && record.fault !== null
      ? [{ level: "error", fault: record.fault, siprecSid: record.sid, at: record.updatedAt }]
      : [],
  };
}

export function dial(
  context: CallContext, event: Extract<TwimlTold, { type: "twiml.dial" }>,
): CallStep {
  return {
    context: { answerWanted: true, dialling: true },
    calls: [{
      type: "call.originate",
      target: event.target,
      callerId: event.callerId,
      timeoutMs: event.timeoutMs,
      from: context.from,
      maxForwards: context.maxForwards - 1,
      codecs: context.codecs,
      at: event.at,
    }],
    media: context.leg.answered,
  };
}

export function childFact(
  context: CallContext, event: RelationEvent | OriginateFact,
): CallStep {
  switch (event.type) {
    case "child.created": {
      const bridge = {
        callSid: event.childSid, party: "", joinedAt: event.at, answered: false, hearable: false,
      };
      // The caller hung up while the child was being made.
      if (context.endStatus !== null) return { calls: [hangupOf(event.childSid, event.at)] };
      return { context: { bridge } };
    }
    case "child.refused":
      return joinCallSteps(dialEnded(context, "failed", event.at), {
        alerts: [{
          level: "error", fault: { code: event.code, message: event.message }, siprecSid: null,
          at: event.at,
        }],
      });
    case "child.ringing":
      return hear(context, event.childSid, event.hearable);
    case "child.answered":
      return childAnswered(context, event);
    case "child.ended":
      return context.bridge?.callSid === event.childSid
        ? dialEnded(context, event.status, event.at) : {};
    case "call.hangup":
      return {};
  }
}

function hear(context: CallContext, childSid: string, hearable: boolean): CallStep {
  const { bridge } = context;
  if (bridge?.callSid !== childSid || bridge.hearable || !hearable) return {};
  return { context: { bridge: { ...bridge, hearable: true } }, media: true };
}

function childAnswered(
  context: CallContext, event: Extract<RelationEvent, { type: "child.answered" }>,
): CallStep {
  if (context.bridge?.callSid !== event.childSid) return {};
  const bridge = {
    ...context.bridge, answered: true, hearable: true, party: event.to, joinedAt: event.at,
  };
  return joinCallSteps(
    { context: { bridge, dialling: false }, media: true },
    partiesChanged({ ...context, bridge }, event.at),
  );
}

function dialEnded(
  context: CallContext, status: Parameters<typeof endedTwiml>[0], at: number,
): CallStep {
  const next = { ...context, bridge: null, dialling: false };
  const wasBridged = context.bridge?.answered === true;
  return joinCallSteps(
    {
      context: { bridge: null, dialling: false },
      twiml: [endedTwiml(status, at)],
      media: context.leg.answered,
    },
    wasBridged ? partiesChanged(next, at) : {},
  );
}

const endedTwiml = (
  status: "completed" | "busy" | "failed" | "no-answer" | "canceled", at: number,
) => ({ type: "dial.ended" as const, status, at });

const hangupOf = (callSid: string, at: number) => ({
  type: "call.tell" as const, callSid,
  event: { type: "call.hangup" as const, reason: "parent-ended" as const, at },
});

/** The child tells the call that dialled it. */
export function tellParent(
  context: CallContext, event: (childSid: string) => RelationEvent,
): CallStep {
  if (context.parentCallSid === null) return {};
  return {
    calls: [{
      type: "call.tell", callSid: context.parentCallSid, event: event(context.callSid),
    }],
  };
}

/** A child that is answered hears its parent, and is heard. */
export function answeredChild(context: CallContext, at: number): CallStep {
  const { parentCallSid } = context;
  if (parentCallSid === null) return {};
  const bridge = {
    callSid: parentCallSid, party: context.from, joinedAt: at, answered: true, hearable: true,
  };
  return joinCallSteps(
    { context: { bridge }, media: true },
    tellParent(context, (childSid) => ({ type: "child.answered", childSid, to: context.to, at })),
  );
}

export const answeredSessions = (context: CallContext, at: number): CallStep =>
  readySessions(context, at);

/** The end of a call, whoever wanted it: nothing of it may be left behind. */
export function close(context: CallContext, event: CallEvent & { at: number }): CallStep {
  const { at } = event;
  const status = event.type === "leg.ended" ? event.status : closeStatus(context, event);
  const ended: CallContext = { ...context, endStatus: status, endAt: at };
  const child = context.bridge !== null && context.bridge.callSid !== context.parentCallSid
    ? [hangupOf(context.bridge.callSid, at)] : [];
  return joinCallSteps(
    {
      context: {
        endStatus: status, endAt: at, updatedAt: at, bridge: null, dialling: false,
      },
      calls: child,
      sessions: context.sessions.filter(holdsSlots).map(({ sid }) => ({
        siprecSid: sid, event: { type: "siprec.stop", at },
      })),
      media: true,
    },
    // The INVITE of a process that is gone can't be cancelled, nor its answer heard.
    event.type === "restored" ? endLegAgain(ended) : endLeg(ended, at),
    tellParent(context, (childSid) => ({ type: "child.ended", childSid, status, at })),
  );
}

/** What Twilio calls an end that did not come from the leg. */
function closeStatus(context: CallContext, event: CallEvent): EndStatus {
  if (context.leg.answered) return "completed";
  if (event.type === "deadline") return "no-answer";
  return event.type === "call.hangup" ? "canceled" : "failed";
}
