// A call's subject on NATS: what its owner serves there, and how others ask.
import { type Static, Type as T } from "@sinclair/typebox";
import type { RelationEvent } from "../../actors/ports.ts";
import { CallRecord, FetchRequest, StartRequest, StopRequest } from "../../schemas/call.ts";
import { MediaFact } from "../../schemas/media.ts";
import { RelationRequest } from "../../schemas/relation.ts";
import type { CallQuestions, CallService } from "../ports/call-service.ts";
import type { NatsLink } from "../nats/connect.ts";
import {
  request, requestPatiently, route, rpcError, type Served, type ServeOptions, serveVerbs,
} from "../nats/rpc.ts";
import { callPrefix, callSubject } from "../nats/subjects.ts";
import type { Store } from "../nats/store.ts";
import type { Clock } from "../runtime/types.ts";

const SessionReply = T.Object({ record: CallRecord, siprecSid: T.String() });
const Done = T.Object({ ok: T.Literal(true) });
/** A new subscription takes a moment to spread; an owner may be away for one. */
const PATIENCE_MS = 2_000;
const TELL_PATIENCE_MS = 5_000;

/** One subscription a call, for all its verbs. */
export function serveCall(
  link: NatsLink, service: CallService, callSid: string, options: ServeOptions,
): Served {
  return serveVerbs(link, callPrefix(callSid), {
    fetch: route(FetchRequest, (payload) => service.fetch(callSid, payload)),
    start: route(StartRequest, (payload) => service.start(callSid, payload)),
    stop: route(StopRequest, (payload) => service.stop(callSid, payload)),
    media: route(MediaFact, (payload): Static<typeof Done> => {
      service.media(callSid, payload);
      return { ok: true };
    }),
    tell: route(RelationRequest, (payload): Static<typeof Done> => {
      service.relation(callSid, payload);
      return { ok: true };
    }),
  }, options);
}

/** Asks the owner; null when the call has none and its record tells that it is over. */
export function callQuestions(link: NatsLink, clock: Clock, store: Store): CallQuestions {
  const stored = (callSid: string) => store.records.read(callSid, CallRecord);
  const ask = async <Schema extends typeof CallRecord | typeof SessionReply>(
    callSid: string, verb: string, reply: Schema, payload: unknown,
  ): Promise<Static<Schema> | null> => {
    const subject = callSubject(callSid, verb);
    const first = await request(link, subject, reply, payload);
    if (first.ok) return first.value;
    if (first.reason !== "no-responders") throw rpcError(first);
    const record = await stored(callSid);
    if (record === null || record.call.endAt !== null) return null;
    const again = await requestPatiently(link, clock, subject, reply, payload, {
      patienceMs: PATIENCE_MS,
    });
    if (again.ok) return again.value;
    throw rpcError(again);
  };
  return {
    fetch: (callSid, payload) => ask(callSid, "fetch", CallRecord, payload),
    start: (callSid, payload) => ask(callSid, "start", SessionReply, payload),
    stop: (callSid, payload) => ask(callSid, "stop", SessionReply, payload),
    stored,
  };
}

/** To a call whose owner is not this process. */
export const tellElsewhere = (
  link: NatsLink, clock: Clock, callSid: string, event: RelationEvent,
): Promise<unknown> =>
  requestPatiently(link, clock, callSubject(callSid, "tell"), Done, event, {
    patienceMs: TELL_PATIENCE_MS,
  });
