// The INVITE server transaction (RFC 3261 §17.2.1 with RFC 6026 §7.1).

import { buildResponse } from "../build.ts";
import type { SipRequest, SipResponse } from "../message.ts";
import { T1_MS, T2_MS, T4_MS, TRANSACTION_MS, TRYING_AFTER_MS } from "../timers.ts";
import {
  isDue, NO_TIMES, type Step, stepOf, type TransactionOut, type TransactionTimes,
} from "./step.ts";

export interface InviteServerTransaction extends TransactionTimes {
  phase: "proceeding" | "accepted" | "completed" | "confirmed" | "terminated";
  reliable: boolean;
  request: SipRequest;
  /** What a retransmission of the request is answered with. */
  last: SipResponse | null;
  /** When 100 goes out; null once anything did. */
  tryingAt: number | null;
}

export type InviteServerInput =
  /** A retransmission. */
  | { type: "request" }
  | { type: "ack" }
  /** From the transaction's user. */
  | { type: "respond"; response: SipResponse }
  | { type: "time" };

type State = InviteServerTransaction;

const next = (state: State, out: TransactionOut[] = []): Step<State> =>
  stepOf(state, out, state.tryingAt);

const send = (message: SipResponse): TransactionOut => ({ type: "send", message });

export function startInviteServer(
  request: SipRequest, reliable: boolean, nowMs: number,
): Step<State> {
  return next({
    phase: "proceeding", reliable, request, last: null, tryingAt: nowMs + TRYING_AFTER_MS,
    ...NO_TIMES,
  });
}

export function stepInviteServer(
  state: State, input: InviteServerInput, nowMs: number,
): Step<State> {
  switch (input.type) {
    case "request":
      return repeat(state);
    case "ack":
      return acknowledge(state, nowMs);
    case "respond":
      return respond(state, input.response, nowMs);
    case "time":
      return pass(state, nowMs);
  }
}

const terminated = (state: State): State => ({
  ...state, ...NO_TIMES, tryingAt: null, phase: "terminated",
});

/** RFC 6026 §7.1: in Accepted they are absorbed: the 2xx is repeated by its own timer. */
function repeat(state: State): Step<State> {
  const answered = state.phase === "proceeding" || state.phase === "completed";
  return next(state, answered && state.last !== null ? [send(state.last)] : []);
}

function acknowledge(state: State, nowMs: number): Step<State> {
  if (state.phase !== "completed") return next(state);
  if (state.reliable) return next(terminated(state));
  // Timer I absorbs retransmissions of the ACK.
  return next({ ...state, ...NO_TIMES, phase: "confirmed", endAt: nowMs + T4_MS });
}

function respond(state: State, response: SipResponse, nowMs: number): Step<State> {
  const isSuccess = response.status >= 200 && response.status < 300;
  if (state.phase === "accepted" && isSuccess) return next(state, [send(response)]);
  if (state.phase !== "proceeding") return next(state);
  const answered: State = { ...state, last: response, tryingAt: null };
  if (response.status < 200) return next(answered, [send(response)]);
  const endAt = nowMs + TRANSACTION_MS;
  if (isSuccess) {
    return next({ ...answered, ...NO_TIMES, phase: "accepted", endAt }, [send(response)]);
  }
  return next({
    ...answered, phase: "completed", endAt,
    retransmitAt: state.reliable ? null : nowMs + T1_MS, intervalMs: T1_MS,
  }, [send(response)]);
}

function pass(state: State, nowMs: number): Step<State> {
  if (isDue(state.endAt, nowMs)) {
    return next(terminated(state), state.phase === "completed" ? [{ type: "timeout" }] : []);
  }
  if (isDue(state.tryingAt, nowMs)) {
    const trying = buildResponse(state.request, 100);
    return next({ ...state, last: trying, tryingAt: null }, [send(trying)]);
  }
  if (!isDue(state.retransmitAt, nowMs) || state.last === null) return next(state);
  // Timer G doubles up to T2.
  const intervalMs = Math.min(state.intervalMs * 2, T2_MS);
  return next({ ...state, intervalMs, retransmitAt: nowMs + intervalMs }, [send(state.last)]);
}
