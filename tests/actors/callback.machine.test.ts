import { describe, expect, test } from "bun:test";
import { initialTransition, transition } from "xstate";
import {
  callbackMachine, type CallbackInput, GIVE_UP_AFTER_MS,
} from "../../actors/callback.machine.ts";
import type { DeliveryResult } from "../../actors/ports.ts";
import { ACCOUNT_SID, siprecSid, STARTED_AT } from "../support/machine-samples.ts";

const INPUT: CallbackInput = {
  accountSid: ACCOUNT_SID,
  entry: {
    id: `${siprecSid(1)}:siprec-started`, siprecSid: siprecSid(1), method: "POST", params: {},
    url: "https://app.example.net/status", createdAt: STARTED_AT,
  },
};

type Snapshot = ReturnType<typeof initialTransition<typeof callbackMachine>>[0];

const delivering = (): Snapshot => initialTransition(callbackMachine, INPUT)[0];

/** The delivery port has answered; only XState itself makes this event. */
const answered = (from: Snapshot, output: DeliveryResult): Snapshot =>
  transition(callbackMachine, from, {
    type: "xstate.done.actor.deliver", output, actorId: "deliver",
  } as never)[0];

const broke = (from: Snapshot): Snapshot =>
  transition(callbackMachine, from, {
    type: "xstate.error.actor.deliver", error: new Error("x"), actorId: "deliver",
  } as never)[0];

const unreachable = (at: number, final = false): DeliveryResult => ({
  kind: "unreachable", code: 11202, message: "refused", final, at,
});

describe("the callback machine", () => {
  test("asks the delivery port at once, with the entry", () => {
    const [snapshot, actions] = initialTransition(callbackMachine, INPUT);
    expect(snapshot.value).toBe("delivering");
    expect(actions.map(({ params }) => params)).toMatchObject([{ id: "deliver", input: INPUT }]);
  });

  const rows: [string, DeliveryResult, string][] = [
    ["a 2xx", { kind: "delivered", at: STARTED_AT + 5 }, "delivered"],
    ["any other answer", {
      kind: "refused", code: 15003, message: "500", at: STARTED_AT + 5,
    }, "delivered"],
    ["no connection", unreachable(STARTED_AT + 5), "waiting"],
    ["no connection, and no retry wanted", unreachable(STARTED_AT + 5, true), "given-up"],
    ["no connection just before the hour is over", unreachable(STARTED_AT + GIVE_UP_AFTER_MS - 1),
      "waiting"],
    ["no connection after an hour", unreachable(STARTED_AT + GIVE_UP_AFTER_MS), "given-up"],
  ];
  for (const [name, result, state] of rows) {
    test(`${name}: ${state}`, () => {
      const next = answered(delivering(), result);
      expect<unknown>(next.value).toBe(state);
      expect(next.context.result).toEqual(result);
      expect(next.context.attempts).toBe(1);
      if (state !== "waiting") expect(next.output?.result).toEqual(result);
    });
  }

  test("a port that breaks is given up, so that the next callback has its turn", () => {
    const next = broke(delivering());
    expect(next.value).toBe("given-up");
    expect(next.output).toEqual({ id: INPUT.entry.id, attempts: 1, result: null });
  });

  test("waits twice as long each time, a minute at most", () => {
    let snapshot = delivering();
    const waits: number[] = [];
    let at = STARTED_AT;
    for (let attempt = 0; attempt < 9; attempt += 1) {
      at += 10;
      snapshot = answered(snapshot, unreachable(at));
      waits.push(snapshot.context.dueAt - at);
      at = snapshot.context.dueAt;
      [snapshot] = transition(callbackMachine, snapshot, { type: "deadline", at });
      expect(snapshot.value).toBe("delivering");
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
  });

  test("a deadline while delivering is nothing, and so is what it does not know", () => {
    const [late] = transition(callbackMachine, delivering(), { type: "deadline", at: STARTED_AT });
    expect(late.value).toBe("delivering");
    const [unknown] = transition(callbackMachine, delivering(), { type: "gibberish" } as never);
    expect(unknown.value).toBe("delivering");
  });
});
