// One INVITE of ours and everything it can lead to (RFC 3261 §13.2): early dialogs, several 2xx,
// a CANCEL that crosses the answer. Above the client transaction, below the machine that owns it.
import {
  ackFor2xx, confirmDialog, type Dialog, nextHopFlow, requestInDialog, uacDialog,
} from "./dialog.ts";
import { header, parseCseq, tagOf } from "./header.ts";
import { NO_BODY, type SipFlow, type SipRequest, type SipResponse } from "./message.ts";

export interface InviteClientState {
  /** Without its body: what dialogs and a CANCEL need of it. */
  invite: { method: string; uri: string; headers: SipRequest["headers"] };
  early: Dialog[];
  /** The one that won; the tag of each further 2xx is told from it. */
  confirmed: Dialog | null;
  /** Tags of 2xx that lost: they were ACKed and ended by BYE. */
  unwanted: string[];
  /** A 1xx came: from now on CANCEL may go out (§9.1). */
  proceeding: boolean;
  cancel: "none" | "wanted" | "sent";
  /** A final answer was told: nothing more is, besides ACKs of retransmissions. */
  done: boolean;
}

export type InviteClientInput =
  | { type: "response"; response: SipResponse; flow: SipFlow }
  | { type: "timeout" }
  | { type: "transport-error"; reason: string }
  | { type: "cancel" };

export type InviteClientOut =
  | { type: "progress"; status: number; dialog: Dialog | null; response: SipResponse }
  | { type: "answered"; dialog: Dialog; response: SipResponse }
  | { type: "failed"; status: number; response: SipResponse | null; reason: string }
  | { type: "send-ack"; request: SipRequest; flow: SipFlow | null }
  | { type: "send-bye"; request: SipRequest; flow: SipFlow | null }
  | { type: "send-cancel" };

export interface InviteClientStep {
  state: InviteClientState;
  out: InviteClientOut[];
}

/** A fork of many branches is answered by few; more are a fault or an attack. */
const EARLY_DIALOGS_MAX = 16;
const UNWANTED_MAX = 16;

export const inviteClient = (invite: SipRequest): InviteClientState => ({
  invite: { method: invite.method, uri: invite.uri, headers: invite.headers },
  early: [],
  confirmed: null,
  unwanted: [],
  proceeding: false,
  cancel: "none",
  done: false,
});

const requestOf = (state: InviteClientState): SipRequest => ({
  kind: "request", ...state.invite, body: NO_BODY,
});

const cseqOf = (state: InviteClientState): number => parseCseq(state.invite)?.number ?? 1;

const nothing = (state: InviteClientState): InviteClientStep => ({ state, out: [] });

export function stepInviteClient(
  state: InviteClientState, input: InviteClientInput,
): InviteClientStep {
  switch (input.type) {
    case "cancel":
      return cancel(state);
    case "timeout":
      // §8.1.3.1: a timeout is told as 408, a transport error as 503.
      return fail(state, 408, null, "no answer");
    case "transport-error":
      return fail(state, 503, null, input.reason);
    case "response":
      if (input.response.status < 200) return progress(state, input.response, input.flow);
      return input.response.status < 300
        ? succeed(state, input.response, input.flow)
        : fail(state, input.response.status, input.response, input.response.reason);
  }
}

/** §9.1: a CANCEL waits for the first 1xx, and is useless after a final answer. */
function cancel(state: InviteClientState): InviteClientStep {
  if (state.done || state.cancel !== "none") return nothing(state);
  if (!state.proceeding) return nothing({ ...state, cancel: "wanted" });
  return { state: { ...state, cancel: "sent" }, out: [{ type: "send-cancel" }] };
}

function progress(
  state: InviteClientState, response: SipResponse, flow: SipFlow,
): InviteClientStep {
  if (state.done) return nothing(state);
  const out: InviteClientOut[] = [];
  let next: InviteClientState = { ...state, proceeding: true };
  if (state.cancel === "wanted") {
    next = { ...next, cancel: "sent" };
    out.push({ type: "send-cancel" });
  }
  if (response.status === 100) return { state: next, out };
  const [withDialog, dialog] = earlyDialog(next, response, flow);
  if (state.cancel === "none") {
    out.push({ type: "progress", status: response.status, dialog, response });
  }
  return { state: withDialog, out };
}

function earlyDialog(
  state: InviteClientState, response: SipResponse, flow: SipFlow,
): [InviteClientState, Dialog | null] {
  const tag = tagOf(header(response, "To") ?? "");
  if (tag === null) return [state, null];
  const known = state.early.find((dialog) => dialog.remoteTag === tag);
  if (known !== undefined) return [state, known];
  if (state.early.length >= EARLY_DIALOGS_MAX) return [state, null];
  const dialog = uacDialog(requestOf(state), response, flow);
  return [{ ...state, early: [...state.early, dialog] }, dialog];
}

function succeed(
  state: InviteClientState, response: SipResponse, flow: SipFlow,
): InviteClientStep {
  const tag = tagOf(header(response, "To") ?? "") ?? "";
  if (state.confirmed?.remoteTag === tag) {
    // §13.2.2.4: each retransmission of the 2xx gets the ACK again.
    return { state, out: [ackOf(state, state.confirmed)] };
  }
  const early = state.early.find((dialog) => dialog.remoteTag === tag);
  const dialog = early === undefined
    ? uacDialog(requestOf(state), response, flow)
    : confirmDialog(early, response, flow);
  if (state.done || state.cancel !== "none") return decline(state, dialog, response);
  return {
    state: { ...state, confirmed: dialog, early: [], done: true },
    out: [ackOf(state, dialog), { type: "answered", dialog, response }],
  };
}

/** An answer too late, or one of a fork too many: ACK, then BYE (§13.2.2.4, §15). */
function decline(
  state: InviteClientState, dialog: Dialog, response: SipResponse,
): InviteClientStep {
  const ack = ackOf(state, dialog);
  if (state.unwanted.includes(dialog.remoteTag)) return { state, out: [ack] };
  const { request } = requestInDialog(dialog, "BYE");
  const out: InviteClientOut[] = [ack, { type: "send-bye", request, flow: nextHopFlow(dialog) }];
  if (!state.done) out.push({ type: "failed", status: 487, response, reason: "canceled" });
  const unwanted = [...state.unwanted, dialog.remoteTag].slice(-UNWANTED_MAX);
  return { state: { ...state, unwanted, early: [], done: true }, out };
}

function fail(
  state: InviteClientState, status: number, response: SipResponse | null, reason: string,
): InviteClientStep {
  if (state.done) return nothing(state);
  return {
    state: { ...state, early: [], done: true },
    out: [{ type: "failed", status, response, reason }],
  };
}

const ackOf = (state: InviteClientState, dialog: Dialog): InviteClientOut => ({
  type: "send-ack", request: ackFor2xx(dialog, cseqOf(state)), flow: nextHopFlow(dialog),
});
