// What all transaction machines share (RFC 3261 §17): a step takes the state, an input and the
// time, and gives the next state, what goes out, and when it wants to be called with the time.

import type { SipMessage, SipResponse } from "../message.ts";

export type TransactionOut =
  | { type: "send"; message: SipMessage }
  /** To the transaction's user. */
  | { type: "response"; response: SipResponse }
  /** A client's request met silence; a server's final answer to INVITE was never ACKed. */
  | { type: "timeout" }
  | { type: "transport-error"; reason: string };

export interface TransactionTimes {
  /** The next retransmission. */
  retransmitAt: number | null;
  /** The next pause between two of them. */
  intervalMs: number;
  /** The timer that ends the state: B, D, F, H, I, J, K, L, M. */
  endAt: number | null;
}

export interface Step<S> {
  state: S;
  out: TransactionOut[];
  /** Call again with the time then; null: nothing is waited for. */
  deadlineAt: number | null;
}

export const NO_TIMES: TransactionTimes = { retransmitAt: null, intervalMs: 0, endAt: null };

export const isDue = (at: number | null, nowMs: number): boolean => at !== null && at <= nowMs;

/** The earliest of those that are set. */
export function earliest(...times: (number | null)[]): number | null {
  let first: number | null = null;
  for (const at of times) if (at !== null && (first === null || at < first)) first = at;
  return first;
}

export const stepOf = <S extends TransactionTimes>(
  state: S, out: TransactionOut[] = [], ...more: (number | null)[]
): Step<S> => ({
  state, out, deadlineAt: earliest(state.retransmitAt, state.endAt, ...more),
});
