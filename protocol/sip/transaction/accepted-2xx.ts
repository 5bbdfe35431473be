// A 2xx to INVITE is the user agent's to repeat until its ACK comes, over TCP too (RFC 3261
// §13.3.1.4): no transaction does it.

import { header, parseCseq, tagOf } from "../header.ts";
import type { SipRequest, SipResponse } from "../message.ts";
import { T1_MS, T2_MS, TRANSACTION_MS } from "../timers.ts";

export interface Accepted2xx {
  response: SipResponse;
  retransmitAt: number;
  intervalMs: number;
  endAt: number;
}

export interface Accepted2xxStep {
  state: Accepted2xx;
  out: "nothing" | "send" | "no-ack";
  /** null: it is over. */
  deadlineAt: number | null;
}

/** The caller has sent it once. */
export const startAccepted2xx = (response: SipResponse, nowMs: number): Accepted2xxStep => {
  const retransmitAt = nowMs + T1_MS;
  const endAt = nowMs + TRANSACTION_MS;
  const state = { response, retransmitAt, intervalMs: T1_MS, endAt };
  return { state, out: "nothing", deadlineAt: retransmitAt };
};

/** Time has passed. The ACK needs no step: it ends this. */
export function stepAccepted2xx(state: Accepted2xx, nowMs: number): Accepted2xxStep {
  if (nowMs >= state.endAt) return { state, out: "no-ack", deadlineAt: null };
  const due = Math.min(state.retransmitAt, state.endAt);
  if (nowMs < due) return { state, out: "nothing", deadlineAt: due };
  const intervalMs = Math.min(state.intervalMs * 2, T2_MS);
  const retransmitAt = nowMs + intervalMs;
  return {
    state: { ...state, intervalMs, retransmitAt },
    out: "send",
    deadlineAt: Math.min(retransmitAt, state.endAt),
  };
}

/** The same text for a 2xx and for its ACK: Call-ID, both tags, the CSeq number (§13.2.2.4). */
export function acceptedKey(message: SipRequest | SipResponse): string {
  const from = tagOf(header(message, "From") ?? "") ?? "";
  const to = tagOf(header(message, "To") ?? "") ?? "";
  const number = parseCseq(message)?.number ?? 0;
  return `${number} ${from} ${to} ${header(message, "Call-ID") ?? ""}`;
}
