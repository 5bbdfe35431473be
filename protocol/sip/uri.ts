// SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966). Parts stay escaped as they came; other
// schemes are kept as opaque text.

import { failure, param, parseNumber, serializeParams } from "./grammar.ts";
import type { Failure, Params } from "./grammar.ts";

export interface SipUri {
  /** Lower case: "sip", "sips", "tel", or a scheme that is opaque to us. */
  scheme: string;
  /** Escaped as on the wire (`uriUser` unescapes). For tel: the number. */
  user: string | null;
  password: string | null;
  /** IPv6 with its brackets. "" for tel; the whole opaque part for other schemes. */
  host: string;
  port: number | null;
  params: Params;
  /** What follows "?", without it; "" when there is none. */
  headers: string;
}

export type UriResult = { ok: true; uri: SipUri } | Failure;

export const PORT_MAX = 65535;

export function parseUri(text: string): UriResult {
  const colon = text.indexOf(":");
  if (colon < 1) return failure("URI without a scheme");
  const scheme = text.slice(0, colon).toLowerCase();
  if (!isScheme(scheme)) return failure("URI scheme is not a scheme");
  const bad = badUriChar(text);
  if (bad !== null) return failure(bad);
  if (scheme === "sip" || scheme === "sips") return parseSip(scheme, text, colon + 1);
  if (scheme === "tel") return parseTel(text.slice(colon + 1));
  return { ok: true, uri: { ...blank(scheme), host: text.slice(colon + 1) } };
}

const blank = (scheme: string): SipUri => (
  { scheme, user: null, password: null, host: "", port: null, params: [], headers: "" }
);

function isScheme(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const letter = code >= 0x61 && code <= 0x7a;
    const other = (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e;
    if (!letter && !(i > 0 && other)) return false;
  }
  return true;
}

/** RFC 3261 §25.1: URIs are printable ASCII without blanks, quotes and brackets; %HH is whole. */
function badUriChar(text: string): string | null {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x3c || code === 0x3e) {
      return "URI has a character that must be escaped";
    }
    if (code === 0x25 && !(isHex(text.charCodeAt(i + 1)) && isHex(text.charCodeAt(i + 2)))) {
      return "URI has a broken escape";
    }
  }
  return null;
}

function isHex(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

function parseSip(scheme: string, text: string, from: number): UriResult {
  const uri = blank(scheme);
  let at = from;
  // "@" cannot stand unescaped anywhere else, while ";" and "?" may stand in the user part.
  const ampersat = text.indexOf("@", from);
  if (ampersat >= 0) {
    const colon = text.indexOf(":", from);
    const hasPassword = colon >= 0 && colon < ampersat;
    uri.user = text.slice(from, hasPassword ? colon : ampersat);
    if (hasPassword) uri.password = text.slice(colon + 1, ampersat);
    if (uri.user === "") return failure("URI with an empty user");
    at = ampersat + 1;
  }
  const question = text.indexOf("?", at);
  if (question >= 0) uri.headers = text.slice(question + 1);
  const end = question < 0 ? text.length : question;
  if (question >= 0 && uri.headers === "") return failure("URI with empty headers");
  const semicolon = text.indexOf(";", at);
  const hostEnd = semicolon >= 0 && semicolon < end ? semicolon : end;
  const place = parseHostPort(text.slice(at, hostEnd));
  if (place === null) return failure("URI with a bad host or port");
  uri.host = place.host;
  uri.port = place.port;
  return readParams(uri, text.slice(hostEnd, end));
}

function parseTel(rest: string): UriResult {
  const semicolon = rest.indexOf(";");
  const uri = { ...blank("tel"), user: semicolon < 0 ? rest : rest.slice(0, semicolon) };
  if (!/^\+?[0-9a-fA-F*#().-]+$/.test(uri.user)) return failure("tel URI without a number");
  return readParams(uri, semicolon < 0 ? "" : rest.slice(semicolon));
}

function readParams(uri: SipUri, text: string): UriResult {
  if (text === "") return { ok: true, uri };
  for (const piece of text.slice(1).split(";")) {
    const equals = piece.indexOf("=");
    const name = equals < 0 ? piece : piece.slice(0, equals);
    if (name === "" || piece.includes("@")) return failure("URI with a bad parameter");
    uri.params.push([name, equals < 0 ? null : piece.slice(equals + 1)]);
  }
  return { ok: true, uri };
}

/** `host`, `host:port`, `[IPv6]`, `[IPv6]:port`. Host names keep their case. */
export function parseHostPort(text: string): { host: string; port: number | null } | null {
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf("]");
    const host = text.slice(0, close + 1);
    if (!/^\[[0-9a-fA-F:.]{2,45}\]$/.test(host) || !host.includes(":")) return null;
    return withPort(host, text.slice(close + 1).trim());
  }
  const colon = text.indexOf(":");
  const host = (colon < 0 ? text : text.slice(0, colon)).trim();
  if (!isHost(host)) return null;
  return withPort(host, colon < 0 ? "" : text.slice(colon));
}

function withPort(host: string, rest: string): { host: string; port: number | null } | null {
  if (rest === "") return { host, port: null };
  if (rest.charCodeAt(0) !== 0x3a) return null;
  const port = parseNumber(rest.slice(1).trim(), PORT_MAX);
  return port === null || port === 0 ? null : { host, port };
}

const HOST_MAX_BYTES = 255;

// "_" is no letter of a host name, yet common in private zones.
function isHost(text: string): boolean {
  if (text.length === 0 || text.length > HOST_MAX_BYTES) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    const letter = code >= 0x61 && code <= 0x7a;
    const raw = text.charCodeAt(i);
    const other = (raw >= 0x30 && raw <= 0x39) || raw === 0x2d || raw === 0x2e || raw === 0x5f;
    if (!letter && !other) return false;
  }
  return true;
}

export function serializeUri(uri: SipUri): string {
  let text = `${uri.scheme}:`;
  if (uri.user !== null) {
    text += uri.user;
    if (uri.password !== null) text += `:${uri.password}`;
    if (uri.host !== "") text += "@";
  }
  text += uri.host;
  if (uri.port !== null) text += `:${uri.port}`;
  text += serializeParams(uri.params);
  return uri.headers === "" ? text : `${text}?${uri.headers}`;
}

/** "" when present without a value; null when absent. */
export const uriParam = (uri: SipUri, name: string): string | null => param(uri.params, name);

/** The user part without escapes; "" when there is none. */
export const uriUser = (uri: SipUri): string => (uri.user === null ? "" : unescapeUri(uri.user));

/** Percent-escapes undone as UTF-8, NUL and line ends too; what is not UTF-8 stays escaped. */
export function unescapeUri(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Bytes that are no UTF-8: the escaped form is the only faithful text.
  }
}

