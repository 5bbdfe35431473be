// What a SIPREC session does at each event, as pure steps; the machine says when.
import { buildResponse } from "../protocol/sip/build.ts";
import { header } from "../protocol/sip/header.ts";
import {
  ackFor2xx, nextHopFlow, receiveResponse, requestInDialog,
} from "../protocol/sip/dialog.ts";
import {
  inviteClient, type InviteClientInput, type InviteClientOut, stepInviteClient,
} from "../protocol/sip/invite-client.ts";
import type { SipHeader, SipRequest, SipResponse } from "../protocol/sip/message.ts";
import { type RecordingStreamAnswer, readRecordingAnswer } from "../protocol/sdp/recording.ts";
import { readRecordingBody } from "../protocol/siprec/body.ts";
import { ERRORS } from "../schemas/error.ts";
import type { Fault } from "../schemas/call.ts";
import type { SipCommand, SipFact } from "./ports.ts";
import {
  recordingInvite, recordingUpdate, SRC_ALLOW, SRC_CONTACT, targetOf,
} from "./siprec-invite.ts";
import { derive } from "./seed.ts";
import { joinSteps } from "./step.ts";
import type {
  SiprecContext, SiprecEvent, SiprecStep, SiprecTold, SiprecVerdict,
} from "./siprec-types.ts";

const INVITE_ID = "invite";
const BYE_ID = "bye";
const UNWANTED_BYE_ID = "bye-unwanted";
const UPDATE_ID = "update";
/** The session's stop waits so long for the answer to its BYE. */
export const STOP_WAIT_MS = 2_000;
/** RFC 3261 §9.1: a cancelled INVITE without a final answer is given up after 64·T1. */
const CANCEL_WAIT_MS = 32_000;

const inviteId = (context: SiprecContext): string => `${INVITE_ID}-${context.ordinal}`;

const fault = (code: number, message: string): Fault => ({ code, message });

export function sendInvite(context: SiprecContext, at: number): SiprecStep {
  const invited = { ...context, inviteAt: context.inviteAt === 0 ? at : context.inviteAt };
  const { request, sdp } = recordingInvite(invited);
  const { target } = targetOf(context);
  const isLast = context.targetIndex + 1 >= context.order.targets.length;
  return {
    context: {
      inviteAt: invited.inviteAt,
      sdp,
      client: inviteClient(request),
      dialog: null,
      byeDone: false,
      forksClosed: false,
      updatedAt: at,
      // The last address has Timer B alone.
      answerDueAt: isLast ? Number.MAX_SAFE_INTEGER : at + context.order.answerTimeoutMs,
    },
    send: [{
      type: "send.request", id: inviteId(context), request, target, flow: null,
      contactParams: SRC_CONTACT, connectTimeoutMs: context.order.connectTimeoutMs,
    }],
  };
}

/** Whatever the recorder, or the way to it, says to our INVITE. */
function inviteFact(
  context: SiprecContext, fact: Extract<SipFact, { type: "sip.response" | "sip.failed" }>,
): SiprecStep {
  const input: InviteClientInput = fact.type === "sip.response"
    ? { type: "response", response: fact.response, flow: fact.flow }
    : fact.reason === "timeout"
    ? { type: "timeout" }
    : { type: "transport-error", reason: fact.message };
  // Any 1xx, 100 too, says that somebody is there: the answer clock stops.
  const isHeard = fact.type === "sip.response" && fact.response.status < 200;
  return joinSteps(
    isHeard ? { context: { answerDueAt: Number.MAX_SAFE_INTEGER } } : {},
    clientStep(context, input, fact.at),
  );
}

function clientStep(context: SiprecContext, input: InviteClientInput, at: number): SiprecStep {
  if (context.client === null) return {};
  const { state, out } = stepInviteClient(context.client, input);
  const steps = out.map((one) => clientOut(context, one, at));
  return joinSteps({ context: { client: state } }, ...steps);
}

