// A call's verbs on NATS, siprec.v1.call.<CallSid>.<verb>, as its owner answers them; and the REST
// backend, which asks them of whoever the owner is (ARCHITECTURE, "Finding a call").
import { OUTBOX_BUSY } from "../../actors/call-record.ts";
import { findSession, holdsSlots, refusalOf } from "../../actors/slots.ts";
import type { RelationEvent } from "../../actors/ports.ts";
import type { SiprecStart } from "../../protocol/twiml/document.ts";
import { EdgeError, ERRORS, type ErrorName } from "../../schemas/error.ts";
import type {
  CallRecord, FetchRequest, StartRequest, StopRequest,
} from "../../schemas/call.ts";
import type { MediaFact } from "../../schemas/media.ts";
import type { Clock } from "../runtime/types.ts";
import type { CallHost } from "./call-host.ts";
import { type PrepareOptions, siprecOrder } from "./prepare.ts";

export interface CallServiceOptions {
  host: CallHost;
  prepare: PrepareOptions;
  clock: Clock;
  /** Resolves when the call's state is stored. */
  stored(callSid: string): Promise<void>;
}

export interface SessionAnswer {
  record: CallRecord;
  siprecSid: string;
}

/** What the owner of a call does for those who ask on its subject. Throws EdgeError. */
export class CallService {
  readonly #options: CallServiceOptions;

  constructor(options: CallServiceOptions) {
    this.#options = options;
  }

  fetch(callSid: string, request: FetchRequest): CallRecord {
    return this.#recordOf(callSid, request.accountSid);
  }

  async start(callSid: string, request: StartRequest): Promise<SessionAnswer> {
    const { host, prepare, clock } = this.#options;
    const record = this.#recordOf(callSid, request.accountSid);
    if (record.call.status !== "in-progress") {
      throw new EdgeError("INVALID_CALL_STATE", "Call is not in-progress.");
    }
    if (record.outbox.length >= OUTBOX_BUSY) {
      throw new EdgeError("TOO_MANY_REQUESTS", "Too many status callbacks of the call wait");
    }
    const order = siprecOrder(prepare, request.accountSid, request);
    if (order.fault !== null) throw faultError(order.fault.code, order.fault.message);
    // Between this look and the event nothing else can happen: both are of one turn.
    const refusal = refusalOf(host.snapshot(callSid)?.context.sessions ?? [], request);
    if (refusal !== null) throw new EdgeError(refusal, refusalText(refusal, request.name));
    host.send(callSid, { type: "siprec.start", order, at: clock.wallMs() });
    return this.#answer(callSid, order.siprecSid);
  }

  async stop(callSid: string, request: StopRequest): Promise<SessionAnswer> {
    const { host, clock } = this.#options;
    const record = this.#recordOf(callSid, request.accountSid);
    const session = findSession(record.siprecs, request.candidates);
    if (session === null) throw new EdgeError("NOT_FOUND");
    if (holdsSlots(session)) {
      host.send(callSid, { type: "siprec.stop", siprecSid: session.sid, at: clock.wallMs() });
    }
    return this.#answer(callSid, session.sid);
  }

  media(callSid: string, fact: MediaFact): void {
    this.#options.host.send(callSid, fact);
  }

  relation(callSid: string, event: RelationEvent): void {
    this.#options.host.send(callSid, event);
  }

  #recordOf(callSid: string, accountSid: string): CallRecord {
    const record = this.#options.host.record(callSid);
    // Another account's call is as if it were not there.
    if (record === null || record.call.accountSid !== accountSid) throw new EdgeError("NOT_FOUND");
    return record;
  }

  /** Creation and stop are answered when they are stored. */
  async #answer(callSid: string, siprecSid: string): Promise<SessionAnswer> {
    await this.#options.stored(callSid);
    const record = this.#options.host.record(callSid);
    if (record === null) throw new EdgeError("NOT_FOUND");
    return { record, siprecSid };
  }
}

function faultError(code: number, message: string): EdgeError {
  const names: ErrorName[] = [
    "TRACK_INVALID", "CONNECTOR_UNKNOWN", "CONNECTOR_INVALID", "INVALID_PARAMETER",
  ];
  return new EdgeError(names.find((name) => ERRORS[name].code === code) ?? "INTERNAL", message);
}

const refusalText = (refusal: ErrorName, name: string | null): string =>
  refusal === "CONFLICT" ? `A SIPREC session named ${JSON.stringify(name)} is already on this call`
    : ERRORS[refusal].message;

/** How the backend asks: the adapter over NATS, and the records of the edge. */
export interface CallQuestions {
  fetch(callSid: string, request: FetchRequest): Promise<CallRecord | null>;
  start(callSid: string, request: StartRequest): Promise<SessionAnswer | null>;
  stop(callSid: string, request: StopRequest): Promise<SessionAnswer | null>;
  /** The stored record; for calls whose owner is gone. */
  stored(callSid: string): Promise<CallRecord | null>;
}

/** `null` of a question means that nobody owns the call: its record says whether it ended. */
export class CallsOverNats {
  readonly #ask: CallQuestions;

  constructor(ask: CallQuestions) {
    this.#ask = ask;
  }

  async fetchCall(accountSid: string, callSid: string) {
    const live = await this.#ask.fetch(callSid, { accountSid });
    const record = live ?? await this.#stored(accountSid, callSid);
    return record.call;
  }

  async startSiprec(accountSid: string, callSid: string, input: SiprecStart) {
    const answer = await this.#ask.start(callSid, startRequest(accountSid, input));
    if (answer !== null) return sessionOf(answer);
    await this.#stored(accountSid, callSid);
    throw new EdgeError("INVALID_CALL_STATE", "Call is not in-progress.");
  }

  async stopSiprec(accountSid: string, callSid: string, candidates: string[]) {
    const answer = await this.#ask.stop(callSid, { accountSid, candidates });
    if (answer !== null) return sessionOf(answer);
    const record = await this.#stored(accountSid, callSid);
    const session = findSession(record.siprecs, candidates);
    if (session === null) throw new EdgeError("NOT_FOUND");
    return session;
  }

  async #stored(accountSid: string, callSid: string): Promise<CallRecord> {
    const record = await this.#ask.stored(callSid);
    if (record === null || record.call.accountSid !== accountSid) throw new EdgeError("NOT_FOUND");
    return record;
  }
}

function startRequest(accountSid: string, input: SiprecStart): StartRequest {
  const track = input.track ?? "both_tracks";
  if (track !== "inbound_track" && track !== "outbound_track" && track !== "both_tracks") {
    throw new EdgeError("TRACK_INVALID");
  }
  return {
    accountSid,
    name: input.name,
    connectorName: input.connectorName,
    track,
    statusCallback: input.statusCallback,
    statusCallbackMethod: input.statusCallbackMethod ?? "POST",
    parameters: input.parameters,
  };
}

function sessionOf({ record, siprecSid }: SessionAnswer) {
  const session = record.siprecs.find(({ sid }) => sid === siprecSid);
  if (session === undefined) throw new EdgeError("NOT_FOUND");
  return session;
}
