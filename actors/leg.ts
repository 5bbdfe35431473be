// The one SIP leg that a call is: answering and placing INVITEs, and ending either (RFC 3261
// §13 to §15). Pure steps of the call's context.
import { buildRequest, buildResponse } from "../protocol/sip/build.ts";
import {
  matchesDialog, nextHopFlow, receiveRequest, requestInDialog,
} from "../protocol/sip/dialog.ts";
import { header } from "../protocol/sip/header.ts";
import { mintIdentity } from "../protocol/sip/identity.ts";
import {
  inviteClient, type InviteClientInput, type InviteClientOut, stepInviteClient,
} from "../protocol/sip/invite-client.ts";
import type { SipHeader, SipRequest, SipResponse } from "../protocol/sip/message.ts";
import { answerLeg, type LocalLeg, offerLeg, readAnswer } from "../protocol/sdp/leg.ts";
import { nextVersion, sdpSessionId } from "../protocol/sdp/version.ts";
import type { MediaRemote } from "../schemas/media.ts";
import type { EndStatus, SipCommand, SipFact } from "./ports.ts";
import { joinCallSteps } from "./call-step.ts";
import { derive } from "./seed.ts";
import type { CallContext, CallInput, CallStep, Leg } from "./call-types.ts";

export const LEG_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";
const ALLOW: SipHeader = { name: "Allow", value: LEG_ALLOW };
const ACCEPT: SipHeader = { name: "Accept", value: "application/sdp" };
const INVITE_ID = "invite";
const BYE_ID = "bye";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function initialLeg(input: CallInput): Leg {
  const { leg } = input;
  const common = {
    client: null, sdp: null, remote: null, answered: false, acked: false, over: false,
    allow: leg.allow,
  };
  return leg.role === "uas"
    ? {
      ...common, role: "uas", invite: leg.invite, transactionId: leg.transactionId, route: null,
      from: "", headers: [], dialog: leg.dialog, offer: leg.offer,
    }
    : {
      ...common, role: "uac", invite: null, transactionId: null, route: leg.route,
      from: leg.from, headers: leg.headers, dialog: null, offer: null,
    };
}

const localLeg = (context: CallContext): Omit<LocalLeg, "version"> => ({
  address: context.port?.address ?? "0.0.0.0",
  rtpPort: context.port?.rtpPort ?? 0,
  rtcpPort: context.port?.rtcpPort ?? 0,
  codecs: context.codecs,
  sessionId: sdpSessionId(context.callSid),
});

const withAllow = (remote: MediaRemote, leg: Leg): MediaRemote => ({ ...remote, allow: leg.allow });

/** A response to the INVITE that made this leg. */
function inviteResponse(
  context: CallContext, status: number, sdp: string | null, durable: boolean,
): SipCommand[] {
  const { invite, transactionId, dialog } = context.leg;
  if (invite === null || transactionId === null) return [];
  return [{
    type: "send.response",
    transactionId,
    response: buildResponse(invite, status, null, {
      ...(dialog === null ? {} : { toTag: dialog.localTag }),
      headers: [ALLOW, ...(status < 300 ? [ACCEPT] : [])],
      ...(sdp === null ? {} : { body: encoder.encode(sdp), contentType: "application/sdp" }),
    }),
    contactParams: "",
    durable,
  }];
}

export const ring = (context: CallContext): CallStep => ({
  send: inviteResponse(context, 180, null, true),
});

/** 200 OK with our answer, or with our offer where none came (RFC 3261 §13.2.1). */
export function answer(context: CallContext, at: number): CallStep {
  const { leg } = context;
  const local = localLeg(context);
  let remote: MediaRemote | null = null;
  const sdp = nextVersion(leg.sdp, (version) => {
    if (leg.offer === null) return offerLeg({ ...local, version });
    const answered = answerLeg(leg.offer, { ...local, version });
    if (!answered.ok) return "";
    remote = withAllow(answered.remote, leg);
    return answered.text;
  });
  if (leg.offer !== null && remote === null) {
    return { ...refuse(context, 488), raise: [{ type: "leg.ended", status: "failed", at }] };
  }
  const dialog = leg.dialog === null ? null : { ...leg.dialog, state: "confirmed" as const };
  return {
    context: {
      leg: { ...leg, answered: true, dialog, sdp, remote },
      startAt: at, updatedAt: at,
    },
    send: inviteResponse(context, 200, sdp.text, true),
    media: true,
  };
}

