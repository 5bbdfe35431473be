// An alert: what an operator or an app's owner should know of, kept for as long as the history.
import { type Static, Type as T } from "@sinclair/typebox";

export const Alert = T.Object({
  sid: T.String({ pattern: "^NO[0-9a-f]{32}$" }),
  at: T.Integer({ description: "epoch ms" }),
  accountSid: T.String({ pattern: "^AC[0-9a-fA-F]{32}$" }),
  callSid: T.Union([T.String(), T.Null()]),
  siprecSid: T.Union([T.String(), T.Null()]),
  level: T.Union([T.Literal("error"), T.Literal("warning")]),
  code: T.Integer({ description: "Twilio's number" }),
  message: T.String(),
});
export type Alert = Static<typeof Alert>;
