// One whole SIP message from octets (RFC 3261 §7, §18.3, §25). Any octets give a value. What is
// checked here is what every later layer relies on; the rest is read by accessors when needed.

import { isBlank, isToken, parseNumber, splitList } from "./grammar.ts";
import { parseCseqValue, parseNameAddr, parseVia, topVia } from "./header.ts";
import { BRANCH_COOKIE } from "./identity.ts";
import { NO_BODY } from "./message.ts";
import type { SipHeader, SipMessage } from "./message.ts";
import { canonicalName } from "./names.ts";
import { parseUri } from "./uri.ts";

export const MESSAGE_MAX_BYTES = 65535;
export const HEADERS_MAX_BYTES = 32768;
export const HEADER_COUNT_MAX = 256;

/** What could be read of a request that cannot be served: enough to answer it. */
export interface PartialRequest {
  method: string;
  headers: SipHeader[];
}

export interface ParseFailure {
  ok: false;
  reason: string;
  /** What the request deserves; null: drop it (a response, an ACK, or no Via to answer to). */
  status: number | null;
  request: PartialRequest | null;
}

export type ParseResult = { ok: true; message: SipMessage } | ParseFailure;

/** A datagram, or one framed message of a stream. The body is a view of `bytes`. */
export function parseMessage(bytes: Uint8Array): ParseResult {
  const start = skipLineEnds(bytes, 0);
  const blank = findBlankLine(bytes, start);
  const head = readHead(bytes, start, blank < 0 ? bytes.length : blank);
  if (bytes.length - start > MESSAGE_MAX_BYTES) head.fail(513, "message too large");
  if (blank < 0) head.fail(400, "no empty line after the headers");
  head.checkMandatory();
  const body = blank < 0 ? NO_BODY : cutBody(head, bytes, blank + 4);
  const problem = head.problem;
  const line = head.line;
  if (problem !== null || line === null) return failed(head);
  const headers = head.headers;
  return {
    ok: true,
    message: line.kind === "request"
      ? { kind: "request", method: line.method, uri: line.uri, headers, body }
      : { kind: "response", status: line.status, reason: line.reason, headers, body },
  };
}

function failed(head: Head): ParseFailure {
  const { status, reason } = head.problem ?? { status: 400, reason: "no start line" };
  const line = head.line;
  if (line === null || line.kind === "response") {
    return { ok: false, reason, status: null, request: null };
  }
  const request = { method: line.method, headers: withoutBrokenVias(head.headers) };
  // RFC 3261 §17.1.1.3: an ACK is never answered. Without a Via there is nowhere to answer to.
  const silent = line.method === "ACK" || topVia(request) === null;
  return { ok: false, reason, status: silent ? null : status, request };
}

/** So that an answer is well-formed: a Via that is broken shrinks to its sent-by, or goes. */
function withoutBrokenVias(headers: SipHeader[]): SipHeader[] {
  return headers.flatMap((line) => {
    if (line.name !== "Via") return [line];
    const items = splitList(line.value).flatMap((item) => {
      if (parseVia(item).ok) return [item];
      const place = item.split(";", 1)[0] ?? "";
      return parseVia(place).ok ? [place] : [];
    });
    return items.length === 0 ? [] : [{ name: "Via", value: items.join(", ") }];
  });
}

/** RFC 3261 §18.3: in a datagram Content-Length cuts; octets after it are not ours. */
function cutBody(head: Head, bytes: Uint8Array, from: number): Uint8Array {
  const present = bytes.length - from;
  const length = head.contentLength ?? present;
  if (length > present) head.fail(400, "body shorter than Content-Length");
  if (length === 0 || length > present) return NO_BODY;
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, length);
}

/** RFC 3261 §7.5: line ends before the start line are ignored. */
export function skipLineEnds(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2;
  return at;
}

/** The index of CRLFCRLF, or -1. */
export function findBlankLine(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    at = bytes.indexOf(0x0d, at);
    if (at < 0) return -1;
    if (bytes[at + 1] === 0x0a && bytes[at + 2] === 0x0d && bytes[at + 3] === 0x0a) return at;
    at++;
  }
}

type StartLine =
  | { kind: "request"; method: string; uri: string }
  | { kind: "response"; status: number; reason: string };

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function readHead(bytes: Uint8Array, from: number, to: number): Head {
  const head = new Head();
  if (to - from > HEADERS_MAX_BYTES) head.fail(513, "headers too large");
  const text = decoder.decode(bytes.subarray(from, Math.min(to, from + HEADERS_MAX_BYTES)));
  let at = lineEnd(text, 0);
  head.readStartLine(text.slice(0, at));
  at += 2;
  while (at < text.length) {
    let end = lineEnd(text, at);
    let line = text.slice(at, end);
    if (isBlank(text.charCodeAt(end + 2))) {
      end = foldedEnd(text, end);
      line = unfold(text.slice(at, end));
    }
    head.readLine(line);
    at = end + 2;
  }
  return head;
}

/** RFC 3261 §7.3.1: a line that starts with a blank goes on with the one before. */
function foldedEnd(text: string, from: number): number {
  let end = from;
  while (isBlank(text.charCodeAt(end + 2))) end = lineEnd(text, end + 2);
  return end;
}

const unfold = (lines: string): string =>
  lines.split("\r\n").map((line) => trimBlanks(line, 0)).join(" ");

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\r\n", from);
  return end < 0 ? text.length : end;
}

