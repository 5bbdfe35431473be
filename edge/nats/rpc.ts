// Requests and answers over NATS as JSON, checked against their schema on receipt. Failures are
// values; an error of the other side comes in the headers of the NATS micro protocol.
import type { Static, TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { headers, type Msg, NoRespondersError, type Subscription, TimeoutError }
  from "@nats-io/transport-node";
import { EdgeError, type ErrorName, ERRORS } from "../../schemas/error.ts";
import type { Clock } from "../runtime/types.ts";
import type { NatsLink } from "./connect.ts";

export const REQUEST_TIMEOUT_MS = 1_000;
export const PAYLOAD_MAX_BYTES = 1_000_000;
const ERROR_HEADER = "Nats-Service-Error";
const ERROR_CODE_HEADER = "Nats-Service-Error-Code";
const PATIENCE_STEP_MS = 100;

export type RpcFailure =
  /** Nobody is subscribed; a new subscription takes a moment to spread: ask again first. */
  | "no-responders"
  | "timeout"
  /** Our server is away: nothing was sent. */
  | "disconnected"
  /** The answer is no JSON or does not fit its schema. */
  | "invalid-reply"
  /** The other side refused or failed: `code` and `message` are its own. */
  | "error";

export type RpcResult<Value> =
  | { ok: true; value: Value }
  | { ok: false; reason: RpcFailure; code: number; message: string };

export interface RequestOptions {
  timeoutMs?: number;
}

const failed = (reason: RpcFailure, message: string, code = 503): RpcResult<never> =>
  ({ ok: false, reason, code, message });

/** Asks once. Never rejects. */
export async function request<Schema extends TSchema>(
  link: NatsLink, subject: string, reply: Schema, payload: unknown, options: RequestOptions = {},
): Promise<RpcResult<Static<Schema>>> {
  if (!link.isConnected()) return failed("disconnected", "NATS is away");
  let msg: Msg;
  try {
    const timeout = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    msg = await link.nc.request(subject, JSON.stringify(payload), { timeout });
  } catch (error) {
    return requestFailure(error);
  }
  const message = msg.headers?.get(ERROR_HEADER) ?? "";
  if (message !== "") {
    return failed("error", message, Number(msg.headers?.get(ERROR_CODE_HEADER)) || 500);
  }
  const parsed = parsePayload(reply, msg.data);
  return parsed.ok ? parsed : failed("invalid-reply", parsed.message, 500);
}

/** Asks again while there is no responder or no answer, for `patienceMs` in all. */
export async function requestPatiently<Schema extends TSchema>(
  link: NatsLink, clock: Clock, subject: string, reply: Schema, payload: unknown,
  options: RequestOptions & { patienceMs: number },
): Promise<RpcResult<Static<Schema>>> {
  const endsAt = clock.monotonicMs() + options.patienceMs;
  for (;;) {
    const result = await request(link, subject, reply, payload, options);
    const final = result.ok || result.reason === "error" || result.reason === "invalid-reply";
    if (final || clock.monotonicMs() + PATIENCE_STEP_MS > endsAt) return result;
    await new Promise<void>((resolve) => void clock.after(PATIENCE_STEP_MS, resolve));
  }
}

function requestFailure(error: unknown): RpcResult<never> {
  const cause = error instanceof Error ? error.cause : undefined;
  if (error instanceof NoRespondersError || cause instanceof NoRespondersError) {
    return failed("no-responders", "nobody answers for this subject");
  }
  if (error instanceof TimeoutError || cause instanceof TimeoutError) {
    return failed("timeout", "no answer in time");
  }
  return failed("disconnected", error instanceof Error ? error.message : String(error));
}

/** A failure as an error of ours: the other side's own where it named one. */
export function rpcError(result: { reason: RpcFailure; code: number; message: string }): EdgeError {
  const named = ERROR_NAMES.get(result.code);
  if (result.reason === "error" && named !== undefined) return new EdgeError(named, result.message);
  return new EdgeError(result.reason === "error" ? "INTERNAL" : "UNAVAILABLE", result.message);
}

const ERROR_NAMES = new Map<number, ErrorName>(
  // The keys of the table are its names: Object.entries forgets that.
  Object.entries(ERRORS).map(([name, row]) => [row.code, name as ErrorName]));

/** What a served subject takes, and what answers it. Made by `route`, so that types agree. */
export interface Route {
  readonly input: TSchema;
  /** `payload` has been checked against `input`. */
  readonly answer: (payload: unknown, subject: string) => unknown;
}

/** `answer` may be asynchronous; what it throws (an EdgeError with its code) becomes the reply. */
export const route = <Schema extends TSchema>(
  input: Schema, answer: (payload: Static<Schema>, subject: string) => unknown,
): Route => ({
  input,
  // `serve` calls it only with a payload that has passed the check of `input`.
  answer: (payload, subject) => answer(payload as Static<Schema>, subject),
});

/** Counts of one endpoint, as the NATS micro protocol reports them. */
export interface EndpointStats {
  requests: number;
  errors: number;
  lastError: string;
  processingNs: number;
}

export interface ServeOptions {
  /** Of several that serve the subject with the same group, one gets each request. */
  queue?: string;
  stats?: EndpointStats;
  /** Milliseconds for the statistics; without it no times are counted. */
  monotonicMs?: () => number;
}

export interface Served {
  readonly subject: string;
  /** Takes no new request; those being answered are still answered. */
  stop(): void;
}

/** Serves one subject. Requests are answered as they come, not one after the other. */
export function serve(
  link: NatsLink, subject: string, served: Route, options: ServeOptions = {},
): Served {
  return serveMessages(link, subject, () => served, options);
}

/** Serves `<prefix>.<verb>` for each verb with one subscription; other verbs are answered 404. */
export function serveVerbs(
  link: NatsLink, prefix: string, verbs: Readonly<Record<string, Route>>,
  options: ServeOptions = {},
): Served {
  const table = new Map(Object.entries(verbs));
  const find = (subject: string) => table.get(subject.slice(prefix.length + 1)) ?? null;
  return serveMessages(link, `${prefix}.>`, find, options);
}

function serveMessages(
  link: NatsLink, subject: string, find: (subject: string) => Route | null,
  options: ServeOptions,
): Served {
  const callback = (error: Error | null, msg: Msg): void => {
    // A permission error ends the subscription: the connection's status reports it.
    if (error === null) void answerMessage(msg, find(msg.subject), options);
  };
  const queue = options.queue;
  const sub: Subscription = link.nc.subscribe(subject,
    queue === undefined ? { callback } : { callback, queue });
  return { subject, stop: () => sub.unsubscribe() };
}

async function answerMessage(msg: Msg, found: Route | null, options: ServeOptions): Promise<void> {
  const { stats, monotonicMs } = options;
  const startedAt = monotonicMs?.() ?? 0;
  const failure = await replyTo(msg, found);
  if (stats === undefined) return;
  stats.requests += 1;
  stats.processingNs += Math.round(((monotonicMs?.() ?? 0) - startedAt) * 1e6);
  if (failure !== null) {
    stats.errors += 1;
    stats.lastError = `${failure.code}:${failure.message}`;
  }
}

async function replyTo(msg: Msg, found: Route | null): Promise<Failure | null> {
  if (found === null) return refuse(msg, { code: 404, message: "no such verb" });
  const parsed = parsePayload(found.input, msg.data);
  if (!parsed.ok) return refuse(msg, { code: 400, message: parsed.message });
  try {
    const value = await found.answer(parsed.value, msg.subject);
    msg.respond(JSON.stringify(value ?? null));
    return null;
  } catch (error) {
    return refuse(msg, failureOf(error));
  }
}

interface Failure {
  code: number;
  message: string;
}

// The number is Twilio's where the error is one of ours, so that it crosses edges unchanged.
function failureOf(error: unknown): Failure {
  if (error instanceof EdgeError) return { code: ERRORS[error.error].code, message: error.message };
  return { code: 500, message: error instanceof Error ? error.message : String(error) };
}

function refuse(msg: Msg, failure: Failure): Failure {
  const fields = headers();
  fields.set(ERROR_CODE_HEADER, String(failure.code));
  // A header value is one line.
  fields.set(ERROR_HEADER, failure.message.replace(/[\r\n]+/g, " ") || "failed");
  try {
    msg.respond("", { headers: fields });
  } catch {
    // The connection is closed: there is nobody to tell.
  }
  return failure;
}

/** Publishes; false when it was dropped because our server is away. */
export function publish(link: NatsLink, subject: string, payload: unknown): boolean {
  if (!link.isConnected()) return false;
  link.nc.publish(subject, JSON.stringify(payload));
  return true;
}

/** Hears publications; what does not fit the schema is given to `onInvalid`, if there is one. */
export function listen<Schema extends TSchema>(
  link: NatsLink, subject: string, schema: Schema,
  heard: (payload: Static<Schema>, subject: string) => void,
  onInvalid?: (message: string, subject: string) => void,
): Served {
  const sub = link.nc.subscribe(subject, {
    callback: (error, msg) => {
      if (error !== null) return;
      const parsed = parsePayload(schema, msg.data);
      if (parsed.ok) heard(parsed.value, msg.subject);
      else onInvalid?.(parsed.message, msg.subject);
    },
  });
  return { subject, stop: () => sub.unsubscribe() };
}

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** JSON bytes, checked. The message names the place and never the value. */
export function parsePayload<Schema extends TSchema>(
  schema: Schema, bytes: Uint8Array,
): { ok: true; value: Static<Schema> } | { ok: false; message: string } {
  if (bytes.length > PAYLOAD_MAX_BYTES) return { ok: false, message: "the payload is too large" };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return { ok: false, message: "the payload is not JSON" };
  }
  const check = compiled.get(schema) ?? TypeCompiler.Compile(schema);
  compiled.set(schema, check);
  // The check has just established the type.
  if (check.Check(value)) return { ok: true, value: value as Static<Schema> };
  const first = check.Errors(value).First();
  return { ok: false, message: `${first?.path || "the payload"}: ${first?.message ?? "invalid"}` };
}
