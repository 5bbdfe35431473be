// The parameters of the requests made to an app: the standard ones of a call, and those of a
// SIPREC status callback. Names and order are Twilio's; a value that is not known is left out.
import type { WebhookParams } from "../webhook/url.ts";

export const API_VERSION = "2010-04-01";

/** What the standard parameters say of a call. */
export interface CallFacts {
  callSid: string;
  accountSid: string;
  from: string;
  to: string;
  /** Twilio's word at the time of the request. */
  status: string;
  direction: "inbound" | "outbound-api" | "outbound-dial";
  parentCallSid: string | null;
  forwardedFrom: string | null;
  callerName: string | null;
}

/** Of a call that came by SIP: what its INVITE said. */
export interface SipFacts {
  callId: string;
  sourceIp: string;
  domain: string | null;
  username: string | null;
  /** Each header whose name begins with X-, as it came. */
  headers: readonly { name: string; value: string }[];
}

export type SiprecEventName = "siprec-started" | "siprec-stopped" | "siprec-error";

export interface SiprecFacts {
  siprecSid: string;
  name: string | null;
  event: SiprecEventName;
  /** Epoch ms of the event: the same at each attempt to deliver it. */
  at: number;
  error: { code: number; message: string } | null;
}

/** The request for a document: Voice URL, fallback, action. */
export function voiceParams(call: CallFacts, sip: SipFacts | null): WebhookParams {
  const params = standardParams(call);
  if (sip === null) return params;
  return {
    ...params,
    SipCallId: sip.callId,
    SipSourceIp: sip.sourceIp,
    ...given("SipDomain", sip.domain),
    ...given("SipUsername", sip.username),
    ...Object.fromEntries(sip.headers
      .filter(({ name }) => /^x-[\w-]+$/i.test(name))
      .map(({ name, value }) => [`SipHeader_${name}`, value])),
  };
}

export function siprecCallbackParams(call: CallFacts, siprec: SiprecFacts): WebhookParams {
  return {
    ...standardParams(call),
    SiprecSid: siprec.siprecSid,
    // As the sister resource Stream does: without a name, the SID stands for it.
    SiprecName: siprec.name ?? siprec.siprecSid,
    SiprecEvent: siprec.event,
    Timestamp: new Date(siprec.at).toISOString(),
    ...(siprec.error === null ? {} : {
      SiprecError: siprec.error.message,
      SiprecErrorCode: String(siprec.error.code),
    }),
  };
}

/** To the fallback URL: the standard parameters and why the first document was not usable. */
export const fallbackParams = (params: WebhookParams, code: number, url: string): WebhookParams =>
  ({ ...params, ErrorCode: String(code), ErrorUrl: url });

const standardParams = (call: CallFacts): WebhookParams => ({
  CallSid: call.callSid,
  AccountSid: call.accountSid,
  From: call.from,
  To: call.to,
  Caller: call.from,
  Called: call.to,
  CallStatus: call.status,
  ApiVersion: API_VERSION,
  Direction: call.direction,
  ...given("ParentCallSid", call.parentCallSid),
  ...given("ForwardedFrom", call.forwardedFrom),
  ...given("CallerName", call.callerName),
});

const given = (name: string, value: string | null): WebhookParams =>
  (value === null ? {} : { [name]: value });
