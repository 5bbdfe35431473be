// Requests to an app's server: TwiML documents and status callbacks, signed as Twilio signs them.
import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { HttpMethod } from "../../protocol/twiml/document.ts";
import { type Cookie, cookieHeader, storeCookies } from "../../protocol/webhook/cookie.ts";
import type { RetryPolicy } from "../../protocol/webhook/overrides.ts";
import type { HttpResponse } from "../../protocol/webhook/response.ts";
import {
  nextHop, parseWebhookUrl, type WebhookParams, type WebhookUrl,
} from "../../protocol/webhook/url.ts";
import { ERRORS, type ErrorName } from "../../schemas/error.ts";
import { exchange, type ExchangeFailure } from "../runtime/http-exchange.ts";
import type { Clock, Log } from "../runtime/types.ts";
import { documentOf } from "./document-body.ts";
import { isPrivateAddress } from "./private-address.ts";
import { type Hop, requestBytes } from "./webhook-request.ts";

export interface DocumentRequest {
  url: string;
  method: HttpMethod;
  params: WebhookParams;
  authToken: string;
  /** The call's cookies: plain data, kept by the caller from one request to the next. */
  cookies?: readonly Cookie[];
}

export type DocumentResult =
  | { ok: true; body: string; url: string; contentType: string; cookies: Cookie[] }
  | { ok: false; error: ErrorName; code: number; message: string; cookies: Cookie[] };

export interface CallbackRequest {
  url: string;
  method: HttpMethod;
  params: WebhookParams;
  authToken: string;
  /** The same on each attempt to deliver one event. */
  idempotencyToken: string;
}

export type CallbackResult =
  | { ok: true; status: number }
  | {
    ok: false;
    /** "invalid": it was never sent, and never will be: a bad URL, or an address not allowed. */
    kind: "connect" | "timeout" | "status" | "invalid";
    error: ErrorName;
    code: number;
    message: string;
    /** Whether a later attempt is in order: never when the URL's fragment had a rule of its own. */
    mayRetry: boolean;
  };

export interface WebhookClient {
  /** 15 s in all, 64 kB, 10 redirects; one more attempt when no connection came about. */
  fetchDocument(request: DocumentRequest, signal?: AbortSignal): Promise<DocumentResult>;
  /** One attempt, or as many as the URL's fragment says; the outbox repeats what may be retried. */
  deliverCallback(request: CallbackRequest, signal?: AbortSignal): Promise<CallbackResult>;
}

export interface WebhookClientOptions {
  clock: Clock;
  log: Log;
  /** false: private, loopback and other special addresses are refused, after the name's look-up. */
  allowPrivate: boolean;
  /** PEM: certificates trusted instead of the system's. */
  ca?: string;
  /** Addresses of a host name; rejects when it has none. */
  lookup?: (host: string) => Promise<string[]>;
  /** Which addresses `allowPrivate: false` refuses. */
  isPrivate?: (address: string) => boolean;
}

export const DOCUMENT_MAX_BYTES = 65_536;
export const REDIRECTS_MAX = 10;

interface Attempt {
  target: WebhookUrl;
  method: HttpMethod;
  params: WebhookParams;
  authToken: string;
  idempotencyToken: string | null;
  wantsBody: boolean;
  cookies: Cookie[];
  /** Monotonic: over all attempts, redirects and look-ups. */
  deadlineMs: number;
  signal: AbortSignal | undefined;
}

type Outcome =
  | { ok: true; response: HttpResponse; url: string }
  | { ok: false; error: ErrorName; policy: RetryPolicy | null; message: string };

/** Both reject with the signal's reason when it is aborted, and with nothing else. */
export function createWebhookClient(options: WebhookClientOptions): WebhookClient {
  const client = new Client(options);
  return {
    fetchDocument: (request, signal) => client.fetchDocument(request, signal),
    deliverCallback: (request, signal) => client.deliverCallback(request, signal),
  };
}

class Client {
  readonly #options: WebhookClientOptions;
  readonly #lookup: (host: string) => Promise<string[]>;
  readonly #isPrivate: (address: string) => boolean;

