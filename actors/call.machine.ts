// One call: one SIP leg, from its INVITE to its end, in Twilio's words (ARCHITECTURE section 4).
// What each transition does is in call-{steps,turns,media}.ts and leg*.ts, as pure functions.
import { assign, enqueueActions, sendTo, setup, spawnChild, stopChild } from "xstate";
import { ERRORS } from "../schemas/error.ts";
import { applied, closeForks, failed, mediaOrder, openForks } from "./call-media.ts";
import { initialCall } from "./call-record.ts";
import { joinCallSteps } from "./call-step.ts";
import {
  childFact, close, dial, sessionChanged, startSession, stopByName,
} from "./call-steps.ts";
import {
  childOf, documentBroke, documentEnd, enterRinging, enterTalking, portBroke, presumeAcked,
  reportDocument, sessionBroke, takenOver, timeOf,
} from "./call-turns.ts";
import { cancelled } from "./leg.ts";
import { endLegAgain, unacknowledged } from "./leg-end.ts";
import { legRequest } from "./leg-peer.ts";
import { invite, legFact } from "./leg-uac.ts";
import { callsPort, deadlinePort, mediaPort, sipPort } from "./ports.ts";
import { siprecMachine } from "./siprec.machine.ts";
import { twimlMachine } from "./twiml.machine.ts";
import type { CallAlert, CallContext, CallEvent, CallInput, CallStep } from "./call-types.ts";

export const CALL_MACHINE_VERSION = 1;

const isOver = (state: string): boolean => state === "stopped" || state === "error";

const isAlive = (context: CallContext, siprecSid: string): boolean =>
  context.sessions.some(({ sid, state }) => sid === siprecSid && !isOver(state));

type Stepper = (context: CallContext, event: CallEvent) => CallStep;

/** A step for one kind of event; any other leaves everything as it is. */
const doing = <T extends CallEvent["type"]>(
  type: T, step: (context: CallContext, event: Extract<CallEvent, { type: T }>) => CallStep,
) => ({
  type: "perform" as const,
  params: {
    step: (context: CallContext, event: CallEvent): CallStep =>
      // `type` is compared, so the event is of that kind; the compiler can't follow generics here.
      event.type === type ? step(context, event as Extract<CallEvent, { type: T }>) : {},
  },
});

const on: <T extends CallEvent["type"]>(
  type: T, step: (context: CallContext, event: Extract<CallEvent, { type: T }>) => CallStep,
) => { actions: ReturnType<typeof doing> } = (type, step) => ({ actions: doing(type, step) });

const breaking = { type: "perform", params: { step: portBroke } } as const;

const documentBreaks = {
  target: "closing", actions: { type: "perform", params: { step: documentBroke } },
} as const;

const closing = {
  description: "Over in all but its farewells: BYE, recordings that end, ports given back.",
  entry: [
    {
      type: "perform",
      params: { step: ((c, e) => close(c, { ...e, at: timeOf(c, e) })) as Stepper },
    },
    { type: "stopDocument" },
  ],
  always: [
    { guard: { type: "isClosedAs", params: { status: "completed" } }, target: "#call.completed" },
    { guard: { type: "isClosedAs", params: { status: "busy" } }, target: "#call.busy" },
    { guard: { type: "isClosedAs", params: { status: "failed" } }, target: "#call.failed" },
    { guard: { type: "isClosedAs", params: { status: "no-answer" } }, target: "#call.no-answer" },
    { guard: { type: "isClosedAs", params: { status: "canceled" } }, target: "#call.canceled" },
  ],
  on: {
    "sip.request": on("sip.request", (c, e) => legRequest(c, e, true)),
    // What ends it now has ended it already.
    "leg.ended": {}, "call.hangup": {}, "media.timeout": {}, "leg.answered": {}, deadline: {},
    "siprec.start": {}, "twiml.siprec.start": {}, "twiml.dial": {},
    "sip.unacknowledged": on("sip.unacknowledged", (c, e) => unacknowledged(c, e.at)),
    restored: on("restored", (c, e) => joinCallSteps(endLegAgain(c), takenOver(c, e))),
  },
} as const;

