// The leg of a call that we place: its INVITE, and what comes back (RFC 3261 §13.2). Pure steps of
// the call's context.
import { buildRequest } from "../protocol/sip/build.ts";
import { mintIdentity } from "../protocol/sip/identity.ts";
import {
  inviteClient, type InviteClientInput, type InviteClientOut, stepInviteClient,
} from "../protocol/sip/invite-client.ts";
import type { SipResponse } from "../protocol/sip/message.ts";
import { offerLeg, readAnswer } from "../protocol/sdp/leg.ts";
import { nextVersion } from "../protocol/sdp/version.ts";
import { joinCallSteps } from "./call-step.ts";
import { ACCEPT, ALLOW, bye, BYE_ID, encoder, localLeg, sdpOf, withAllow } from "./leg.ts";
import type { EndStatus, SipFact } from "./ports.ts";
import { derive } from "./seed.ts";
import type { CallContext, CallStep, Leg } from "./call-types.ts";

const INVITE_ID = "invite";

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

export function clientStep(context: CallContext, input: InviteClientInput, at: number): CallStep {
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
