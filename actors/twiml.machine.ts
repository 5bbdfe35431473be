// One TwiML document being run, verb by verb. A child of its call: it asks, the call does.
import { assign, enqueueActions, setup } from "xstate";
import type { TwimlResult, TwimlWarning, Verb } from "../protocol/twiml/document.ts";
import { parseTwiml } from "../protocol/twiml/parse.ts";
import { ERRORS } from "../schemas/error.ts";
import { deadlinePort, documentPort, preparePort, type SiprecOrder } from "./ports.ts";
import type {
  TwimlContext, TwimlEvent, TwimlInput, TwimlOutput, TwimlTold,
} from "./twiml-types.ts";

export const TWIML_MACHINE_VERSION = 1;

const verbAt = (context: TwimlContext): Verb | undefined => context.verbs[context.position];

const FAILED: TwimlWarning = {
  code: ERRORS.INTERNAL.code, message: "The document could not be run",
};

export const twimlMachine = setup({
  types: {
    input: {} as TwimlInput,
    context: {} as TwimlContext,
    events: {} as TwimlEvent,
    output: {} as TwimlOutput,
  },
  actors: { document: documentPort, prepare: preparePort, deadline: deadlinePort },
  actions: {
    take: enqueueActions(({ context, enqueue }, params: { result: TwimlResult }) => {
      const { result } = params;
      if (!result.ok) {
        enqueue.assign({ failure: { code: result.code, message: result.message } });
        return;
      }
      enqueue.assign({ verbs: result.verbs, position: 0 });
      if (result.warnings.length > 0) {
        enqueue.sendParent(
          { type: "twiml.alerts", alerts: result.warnings, at: context.now } satisfies TwimlTold,
        );
      }
    }),
    setNow: assign((_, params: { at: number }) => ({ now: params.at })),
    setPause: assign(({ context }) => {
      const verb = verbAt(context);
      const seconds = verb?.kind === "pause" ? verb.lengthSeconds : 0;
      return { pauseDueAt: context.now + seconds * 1_000 };
    }),
    next: assign(({ context }) => ({ position: context.position + 1 })),
    fail: assign({ failure: FAILED }),
    askStarts: enqueueActions(({ context, enqueue }, params: { orders: SiprecOrder[] }) => {
      for (const order of params.orders) {
        enqueue.sendParent(
          { type: "twiml.siprec.start", order, at: context.now } satisfies TwimlTold,
        );
      }
    }),
    askStops: enqueueActions(({ context, enqueue }) => {
      const verb = verbAt(context);
      if (verb?.kind !== "stop") return;
      for (const { name } of verb.siprecs) {
        if (name === null) continue;
        enqueue.sendParent(
          { type: "twiml.siprec.stop", name, at: context.now } satisfies TwimlTold,
        );
      }
    }),
    /** Twilio: as the first verb it leaves the call ringing for that long; later ones are heard. */
    askAnswer: enqueueActions(({ context, enqueue }) => {
      if (context.position === 0) return;
      enqueue.sendParent({ type: "twiml.answer", at: context.now } satisfies TwimlTold);
    }),
    askDial: enqueueActions(({ context, enqueue }) => {
      const verb = verbAt(context);
      const target = verb?.kind === "dial" ? verb.targets[0] : undefined;
      if (verb?.kind !== "dial" || target === undefined) return;
      enqueue.sendParent({
        type: "twiml.dial", target, callerId: verb.callerId,
        timeoutMs: verb.timeoutSeconds * 1_000, at: context.now,
      } satisfies TwimlTold);
    }),
  },
  guards: {
    isInline: ({ context }) => context.source.kind === "inline",
    isFailed: ({ context }) => context.failure !== null,
    isStart: ({ context }) => verbAt(context)?.kind === "start",
    isStop: ({ context }) => verbAt(context)?.kind === "stop",
    isPause: ({ context }) => verbAt(context)?.kind === "pause",
    isDial: ({ context }) => {
      const verb = verbAt(context);
      return verb?.kind === "dial" && verb.targets.length > 0;
    },
    isEnd: ({ context }) => {
      const verb = verbAt(context);
      return verb === undefined || verb.kind === "hangup";
    },
  },
}).createMachine({
  id: "twiml",
  context: ({ input }) => ({
    callSid: input.callSid,
    accountSid: input.accountSid,
    source: input.source,
    params: input.params,
    verbs: [],
    position: 0,
    pauseDueAt: 0,
    failure: null,
    now: input.at,
  }),
  initial: "loading",
  on: { "*": {} },
  states: {
    loading: {
      description: "Chooses between the document in the configuration and the one at a URL.",
      always: [
        {
          guard: "isInline",
          target: "running",
          actions: {
            type: "take",
            params: ({ context }) => ({
              result: parseTwiml(context.source.kind === "inline" ? context.source.twiml : ""),
            }),
          },
        },
        { target: "fetching" },
      ],
    },
    fetching: {
      description: "The Voice URL is asked for the document: signed, 15 s, 64 kB.",
      invoke: {
        id: "document",
        src: "document",
        input: ({ context }) => ({
          callSid: context.callSid,
          accountSid: context.accountSid,
          url: context.source.kind === "url" ? context.source.url : "",
          method: context.source.kind === "url" ? context.source.method : "POST",
          params: context.params,
        }),
        onDone: {
          target: "running",
          actions: [
            { type: "setNow", params: ({ event }) => ({ at: event.output.at }) },
            { type: "take", params: ({ event }) => ({ result: event.output.result }) },
          ],
        },
        onError: { target: "failed", actions: "fail" },
      },
    },
    running: {
      description: "Goes to the verb whose turn it is.",
      always: [
        { guard: "isFailed", target: "failed" },
        { guard: "isEnd", target: "done" },
        { guard: "isStart", target: "starting" },
        { guard: "isStop", target: "stopping" },
        { guard: "isPause", target: "pausing" },
        { guard: "isDial", target: "dialling" },
        // A Dial that names nobody: nothing to wait for.
        { target: "running", reenter: true, actions: "next" },
      ],
    },
    starting: {
      description: "Start: connectors are looked up, the sessions are asked for, and on it goes.",
      invoke: {
        id: "prepare",
        src: "prepare",
        input: ({ context }) => {
          const verb = verbAt(context);
          return {
            accountSid: context.accountSid,
            siprecs: verb?.kind === "start" ? verb.siprecs : [],
          };
        },
        onDone: {
          target: "running",
          actions: [
            { type: "setNow", params: ({ event }) => ({ at: event.output.at }) },
            { type: "askStarts", params: ({ event }) => ({ orders: event.output.orders }) },
            "next",
          ],
        },
        onError: { target: "running", actions: "next" },
      },
    },
    stopping: {
      description: "Stop: the named sessions are stopped, and on it goes.",
      always: { target: "running", actions: ["askStops", "next"] },
    },
    pausing: {
      description: "Pause: the call is left as it is for a while.",
      entry: ["setPause", "askAnswer"],
      invoke: {
        id: "pause",
        src: "deadline",
        input: ({ context }) => ({ at: context.pauseDueAt }),
        onDone: {},
        onError: { target: "running", actions: "next" },
      },
      on: {
        deadline: {
          target: "running",
          actions: [{ type: "setNow", params: ({ event }) => ({ at: event.at }) }, "next"],
        },
      },
    },
    dialling: {
      description: "Dial: the call is being connected, or talks to the other party.",
      entry: "askDial",
      on: {
        "dial.ended": {
          target: "running",
          actions: [{ type: "setNow", params: ({ event }) => ({ at: event.at }) }, "next"],
        },
      },
    },
    done: {
      description: "After the last verb, or Hangup: the call is hung up.",
      type: "final",
    },
    failed: {
      description: "There is no document that can be run.",
      type: "final",
    },
  },
  output: ({ context }) => ({ failure: context.failure, at: context.now }),
});
