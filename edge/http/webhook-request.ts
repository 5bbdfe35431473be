// The bytes of one webhook request: request line, headers with the signature, form body.
import type { HttpMethod } from "../../protocol/twiml/document.ts";
import { signature } from "../../protocol/webhook/signature.ts";
import { encodeForm, requestUrl, type WebhookParams } from "../../protocol/webhook/url.ts";

/** One request of an attempt: the first one, or what a redirect made of it. */
export interface Hop {
  url: URL;
  method: HttpMethod;
  params: WebhookParams;
  credentials: { user: string; password: string } | null;
  authToken: string;
  /** Of a status callback; null for a document. */
  idempotencyToken: string | null;
}

export const USER_AGENT = "TwilioProxy/1.1";

/** `url` is the one that was asked for, a GET's parameters in it. */
export function requestBytes(hop: Hop, cookie: string | null): { bytes: Uint8Array; url: string } {
  const { method, params, credentials, authToken, idempotencyToken } = hop;
  const url = requestUrl(hop.url, method, params);
  const target = url.slice(hop.url.origin.length);
  const body = method === "POST" ? encodeForm(params) : "";
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: ${hop.url.host}`,
    `User-Agent: ${USER_AGENT}`,
    "Accept: */*",
    "Connection: close",
    `X-Twilio-Signature: ${signature(authToken, url, method === "POST" ? params : null)}`,
  ];
  if (method === "POST") {
    lines.push("Content-Type: application/x-www-form-urlencoded; charset=UTF-8");
    lines.push(`Content-Length: ${body.length}`);
  }
  if (credentials !== null) {
    const pair = Buffer.from(`${credentials.user}:${credentials.password}`, "utf8");
    lines.push(`Authorization: Basic ${pair.toString("base64")}`);
  }
  if (cookie !== null) lines.push(`Cookie: ${cookie}`);
  if (idempotencyToken !== null) lines.push(`I-Twilio-Idempotency-Token: ${idempotencyToken}`);
  // A form and a URL are ASCII; a cookie is sent back as the bytes that came, read as Latin-1.
  return { bytes: Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1"), url };
}
