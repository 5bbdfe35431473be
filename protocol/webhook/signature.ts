// X-Twilio-Signature: HMAC-SHA1 over the URL and, for a form body, its sorted fields.
import { createHmac } from "node:crypto";
import type { WebhookParams } from "./url.ts";

/**
 * `url` is the URL as requested, query included; `params` are the fields of a form body, null for
 * a GET, whose parameters are part of the URL.
 */
export function signature(authToken: string, url: string, params: WebhookParams | null): string {
  const fields = Object.entries(params ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = signedUrl(url) + fields.map(([name, value]) => name + value).join("");
  return createHmac("sha1", authToken).update(text.toWellFormed(), "utf8").digest("base64");
}

/**
 * What of a URL is signed: neither userinfo nor fragment; the port of http is kept, that of https
 * dropped; the query stays byte for byte.
 */
export function signedUrl(text: string): string {
  const bare = text.replace(/#.*$/s, "").replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1");
  const secure = bare.replace(/^(https:\/\/(?:\[[^\]]*\]|[^/?:]*)):\d*/i, "$1");
  // A validator rebuilds "https://host/" from the request: the slash is there even if unwritten.
  return secure.replace(/^([a-z]+:\/\/[^/?]*)(\?|$)/i, "$1/$2");
}