  constructor(options: WebhookClientOptions) {
    this.#options = options;
    this.#isPrivate = options.isPrivate ?? isPrivateAddress;
    this.#lookup = options.lookup ?? (async (host) =>
      (await systemLookup(host, { all: true })).map(({ address }) => address));
  }

  async fetchDocument(request: DocumentRequest, signal?: AbortSignal): Promise<DocumentResult> {
    const cookies = [...request.cookies ?? []];
    const parsed = parseWebhookUrl(request.url);
    if (!parsed.ok) {
      const { code, reason: message } = parsed;
      return { ok: false, error: "HTTP_BAD_URL", code, message, cookies };
    }
    const attempt = this.#attempt(parsed.target, request, null, cookies, signal);
    const outcome = await this.#repeat(attempt, parsed.target.overrides.retryCount);
    const document = outcome.ok ? documentOf(outcome.response, outcome.url) : outcome;
    const { cookies: kept } = attempt;
    if (document.ok) return { ...document, cookies: kept };
    const { error, message } = document;
    return { ok: false, error, code: ERRORS[error].code, message, cookies: kept };
  }

  async deliverCallback(request: CallbackRequest, signal?: AbortSignal): Promise<CallbackResult> {
    const parsed = parseWebhookUrl(request.url);
    if (!parsed.ok) {
      const { code, reason: message } = parsed;
      return { ok: false, kind: "invalid", error: "HTTP_BAD_URL", code, message, mayRetry: false };
    }
    const { overrides } = parsed.target;
    const attempt = this.#attempt(parsed.target, request, request.idempotencyToken, [], signal);
    const outcome = await this.#repeat(attempt, overrides.explicit ? overrides.retryCount : 0);
    if (outcome.ok && isSuccess(outcome.response.status)) {
      return { ok: true, status: outcome.response.status };
    }
    if (outcome.ok) {
      const error = "CALLBACK_WARNING";
      const message = `The status callback was answered with ${outcome.response.status}`;
      return {
        ok: false, kind: "status", error, code: ERRORS[error].code, message, mayRetry: false,
      };
    }
    const { error, message } = outcome;
    const kind = callbackKind(error);
    const mayRetry = !overrides.explicit && (kind === "connect" || kind === "timeout");
    return { ok: false, kind, error, code: ERRORS[error].code, message, mayRetry };
  }

  #attempt(
    target: WebhookUrl, request: DocumentRequest | CallbackRequest,
    idempotencyToken: string | null, cookies: Cookie[], signal: AbortSignal | undefined,
  ): Attempt {
    const { method, params, authToken } = request;
    const deadlineMs = this.#options.clock.monotonicMs() + target.overrides.totalTimeoutMs;
    const wantsBody = idempotencyToken === null;
    return {
      target, method, params, authToken, idempotencyToken, wantsBody, cookies, deadlineMs, signal,
    };
  }

  /** As often as the rule says, within the one deadline. */
  async #repeat(attempt: Attempt, retryCount: number): Promise<Outcome> {
    const { retryPolicies } = attempt.target.overrides;
    for (let left = retryCount; ; left -= 1) {
      const outcome = await this.#follow(attempt);
      attempt.signal?.throwIfAborted();
      const policy = outcome.ok ? statusPolicy(outcome.response.status) : outcome.policy;
      const again = policy !== null && retryPolicies.includes(policy);
      if (!again || left <= 0 || this.#leftMs(attempt) <= 0) return outcome;
    }
  }

  /** One attempt with its redirects. */
  async #follow(attempt: Attempt): Promise<Outcome> {
    const { target, method, params, authToken, idempotencyToken } = attempt;
    const { url, credentials } = target;
    let hop: Hop = { url, method, params, credentials, authToken, idempotencyToken };
    for (let redirects = 0; ; redirects += 1) {
      const outcome = await this.#ask(attempt, hop);
      if (!outcome.ok) return outcome;
      const { response } = outcome;
      attempt.cookies =
        storeCookies(attempt.cookies, hop.url, response.setCookies, this.#options.clock.wallMs());
      const location = response.headers.get("location");
      if (!isRedirect(response.status) || location === undefined) return outcome;
      if (redirects === REDIRECTS_MAX) {
        return failure("HTTP_REDIRECTS", null, `More than ${REDIRECTS_MAX} redirects`);
      }
      const next = nextHop(hop, response.status, location);
      if (!next.ok) return failure("HTTP_BAD_URL", null, `The redirect's ${next.reason}`);
      hop = { ...hop, ...next.hop };
    }
  }

  /** One request and its response, at the first address that takes the connection. */
  async #ask(attempt: Attempt, hop: Hop): Promise<Outcome> {
    const addresses = await this.#addresses(attempt, hop.url);
    if (!Array.isArray(addresses)) return addresses;
    const { connectTimeoutMs, readTimeoutMs } = attempt.target.overrides;
    const cookie = cookieHeader(attempt.cookies, hop.url, this.#options.clock.wallMs());
    const { bytes, url } = requestBytes(hop, cookie);
    const where = `${hop.method} ${hop.url.origin}${hop.url.pathname}`;
    let last: Outcome = failure("HTTP_CONNECTION", "ct", `${where}: no address`);
    for (const [index, address] of addresses.entries()) {
      const totalTimeoutMs = this.#leftMs(attempt);
      if (totalTimeoutMs <= 0) return failure("HTTP_TIMEOUT", "rt", `${where}: out of time`);
      const result = await exchange({
        url: hop.url, address, request: bytes,
        limits: {
          bodyMaxBytes: DOCUMENT_MAX_BYTES,
          wantsBody: (status) => attempt.wantsBody && isSuccess(status),
        },
        // An address that swallows the connection must leave time for those after it.
        connectTimeoutMs: connectTimeoutMs / (addresses.length - index),
        readTimeoutMs, totalTimeoutMs,
        clock: this.#options.clock,
        ...(this.#options.ca === undefined ? {} : { ca: this.#options.ca }),
        ...(attempt.signal === undefined ? {} : { signal: attempt.signal }),
      });
      attempt.signal?.throwIfAborted();
      if (result.ok) {
        this.#options.log.debug("webhook.answered", { where, status: result.response.status });
        return { ok: true, response: result.response, url };
      }
      const { error, policy } = FAILURES[result.failure];
      this.#options.log.debug("webhook.failed", { where, address, error, detail: result.detail });
      last = failure(error, policy, `${where}: ${ERRORS[error].message}: ${result.detail}`);
      if (policy !== "ct") return last;
    }
    return last;
  }

  /** Where a URL's host is; judged here, and connected to as it was judged. */
  async #addresses(attempt: Attempt, url: URL): Promise<string[] | Outcome & { ok: false }> {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const found = isIP(host) === 0 ? await this.#lookUp(attempt, host) : [host];
    if (found === null) {
      return failure("HTTP_BAD_HOST", "ct", `The host name ${host} could not be looked up`);
    }
    const allowed = found.filter((address) =>
      this.#options.allowPrivate || !this.#isPrivate(address));
    if (allowed.length > 0) return allowed.slice(0, ADDRESSES_MAX);
    const message = `${host} is a private address, and webhooks.allow_private is false`;
    return failure("HTTP_BAD_URL", null, message);
  }

  /** A resolver that hangs costs no more than a connection that does. */
  async #lookUp(attempt: Attempt, host: string): Promise<string[] | null> {
    const { connectTimeoutMs } = attempt.target.overrides;
    const waitMs = Math.max(0, Math.min(connectTimeoutMs, this.#leftMs(attempt)));
    const { promise, resolve } = Promise.withResolvers<null>();
    const timer = this.#options.clock.after(waitMs, () => resolve(null));
    const found = this.#lookup(host).then((list) => (list.length > 0 ? list : null), () => null);
    const addresses = await Promise.race([found, promise]);
    timer.cancel();
    attempt.signal?.throwIfAborted();
    return addresses;
  }

  #leftMs(attempt: Attempt): number {
    return attempt.deadlineMs - this.#options.clock.monotonicMs();
  }
}