export const refuse = (context: CallContext, status: number): CallStep => ({
  context: { leg: { ...context.leg, over: true } },
  send: inviteResponse(context, status, null, true),
});

/** The INVITE of a call that we place. */
export function invite(context: CallContext, at: number): CallStep {
  const { leg, callSid } = context;
  const { route } = leg;
  if (route === null) return {};
  const sdp = nextVersion(null, (version) => offerLeg({ ...localLeg(context), version }));
  const owner = { callSid, siprecSid: null, ordinal: 0 };
  const mint = (purpose: string) => mintIdentity(owner, derive(context.seed, purpose, 8));
  const request = buildRequest({
    method: "INVITE",
    uri: route.requestUri,
    from: `${leg.from};tag=${mint("tag")}`,
    to: `<${route.requestUri}>`,
    callId: mint("call-id"),
    cseq: 1,
    maxForwards: context.maxForwards,
    headers: [ALLOW, ACCEPT, ...leg.headers],
    body: encoder.encode(sdp.text),
    contentType: "application/sdp",
  });
  return {
    context: { leg: { ...leg, client: inviteClient(request), sdp }, updatedAt: at },
    send: [{
      type: "send.request", id: INVITE_ID, request, target: route.target, flow: null,
      contactParams: "", connectTimeoutMs: null,
    }],
  };
}

/** Answers and failures of the requests that this leg has sent. */
export function legFact(
  context: CallContext, fact: Extract<SipFact, { type: "sip.response" | "sip.failed" }>,
): CallStep {
  if (fact.id === BYE_ID) {
    const isFinal = fact.type === "sip.failed" || fact.response.status >= 200;
    return isFinal ? { context: { leg: { ...context.leg, over: true } } } : {};
  }
  if (fact.id !== INVITE_ID) return {};
  const input: InviteClientInput = fact.type === "sip.response"
    ? { type: "response", response: fact.response, flow: fact.flow }
    : fact.reason === "timeout"
    ? { type: "timeout" }
    : { type: "transport-error", reason: fact.message };
  return clientStep(context, input, fact.at);
}

function clientStep(context: CallContext, input: InviteClientInput, at: number): CallStep {
  if (context.leg.client === null) return {};
  const { state, out } = stepInviteClient(context.leg.client, input);
  const steps: CallStep[] = [];
  let now: CallContext = { ...context, leg: { ...context.leg, client: state } };
  for (const one of out) {
    const step = clientOut(now, one, at);
    now = { ...now, ...step.context };
    steps.push(step);
  }
  return {
    ...joinCallSteps(...steps),
    context: { ...Object.assign({}, ...steps.map((s) => s.context ?? {})), leg: now.leg },
  };
}

function clientOut(context: CallContext, out: InviteClientOut, at: number): CallStep {
  switch (out.type) {
    case "send-ack":
      return { send: [{ type: "send.ack", request: out.request, flow: out.flow }] };
    case "send-bye":
      // The BYE of an answer that came too late is nobody's business any more.
      return { send: [bye(`${BYE_ID}-unwanted`, out.request, out.flow)] };
    case "send-cancel":
      return { send: [{ type: "send.cancel", id: INVITE_ID }] };
    case "progress":
      return progress(context, out.response, at);
    case "failed":
      return {
        context: { leg: { ...context.leg, over: true }, endSipStatus: out.status },
        raise: [{ type: "leg.ended", status: endStatusOf(out.status), at }],
      };
    case "answered":
      return answeredByPeer(context, out.dialog, out.response, at);
  }
}

/** Twilio's words for what a SIP status means of a call; docs/TWILIO.md has the table. */
export function endStatusOf(status: number): EndStatus {
  if (status === 486 || status === 600 || status === 603) return "busy";
  if (status === 408 || status === 480) return "no-answer";
  return status === 487 ? "canceled" : "failed";
}

const sdpOf = (message: SipRequest | SipResponse): string | null =>
  message.body.length > 0 &&
    /^application\/sdp\s*(;|$)/i.test(header(message, "Content-Type")?.trim() ?? "")
    ? decoder.decode(message.body) : null;

