// Our resources in Twilio's words: snake_case, RFC 2822 dates, text where Twilio has text.
import { API_VERSION } from "../../protocol/twiml/callback.ts";
import type { CallJson, SiprecJson } from "../../schemas/rest.ts";
import type { CallResource, SiprecResource } from "./backend.ts";

const SUBRESOURCES = {
  notifications: "Notifications", recordings: "Recordings", payments: "Payments",
  events: "Events", siprec: "Siprec", streams: "Streams", transcriptions: "Transcriptions",
  user_defined_message_subscriptions: "UserDefinedMessageSubscriptions",
  user_defined_messages: "UserDefinedMessages",
};

export function siprecJson(siprec: SiprecResource): SiprecJson {
  return {
    sid: siprec.sid,
    account_sid: siprec.accountSid,
    call_sid: siprec.callSid,
    name: siprec.name,
    status: siprec.status,
    date_updated: dateText(siprec.updatedAt),
    uri: `${callPath(siprec.accountSid, siprec.callSid)}/Siprec/${siprec.sid}.json`,
  };
}

export function callJson(call: CallResource): CallJson {
  const path = callPath(call.accountSid, call.sid);
  return {
    sid: call.sid,
    account_sid: call.accountSid,
    parent_call_sid: call.parentCallSid,
    date_created: dateText(call.createdAt),
    date_updated: dateText(call.updatedAt),
    start_time: dateText(call.startAt),
    end_time: dateText(call.endAt),
    to: call.to,
    to_formatted: formatted(call.to),
    from: call.from,
    from_formatted: formatted(call.from),
    phone_number_sid: null,
    status: call.status,
    duration: duration(call),
    price: null,
    price_unit: "USD",
    direction: call.direction,
    answered_by: null,
    api_version: API_VERSION,
    forwarded_from: null,
    group_sid: null,
    caller_name: call.callerName,
    queue_time: "0",
    trunk_sid: null,
    uri: `${path}.json`,
    subresource_uris: Object.fromEntries(
      Object.entries(SUBRESOURCES).map(([key, segment]) => [key, `${path}/${segment}.json`]),
    ),
  };
}

/** Whole seconds of talk as text: null until the end, "0" for a call that was never answered. */
function duration({ startAt, endAt }: CallResource): string | null {
  if (endAt === null) return null;
  return String(startAt === null ? 0 : Math.max(0, Math.round((endAt - startAt) / 1000)));
}

/** "Thu, 30 Jul 2015 20:00:00 +0000": strict readers of RFC 2822 do not know "GMT". */
export function dateText(at: number): string;
export function dateText(at: number | null): string | null;
export function dateText(at: number | null): string | null {
  return at === null ? null : new Date(at).toUTCString().replace("GMT", "+0000");
}

/** A number of the North American plan as people there write it; anything else as it is. */
function formatted(party: string): string {
  const digits = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(party);
  return digits === null ? party : `(${digits[1]}) ${digits[2]}-${digits[3]}`;
}

const callPath = (accountSid: string, callSid: string): string =>
  `/${API_VERSION}/Accounts/${accountSid}/Calls/${callSid}`;
