// Reading and changing the headers of a message (RFC 3261 §7.3, §20).

import {
  failure, indexOfBlank, indexOutside, isToken, param, parseNumber, parseParams, quote, quotedEnd,
  serializeParams, splitList, unquote,
} from "./grammar.ts";
import type { Failure, Params } from "./grammar.ts";
import type { SipHeader } from "./message.ts";
import { canonicalName, sameName } from "./names.ts";
import { parseHostPort } from "./uri.ts";

/** All that the accessors ask of a message: what is left of a broken one will do. */
export interface HasHeaders {
  headers: SipHeader[];
}

/** The value of the first such line; null without one. */
export function header(message: HasHeaders, name: string): string | null {
  const wanted = canonicalName(name);
  for (const line of message.headers) if (sameName(line.name, wanted)) return line.value;
  return null;
}

/** The values of all such lines, line by line. The way for challenges and credentials. */
export function headersOf(message: HasHeaders, name: string): string[] {
  const wanted = canonicalName(name);
  const values: string[] = [];
  for (const line of message.headers) if (sameName(line.name, wanted)) values.push(line.value);
  return values;
}

// RFC 3261 §7.3.1: their commas do not separate values.
const NOT_LISTS = new Set([
  "WWW-Authenticate", "Authorization", "Proxy-Authenticate", "Proxy-Authorization",
  "Authentication-Info", "Date", "Call-ID", "Subject", "User-Agent", "Server", "Organization",
]);

/** All elements of a header that is a comma list, over all its lines. */
export function headerList(message: HasHeaders, name: string): string[] {
  const values = headersOf(message, name);
  if (NOT_LISTS.has(canonicalName(name))) return values;
  return values.flatMap(splitList);
}

/** Is this option tag (or method, or token) in the list of that header? */
export function headerHas(message: HasHeaders, name: string, item: string): boolean {
  const wanted = item.toLowerCase();
  return headerList(message, name).some((each) => each.toLowerCase() === wanted);
}

/** A copy in which `value` stands at the place of the first such line, or at the end. */
export function withHeader<M extends HasHeaders>(message: M, name: string, value: string): M {
  const line = { name: canonicalName(name), value };
  const headers: SipHeader[] = [];
  let placed = false;
  for (const each of message.headers) {
    if (!sameName(each.name, line.name)) headers.push(each);
    else if (!placed) {
      headers.push(line);
      placed = true;
    }
  }
  if (!placed) headers.push(line);
  return { ...message, headers };
}

/** A copy without any such line. */
export function withoutHeader<M extends HasHeaders>(message: M, name: string): M {
  const wanted = canonicalName(name);
  return { ...message, headers: message.headers.filter((each) => !sameName(each.name, wanted)) };
}

/** A copy with one more line after all others. */
export function addHeader<M extends HasHeaders>(message: M, name: string, value: string): M {
  return { ...message, headers: [...message.headers, { name: canonicalName(name), value }] };
}

/** A copy with one more line before all others: where a Via goes. */
export function prependHeader<M extends HasHeaders>(message: M, name: string, value: string): M {
  return { ...message, headers: [{ name: canonicalName(name), value }, ...message.headers] };
}

// --- name-addr / addr-spec: From, To, Contact, Route, Record-Route, Refer-To (RFC 3261 §20.10)

export interface NameAddr {
  /** Unquoted; null when there is none. */
  display: string | null;
  /** As text; `parseUri` takes it apart. */
  uri: string;
  /** Of the header, not of the URI. */
  params: Params;
}

export type NameAddrResult = ({ ok: true } & NameAddr) | Failure;

/** One element: split lists before. Contact's "*" is not an address. */
export function parseNameAddr(value: string): NameAddrResult {
  const text = value.trim();
  const open = openBracket(text);
  if (open === -2) return failure("quoted string without an end");
  if (open === -1) return parseAddrSpec(text);
  const display = parseDisplay(text.slice(0, open).trim());
  if (display === undefined) return failure("display name that needs quotes");
  const close = text.indexOf(">", open);
  if (close < 0) return failure("address without its closing bracket");
  const uri = text.slice(open + 1, close);
  if (!isUriText(uri)) return failure("address that is not a URI");
  const params = parseParams(text, close + 1);
  return params === null ? failure("bad parameter") : { ok: true, display, uri, params };
}

/** Of the "<" outside quotes; -1 without one, -2 when a quote is not closed. */
function openBracket(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x3c) return i;
    if (code !== 0x22) continue;
    const end = quotedEnd(text, i);
    if (end < 0) return -2;
    i = end - 1;
  }
  return -1;
}

/** Without brackets, parameters belong to the header (RFC 3261 §20.10). */
function parseAddrSpec(text: string): NameAddrResult {
  const semicolon = text.indexOf(";");
  const uri = (semicolon < 0 ? text : text.slice(0, semicolon)).trimEnd();
  if (!isUriText(uri)) return failure("address that is not a URI");
  if (uri.includes(",") || uri.includes("?")) return failure("address that needs brackets");
  const params = semicolon < 0 ? [] : parseParams(text, semicolon);
  return params === null ? failure("bad parameter") : { ok: true, display: null, uri, params };
}

/** undefined: neither a quoted string nor plain words. */
function parseDisplay(text: string): string | null | undefined {
  if (text === "") return null;
  if (text.charCodeAt(0) === 0x22) {
    return quotedEnd(text, 0) === text.length ? unquote(text) : undefined;
  }
  // Peers send more than tokens here; only what has a meaning of its own is refused.
  for (const char of '",;<>') if (text.includes(char)) return undefined;
  return text;
}

