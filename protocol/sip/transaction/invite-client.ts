// The INVITE client transaction (RFC 3261 §17.1.1 with RFC 6026 §7.2).

import type { SipRequest, SipResponse } from "../message.ts";
import { T1_MS, TIMER_D_MS, TRANSACTION_MS } from "../timers.ts";
import { ackForFailure } from "./derived.ts";
import { isDue, NO_TIMES, type Step, stepOf, type TransactionTimes } from "./step.ts";

export interface InviteClientTransaction extends TransactionTimes {
  phase: "calling" | "proceeding" | "accepted" | "completed" | "terminated";
  reliable: boolean;
  /** As it was sent, with its Via. */
  request: SipRequest;
  /** To a 300-699: sent again with each of its retransmissions. */
  ack: SipRequest | null;
}

export type InviteClientTransactionInput =
  | { type: "response"; response: SipResponse }
  | { type: "time" }
  | { type: "transport-error"; reason: string }
  /** CANCEL was sent: the final response is waited for no longer than 64*T1 (§9.1). */
  | { type: "cancelled" };

type State = InviteClientTransaction;

export function startInviteClient(
  request: SipRequest, reliable: boolean, nowMs: number,
): Step<State> {
  const state: State = {
    phase: "calling", reliable, request, ack: null,
    retransmitAt: reliable ? null : nowMs + T1_MS, intervalMs: T1_MS,
    endAt: nowMs + TRANSACTION_MS,
  };
  return stepOf(state, [{ type: "send", message: request }]);
}

export function stepInviteClientTransaction(
  state: State, input: InviteClientTransactionInput, nowMs: number,
): Step<State> {
  switch (input.type) {
    case "response":
      return receive(state, input.response, nowMs);
    case "time":
      return pass(state, nowMs);
    case "cancelled":
      return state.phase === "proceeding"
        ? stepOf({ ...state, endAt: nowMs + TRANSACTION_MS })
        : stepOf(state);
    case "transport-error":
      return state.phase === "calling" || state.phase === "proceeding"
        ? stepOf(terminated(state), [{ type: "transport-error", reason: input.reason }])
        : stepOf(state);
  }
}

const terminated = (state: State): State => ({ ...state, ...NO_TIMES, phase: "terminated" });

function receive(state: State, response: SipResponse, nowMs: number): Step<State> {
  const { phase } = state;
  const toUser = { type: "response", response } as const;
  if (phase === "accepted") {
    // RFC 6026 §7.2: 2xx are never absorbed: retransmissions, and those of other branches.
    const isSuccess = response.status >= 200 && response.status < 300;
    return stepOf(state, isSuccess ? [toUser] : []);
  }
  if (phase === "completed") {
    const again = response.status >= 300 && state.ack !== null;
    return stepOf(state, again ? [{ type: "send", message: state.ack ?? state.request }] : []);
  }
  if (phase === "terminated") return stepOf(state);
  if (response.status < 200) {
    // Timers A and B end with the first 1xx; what the callee takes to answer is its own matter.
    return phase === "calling"
      ? stepOf({ ...state, ...NO_TIMES, phase: "proceeding" }, [toUser])
      : stepOf(state, [toUser]);
  }
  if (response.status < 300) {
    const endAt = nowMs + TRANSACTION_MS;
    return stepOf({ ...state, ...NO_TIMES, phase: "accepted", endAt }, [toUser]);
  }
  const ack = ackForFailure(state.request, response);
  const out = [{ type: "send", message: ack } as const, toUser];
  if (state.reliable) return stepOf({ ...terminated(state), ack }, out);
  return stepOf(
    { ...state, ...NO_TIMES, phase: "completed", ack, endAt: nowMs + TIMER_D_MS }, out,
  );
}

function pass(state: State, nowMs: number): Step<State> {
  if (isDue(state.endAt, nowMs)) {
    const unanswered = state.phase === "calling" || state.phase === "proceeding";
    return stepOf(terminated(state), unanswered ? [{ type: "timeout" }] : []);
  }
  if (!isDue(state.retransmitAt, nowMs)) return stepOf(state);
  // Timer A doubles without a cap; timer B ends it.
  const intervalMs = state.intervalMs * 2;
  return stepOf(
    { ...state, intervalMs, retransmitAt: nowMs + intervalMs },
    [{ type: "send", message: state.request }],
  );
}
