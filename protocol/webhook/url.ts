// The URL of a webhook: what of it is sent, what is signed, and what the fragment says of retries.
import type { HttpMethod } from "../twiml/document.ts";
import { type Overrides, parseOverrides } from "./overrides.ts";

/** Form fields by name; order is kept on the wire, and does not matter to the signature. */
export type WebhookParams = Readonly<Record<string, string>>;

export interface WebhookUrl {
  /** Without user, password and fragment; the query as the app wrote it. */
  url: URL;
  /** From the URL's userinfo, percent-decoded: sent as HTTP Basic. */
  credentials: { user: string; password: string } | null;
  overrides: Overrides;
}

export type WebhookUrlResult =
  | { ok: true; target: WebhookUrl }
  | { ok: false; code: number; reason: string };

export const URL_MAX_CHARS = 4096;
const BAD_URL = 11100;

/** An absolute http or https URL; anything else is refused with 11100, a bad rp with 11243. */
export function parseWebhookUrl(text: string): WebhookUrlResult {
  const bad = (reason: string): WebhookUrlResult => ({ ok: false, code: BAD_URL, reason });
  if (text.length > URL_MAX_CHARS) return bad(`the URL is longer than ${URL_MAX_CHARS} characters`);
  if (!/^https?:\/\//i.test(text)) return bad("expected an absolute http:// or https:// URL");
  const url = URL.parse(text);
  if (url === null || url.hostname === "") return bad("the URL has no valid host");
  const overrides = parseOverrides(url.hash);
  if (!overrides.ok) return { ok: false, code: overrides.code, reason: overrides.reason };
  const user = decode(url.username);
  const password = decode(url.password);
  if (user === null || password === null) return bad("the URL's user or password is not valid");
  url.username = "";
  url.password = "";
  url.hash = "";
  const credentials = user === "" && password === "" ? null : { user, password };
  return { ok: true, target: { url, credentials, overrides: overrides.overrides } };
}

export const isWebhookUrl = (text: string): boolean => parseWebhookUrl(text).ok;

/** What the request line asks for: a GET carries its parameters after the app's own query. */
export function requestUrl(url: URL, method: HttpMethod, params: WebhookParams): string {
  const added = method === "GET" ? encodeForm(params) : "";
  if (added === "") return url.href;
  // An app's own query is never re-ordered or re-encoded: the signature covers it as written.
  return url.href + (url.search === "" ? (url.href.endsWith("?") ? "" : "?") : "&") + added;
}

/** Percent-encoding with %20 for a space: a validator that rebuilds the URL accepts only that. */
export const encodeForm = (params: WebhookParams): string =>
  Object.entries(params).map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");

// A lone surrogate would make encodeURIComponent throw.
const encode = (text: string): string => encodeURIComponent(text.toWellFormed());

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // The caller says so in words.
  }
}

/** What a redirect changes of a request. */
export interface NextHop {
  url: URL;
  method: HttpMethod;
  params: WebhookParams;
  credentials: WebhookUrl["credentials"];
}

export type NextHopResult = { ok: true; hop: NextHop } | { ok: false; reason: string };

/**
 * RFC 9110 §15.4: 307 and 308 repeat the request, the others turn it into a GET of the location as
 * it stands. Credentials stay within their origin; those of the new URL go before.
 */
export function nextHop(from: NextHop, status: number, location: string): NextHopResult {
  const absolute = URL.parse(location, from.url.href);
  if (absolute === null) return { ok: false, reason: "location is not a URL" };
  absolute.hash = "";
  const parsed = parseWebhookUrl(absolute.href);
  if (!parsed.ok) return parsed;
  const { url, credentials } = parsed.target;
  const kept = url.origin === from.url.origin ? from.credentials : null;
  const repeats = from.method === "POST" && (status === 307 || status === 308);
  return {
    ok: true,
    hop: {
      url,
      method: repeats ? "POST" : "GET",
      params: repeats ? from.params : {},
      credentials: credentials ?? kept,
    },
  };
}
