// The non-INVITE client transaction (RFC 3261 §17.1.2).

import type { SipRequest, SipResponse } from "../message.ts";
import { T1_MS, T2_MS, T4_MS, TRANSACTION_MS } from "../timers.ts";
import { isDue, NO_TIMES, type Step, stepOf, type TransactionTimes } from "./step.ts";

export interface NonInviteClientTransaction extends TransactionTimes {
  phase: "trying" | "proceeding" | "completed" | "terminated";
  reliable: boolean;
  request: SipRequest;
}

export type NonInviteClientInput =
  | { type: "response"; response: SipResponse }
  | { type: "time" }
  | { type: "transport-error"; reason: string };

type State = NonInviteClientTransaction;

export function startNonInviteClient(
  request: SipRequest, reliable: boolean, nowMs: number,
): Step<State> {
  const state: State = {
    phase: "trying", reliable, request,
    retransmitAt: reliable ? null : nowMs + T1_MS, intervalMs: T1_MS,
    endAt: nowMs + TRANSACTION_MS,
  };
  return stepOf(state, [{ type: "send", message: request }]);
}

export function stepNonInviteClient(
  state: State, input: NonInviteClientInput, nowMs: number,
): Step<State> {
  if (state.phase === "terminated") return stepOf(state);
  if (input.type === "time") return pass(state, nowMs);
  if (state.phase === "completed") return stepOf(state);
  if (input.type === "transport-error") {
    return stepOf(terminated(state), [{ type: "transport-error", reason: input.reason }]);
  }
  const toUser = { type: "response", response: input.response } as const;
  if (input.response.status < 200) return stepOf({ ...state, phase: "proceeding" }, [toUser]);
  if (state.reliable) return stepOf(terminated(state), [toUser]);
  // Timer K: late retransmissions of the answer are absorbed.
  return stepOf({ ...state, ...NO_TIMES, phase: "completed", endAt: nowMs + T4_MS }, [toUser]);
}

const terminated = (state: State): State => ({ ...state, ...NO_TIMES, phase: "terminated" });

function pass(state: State, nowMs: number): Step<State> {
  if (isDue(state.endAt, nowMs)) {
    return stepOf(terminated(state), state.phase === "completed" ? [] : [{ type: "timeout" }]);
  }
  if (!isDue(state.retransmitAt, nowMs)) return stepOf(state);
  // Timer E doubles up to T2, and is T2 at once after a 1xx.
  const intervalMs = state.phase === "proceeding" ? T2_MS : Math.min(state.intervalMs * 2, T2_MS);
  return stepOf(
    { ...state, intervalMs, retransmitAt: nowMs + intervalMs },
    [{ type: "send", message: state.request }],
  );
}