function progress(context: CallContext, response: SipResponse, at: number): CallStep {
  const early = sdpOf(response);
  const read = early === null ? null : readAnswer(context.leg.sdp?.text ?? "", early);
  const leg = read?.ok === true
    ? { ...context.leg, remote: withAllow(read.remote, context.leg) } : context.leg;
  return {
    context: { leg, updatedAt: at },
    media: read?.ok === true,
    raise: response.status === 180 || response.status === 183
      ? [{ type: "leg.ringing", at }] : [],
  };
}

function answeredByPeer(
  context: CallContext, dialog: NonNullable<Leg["dialog"]>, response: SipResponse, at: number,
): CallStep {
  const { leg } = context;
  const text = sdpOf(response);
  const read = text === null ? null : readAnswer(leg.sdp?.text ?? "", text);
  // RFC 3261 §13.2.1: an answer in a reliable provisional response would do; those come later.
  const remote = read?.ok === true ? withAllow(read.remote, leg) : null;
  const answered: Leg = { ...leg, dialog, answered: true, acked: true, remote };
  if (remote === null) {
    return {
      context: { leg: answered, endSipStatus: 488 },
      raise: [{ type: "leg.ended", status: "failed", at }],
    };
  }
  return {
    context: { leg: answered, startAt: at, updatedAt: at },
    media: true,
    raise: [{ type: "leg.answered", at }],
  };
}

const bye = (
  id: string, request: SipRequest, flow: Extract<SipCommand, { type: "send.ack" }>["flow"],
): SipCommand => ({
  type: "send.request", id, request, target: null, flow, contactParams: "",
  connectTimeoutMs: null,
});

/** Ends the leg from our side: BYE, CANCEL, or a refusal, whichever its state asks for. */
export function endLeg(context: CallContext, at: number): CallStep {
  const { leg } = context;
  if (leg.over) return {};
  if (leg.role === "uas" && !leg.answered) return refuse(context, context.endSipStatus);
  if (!leg.answered) {
    if (leg.client === null) return { context: { leg: { ...leg, over: true } } };
    return clientStep(context, { type: "cancel" }, at);
  }
  // §15: the callee must not send BYE before its 2xx has been acknowledged.
  return leg.acked ? sendBye(context) : {};
}

function sendBye(context: CallContext): CallStep {
  const { leg } = context;
  if (leg.dialog === null) return { context: { leg: { ...leg, over: true } } };
  const { dialog, request } = requestInDialog(leg.dialog, "BYE");
  const sent = { ...leg, dialog: { ...dialog, state: "terminated" as const } };
  return {
    context: { leg: sent },
    send: [bye(BYE_ID, request, nextHopFlow(leg.dialog))],
  };
}

/** The caller gave up before the answer. */
export const cancelled = (context: CallContext, at: number): CallStep => ({
  ...refuse(context, 487),
  raise: [{ type: "leg.ended", status: "canceled", at }],
});

/** RFC 3261 §13.3.1.4: a 2xx that is never acknowledged ends in BYE. */
export function unacknowledged(context: CallContext, at: number): CallStep {
  const acked = { ...context, leg: { ...context.leg, acked: true } };
  const step = sendBye(acked);
  return { ...step, raise: [{ type: "leg.ended", status: "failed", at }] };
}

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
  const { dialog, verdict } = receiveRequest(
    // Our BYE crossed a request of theirs: theirs is answered as if it came first.
    { ...known, state: known.state === "terminated" ? "confirmed" : known.state }, request, flow,
  );
  if (!verdict.ok) return { send: plain(verdict.status) };
  const next = { ...context, leg: { ...leg, dialog } };
  if (isAck) return acknowledged(next, request, isClosing, at);
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
  if (leg.acked) return { context: { leg } };
  const text = sdpOf(ack);
  const read = leg.offer === null && text !== null ? readAnswer(leg.sdp?.text ?? "", text) : null;
  const acked: Leg = {
    ...leg, acked: true,
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
  const offer = sdpOf(request);
  const local = localLeg(context);
  if (offer === null) {
    const text = request.method === "INVITE" ? leg.sdp?.text ?? "" : "";
    return {
      context: { leg },
      send: [plainResponse(request, 200, transactionId, false, text)],
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
    return { send: [plainResponse(request, 488, transactionId)] };
  }
  return {
    context: { leg: { ...leg, sdp, remote } },
    send: [plainResponse(request, 200, transactionId, false, sdp.text)],
    media: true,
  };
}

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
