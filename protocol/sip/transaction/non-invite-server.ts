// The non-INVITE server transaction (RFC 3261 §17.2.2 with RFC 4320).

import { buildResponse } from "../build.ts";
import type { SipRequest, SipResponse } from "../message.ts";
import { LATE_TRYING_AFTER_MS, TRANSACTION_MS } from "../timers.ts";
import {
  isDue, NO_TIMES, type Step, stepOf, type TransactionOut, type TransactionTimes,
} from "./step.ts";

export interface NonInviteServerTransaction extends TransactionTimes {
  phase: "trying" | "proceeding" | "completed" | "terminated";
  reliable: boolean;
  request: SipRequest;
  last: SipResponse | null;
  tryingAt: number | null;
}

export type NonInviteServerInput =
  | { type: "request" }
  | { type: "respond"; response: SipResponse }
  | { type: "time" };

type State = NonInviteServerTransaction;

const next = (state: State, out: TransactionOut[] = []): Step<State> =>
  stepOf(state, out, state.tryingAt);

const send = (message: SipResponse): TransactionOut => ({ type: "send", message });

export function startNonInviteServer(
  request: SipRequest, reliable: boolean, nowMs: number,
): Step<State> {
  return next({
    phase: "trying", reliable, request, last: null, tryingAt: nowMs + LATE_TRYING_AFTER_MS,
    ...NO_TIMES,
    // RFC 4320 §4.2: the client has given up by then; a 408 would only mislead.
    endAt: nowMs + TRANSACTION_MS,
  });
}

export function stepNonInviteServer(
  state: State, input: NonInviteServerInput, nowMs: number,
): Step<State> {
  switch (input.type) {
    case "request":
      return next(state, state.last === null ? [] : [send(state.last)]);
    case "respond":
      return respond(state, input.response, nowMs);
    case "time":
      return pass(state, nowMs);
  }
}

const terminated = (state: State): State => ({
  ...state, ...NO_TIMES, last: null, tryingAt: null, phase: "terminated",
});

function respond(state: State, response: SipResponse, nowMs: number): Step<State> {
  if (state.phase === "completed" || state.phase === "terminated") return next(state);
  const answered: State = { ...state, last: response, tryingAt: null };
  if (response.status < 200) return next({ ...answered, phase: "proceeding" }, [send(response)]);
  if (state.reliable) return next({ ...terminated(state), last: null }, [send(response)]);
  // Timer J: retransmissions of the request get the same answer.
  return next({ ...answered, phase: "completed", endAt: nowMs + TRANSACTION_MS }, [send(response)]);
}

function pass(state: State, nowMs: number): Step<State> {
  if (isDue(state.endAt, nowMs)) return next(terminated(state));
  if (!isDue(state.tryingAt, nowMs)) return next(state);
  const trying = buildResponse(state.request, 100);
  return next({ ...state, phase: "proceeding", last: trying, tryingAt: null }, [send(trying)]);
}
