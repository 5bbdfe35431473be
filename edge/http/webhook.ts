// Requests to an app's server: TwiML documents and status callbacks, signed as Twilio signs them.
import type { Cookie } from "../../protocol/webhook/cookie.ts";
import type { WebhookParams } from "../../protocol/webhook/url.ts";
import type { HttpMethod } from "../../protocol/twiml/document.ts";
import type { ErrorName } from "../../schemas/error.ts";

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
    kind: "connect" | "timeout" | "status" | "refused-here";
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
