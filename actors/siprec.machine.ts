// One SIPREC session of a call: from the request to record until its last word (RFC 7866).
// A child of its call; what each transition does is in siprec-steps.ts, as pure functions.
import { assign, enqueueActions, sendTo, setup } from "xstate";
import { ERRORS } from "../schemas/error.ts";
import { deadlinePort, sipPort } from "./ports.ts";
import { initialContext, recordOf } from "./siprec-record.ts";
import {
  backOff, cancelInvite, closeForks, hangUp, inviteAgain, nextTarget, openForks, sendInvite,
  sendUpdate, transactionFact,
} from "./siprec-steps.ts";
import { peerRequest, unacknowledged } from "./siprec-peer.ts";
import type {
  SiprecContext, SiprecEvent, SiprecInput, SiprecOutput, SiprecStep,
} from "./siprec-types.ts";

export const SIPREC_MACHINE_VERSION = 1;

export const siprecMachine = setup({
  types: {
    input: {} as SiprecInput,
    context: {} as SiprecContext,
    events: {} as SiprecEvent,
    output: {} as SiprecOutput,
  },
  actors: { deadline: deadlinePort, sip: sipPort },
  actions: {
    /** Does what a step says: context, messages, internal events, word to the call. */
    perform: enqueueActions((
      { context, event, enqueue },
      params: { step: (context: SiprecContext, event: SiprecEvent) => SiprecStep },
    ) => {
      const step = params.step(context, event);
      if (step.context !== undefined) enqueue.assign(step.context);
      for (const command of step.send ?? []) enqueue(sendTo("sip", command));
      for (const told of step.tell ?? []) enqueue.sendParent(told);
      for (const verdict of step.raise ?? []) enqueue.raise(verdict);
    }),
    /** The call's copy of this session's record, at each state. */
    report: enqueueActions(({ context, enqueue }, params: { state: string }) => {
      enqueue.sendParent({ type: "siprec.changed", record: recordOf(context, params.state) });
    }),
    rememberStreams: assign(({ event }) =>
      event.type === "streams.ready" ? { streams: event.streams } : {}
    ),
    rememberParties: assign(({ event }) =>
      event.type === "parties.changed" ? { parties: event.parties } : {}
    ),
    rememberFault: assign(({ context, event }) => {
      if (event.type === "srs.refused" || event.type === "srs.lost") {
        return { fault: event.fault, updatedAt: event.at, endedAt: context.endedAt ?? event.at };
      }
      if (event.type !== "streams.failed") return {};
      const fault = { code: event.code, message: event.message };
      return { fault, updatedAt: event.at, endedAt: event.at };
    }),
    /** A fault of ours, which brings no time along. */
    rememberBreak: assign(({ context }) => ({
      fault: { code: ERRORS.INTERNAL.code, message: "The recording ended by a fault of ours" },
      endedAt: context.endedAt ?? context.updatedAt,
    })),
    rememberEnd: assign(({ event }) => ({ endedAt: event.at, updatedAt: event.at })),
    rememberReceipt: assign(({ context, event }) => {
      if (event.type !== "streams.closed") return {};
      const codecOf = (label: string): string | null =>
        context.answered.find((stream) => stream.label === label)?.codecs[0]?.name ?? null;
      return {
        forksClosed: true,
        receipt: event.receipt.map((row) => ({ ...row, codec: codecOf(row.label) })),
      };
    }),
    noteSnapshot: assign({ snapshotDue: true }),
    forgetUpdate: assign({ updating: null, unacked: null, offering: false, snapshotDue: true }),
    /** Its ACK went to another process. */
    forgetInvite: assign({ unacked: null, offering: false }),
  },
  guards: {
    isFaulty: ({ context }) => context.fault !== null,
    isOver: ({ context }) => context.byeDone && context.forksClosed,
    isOverFaulty: ({ context }) =>
      context.byeDone && context.forksClosed && context.fault !== null,
    isClientDone: ({ context }) => context.client === null || context.client.done,
    /** RFC 3261 §14.1: no INVITE of ours while one is under way, in either direction. */
    isSnapshotDue: ({ context }) =>
      context.snapshotDue && context.updating === null && context.unacked === null,
    /** A 1xx that came since the deadline was set has put it off. */
    isAnswerOverdue: ({ context, event }) =>
      context.targetIndex + 1 < context.order.targets.length && context.answerDueAt <= event.at,
    hasNextTarget: ({ context }) => context.targetIndex + 1 < context.order.targets.length,
  },
}).createMachine({
  id: "siprec",
  context: ({ input }) => initialContext(input),
  initial: "idle",
  invoke: {
    id: "sip",
    src: "sip",
    input: ({ context }) => ({
      callSid: context.callSid,
      siprecSid: context.order.siprecSid,
      connectorName: context.order.connectorName,
      accountSid: context.accountSid,
    }),
    onDone: {},
    onError: { target: ".error", actions: "rememberBreak" },
  },
  on: {
    "sip.response": { actions: { type: "perform", params: { step: factStep } } },
    "sip.failed": { actions: { type: "perform", params: { step: factStep } } },
    "sip.request": { actions: { type: "perform", params: { step: requestStep } } },
    "sip.unacknowledged": { actions: { type: "perform", params: { step: unackedStep } } },
    "streams.closed": { actions: "rememberReceipt" },
    "parties.changed": { actions: ["rememberParties", "noteSnapshot"] },
    "*": {},
  },
  states: {
    idle: {
      description: "Waits, with its slots, until the call is answered and its ports are lent.",
      entry: { type: "report", params: { state: "idle" } },
      always: { guard: "isFaulty", target: "error" },
      on: {
        "streams.ready": { target: "inviting", actions: "rememberStreams" },
        "streams.failed": { target: "error", actions: "rememberFault" },
        "siprec.stop": { target: "stopped", actions: "rememberEnd" },
        "parties.changed": { actions: "rememberParties" },
      },
    },
    inviting: {
      description: "An INVITE with SDP and metadata is on its way to the recorder.",
      initial: "calling",
      states: {
        calling: {
          description: "Waits for the recorder's final answer; the next address after too long.",
          entry: [
            { type: "perform", params: { step: (c, e) => sendInvite(c, e.at) } },
            { type: "report", params: { state: "inviting.calling" } },
          ],
          invoke: {
            id: "answer-deadline",
            src: "deadline",
            input: ({ context }) => ({ at: context.answerDueAt }),
            onDone: {},
            onError: "#siprec.error",
          },
          on: {
            "srs.answered": "#siprec.in-progress",
            "srs.refused": [
              {
                guard: "hasNextTarget", target: "calling", reenter: true,
                actions: { type: "perform", params: { step: (c, e) => nextTarget(c, e.at) } },
              },
              { target: "#siprec.error", actions: "rememberFault" },
            ],
            deadline: {
              guard: "isAnswerOverdue", target: "calling", reenter: true,
              actions: { type: "perform", params: { step: (c, e) => nextTarget(c, e.at) } },
            },
            "siprec.stop": "cancelling",
            // The INVITE can't be told twice: what it became is unknown.
            restored: {
              target: "calling", reenter: true,
              actions: { type: "perform", params: { step: (c, e) => inviteAgain(c, e.at) } },
            },
          },
        },
        cancelling: {
          description: "Stopped before the recorder answered: CANCEL, and an end for a late 2xx.",
          entry: [
            { type: "perform", params: { step: (c, e) => cancelInvite(c, e.at) } },
            { type: "report", params: { state: "inviting.cancelling" } },
          ],
          invoke: {
            id: "cancel-deadline",
            src: "deadline",
            input: ({ context }) => ({ at: context.stopDueAt }),
            onDone: {},
            onError: "#siprec.stopped",
          },
          always: { guard: "isClientDone", target: "#siprec.stopped" },
          on: {
            deadline: "#siprec.stopped",
            "srs.refused": "#siprec.stopped",
            restored: "#siprec.stopped",
          },
        },
      },
    },
    "in-progress": {
      description: "The recorder has accepted: a confirmed dialog, and forks that are open.",
      initial: "recording",
      on: { restored: { actions: "forgetInvite" } },
      states: {
        recording: {
          description: "Audio flows to the recorder.",
          entry: [
            { type: "perform", params: { step: openForks } },
            { type: "report", params: { state: "in-progress.recording" } },
          ],
          always: { guard: "isSnapshotDue", target: "updating" },
          on: {
            "siprec.stop": "stopping",
            "srs.gone": "stopping",
            "srs.lost": { target: "stopping", actions: "rememberFault" },
            "streams.failed": { target: "stopping", actions: "rememberFault" },
          },
        },
        updating: {
          description: "Audio flows; a new snapshot is on its way in a re-INVITE.",
          entry: [
            { type: "perform", params: { step: (c, e) => sendUpdate(c, e.at) } },
            { type: "report", params: { state: "in-progress.updating" } },
          ],
          on: {
            "srs.updated": "recording",
            // The answer went to another process: the snapshot goes again, with its own number.
            restored: { target: "recording", actions: "forgetUpdate" },
            "srs.crossed": {
              target: "waiting",
              actions: { type: "perform", params: { step: (c, e) => backOff(c, e.at) } },
            },
            "siprec.stop": "stopping",
            "srs.gone": "stopping",
            "srs.lost": { target: "stopping", actions: "rememberFault" },
            "streams.failed": { target: "stopping", actions: "rememberFault" },
          },
        },
        waiting: {
          description: "The re-INVITE crossed one of the recorder's (491): it goes again later.",
          entry: { type: "report", params: { state: "in-progress.waiting" } },
          invoke: {
            id: "retry-deadline",
            src: "deadline",
            input: ({ context }) => ({ at: context.retryAt }),
            onDone: {},
            onError: "recording",
          },
          on: {
            deadline: "updating",
            "siprec.stop": "stopping",
            "srs.gone": "stopping",
            "srs.lost": { target: "stopping", actions: "rememberFault" },
            "streams.failed": { target: "stopping", actions: "rememberFault" },
          },
        },
        stopping: {
          description: "Forks closed and BYE sent: slots and name are free; its end is awaited.",
          entry: [
            { type: "perform", params: { step: (c, e) => hangUp(c, e.at) } },
            { type: "report", params: { state: "in-progress.stopping" } },
          ],
          invoke: {
            id: "stop-deadline",
            src: "deadline",
            input: ({ context }) => ({ at: context.stopDueAt }),
            onDone: {},
            onError: "#siprec.stopped",
          },
          always: [
            { guard: "isOverFaulty", target: "#siprec.error" },
            { guard: "isOver", target: "#siprec.stopped" },
          ],
          on: {
            deadline: [
              { guard: "isFaulty", target: "#siprec.error" },
              { target: "#siprec.stopped" },
            ],
          },
        },
      },
    },
    stopped: {
      description: "The recording is over.",
      type: "final",
      entry: [
        { type: "perform", params: { step: closeForks } },
        { type: "report", params: { state: "stopped" } },
      ],
    },
    error: {
      description: "The recording could not be made, or was lost; the call goes on without it.",
      type: "final",
      entry: [
        { type: "perform", params: { step: closeForks } },
        { type: "report", params: { state: "error" } },
      ],
    },
  },
  output: ({ context }) => ({
    siprecSid: context.order.siprecSid,
    status: context.fault === null ? "stopped" : "error",
  }),
});

function factStep(context: SiprecContext, event: SiprecEvent): SiprecStep {
  return event.type === "sip.response" || event.type === "sip.failed"
    ? transactionFact(context, event) : {};
}

function unackedStep(context: SiprecContext, event: SiprecEvent): SiprecStep {
  return event.type === "sip.unacknowledged" ? unacknowledged(context, event.at) : {};
}

function requestStep(context: SiprecContext, event: SiprecEvent): SiprecStep {
  return event.type === "sip.request" ? peerRequest(context, event) : {};
}
