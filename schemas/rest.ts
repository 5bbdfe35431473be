// The REST resources under /2010-04-01: forms as clients send them, resources as they read them.
import { type Static, Type as T } from "@sinclair/typebox";

export const NAME_MAX_CHARS = 256;
export const PARAMETER_COUNT_MAX = 99;

/** Fields not named here are ignored, as Twilio does; ParameterN.Name is read by pattern. */
const others = { additionalProperties: true };

export const SiprecCreateForm = T.Object({
  Name: T.Optional(T.String({ maxLength: NAME_MAX_CHARS })),
  ConnectorName: T.Optional(T.String({ maxLength: NAME_MAX_CHARS })),
  Track: T.Optional(T.Union([
    T.Literal("inbound_track"), T.Literal("outbound_track"), T.Literal("both_tracks"),
  ])),
  StatusCallback: T.Optional(T.String({ description: "an absolute http or https URL" })),
  StatusCallbackMethod: T.Optional(T.Union([T.Literal("GET"), T.Literal("POST")])),
}, others);
export type SiprecCreateForm = Static<typeof SiprecCreateForm>;

export const SiprecUpdateForm = T.Object({ Status: T.Literal("stopped") }, others);
export type SiprecUpdateForm = Static<typeof SiprecUpdateForm>;

const Text = T.Union([T.String(), T.Null()]);
/** RFC 2822, always "+0000"; a missing date would be read as now by twilio-node: null is said. */
const DateText = T.Union([
  T.String({ pattern: "^\\w{3}, \\d{2} \\w{3} \\d{4} \\d{2}:\\d{2}:\\d{2} \\+0000$" }),
  T.Null(),
]);

export const SiprecJson = T.Object({
  sid: T.String({ pattern: "^SR[0-9a-fA-F]{32}$" }),
  account_sid: T.String(),
  call_sid: T.String(),
  name: Text,
  status: T.Union([T.Literal("in-progress"), T.Literal("stopped")]),
  date_updated: DateText,
  uri: T.String(),
}, { additionalProperties: false });
export type SiprecJson = Static<typeof SiprecJson>;

export const CallJson = T.Object({
  sid: T.String({ pattern: "^CA[0-9a-fA-F]{32}$" }),
  account_sid: T.String(),
  parent_call_sid: Text,
  date_created: DateText,
  date_updated: DateText,
  start_time: DateText,
  end_time: DateText,
  to: T.String(),
  to_formatted: T.String(),
  from: T.String(),
  from_formatted: T.String(),
  phone_number_sid: Text,
  status: T.String(),
  duration: Text,
  price: Text,
  price_unit: Text,
  direction: T.String(),
  answered_by: Text,
  api_version: T.String(),
  forwarded_from: Text,
  group_sid: Text,
  caller_name: Text,
  queue_time: Text,
  trunk_sid: Text,
  uri: T.String(),
  subresource_uris: T.Record(T.String(), T.String()),
}, { additionalProperties: false });
export type CallJson = Static<typeof CallJson>;

/** Never `type` and `title` in it: twilio-node would take it for another kind of error. */
export const ErrorJson = T.Object({
  code: T.Integer(),
  message: T.String(),
  more_info: T.String(),
  status: T.Integer(),
  detail: T.Optional(T.String()),
}, { additionalProperties: false });
export type ErrorJson = Static<typeof ErrorJson>;
