// The `document` port: asks the app's server for TwiML; a document that can't be had or read
// becomes a result with Twilio's number, never a rejection.
import { fromPromise } from "xstate";
import type { DocumentRequest } from "../../actors/ports.ts";
import { parseTwiml } from "../../protocol/twiml/parse.ts";
import type { TwimlResult } from "../../protocol/twiml/document.ts";
import type { Clock } from "../runtime/types.ts";

/** What is asked of the webhook client. */
export interface DocumentFetcher {
  fetchDocument(
    request: {
      url: string; method: "GET" | "POST"; params: Record<string, string>; authToken: string;
    },
    signal?: AbortSignal,
  ): Promise<{ ok: true; body: string } | { ok: false; code: number; message: string }>;
}

export interface DocumentPortOptions {
  clock: Clock;
  fetcher: DocumentFetcher;
  /** The primary token of an account; null when it is not configured any more. */
  authToken(accountSid: string): string | null;
}

export const documentOf = (options: DocumentPortOptions) =>
  fromPromise<{ result: TwimlResult; at: number }, DocumentRequest>(async ({ input, signal }) => {
    const { url, method, params } = input;
    const authToken = options.authToken(input.accountSid) ?? "";
    const fetched = await options.fetcher.fetchDocument({ url, method, params, authToken }, signal);
    const result: TwimlResult = fetched.ok ? parseTwiml(fetched.body)
      : { ok: false, code: fetched.code, message: fetched.message };
    return { result, at: options.clock.wallMs() };
  });
