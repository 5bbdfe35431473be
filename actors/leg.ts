// The one SIP leg that a call is, and the side of it that answers an INVITE (RFC 3261 §13.3). Pure
// steps of the call's context; leg-uac.ts places calls, leg-peer.ts answers what comes in the
// dialog, leg-end.ts ends either.
import { buildResponse } from "../protocol/sip/build.ts";
import { header } from "../protocol/sip/header.ts";
import {
  NO_BODY, type SipFlow, type SipHeader, type SipRequest, type SipResponse,
} from "../protocol/sip/message.ts";
import { answerLeg, type LocalLeg, offerLeg } from "../protocol/sdp/leg.ts";
import { nextVersion, sdpSessionId } from "../protocol/sdp/version.ts";
import { readRecordingBody, type RecordingBodyResult } from "../protocol/siprec/body.ts";
import type { MediaRemote } from "../schemas/media.ts";
import type { SipCommand } from "./ports.ts";
import type { CallContext, CallInput, CallStep, Leg } from "./call-types.ts";

export const LEG_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";
export const ALLOW: SipHeader = { name: "Allow", value: LEG_ALLOW };
export const ACCEPT: SipHeader = { name: "Accept", value: "application/sdp" };
export const BYE_ID = "bye";
export const encoder = new TextEncoder();

export function initialLeg(input: CallInput): Leg {
  const { leg } = input;
  const common = {
    client: null, sdp: null, offering: false, remote: null, answered: false, acked: false,
    over: false, allow: leg.allow,
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

export const localLeg = (context: CallContext): Omit<LocalLeg, "version"> => ({
  address: context.port?.address ?? "0.0.0.0",
  rtpPort: context.port?.rtpPort ?? 0,
  rtcpPort: context.port?.rtcpPort ?? 0,
  codecs: context.codecs,
  sessionId: sdpSessionId(context.callSid),
});

export const withAllow = (remote: MediaRemote, leg: Leg): MediaRemote => ({
  ...remote, allow: leg.allow,
});

/** The description may stand in a multipart body (RFC 5621 §3.1). */
export const readBody = (message: SipRequest | SipResponse): RecordingBodyResult =>
  readRecordingBody(
    header(message, "Content-Type"), message.body, header(message, "Content-Disposition"),
  );

export function sdpOf(message: SipRequest | SipResponse): string | null {
  const body = readBody(message);
  return body.ok ? body.body.sdp : null;
}

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
      leg: { ...leg, answered: true, dialog, sdp, offering: leg.offer === null, remote },
      startAt: at, updatedAt: at,
    },
    send: inviteResponse(context, 200, sdp.text, true),
    media: true,
  };
}

/** After a takeover: the caller waits for an answer that nobody else can give any more. */
export function refuseAgain(context: CallContext, status: number): CallStep {
  const { invite, dialog } = context.leg;
  const flow = dialog?.flow ?? null;
  const step = refuse(context, status);
  if (invite === null || flow === null) return step;
  const request: SipRequest = { kind: "request", ...invite, body: NO_BODY };
  return {
    ...step,
    send: (step.send ?? []).map((command) =>
      command.type === "send.response" ? { ...command, revive: { request, flow } } : command
    ),
  };
}

export const refuse = (context: CallContext, status: number): CallStep => ({
  context: { leg: { ...context.leg, over: true } },
  send: inviteResponse(context, status, null, true),
});

/** The caller gave up before the answer. */
export const cancelled = (context: CallContext, at: number): CallStep => ({
  ...refuse(context, 487),
  raise: [{ type: "leg.ended", status: "canceled", at }],
});

export const bye = (
  id: string, request: SipRequest, flow: SipFlow | null,
): SipCommand => ({
  type: "send.request", id, request, target: null, flow, contactParams: "",
  connectTimeoutMs: null,
});
