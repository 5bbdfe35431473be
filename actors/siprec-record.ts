// A session as others see it: the record that REST, callbacks and receipts are made of.
import type { SiprecRecord } from "../schemas/call.ts";
import type { SiprecContext, SiprecInput } from "./siprec-types.ts";

/** An error ends a session in all but name before its machine has left the state it was in. */
const LIVE_STATES = /^(idle|inviting\.calling|in-progress\.(recording|updating|waiting))$/;

/** Stopping shows as stopped: the slots are free as soon as BYE or CANCEL is sent. */
export const isLive = (state: string): boolean => LIVE_STATES.test(state);

export function recordOf(context: SiprecContext, state: string): SiprecRecord {
  const { order } = context;
  return {
    sid: order.siprecSid,
    callSid: context.callSid,
    accountSid: context.accountSid,
    name: order.name,
    connectorName: order.connectorName,
    track: order.track,
    status: isLive(state) && context.fault === null ? "in-progress" : "stopped",
    state,
    createdAt: context.createdAt,
    updatedAt: context.updatedAt,
    startedAt: context.startedAt,
    endedAt: context.endedAt,
    fault: context.fault,
    statusCallback: order.statusCallback,
    statusCallbackMethod: order.statusCallbackMethod,
    receipt: context.receipt,
  };
}

export const initialContext = (input: SiprecInput): SiprecContext => ({
  order: input.order,
  callSid: input.callSid,
  accountSid: input.accountSid,
  parentCallSid: input.parentCallSid,
  sipHost: input.sipHost,
  callStartAt: input.callStartAt,
  createdAt: input.at,
  updatedAt: input.at,
  parties: input.parties,
  streams: [],
  targetIndex: 0,
  ordinal: 0,
  client: null,
  abandoned: [],
  dialog: null,
  sdp: null,
  answered: [],
  answerDueAt: 0,
  inviteAt: 0,
  updating: null,
  unacked: null,
  offering: false,
  snapshotDue: false,
  startedAt: null,
  endedAt: input.order.fault === null ? null : input.at,
  fault: input.order.fault,
  byeDone: true,
  forksClosed: true,
  stopDueAt: 0,
  retryAt: 0,
  receipt: [],
});