function clientOut(context: SiprecContext, out: InviteClientOut, at: number): SiprecStep {
  switch (out.type) {
    case "send-ack":
      return { send: [{ type: "send.ack", request: out.request, flow: out.flow }] };
    case "send-bye":
      // The BYE of an answer too late or too many is not the session's own.
      return { send: [{ ...bye(out.request, out.flow), id: UNWANTED_BYE_ID }] };
    case "send-cancel":
      return { send: [{ type: "send.cancel", id: inviteId(context) }] };
    case "progress":
      return {};
    case "failed":
      return { raise: [{ type: "srs.refused", fault: refusalFault(out.status, out.reason), at }] };
    case "answered":
      return answered(context, out.dialog, out.response, at);
  }
}

const bye = (
  request: Extract<SipCommand, { type: "send.request" }>["request"],
  flow: Extract<SipCommand, { type: "send.request" }>["flow"],
): Extract<SipCommand, { type: "send.request" }> => ({
  type: "send.request", id: BYE_ID, request, target: null, flow, contactParams: "",
  connectTimeoutMs: STOP_WAIT_MS,
});

function refusalFault(status: number, reason: string): Fault {
  if (status === 401 || status === 407) {
    return fault(ERRORS.SRS_AUTHENTICATION.code, `The recorder wants credentials (${status})`);
  }
  if (status === 420) {
    return fault(ERRORS.SRS_FAILED.code, "The other side is no recorder: it refused siprec (420)");
  }
  const text = status === 408
    ? "The recorder did not answer the INVITE (timeout)"
    : status === 503 && reason !== "Service Unavailable"
    ? `The recorder can't be reached: ${reason}`
    : `The recorder answered ${status} ${reason}`;
  return fault(ERRORS.SRS_FAILED.code, text);
}

/** RFC 7866 §7: the answer says where each stream goes. Without one the session is no good. */
function answered(
  context: SiprecContext, dialog: NonNullable<SiprecContext["dialog"]>, response: SipResponse,
  at: number,
): SiprecStep {
  const answer = readAnswerOf(context, response);
  if (!answer.ok) {
    const ended = requestInDialog(dialog, "BYE");
    return {
      context: { dialog: ended.dialog },
      send: [{ ...bye(ended.request, nextHopFlow(dialog)), id: UNWANTED_BYE_ID }],
      raise: [{ type: "srs.refused", fault: fault(ERRORS.SRS_BAD_SDP.code, answer.reason), at }],
    };
  }
  return {
    context: { dialog, answered: answer.streams, startedAt: context.startedAt ?? at },
    raise: [{ type: "srs.answered", at }],
  };
}

type StreamsResult =
  | { ok: true; streams: RecordingStreamAnswer[] }
  | { ok: false; reason: string };

/** What the recorder says of each stream, also that it refuses one. */
function readStreamsOf(
  context: SiprecContext, response: SipRequest | SipResponse,
): StreamsResult {
  const body = readRecordingBody(header(response, "Content-Type"), response.body);
  if (!body.ok) return { ok: false, reason: `The recorder's answer: ${body.reason}` };
  if (body.body.sdp === null) {
    return { ok: false, reason: "The recorder answered without SDP" };
  }
  const answer = readRecordingAnswer(context.sdp?.text ?? "", body.body.sdp);
  return answer.ok ? answer : { ok: false, reason: `The recorder's SDP: ${answer.reason}` };
}

export function readAnswerOf(
  context: SiprecContext, response: SipRequest | SipResponse,
): StreamsResult {
  const answer = readStreamsOf(context, response);
  if (!answer.ok) return answer;
  // Half a recording is none: what was asked for can't be had, and that is said.
  const refused = answer.streams.find((stream) => !stream.accepted);
  if (refused !== undefined) {
    const why = refused.reason ?? "no reason given";
    return { ok: false, reason: `The recorder refused stream ${refused.label}: ${why}` };
  }
  return answer;
}

/** To the next address of the connector. */
export const nextTarget = (context: SiprecContext, at: number): SiprecStep =>
  joinSteps(inviteAgain(context, at), { context: { targetIndex: context.targetIndex + 1 } });