const ADDRESSES_MAX = 4;

const FAILURES: Record<ExchangeFailure, { error: ErrorName; policy: RetryPolicy | null }> = {
  "connect-timeout": { error: "HTTP_CONNECT_TIMEOUT", policy: "ct" },
  refused: { error: "HTTP_REFUSED", policy: "ct" },
  connect: { error: "HTTP_CONNECTION", policy: "ct" },
  tls: { error: "HTTP_TLS", policy: "ct" },
  "read-timeout": { error: "HTTP_TIMEOUT", policy: "rt" },
  "total-timeout": { error: "HTTP_TIMEOUT", policy: "rt" },
  dropped: { error: "HTTP_CONNECTION", policy: "rt" },
  "too-large": { error: "TWIML_TOO_LARGE", policy: null },
  malformed: { error: "HTTP_PROTOCOL", policy: null },
  // Never seen: the signal's reason is thrown instead.
  aborted: { error: "HTTP_FAILED", policy: null },
};

function callbackKind(error: ErrorName): "connect" | "timeout" | "status" | "invalid" {
  switch (error) {
    case "HTTP_BAD_URL":
      return "invalid";
    case "HTTP_TIMEOUT":
    case "HTTP_CONNECT_TIMEOUT":
      return "timeout";
    case "HTTP_REDIRECTS":
    case "HTTP_PROTOCOL":
      return "status";
    default:
      return "connect";
  }
}

const failure = (
  error: ErrorName, policy: RetryPolicy | null, message: string,
): Outcome & { ok: false } => ({ ok: false, error, policy, message });

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

function statusPolicy(status: number): RetryPolicy | null {
  if (status >= 500) return "5xx";
  return status >= 400 ? "4xx" : null;
}