/** Collects a head line by line, and remembers the first thing that was wrong with it. */
class Head {
  line: StartLine | null = null;
  headers: SipHeader[] = [];
  problem: { status: number; reason: string } | null = null;
  contentLength: number | null = null;
  #seen = new Set<string>();

  fail(status: number, reason: string): void {
    this.problem ??= { status, reason };
  }

  readStartLine(text: string): void {
    if (text.slice(0, 4).toUpperCase() === "SIP/") this.#readStatusLine(text);
    else this.#readRequestLine(text);
  }

  #readStatusLine(text: string): void {
    const code = text.slice(8, 11);
    const status = parseNumber(code, 699);
    const version = text.slice(0, 8).toUpperCase();
    // Some leave the blank before an empty phrase out.
    if (version !== "SIP/2.0 " || (text.length !== 11 && text[11] !== " ")) {
      return this.fail(400, "status line is not SIP/2.0 with a code");
    }
    if (status === null || status < 100 || hasLineEnd(text)) {
      return this.fail(400, "status line with a bad code or reason");
    }
    this.line = { kind: "response", status, reason: text.slice(12) };
  }

  #readRequestLine(text: string): void {
    const first = text.indexOf(" ");
    const method = first < 0 ? text : text.slice(0, first);
    if (!isToken(method)) return this.fail(400, "request line without a method");
    const second = text.indexOf(" ", first + 1);
    const uri = text.slice(first + 1, second < 0 ? undefined : second);
    this.line = { kind: "request", method, uri };
    const version = second < 0 ? "" : text.slice(second + 1).toUpperCase();
    if (version !== "SIP/2.0") {
      const other = /^SIP\/\d+\.\d+$/.test(version);
      return this.fail(other ? 505 : 400, other ? "SIP version not supported" : "bad request line");
    }
    const parsed = parseUri(uri);
    if (!parsed.ok) return this.fail(400, parsed.reason);
    // RFC 3261 §19.1.1: a Request-URI has no headers.
    if (parsed.uri.headers !== "") this.fail(400, "Request-URI with headers");
  }

  readLine(line: string): void {
    const colon = line.indexOf(":");
    const written = colon < 0 ? "" : line.slice(0, colon).trimEnd();
    if (!isToken(written) || hasLineEnd(line)) return this.fail(400, "bad header line");
    if (this.headers.length >= HEADER_COUNT_MAX) return this.fail(513, "too many headers");
    const name = canonicalName(written);
    const value = trimBlanks(line, colon + 1);
    const check = CHECKS.get(name);
    if (check?.once && this.#seen.has(name)) return this.fail(400, `more than one ${name}`);
    this.headers.push({ name, value });
    if (check === undefined) return;
    this.#seen.add(name);
    const problem = check.read(value, this);
    if (problem !== null) this.fail(400, `${name}: ${problem}`);
  }

  checkMandatory(): void {
    for (const name of MANDATORY) {
      if (!this.#seen.has(name)) return this.fail(400, `no ${name}`);
    }
  }
}

// RFC 3261 §8.1.1 asks for Max-Forwards too; peers of RFC 2543 do not send it.
const MANDATORY = ["Via", "From", "To", "Call-ID", "CSeq"];

interface Check {
  once: boolean;
  /** What is wrong, or null. */
  read(value: string, head: Head): string | null;
}

const readAddress = (value: string): string | null => {
  const address = parseNameAddr(value);
  if (!address.ok) return address.reason;
  const uri = parseUri(address.uri);
  return uri.ok ? null : uri.reason;
};

const CHECKS = new Map<string, Check>([
  ["Via", { once: false, read: readVias }],
  ["From", { once: true, read: readAddress }],
  ["To", { once: true, read: readAddress }],
  ["Call-ID", { once: true, read: (value) => (isWord(value) ? null : "not a word") }],
  ["CSeq", { once: true, read: readCseq }],
  ["Max-Forwards", {
    once: true,
    read: (value) => (parseNumber(value, 255) === null ? "not a number up to 255" : null),
  }],
  ["Content-Length", { once: true, read: readContentLength }],
]);

function readVias(value: string): string | null {
  const items = value.includes(",") ? splitList(value) : [value];
  if (items.length === 0) return "empty";
  for (const item of items) {
    const result = parseVia(item);
    if (!result.ok) return result.reason;
    if (result.via.version !== undefined) return "of another version";
    // RFC 3261 §8.1.1.7: the cookie is followed by what makes the branch unique.
    if (result.via.branch === BRANCH_COOKIE) return "branch of nothing but the cookie";
  }
  return null;
}

function readCseq(value: string, head: Head): string | null {
  const cseq = parseCseqValue(value);
  if (cseq === null) return "not a number and a method";
  if (head.line?.kind === "request" && head.line.method !== cseq.method) {
    return "not the method of the request";
  }
  return null;
}

function readContentLength(value: string, head: Head): string | null {
  head.contentLength = parseNumber(value, Number.MAX_SAFE_INTEGER);
  return head.contentLength === null ? "not a number" : null;
}

function isWord(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x2c || code === 0x3b) return false;
  }
  return true;
}

const hasLineEnd = (text: string): boolean => text.includes("\n") || text.includes("\r");

function trimBlanks(text: string, from: number): string {
  let start = from;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}