/** Something like `scheme:rest`, without blanks and brackets; `parseUri` looks closer. */
function isUriText(text: string): boolean {
  if (text.indexOf(":") < 1) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code === 0x7f) {
      return false;
    }
  }
  return true;
}

/** Always with brackets, so that no parameter changes sides. */
export function serializeNameAddr(address: NameAddr): string {
  const display = address.display === null ? "" : `${quote(address.display)} `;
  return `${display}<${address.uri}>${serializeParams(address.params)}`;
}

/** The tag of a From or To value; null without one, and for a value that does not parse. */
export function tagOf(value: string): string | null {
  const address = parseNameAddr(value);
  return address.ok ? param(address.params, "tag") : null;
}

/** The same value with this tag in place of any that it has. */
export function withTag(value: string, tag: string): string {
  const old = tagOf(value);
  if (old === null) return `${value};tag=${tag}`;
  const address = parseNameAddr(value);
  if (!address.ok) return value;
  const params = address.params.filter(([name]) => name.toLowerCase() !== "tag");
  return serializeNameAddr({ ...address, params: [...params, ["tag", tag]] });
}

// --- Via (RFC 3261 §20.42, RFC 3581)

export interface Via {
  /** Only when it is not "2.0": such a request is answered 505, to this Via. */
  version?: string;
  /** Upper case: "UDP", "TCP", "TLS", or what else came. */
  transport: string;
  /** IPv6 with its brackets. */
  host: string;
  port: number | null;
  /** null: a peer of RFC 2543. */
  branch: string | null;
  /** All of them, the branch too. */
  params: Params;
}

export type ViaResult = { ok: true; via: Via } | Failure;

const USUAL_PROTOCOL = "SIP/2.0/";

/** "SIP / 2.0 /", blanks where they like: the version, and the index after the second slash. */
function readProtocol(value: string): { version: string; end: number } | null {
  if (value.startsWith(USUAL_PROTOCOL)) return { version: "2.0", end: USUAL_PROTOCOL.length };
  const first = value.indexOf("/");
  const second = value.indexOf("/", first + 1);
  if (first < 0 || second < 0) return null;
  if (value.slice(0, first).trim().toUpperCase() !== "SIP") return null;
  const version = value.slice(first + 1, second).trim();
  return /^\d{1,9}\.\d{1,9}$/.test(version) ? { version, end: second + 1 } : null;
}

/** One element: split lists before. */
export function parseVia(value: string): ViaResult {
  const protocol = readProtocol(value);
  if (protocol === null) return failure("Via without SIP and a version");
  const { version, end } = protocol;
  const semicolon = value.indexOf(";", end);
  const place = value.slice(end, semicolon < 0 ? undefined : semicolon).trim();
  const gap = indexOfBlank(place);
  const transport = gap < 0 ? "" : place.slice(0, gap);
  if (!isToken(transport)) return failure("Via without a transport");
  const sentBy = parseHostPort(place.slice(gap).trim());
  if (sentBy === null) return failure("Via with a bad sent-by");
  const params = semicolon < 0 ? [] : parseParams(value, semicolon);
  if (params === null) return failure("Via with a bad parameter");
  const branch = param(params, "branch");
  if (branch === "") return failure("Via with an empty branch");
  const { host, port } = sentBy;
  const via: Via = { transport: transport.toUpperCase(), host, port, branch, params };
  if (version !== "2.0") via.version = version;
  return { ok: true, via };
}

/** The first element of the first Via; null without one that parses. */
export function topVia(message: HasHeaders): Via | null {
  const value = header(message, "Via");
  if (value === null) return null;
  const comma = indexOutside(value, ",", 0);
  const result = parseVia(comma < 0 ? value : value.slice(0, comma));
  return result.ok ? result.via : null;
}

/** `params` alone is written; `branch` repeats one of them. */
export function serializeVia(via: Via): string {
  const port = via.port === null ? "" : `:${via.port}`;
  const sentBy = `SIP/${via.version ?? "2.0"}/${via.transport} ${via.host}${port}`;
  return sentBy + serializeParams(via.params);
}

/** A copy in which `via` stands for the first element of the first Via. */
export function withTopVia<M extends HasHeaders>(message: M, via: Via): M {
  const at = message.headers.findIndex((line) => line.name === "Via");
  const line = message.headers[at];
  if (line === undefined) return message;
  const comma = indexOutside(line.value, ",", 0);
  const rest = comma < 0 ? "" : `, ${line.value.slice(comma + 1).trim()}`;
  const headers = message.headers.slice();
  headers[at] = { name: "Via", value: serializeVia(via) + rest };
  return { ...message, headers };
}

// --- CSeq (RFC 3261 §20.16)

export interface Cseq {
  number: number;
  method: string;
}

/** RFC 3261 §8.1.1.5: an unsigned number of 32 bits. */
export const CSEQ_MAX = 0xffffffff;

export function parseCseqValue(value: string): Cseq | null {
  const gap = indexOfBlank(value);
  if (gap < 0) return null;
  const number = parseNumber(value.slice(0, gap), CSEQ_MAX);
  const method = value.slice(gap).trim();
  return number === null || !isToken(method) ? null : { number, method };
}

export function parseCseq(message: HasHeaders): Cseq | null {
  const value = header(message, "CSeq");
  return value === null ? null : parseCseqValue(value);
}
