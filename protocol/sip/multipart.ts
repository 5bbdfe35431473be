// MIME multipart bodies (RFC 2046 §5.1.1, RFC 5621). Octets in, octets out: a part may be binary.

import { failure, isToken, oneLine, param, parseParams } from "./grammar.ts";
import type { Failure, Params } from "./grammar.ts";
import { NO_BODY } from "./message.ts";
import type { SipHeader } from "./message.ts";
import { canonicalName } from "./names.ts";

export const PART_COUNT_MAX = 32;
const PART_HEADERS_MAX_BYTES = 8192;
/** RFC 2046 §5.1.1. */
const BOUNDARY_MAX_CHARS = 70;

export interface MultipartPart {
  headers: SipHeader[];
  body: Uint8Array;
}

export type MultipartResult = { ok: true; parts: MultipartPart[] } | Failure;

export interface MediaType {
  /** Lower case, as `multipart/mixed`. */
  type: string;
  params: Params;
}

/** A Content-Type value; null when it is none. */
export function parseMediaType(value: string): MediaType | null {
  const semicolon = value.indexOf(";");
  const text = (semicolon < 0 ? value : value.slice(0, semicolon)).toLowerCase();
  const [main, sub, more] = text.split("/").map((piece) => piece.trim());
  if (main === undefined || sub === undefined || more !== undefined) return null;
  if (!isToken(main) || !isToken(sub)) return null;
  const params = semicolon < 0 ? [] : parseParams(value, semicolon);
  return params === null ? null : { type: `${main}/${sub}`, params };
}

/** The parts in their order, without preamble and epilogue. Bodies are views of `body`. */
export function parseMultipart(contentType: string, body: Uint8Array): MultipartResult {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return failure("no usable boundary");
  const dash = encoder.encode(`--${boundary}`);
  const parts: MultipartPart[] = [];
  let line = nextDelimiter(body, dash, 0);
  if (line === null) return failure("boundary not found");
  while (!line.closing) {
    if (parts.length === PART_COUNT_MAX) return failure("too many parts");
    const next = nextDelimiter(body, dash, line.next);
    if (next === null) return failure("no closing boundary");
    const part = readPart(view(body, line.next, next.start));
    if (part === null) return failure("part with bad headers");
    parts.push(part);
    line = next;
  }
  return parts.length === 0 ? failure("no parts") : { ok: true, parts };
}

function boundaryOf(contentType: string): string | null {
  const type = parseMediaType(contentType);
  if (type === null || !type.type.startsWith("multipart/")) return null;
  const boundary = param(type.params, "boundary");
  if (boundary === null || boundary === "" || boundary.length > BOUNDARY_MAX_CHARS) return null;
  return boundary;
}

interface Delimiter {
  /** Where the part before it ends: its own line end belongs to it (RFC 2046 §5.1.1). */
  start: number;
  /** The first octet after its line. */
  next: number;
  closing: boolean;
}

function nextDelimiter(body: Uint8Array, dash: Uint8Array, from: number): Delimiter | null {
  let at = from;
  for (;;) {
    at = indexOfBytes(body, dash, at);
    if (at < 0) return null;
    const found = delimiterAt(body, dash, at);
    if (found !== null) return found;
    at++;
  }
}

/** Only at the start of a line, and only with blanks after it. */
function delimiterAt(body: Uint8Array, dash: Uint8Array, at: number): Delimiter | null {
  const afterLine = at >= 2 && body[at - 1] === 0x0a && body[at - 2] === 0x0d;
  if (at !== 0 && !afterLine) return null;
  let end = at + dash.length;
  const closing = body[end] === 0x2d && body[end + 1] === 0x2d;
  if (closing) end += 2;
  while (body[end] === 0x20 || body[end] === 0x09) end++;
  const lineEnds = body[end] === 0x0d && body[end + 1] === 0x0a;
  if (!lineEnds && !(closing && end >= body.length)) return null;
  return { start: at - 2, next: lineEnds ? end + 2 : end, closing };
}

function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0] ?? 0;
  const last = bytes.length - wanted.length;
  let at = from;
  for (;;) {
    at = bytes.indexOf(first, at);
    if (at < 0 || at > last) return -1;
    let matched = 1;
    while (matched < wanted.length && bytes[at + matched] === wanted[matched]) matched++;
    if (matched === wanted.length) return at;
    at++;
  }
}

function view(bytes: Uint8Array, from: number, to: number): Uint8Array {
  if (to <= from) return NO_BODY;
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
const BLANK_LINE = encoder.encode("\r\n\r\n");

/** A part without headers starts with its empty line. */
function readPart(part: Uint8Array): MultipartPart | null {
  if (part[0] === 0x0d && part[1] === 0x0a) {
    return { headers: [], body: view(part, 2, part.length) };
  }
  const found = indexOfBytes(part, BLANK_LINE, 0);
  const end = found < 0 ? part.length : found;
  if (end > PART_HEADERS_MAX_BYTES) return null;
  const headers: SipHeader[] = [];
  const text = decoder.decode(part.subarray(0, end)).replace(/\r\n[ \t]+/g, " ");
  for (const line of text === "" ? [] : text.split("\r\n")) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (!isToken(name)) return null;
    headers.push({ name: canonicalName(name), value: line.slice(colon + 1).trim() });
  }
  return { headers, body: found < 0 ? NO_BODY : view(part, found + 4, part.length) };
}

/** A boundary that stands in the content is made longer until it does not. */
export function serializeMultipart(
  parts: MultipartPart[], boundary: string, subtype = "mixed",
): { contentType: string; body: Uint8Array } {
  let unique = boundary;
  while (parts.some((part) => indexOfBytes(part.body, encoder.encode(`--${unique}`), 0) >= 0)) {
    unique += "x";
  }
  const pieces: Uint8Array[] = [];
  for (const [index, part] of parts.entries()) {
    let head = `${index === 0 ? "" : "\r\n"}--${unique}\r\n`;
    for (const { name, value } of part.headers) head += `${oneLine(name)}: ${oneLine(value)}\r\n`;
    pieces.push(encoder.encode(`${head}\r\n`), part.body);
  }
  pieces.push(encoder.encode(`\r\n--${unique}--\r\n`));
  return { contentType: `multipart/${subtype};boundary=${quotedBoundary(unique)}`,
    body: joinBytes(pieces) };
}

const quotedBoundary = (text: string): string => (isToken(text) ? text : `"${text}"`);

function joinBytes(pieces: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
