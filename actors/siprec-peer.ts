// What a recorder asks of us within the dialog: BYE, OPTIONS, a snapshot (RFC 7866 §9.2), and
// offers of its own (RFC 7866 §7.2).
import { buildResponse } from "../protocol/sip/build.ts";
import { matchesDialog, receiveRequest } from "../protocol/sip/dialog.ts";
import { header, parseCseq } from "../protocol/sip/header.ts";
import { refusalOf } from "../protocol/sip/refusal.ts";
import { answerRecording, REMOVED } from "../protocol/sdp/recording-answer.ts";
import { nextVersion } from "../protocol/sdp/version.ts";
import { readRecordingBody } from "../protocol/siprec/body.ts";
import { ERRORS } from "../schemas/error.ts";
import type { SipFact } from "./ports.ts";
import { offerOf, SRC_ALLOW, SRC_CONTACT } from "./siprec-invite.ts";
import { forksOpen, plainResponse, readAnswerOf } from "./siprec-steps.ts";
import { joinSteps } from "./step.ts";
import type { SiprecContext, SiprecStep, SiprecVerdict } from "./siprec-types.ts";

type PeerRequest = Extract<SipFact, { type: "sip.request" }>;

export function peerRequest(context: SiprecContext, fact: PeerRequest): SiprecStep {
  const { request, flow, transactionId } = fact;
  if (transactionId === null) return acknowledged(context, fact);
  if (context.dialog === null || !matchesDialog(context.dialog, request)) {
    return { send: [plainResponse(request, 481, transactionId)] };
  }
  const { dialog, verdict } = receiveRequest(context.dialog, request, flow);
  if (!verdict.ok) return { send: [plainResponse(request, verdict.status, transactionId)] };
  const refused = refusalOf(request, ["siprec"]);
  const step = refused === null ? answerTo({ ...context, dialog }, fact, transactionId)
    : { send: [plainResponse(request, refused.status, transactionId, false, refused.headers)] };
  return joinSteps({ context: { dialog } }, step);
}

/** RFC 3261 §14.2: a 2xx to a re-INVITE that is never acknowledged ends the session too. */
export function unacknowledged(context: SiprecContext, at: number): SiprecStep {
  if (context.unacked === null) return {};
  const message = "The recorder never acknowledged our answer to its re-INVITE";
  return { raise: [{ type: "srs.lost", fault: { code: ERRORS.SRS_FAILED.code, message }, at }] };
}

/** The ACK to an offerless re-INVITE of the recorder bears its answer (RFC 3261 §13.2.2.4). */
function acknowledged(context: SiprecContext, { request, flow, at }: PeerRequest): SiprecStep {
  const isOurs = context.dialog !== null && matchesDialog(context.dialog, request);
  if (context.dialog === null || !isOurs || request.method !== "ACK") return {};
  const { dialog } = receiveRequest(context.dialog, request, flow);
  if (parseCseq(request)?.number !== context.unacked) return { context: { dialog } };
  const done = { dialog, unacked: null, offering: false };
  if (!context.offering) return { context: done };
  const answer = readAnswerOf(context, request);
  if (!answer.ok) {
    const fault = { code: ERRORS.SRS_BAD_SDP.code, message: answer.reason };
    return { context: done, raise: [{ type: "srs.lost", fault, at }] };
  }
  return {
    context: { ...done, answered: answer.streams, updatedAt: at },
    tell: [forksOpen(context, answer.streams)],
  };
}

function answerTo(context: SiprecContext, fact: PeerRequest, transactionId: string): SiprecStep {
  const { request, at } = fact;
  switch (request.method) {
    case "BYE":
      return {
        send: [plainResponse(request, 200, transactionId, true)],
        context: { byeDone: true },
        raise: [hangUpVerdict(fact)],
      };
    case "OPTIONS":
      return { send: [plainResponse(request, 200, transactionId)] };
    case "UPDATE":
    case "INVITE":
      return answerExchange(context, fact, transactionId, at);
    default:
      return { send: [plainResponse(request, 405, transactionId)] };
  }
}

