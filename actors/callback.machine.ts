// One status callback to deliver: tried until it is answered, refused, or too old (docs/TWILIO.md,
// "Status callbacks"). It lives in the outbox of its call's record, not in the call.
import { assign, setup } from "xstate";
import type { OutboxEntry } from "../schemas/call.ts";
import { deadlinePort, deliverPort, type DeliveryResult } from "./ports.ts";

export interface CallbackInput {
  accountSid: string;
  entry: OutboxEntry;
}

export interface CallbackContext extends CallbackInput {
  attempts: number;
  /** When the last attempt ended, and when the next one is due. */
  triedAt: number;
  dueAt: number;
  result: DeliveryResult | null;
}

export interface CallbackOutput {
  id: string;
  attempts: number;
  result: DeliveryResult | null;
}

/** A receiver that is away is tried for an hour from the event on, then given up with an alert. */
export const GIVE_UP_AFTER_MS = 3_600_000;
const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 60_000;

const waitMs = (attempts: number): number =>
  Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** Math.min(10, attempts - 1));

export const callbackMachine = setup({
  types: {
    input: {} as CallbackInput,
    context: {} as CallbackContext,
    events: {} as { type: "deadline"; at: number },
    output: {} as CallbackOutput,
  },
  actors: { deliver: deliverPort, deadline: deadlinePort },
  actions: {
    note: assign(({ context }, params: { result: DeliveryResult }) => {
      const attempts = context.attempts + 1;
      const { at } = params.result;
      return { attempts, result: params.result, triedAt: at, dueAt: at + waitMs(attempts) };
    }),
    noteCrash: assign(({ context }) => ({ attempts: context.attempts + 1 })),
  },
  guards: {
    isAnswered: (_, params: { result: DeliveryResult }) => params.result.kind !== "unreachable",
    isFinal: ({ context }, params: { result: DeliveryResult }) =>
      params.result.kind === "unreachable" && (params.result.final ||
        params.result.at - context.entry.createdAt >= GIVE_UP_AFTER_MS),
  },
}).createMachine({
  id: "callback",
  context: ({ input }) => ({ ...input, attempts: 0, triedAt: 0, dueAt: 0, result: null }),
  initial: "delivering",
  on: { "*": {} },
  states: {
    delivering: {
      description: "The request is on its way.",
      invoke: {
        id: "deliver",
        src: "deliver",
        input: ({ context }) => ({ accountSid: context.accountSid, entry: context.entry }),
        onDone: [
          {
            guard: { type: "isAnswered", params: ({ event }) => ({ result: event.output }) },
            target: "delivered",
            actions: { type: "note", params: ({ event }) => ({ result: event.output }) },
          },
          {
            guard: { type: "isFinal", params: ({ event }) => ({ result: event.output }) },
            target: "given-up",
            actions: { type: "note", params: ({ event }) => ({ result: event.output }) },
          },
          {
            target: "waiting",
            actions: { type: "note", params: ({ event }) => ({ result: event.output }) },
          },
        ],
        onError: { target: "given-up", actions: "noteCrash" },
      },
    },
    waiting: {
      description: "The receiver could not be reached: the next attempt follows after a while.",
      invoke: {
        id: "wait",
        src: "deadline",
        input: ({ context }) => ({ at: context.dueAt }),
        onDone: {},
        onError: "delivering",
      },
      on: { deadline: "delivering" },
    },
    delivered: { description: "The receiver answered.", type: "final" },
    "given-up": { description: "It could not be told; an alert says so.", type: "final" },
  },
  output: ({ context }) => ({
    id: context.entry.id, attempts: context.attempts, result: context.result,
  }),
});
