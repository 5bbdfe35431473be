// Cookies of a call (RFC 6265) as plain data: what an app sets with one document, the next request
// brings back.

export interface Cookie {
  name: string;
  value: string;
  /** Lower case, without a leading dot. */
  domain: string;
  /** Only that host, not those below it: the cookie had no Domain attribute. */
  hostOnly: boolean;
  path: string;
  secure: boolean;
  /** Epoch ms; null: as long as the call. */
  expiresAt: number | null;
}

export const COOKIES_MAX = 50;
export const COOKIE_MAX_CHARS = 4096;

/** The cookies after a response to `url` set these. */
export function storeCookies(
  cookies: readonly Cookie[], url: URL, setCookies: readonly string[], nowMs: number,
): Cookie[] {
  let kept = [...cookies];
  for (const header of setCookies) {
    const cookie = parseSetCookie(header, url, nowMs);
    if (cookie === null) continue;
    kept = kept.filter((other) => !isSame(other, cookie));
    if (!isExpired(cookie, nowMs)) kept.push(cookie);
  }
  return kept.filter((cookie) => !isExpired(cookie, nowMs)).slice(-COOKIES_MAX);
}

/** The value of the Cookie header for a request to `url`, null when there is none to send. */
export function cookieHeader(cookies: readonly Cookie[], url: URL, nowMs: number): string | null {
  const sent = cookies
    .filter((cookie) => !isExpired(cookie, nowMs) && applies(cookie, url))
    // RFC 6265 §5.4: longer paths first.
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ name, value }) => `${name}=${value}`);
  return sent.length === 0 ? null : sent.join("; ");
}

function parseSetCookie(header: string, url: URL, nowMs: number): Cookie | null {
  // A control character would end the header line that the cookie is sent back in.
  if (header.length > COOKIE_MAX_CHARS || /[\x00-\x08\x0a-\x1f\x7f]/.test(header)) return null;
  const [pair = "", ...attributes] = header.split(";");
  const [name, value] = splitPair(pair);
  if (name === "") return null;
  const given = new Map(attributes.map(splitPair).map(([key, v]) => [key.toLowerCase(), v]));
  const host = url.hostname.toLowerCase();
  const domain = (given.get("domain") ?? "").replace(/^\./, "").toLowerCase();
  if (domain !== "" && !isWithin(host, domain)) return null;
  const path = given.get("path") ?? "";
  return {
    name, value,
    domain: domain === "" ? host : domain,
    hostOnly: domain === "" || domain === host && !host.includes("."),
    path: path.startsWith("/") ? path : defaultPath(url),
    secure: given.has("secure"),
    expiresAt: expiry(given, nowMs),
  };
}

function splitPair(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 0) return [text.trim(), ""];
  return [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
}

/** RFC 6265 §5.3 step 3: Max-Age goes before Expires. */
function expiry(given: ReadonlyMap<string, string>, nowMs: number): number | null {
  const maxAge = given.get("max-age");
  if (maxAge !== undefined && /^-?\d{1,10}$/.test(maxAge)) return nowMs + Number(maxAge) * 1000;
  const expires = Date.parse(given.get("expires") ?? "");
  return Number.isNaN(expires) ? null : expires;
}

/** RFC 6265 §5.1.4. */
function defaultPath(url: URL): string {
  const end = url.pathname.lastIndexOf("/");
  return end <= 0 ? "/" : url.pathname.slice(0, end);
}

const isExpired = (cookie: Cookie, nowMs: number): boolean =>
  cookie.expiresAt !== null && cookie.expiresAt <= nowMs;

const isSame = (a: Cookie, b: Cookie): boolean =>
  a.name === b.name && a.domain === b.domain && a.path === b.path;

/** A domain without a dot (a top-level one, "localhost") covers only itself; so does an address. */
const isWithin = (host: string, domain: string): boolean =>
  host === domain ||
  (domain.includes(".") && host.endsWith(`.${domain}`) && !/^[\d.]+$|^\[/.test(host));

function applies(cookie: Cookie, url: URL): boolean {
  const host = url.hostname.toLowerCase();
  if (cookie.secure && url.protocol !== "https:") return false;
  if (cookie.hostOnly ? host !== cookie.domain : !isWithin(host, cookie.domain)) return false;
  const folder = cookie.path.endsWith("/") ? cookie.path : `${cookie.path}/`;
  return url.pathname === cookie.path || url.pathname.startsWith(folder);
}