export const callMachine = setup({
  types: {
    input: {} as CallInput,
    context: {} as CallContext,
    events: {} as CallEvent,
    emitted: {} as CallAlert,
    output: {} as { callSid: string },
  },
  actors: {
    sip: sipPort, media: mediaPort, calls: callsPort, deadline: deadlinePort,
    siprec: siprecMachine, twiml: twimlMachine,
  },
  actions: {
    /** Does what a step says; an order of media goes out with all that the step changed. */
    perform: enqueueActions(({ context, event, enqueue }, params: { step: Stepper }) => {
      const step = params.step(context, event);
      const revision = context.revision + (step.media === true ? 1 : 0);
      const next = { ...context, ...step.context, revision };
      enqueue.assign({ ...step.context, revision });
      if (step.media === true) {
        enqueue(sendTo("media", { type: "media.apply", order: mediaOrder(next) }));
      }
      for (const command of step.send ?? []) enqueue(sendTo("sip", command));
      for (const command of step.calls ?? []) enqueue(sendTo("calls", command));
      for (const input of step.spawn ?? []) {
        enqueue(spawnChild("siprec", { id: input.order.siprecSid, input }));
      }
      for (const { siprecSid, event: fact } of step.sessions ?? []) {
        if (isAlive(next, siprecSid)) enqueue(sendTo(siprecSid, fact));
      }
      // The document is stopped when the call ends.
      const hasDocument = next.document !== null && next.endStatus === null;
      for (const fact of hasDocument ? step.twiml ?? [] : []) {
        enqueue(sendTo("twiml", fact));
      }
      for (const alert of step.alerts ?? []) enqueue.emit({ type: "alert", ...alert });
      for (const verdict of step.raise ?? []) enqueue.raise(verdict);
    }),
    runDocument: enqueueActions(({ context, enqueue }) => {
      if (context.document === null) return;
      enqueue(spawnChild("twiml", {
        id: "twiml",
        input: {
          callSid: context.callSid, accountSid: context.accountSid, source: context.document,
          params: context.params, at: context.createdAt,
        },
      }));
    }),
    stopDocument: stopChild("twiml"),
    wantHangup: assign({ hangupWanted: true, answerWanted: true }),
    forgetSession: stopChild(({ event }) => childOf(event)),
  },
  guards: {
    isInbound: ({ context }) => context.leg.role === "uas",
    canAnswer: ({ context }) =>
      context.leg.role === "uas" && context.answerWanted && context.port !== null,
    isHangupWanted: ({ context }) => context.hangupWanted,
    isDocumentFault: ({ event }) => documentEnd(event)?.failure != null,
    hasPort: ({ context }) => context.port !== null,
    isClosedAs: ({ context }, params: { status: CallContext["endStatus"] }) =>
      context.endStatus === params.status && context.leg.over &&
      context.appliedRevision >= context.revision &&
      context.sessions.every(({ state }) => isOver(state)),
  },
}).createMachine({
  id: "call",
  context: ({ input }) => initialCall(input),
  initial: "queued",
  invoke: [
    {
      id: "sip", src: "sip", onDone: {}, onError: { actions: breaking },
      input: ({ context }) => ({
        callSid: context.callSid, siprecSid: null, connectorName: null,
        accountSid: context.accountSid,
      }),
    },
    {
      id: "media", src: "media", onDone: {}, onError: { actions: breaking },
      input: ({ context }) => ({ callSid: context.callSid, process: context.mediaProcess }),
    },
    {
      id: "calls", src: "calls", onDone: {}, onError: { actions: breaking },
      input: ({ context }) => ({
        callSid: context.callSid, accountSid: context.accountSid,
        mediaProcess: context.mediaProcess,
      }),
    },
  ],
  on: {
    "sip.response": on("sip.response", legFact),
    "sip.failed": on("sip.failed", legFact),
    "sip.request": on("sip.request", (c, e) => legRequest(c, e, false)),
    "media.applied": on("media.applied", applied),
    "media.failed": on("media.failed", failed),
    "media.doubted": on("media.doubted", () => ({ media: true })),
    "media.fork.stalled": on("media.fork.stalled", (_, e) => ({
      alerts: [{
        level: "warning", siprecSid: e.id.slice(0, e.id.indexOf(".")), at: e.at,
        fault: { code: ERRORS.STREAM_STALLED.code, message: ERRORS.STREAM_STALLED.message },
      }],
    })),
    "siprec.start": on("siprec.start", (c, e) => startSession(c, e.order, e.at)),
    "siprec.stop": on("siprec.stop", (_, e) => ({
      sessions: [{ siprecSid: e.siprecSid, event: { type: "siprec.stop", at: e.at } }],
    })),
    "siprec.sip": on("siprec.sip", (_, e) => ({
      sessions: [{ siprecSid: e.siprecSid, event: e.fact }],
    })),
    "siprec.changed": on("siprec.changed", sessionChanged),
    "forks.open": on("forks.open", openForks),
    "forks.close": on("forks.close", closeForks),
    "twiml.siprec.start": on("twiml.siprec.start", (c, e) => startSession(c, e.order, e.at)),
    "twiml.siprec.stop": on("twiml.siprec.stop", stopByName),
    "twiml.alerts": on("twiml.alerts", (_, e) => ({
      alerts: e.alerts.map((fault) => ({
        level: "warning" as const, fault, siprecSid: null, at: e.at,
      })),
    })),
    "child.created": on("child.created", childFact),
    "child.refused": on("child.refused", childFact),
    "child.ringing": on("child.ringing", childFact),
    "child.answered": on("child.answered", childFact),
    "child.ended": on("child.ended", childFact),
    restored: on("restored", (c, e) => joinCallSteps(presumeAcked(c), takenOver(c, e))),
    "xstate.done.actor.*": { actions: "forgetSession" },
    "xstate.error.actor.*": { actions: { type: "perform", params: { step: sessionBroke } } },
    "*": {},
  },
  states: {
    queued: {
      description: "Made; a call that we place is on its way, and nothing rings yet.",
      initial: "opening",
      states: {
        opening: {
          description: "Waits for a port of the media process.",
          entry: { type: "perform", params: { step: (() => ({ media: true })) as Stepper } },
          always: [
            { guard: "isInbound", target: "#call.ringing" },
            { guard: "hasPort", target: "calling" },
          ],
          on: { "leg.ended": "closing", "call.hangup": "closing", restored: "closing" },
        },
        calling: {
          description: "INVITE sent.",
          entry: {
            type: "perform", params: { step: ((c, e) => invite(c, timeOf(c, e))) as Stepper },
          },
          invoke: {
            id: "ring-deadline", src: "deadline", onDone: {}, onError: {},
            input: ({ context }) => ({ at: context.ringDueAt }),
          },
          on: {
            "leg.ringing": "#call.ringing",
            "leg.answered": "#call.in-progress",
            "leg.ended": "closing",
            "call.hangup": "closing",
            deadline: "closing",
            // An INVITE is never sent twice: what became of it is unknown.
            restored: "closing",
          },
        },
        closing,
      },
    },
    ringing: {
      description: "The phone rings: ours at the far end, or the caller waits for our answer.",
      initial: "waiting",
      states: {
        waiting: {
          description: "Nobody has answered yet.",
          entry: [
            { type: "perform", params: { step: enterRinging } },
            { type: "runDocument" },
          ],
          invoke: {
            id: "ring-deadline", src: "deadline", onDone: {}, onError: {},
            input: ({ context }) => ({ at: context.ringDueAt }),
          },
          always: { guard: "canAnswer", target: "#call.in-progress" },
          on: {
            "twiml.dial": on("twiml.dial", dial),
            "twiml.answer": on("twiml.answer", () => ({ context: { answerWanted: true } })),
            "leg.ringing": on("leg.ringing", enterRinging),
            "leg.answered": "#call.in-progress",
            "leg.ended": "closing",
            "call.hangup": "closing",
            deadline: "closing",
            restored: "closing",
            "sip.cancelled": on("sip.cancelled", (c, e) => cancelled(c, e.at)),
            "xstate.done.actor.twiml": [
              {
                guard: "isDocumentFault", target: "closing",
                actions: { type: "perform", params: { step: reportDocument } },
              },
              { actions: "wantHangup" },
            ],
            "xstate.error.actor.twiml": documentBreaks,
          },
        },
        closing,
      },
    },
    "in-progress": {
      description: "Answered: the parties talk, or the leg hears what the document gives it.",
      initial: "talking",
      states: {
        talking: {
          description: "Audio flows.",
          entry: { type: "perform", params: { step: enterTalking } },
          always: { guard: "isHangupWanted", target: "closing" },
          on: {
            "twiml.dial": on("twiml.dial", dial),
            "leg.ended": "closing",
            "call.hangup": "closing",
            "media.timeout": {
              target: "closing",
              actions: doing("media.timeout", (_, e) => ({
                alerts: [{
                  level: "error", siprecSid: null, at: e.at,
                  fault: { code: ERRORS.RTP_TIMEOUT.code, message: ERRORS.RTP_TIMEOUT.message },
                }],
              })),
            },
            "sip.unacknowledged": on("sip.unacknowledged", (c, e) => unacknowledged(c, e.at)),
            "xstate.done.actor.twiml": [
              {
                guard: "isDocumentFault", target: "closing",
                actions: { type: "perform", params: { step: reportDocument } },
              },
              { target: "closing" },
            ],
            "xstate.error.actor.twiml": documentBreaks,
          },
        },
        closing,
      },
    },
    completed: { description: "Answered, and over.", type: "final" },
    busy: { description: "The called party was busy, or declined.", type: "final" },
    failed: { description: "It could not be connected.", type: "final" },
    "no-answer": { description: "It rang, and nobody answered.", type: "final" },
    canceled: { description: "Given up by the caller before it was answered.", type: "final" },
  },
  output: ({ context }) => ({ callSid: context.callSid }),
});