/** A Reason that names a failure (RFC 3326) makes the recorder's BYE a failure of the recording. */
function hangUpVerdict(fact: PeerRequest): SiprecVerdict {
  const reason = header(fact.request, "Reason");
  const cause = /(?:^|,)\s*SIP\s*;(?:[^,]*;)?\s*cause\s*=\s*([0-9]+)/i.exec(reason ?? "")?.[1];
  if (cause !== undefined && Number(cause) >= 300) {
    const message = `The recorder ended the session: ${reason}`;
    return { type: "srs.lost", fault: { code: ERRORS.SRS_FAILED.code, message }, at: fact.at };
  }
  return { type: "srs.gone", at: fact.at };
}

function answerExchange(
  context: SiprecContext, fact: PeerRequest, transactionId: string, at: number,
): SiprecStep {
  const { request } = fact;
  const refuse = (status: number): SiprecStep => ({
    send: [plainResponse(request, status, transactionId)],
  });
  const body = readRecordingBody(
    header(request, "Content-Type"), request.body, header(request, "Content-Disposition"),
  );
  if (!body.ok) return refuse(body.status);
  const { sdp, snapshotRequest } = body.body;
  if (sdp === null && request.method === "UPDATE") {
    // RFC 7866 §9.2: the snapshot follows in a transaction of its own, never in this answer.
    return joinSteps(
      { send: [plainResponse(request, 200, transactionId)] },
      snapshotRequest === null ? {} : { context: { snapshotDue: true } },
    );
  }
  // RFC 3261 §14.2, RFC 3311 §5.2: ours is still open.
  if (context.updating !== null || context.offering) return refuse(491);
  return sdp === null ? offerAgain(context, fact, transactionId)
    : answerOffer(context, fact, transactionId, sdp, at);
}

/** An offerless re-INVITE: our description again; the answer is in the ACK. */
function offerAgain(
  context: SiprecContext, fact: PeerRequest, transactionId: string,
): SiprecStep {
  return {
    context: { ...answeredInvite(fact), offering: true },
    send: [sdpResponse(fact, transactionId, context.sdp?.text ?? "")],
  };
}

function answerOffer(
  context: SiprecContext, fact: PeerRequest, transactionId: string, sdp: string, at: number,
): SiprecStep {
  let fault: string | null = null;
  let streams = context.answered;
  const next = nextVersion(context.sdp, (version) => {
    const answer = answerRecording(sdp, offerOf(context, version));
    if (!answer.ok) {
      fault = answer.reason;
      return "";
    }
    // What the recorder offers and we can't take would leave a recording without audio.
    const refused = answer.streams.find(({ reason }) => reason !== null && reason !== REMOVED);
    if (refused !== undefined) {
      fault = refused.reason;
      return "";
    }
    streams = answer.streams;
    return answer.text;
  });
  if (fault !== null) return { send: [plainResponse(fact.request, 488, transactionId)] };
  return {
    context: { sdp: next, answered: streams, updatedAt: at, ...answeredInvite(fact) },
    send: [sdpResponse(fact, transactionId, next.text)],
    tell: [forksOpen(context, streams)],
  };
}

/** Its ACK is awaited; that of an earlier one is not any more. */
const answeredInvite = ({ request }: PeerRequest): Partial<SiprecContext> =>
  request.method === "INVITE" ? { unacked: parseCseq(request)?.number ?? null } : {};

const sdpResponse = (fact: PeerRequest, transactionId: string, sdp: string) => ({
  type: "send.response" as const,
  transactionId,
  response: buildResponse(fact.request, 200, null, {
    headers: [{ name: "Allow", value: SRC_ALLOW }],
    body: new TextEncoder().encode(sdp),
    contentType: "application/sdp",
  }),
  contactParams: SRC_CONTACT,
  durable: false,
});