/** A new dialog; what is still open of the last one is cancelled. */
export function inviteAgain(context: SiprecContext, at: number): SiprecStep {
  const cancelled = clientStep(context, { type: "cancel" }, at);
  const client = cancelled.context?.client ?? context.client;
  const isOpen = client !== null && client !== undefined && !client.done;
  return {
    send: cancelled.send ?? [],
    context: {
      ordinal: context.ordinal + 1,
      sdp: null,
      dialog: null,
      abandoned: isOpen
        ? [...context.abandoned, { id: inviteId(context), client }] : context.abandoned,
    },
  };
}

/** What still comes from an address that was given up. */
function abandonedFact(
  context: SiprecContext, fact: Extract<SipFact, { type: "sip.response" | "sip.failed" }>,
): SiprecStep {
  const entry = context.abandoned.find(({ id }) => id === fact.id);
  if (entry === undefined || fact.type === "sip.failed") return {};
  const input: InviteClientInput = { type: "response", response: fact.response, flow: fact.flow };
  const { state, out } = stepInviteClient(entry.client, input);
  const send = out.flatMap((one): SipCommand[] => {
    const { type } = one;
    if (type === "send-ack") return [{ type: "send.ack", request: one.request, flow: one.flow }];
    if (type === "send-cancel") return [{ type: "send.cancel", id: entry.id }];
    // Not the session's own BYE: its answer is nobody's business.
    return type === "send-bye" ? [{ ...bye(one.request, one.flow), id: `${entry.id}-bye` }] : [];
  });
  const abandoned = context.abandoned.map((one) =>
    one.id === entry.id ? { id: one.id, client: state } : one
  );
  return { context: { abandoned }, send };
}

export function cancelInvite(context: SiprecContext, at: number): SiprecStep {
  const step = clientStep(context, { type: "cancel" }, at);
  return joinSteps(step, {
    context: { endedAt: at, updatedAt: at, stopDueAt: at + CANCEL_WAIT_MS },
    tell: [{ type: "forks.close", siprecSid: context.order.siprecSid }],
  });
}

/** To the call: where each stream goes; null: nowhere, while the recorder wants none. */
export const forksOpen = (
  context: SiprecContext, streams: readonly RecordingStreamAnswer[],
): SiprecTold => ({
  type: "forks.open",
  siprecSid: context.order.siprecSid,
  streams: streams.map((stream) => ({
    label: stream.label,
    destination: stream.accepted && stream.direction === "sendonly" ? stream : null,
  })),
});

export const openForks = (context: SiprecContext): SiprecStep => ({
  tell: [forksOpen(context, context.answered)],
});

export const closeForks = (context: SiprecContext): SiprecStep => ({
  tell: [{ type: "forks.close", siprecSid: context.order.siprecSid }],
});

/** Ends the recording: forks closed first, then BYE, unless the dialog is gone already. */
export function hangUp(context: SiprecContext, at: number): SiprecStep {
  const base: SiprecStep = {
    context: { endedAt: at, updatedAt: at, stopDueAt: at + STOP_WAIT_MS, snapshotDue: false },
    tell: [{ type: "forks.close", siprecSid: context.order.siprecSid }],
  };
  const { dialog } = context;
  if (dialog === null || dialog.state === "terminated") {
    return joinSteps(base, { context: { byeDone: true } });
  }
  const ended = requestInDialog(dialog, "BYE");
  return joinSteps(base, {
    context: { dialog: ended.dialog, byeDone: false },
    send: [bye(ended.request, nextHopFlow(dialog))],
  });
}

/** A complete snapshot goes out in a re-INVITE (RFC 7866 §9.1): few know UPDATE. */
export function sendUpdate(context: SiprecContext, at: number): SiprecStep {
  const { dialog } = context;
  if (dialog === null) return {};
  const made = recordingUpdate(context, dialog);
  return {
    context: {
      dialog: made.dialog, sdp: made.sdp, updating: made.dialog.localSeq, snapshotDue: false,
      updatedAt: at,
    },
    send: [{
      type: "send.request", id: `${UPDATE_ID}-${made.dialog.localSeq}`, request: made.request,
      target: null, flow: nextHopFlow(dialog), contactParams: SRC_CONTACT, connectTimeoutMs: null,
    }],
  };
}

