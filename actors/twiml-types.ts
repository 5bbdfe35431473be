// What a run of TwiML is given, and what it and its call say to each other.
import type { DialTarget, HttpMethod, TwimlWarning, Verb } from "../protocol/twiml/document.ts";
import type { SiprecOrder } from "./ports.ts";
import type { EndStatus } from "./ports.ts";

export type DocumentSource =
  | { kind: "url"; url: string; method: HttpMethod }
  | { kind: "inline"; twiml: string };

export interface TwimlInput {
  callSid: string;
  accountSid: string;
  source: DocumentSource;
  /** The standard parameters of the request. */
  params: Record<string, string>;
  at: number;
}

export interface TwimlContext {
  callSid: string;
  accountSid: string;
  source: DocumentSource;
  params: Record<string, string>;
  /** Kept once beside the snapshot (restore.ts takes it out and puts it back). */
  verbs: Verb[];
  /** Index of the verb that runs. */
  position: number;
  pauseDueAt: number;
  failure: TwimlWarning | null;
  /** When the last thing happened: the machine has no clock, each event brings its time. */
  now: number;
}

/** `failure`: there was no document that could be run. */
export interface TwimlOutput {
  failure: TwimlWarning | null;
  at: number;
}

/** From the call. */
export type TwimlFact =
  | { type: "dial.ended"; status: EndStatus; at: number };

/** To the call. */
export type TwimlTold =
  | { type: "twiml.siprec.start"; order: SiprecOrder; at: number }
  | { type: "twiml.siprec.stop"; name: string; at: number }
  | {
    type: "twiml.dial";
    target: DialTarget;
    timeoutMs: number;
    callerId: string | null;
    at: number;
  }
  | { type: "twiml.answer"; at: number }
  | { type: "twiml.alerts"; alerts: TwimlWarning[]; at: number };

export type TwimlEvent = TwimlFact | { type: "deadline"; at: number };