/** For a user part: everything is escaped but unreserved and user-unreserved characters. */
export function escapeUser(text: string): string {
  const whole = text.toWellFormed();
  return encodeURIComponent(whole).replace(/%(?:26|3D|2B|24|2C|3B|3F|2F)/g, decodeURIComponent);
}

// RFC 3261 §19.1.4: these never match their absence, whatever their default.
const NEVER_ABSENT = new Set(["user", "ttl", "method", "maddr", "transport"]);

/** RFC 3261 §19.1.4. URIs of other schemes are compared as text. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port) return false;
  if (a.scheme !== "sip" && a.scheme !== "sips") return serializeUri(a) === serializeUri(b);
  return sameText(a.user, b.user) && sameText(a.password, b.password) &&
    a.host.toLowerCase() === b.host.toLowerCase() &&
    sameParams(a, b) && sameHeaders(a.headers, b.headers);
}

function sameText(a: string | null, b: string | null): boolean {
  if (a === null || b === null) return a === b;
  return a === b || comparable(a) === comparable(b);
}

/** Escapes of unreserved characters undone; of reserved ones kept: those mean something else. */
function comparable(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (escape, digits: string) => {
    const char = String.fromCharCode(Number.parseInt(digits, 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : escape.toUpperCase();
  });
}

function sameParams(a: SipUri, b: SipUri): boolean {
  return coveredBy(a, b) && coveredBy(b, a);
}

function coveredBy(a: SipUri, b: SipUri): boolean {
  for (const [name, value] of a.params) {
    const key = comparable(name).toLowerCase();
    const other = b.params.find((each) => comparable(each[0]).toLowerCase() === key);
    if (other === undefined) {
      if (NEVER_ABSENT.has(key)) return false;
    } else if (folded(value) !== folded(other[1])) {
      return false;
    }
  }
  return true;
}

const folded = (value: string | null): string => comparable(value ?? "").toLowerCase();

function sameHeaders(a: string, b: string): boolean {
  return a === b || sortedHeaders(a) === sortedHeaders(b);
}

function sortedHeaders(text: string): string {
  const pairs = text.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    const name = folded(equals < 0 ? pair : pair.slice(0, equals));
    return `${name}=${equals < 0 ? "" : comparable(pair.slice(equals + 1))}`;
  });
  return pairs.sort().join("&");
}
