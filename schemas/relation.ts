// What a call and the calls it dialled tell each other: siprec.v1.call.<CallSid>.tell.
import { type Static, Type as T } from "@sinclair/typebox";
import { CALL_SID } from "./sid.ts";

const ChildSid = T.String({ pattern: CALL_SID });
const At = T.Integer({ minimum: 0 });

export const EndStatus = T.Union([
  T.Literal("completed"), T.Literal("busy"), T.Literal("failed"), T.Literal("no-answer"),
  T.Literal("canceled"),
]);
export type EndStatus = Static<typeof EndStatus>;

export const RelationRequest = T.Union([
  T.Object({
    type: T.Literal("child.ringing"), childSid: ChildSid, hearable: T.Boolean(), at: At,
  }),
  T.Object({ type: T.Literal("child.answered"), childSid: ChildSid, to: T.String(), at: At }),
  T.Object({ type: T.Literal("child.ended"), childSid: ChildSid, status: EndStatus, at: At }),
  T.Object({
    type: T.Literal("call.hangup"), at: At,
    reason: T.Union([
      T.Literal("parent-ended"), T.Literal("timeout"), T.Literal("drain"),
      T.Literal("media-timeout"), T.Literal("stop"),
    ]),
  }),
]);
export type RelationRequest = Static<typeof RelationRequest>;
