// What the REST resources ask of the rest of the edge. Dates are epoch milliseconds, null: not yet.
import type { SiprecStart } from "../../protocol/twiml/document.ts";

/** Twilio's words of a call's status. */
export type CallStatus =
  | "queued" | "ringing" | "in-progress" | "completed" | "busy" | "failed" | "no-answer"
  | "canceled";

export type CallDirection = "inbound" | "outbound-api" | "outbound-dial";

export interface CallResource {
  sid: string;
  accountSid: string;
  parentCallSid: string | null;
  to: string;
  from: string;
  status: CallStatus;
  direction: CallDirection;
  createdAt: number;
  updatedAt: number;
  /** When it was answered. */
  startAt: number | null;
  endAt: number | null;
  callerName: string | null;
}

export interface SiprecResource {
  sid: string;
  accountSid: string;
  callSid: string;
  name: string | null;
  status: "in-progress" | "stopped";
  updatedAt: number;
}

/** Every method may reject with an EdgeError: NOT_FOUND, CONFLICT, SLOTS_FULL, UNAVAILABLE, … */
export interface CallsBackend {
  fetchCall(accountSid: string, callSid: string): Promise<CallResource>;
  startSiprec(accountSid: string, callSid: string, input: SiprecStart): Promise<SiprecResource>;
  /**
   * `sidOrName` are the readings of one path segment, best first: each is looked up as a SID and
   * then as a name, before the next one is tried.
   */
  stopSiprec(accountSid: string, callSid: string, sidOrName: string[]): Promise<SiprecResource>;
}
