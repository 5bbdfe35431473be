// What a call does where one state passes into another, and when something of its own ends or
// breaks. Pure steps.
import { ERRORS } from "../schemas/error.ts";
import { closeForks, readySessions } from "./call-media.ts";
import { joinCallSteps } from "./call-step.ts";
import { answeredChild, sessionChanged, tellParent } from "./call-steps.ts";
import { answer, ring } from "./leg.ts";
import type { CallContext, CallEvent, CallStep } from "./call-types.ts";
import type { TwimlOutput } from "./twiml-types.ts";

const DONE = "xstate.done.actor.";

/** The output of the document that has been run; null for any other event. */
export function documentEnd(event: CallEvent): TwimlOutput | null {
  // XState does not type what a child puts out; only a twiml machine is spawned by this id.
  return event.type === `${DONE}twiml` && "output" in event ? event.output as TwimlOutput : null;
}

/** What breaks brings no time along. */
export const timeOf = (context: CallContext, event: CallEvent): number =>
  "at" in event ? event.at : documentEnd(event)?.at ?? context.updatedAt;

/** Of whom XState tells that it ended: a SiprecSid, or the name of a port. */
export const childOf = (event: CallEvent): string =>
  event.type.slice(event.type.lastIndexOf(".") + 1);

export function enterRinging(context: CallContext, event: CallEvent): CallStep {
  if (context.leg.role === "uas") return ring(context);
  return tellParent(context, (childSid) => ({
    type: "child.ringing", childSid, hearable: context.leg.remote !== null,
    at: timeOf(context, event),
  }));
}

export function enterTalking(context: CallContext, event: CallEvent): CallStep {
  const at = timeOf(context, event);
  const step = context.leg.role === "uas" ? answer(context, at) : answeredChild(context, at);
  return joinCallSteps(step, readySessions({ ...context, ...step.context }, at));
}

/** A session's machine broke: a fault of ours ends the recording, never the call. */
export function sessionBroke(context: CallContext, event: CallEvent): CallStep {
  const sid = childOf(event);
  const record = context.sessions.find((session) => session.sid === sid);
  if (record === undefined) return {};
  const fault = { code: ERRORS.INTERNAL.code, message: "The recording ended by a fault of ours" };
  return joinCallSteps(
    closeForks(context, { type: "forks.close", siprecSid: sid }),
    sessionChanged(context, {
      type: "siprec.changed",
      record: {
        ...record, status: "stopped", state: "error", fault,
        endedAt: record.endedAt ?? timeOf(context, event),
      },
    }),
  );
}

/** A port of the call's own broke, by a fault of ours: the call ends as well as it can. */
export function portBroke(context: CallContext, event: CallEvent): CallStep {
  const port = childOf(event);
  const at = timeOf(context, event);
  const message = `The call ended by a fault of ours (${port})`;
  return {
    context: port === "sip" ? { leg: { ...context.leg, over: true } }
      : port === "media" ? { appliedRevision: Number.MAX_SAFE_INTEGER } : {},
    alerts: [{
      level: "error", fault: { code: ERRORS.INTERNAL.code, message }, siprecSid: null, at,
    }],
    raise: [{ type: "leg.ended", status: "failed", at }],
  };
}

/** So did the run of the document: no verb comes after it. */
export const documentBroke = (context: CallContext, event: CallEvent): CallStep => ({
  context: { endSipStatus: context.leg.answered ? context.endSipStatus : 500 },
  alerts: [{
    level: "error", siprecSid: null, at: timeOf(context, event),
    fault: { code: ERRORS.INTERNAL.code, message: "The document could not be run" },
  }],
});

/** The media process kept working; it learns whom it now answers to, and we what it has. */
export const takenOver = (
  context: CallContext, event: Extract<CallEvent, { type: "restored" }>,
): CallStep => ({
  media: true,
  sessions: context.sessions.map(({ sid }) => ({ siprecSid: sid, event })),
});

/**
 * The ACK to our 2xx may have come while no process was there. It is not waited for any longer,
 * else a call that ends would wait for ever before it sends BYE.
 */
export const presumeAcked = ({ leg }: CallContext): CallStep =>
  leg.answered && !leg.acked ? { context: { leg: { ...leg, acked: true } } } : {};

export const reportDocument = (context: CallContext, event: CallEvent): CallStep => {
  const end = documentEnd(event);
  if (end === null || end.failure === null) return {};
  return {
    context: { endSipStatus: context.leg.answered ? context.endSipStatus : 500 },
    alerts: [{ level: "error", fault: end.failure, siprecSid: null, at: end.at }],
  };
};
