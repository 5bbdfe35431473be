// What the peer of a leg asks within the dialog: ACK, BYE, new offers (RFC 3261 §12.2.2, §14.2,
// §15.1.2). Pure steps of the call's context.
import { buildResponse } from "../protocol/sip/build.ts";
import { matchesDialog, receiveRequest } from "../protocol/sip/dialog.ts";
import type { SipHeader, SipRequest } from "../protocol/sip/message.ts";
import { refusalOf } from "../protocol/sip/refusal.ts";
import { answerLeg, offerLeg, readAnswer } from "../protocol/sdp/leg.ts";
import { nextVersion } from "../protocol/sdp/version.ts";
import type { MediaRemote } from "../schemas/media.ts";
import { ACCEPT, ALLOW, encoder, localLeg, readBody, sdpOf, withAllow } from "./leg.ts";
import { sendBye } from "./leg-end.ts";
import type { SipCommand, SipFact } from "./ports.ts";
import type { CallContext, CallStep, Leg } from "./call-types.ts";

/** A request of the peer in the leg's dialog. */
export function legRequest(
  context: CallContext, fact: Extract<SipFact, { type: "sip.request" }>, isClosing: boolean,
): CallStep {
  const { request, flow, transactionId, at } = fact;
  const { leg } = context;
  const plain = (status: number, durable = false): SipCommand[] =>
    transactionId === null ? [] : [plainResponse(request, status, transactionId, durable)];
  const known = leg.dialog ?? leg.client?.early.find((dialog) => matchesDialog(dialog, request));
  if (known === undefined || known === null || !matchesDialog(known, request)) {
    return { send: plain(481) };
  }
  const isAck = request.method === "ACK";
  if (leg.over && !isAck) return { send: plain(request.method === "BYE" ? 200 : 481) };
  const isTerminated = known.state === "terminated";
  const { dialog: received, verdict } = receiveRequest(
    // Our BYE crossed a request of theirs: theirs is answered as if it came first.
    isTerminated ? { ...known, state: "confirmed" } : known, request, flow,
  );
  if (!verdict.ok) return { send: plain(verdict.status) };
  const dialog = isTerminated ? { ...received, state: known.state } : received;
  const next = { ...context, leg: { ...leg, dialog } };
  if (isAck) return acknowledged(next, request, isClosing, at);
  const refused = refusalOf(request);
  if (refused !== null) {
    return { context: { leg: next.leg }, send: refusal(request, transactionId, refused) };
  }
  if (request.method === "BYE") {
    return {
      context: { leg: { ...next.leg, over: true, acked: true } },
      send: plain(200, true),
      raise: [{ type: "leg.ended", status: leg.answered ? "completed" : "failed", at }],
    };
  }
  if (request.method === "INVITE" || request.method === "UPDATE") {
    return reoffered(next, fact, transactionId, isClosing);
  }
  const isKnown = request.method === "OPTIONS" || request.method === "INFO";
  return { context: { leg: next.leg }, send: plain(isKnown ? 200 : 405) };
}

function acknowledged(
  context: CallContext, ack: SipRequest, isClosing: boolean, at: number,
): CallStep {
  const { leg } = context;
  // There is no 2xx that it could acknowledge.
  if (!leg.answered) return {};
  const text = sdpOf(ack);
  const read = leg.offering && text !== null ? readAnswer(leg.sdp?.text ?? "", text) : null;
  const acked: Leg = {
    ...leg, acked: true, offering: false,
    remote: read?.ok === true ? withAllow(read.remote, leg) : leg.remote,
  };
  const step: CallStep = { context: { leg: acked }, media: read?.ok === true };
  if (isClosing) return { ...sendBye({ ...context, leg: acked }) };
  // An offer of ours without an answer in the ACK leaves nobody to talk to (§13.2.1).
  return acked.remote === null
    ? { ...step, raise: [{ type: "leg.ended", status: "failed", at }] } : step;
}

/** A new offer within the dialog: hold, resume, a moved address. It concerns this leg alone. */
function reoffered(
  context: CallContext, fact: Extract<SipFact, { type: "sip.request" }>,
  transactionId: string | null, isClosing: boolean,
): CallStep {
  const { request } = fact;
  const { leg } = context;
  if (transactionId === null) return {};
  if (isClosing || !leg.answered) {
    return { send: [plainResponse(request, isClosing ? 481 : 491, transactionId)] };
  }
  const body = readBody(request);
  if (!body.ok) {
    const refused = { status: body.status, headers: [ACCEPT] };
    return { context: { leg }, send: refusal(request, transactionId, refused) };
  }
  const offer = body.body.sdp;
  const local = localLeg(context);
  if (offer === null && request.method !== "INVITE") {
    return { context: { leg }, send: [plainResponse(request, 200, transactionId)] };
  }
  if (leg.offering) {
    // RFC 3311 §5.2: the answer to our own offer, in an ACK, is still due.
    return { context: { leg }, send: [plainResponse(request, 491, transactionId)] };
  }
  if (offer === null) {
    // §14.2: the offer is ours then, and the answer is in the ACK.
    const sdp = nextVersion(leg.sdp, (version) =>
      offerLeg({ ...local, version }, leg.sdp?.text ?? null)
    );
    return {
      context: { leg: { ...leg, sdp, offering: true } },
      send: [plainResponse(request, 200, transactionId, false, sdp.text)],
    };
  }
  let remote: MediaRemote | null = null;
  const sdp = nextVersion(leg.sdp, (version) => {
    const answered = answerLeg(offer, { ...local, version });
    if (answered.ok) remote = withAllow(answered.remote, leg);
    return answered.ok ? answered.text : "";
  });
  if (remote === null) {
    // §14.1: a refused offer leaves the session as it was.
    return { context: { leg }, send: [plainResponse(request, 488, transactionId)] };
  }
  return {
    context: { leg: { ...leg, sdp, remote } },
    send: [plainResponse(request, 200, transactionId, false, sdp.text)],
    media: true,
  };
}

const refusal = (
  request: SipRequest, transactionId: string | null,
  { status, headers }: { status: number; headers: SipHeader[] },
): SipCommand[] => transactionId === null ? [] : [{
  type: "send.response", transactionId, contactParams: "", durable: false,
  response: buildResponse(request, status, null, { headers: [ALLOW, ...headers] }),
}];

function plainResponse(
  request: SipRequest, status: number, transactionId: string, durable = false, sdp = "",
): SipCommand {
  return {
    type: "send.response",
    transactionId,
    response: buildResponse(request, status, null, {
      headers: [
        ...(status === 200 || status === 405 ? [ALLOW] : []),
        ...(status === 200 && request.method === "OPTIONS" ? [ACCEPT] : []),
      ],
      ...(sdp === "" ? {} : { body: encoder.encode(sdp), contentType: "application/sdp" }),
    }),
    contactParams: "",
    durable,
  };
}