/** RFC 3261 §14.1: we own the Call-ID, so 2.1 to 4 s in steps of 10 ms. */
export const backOff = (context: SiprecContext, at: number): SiprecStep => {
  const [a = 0, b = 0] = derive(context.order.seed, `glare-${context.dialog?.localSeq ?? 0}`, 2);
  return {
    context: { retryAt: at + 2_100 + ((a * 256 + b) % 191) * 10, snapshotDue: true },
  };
};

/** What comes back for BYE and re-INVITE. */
export function transactionFact(
  context: SiprecContext, fact: Extract<SipFact, { type: "sip.response" | "sip.failed" }>,
): SiprecStep {
  if (fact.id === inviteId(context)) return inviteFact(context, fact);
  if (fact.id.startsWith(INVITE_ID)) return abandonedFact(context, fact);
  if (fact.id === BYE_ID) {
    const isFinal = fact.type === "sip.failed" || fact.response.status >= 200;
    return isFinal ? { context: { byeDone: true } } : {};
  }
  return fact.id.startsWith(UPDATE_ID) ? updateFact(context, fact) : {};
}

function updateFact(
  context: SiprecContext, fact: Extract<SipFact, { type: "sip.response" | "sip.failed" }>,
): SiprecStep {
  const { dialog } = context;
  const cseq = Number(fact.id.slice(UPDATE_ID.length + 1));
  if (dialog === null) return {};
  if (fact.type === "sip.failed") {
    return lost(context, `The recorder no longer answers: ${fact.message}`, fact.at);
  }
  const { response, at } = fact;
  if (response.status < 200) return {};
  const refreshed = receiveResponse(dialog, "INVITE", response);
  if (response.status < 300) {
    const ack: SipCommand = {
      type: "send.ack", request: ackFor2xx(refreshed, cseq), flow: nextHopFlow(refreshed),
    };
    // A retransmitted 2xx gets its ACK, and nothing else happens again.
    if (context.updating !== cseq) return { context: { dialog: refreshed }, send: [ack] };
    // RFC 3264 §6: a stream that is refused now gets no more audio. An answer that breaks the
    // exchange changes nothing.
    const answer = readStreamsOf(context, response);
    const updated: SiprecStep = {
      context: {
        dialog: refreshed, updating: null, ...(answer.ok ? { answered: answer.streams } : {}),
      },
      send: [ack],
    };
    const isDeaf = answer.ok && !answer.streams.some(({ accepted }) => accepted);
    return joinSteps(updated, isDeaf ? lost(context, "The recorder takes no stream any more", at)
      : { raise: [{ type: "srs.updated", at }] });
  }
  if (context.updating !== cseq) return {};
  if (refreshed.state === "terminated") {
    return joinSteps({ context: { dialog: refreshed, updating: null } },
      lost(context, `The recorder no longer knows the session (${response.status})`, at));
  }
  const verdict: SiprecVerdict = response.status === 491
    ? { type: "srs.crossed", at }
    // RFC 3261 §14.1: a refused re-INVITE changes nothing; the session goes on as it was.
    : { type: "srs.updated", at };
  return { context: { updating: null }, raise: [verdict] };
}

const lost = (_context: SiprecContext, message: string, at: number): SiprecStep => ({
  raise: [{ type: "srs.lost", fault: fault(ERRORS.SRS_FAILED.code, message), at }],
});

export const timeOf = (event: SiprecEvent): number => event.at;

/** RFC 3261 §11: what OPTIONS and refused methods are answered with. */
export const plainResponse = (
  request: Parameters<typeof buildResponse>[0], status: number, transactionId: string,
  durable = false, headers: SipHeader[] = [],
): SipCommand => ({
  type: "send.response",
  transactionId,
  response: buildResponse(request, status, null, {
    headers: [
      { name: "Allow", value: SRC_ALLOW },
      ...(status === 500 ? [{ name: "Retry-After", value: "2" }] : []),
      ...headers,
    ],
  }),
  contactParams: SRC_CONTACT,
  durable,
});
