// An HTTP/1.1 response taken from a stream of bytes (RFC 9112), within limits and cut anywhere.

export interface HttpResponse {
  status: number;
  /** By lower-case name; several lines of one name joined by ", ". */
  headers: ReadonlyMap<string, string>;
  setCookies: readonly string[];
  /** Empty when the body was not wanted. */
  body: Uint8Array;
}

export type ResponseProgress =
  | { kind: "more" }
  | { kind: "done"; response: HttpResponse }
  | { kind: "too-large" }
  | { kind: "malformed"; reason: string };

export interface ResponseLimits {
  bodyMaxBytes: number;
  /** Whether the body of a response with this status is to be read; without it the head is all. */
  wantsBody: (status: number) => boolean;
}

export const RESPONSE_HEAD_MAX_BYTES = 32_768;
const INTERIM_MAX = 8;
const CHUNK_LINE_MAX_BYTES = 1024;
const MORE: ResponseProgress = { kind: "more" };

interface Head {
  status: number;
  headers: Map<string, string>;
  setCookies: string[];
}

type Framing =
  | { kind: "none" }
  | { kind: "length"; left: number }
  | { kind: "chunks"; left: number; part: "size" | "data" | "end-of-data" | "trailer" }
  | { kind: "until-close" };

export class ResponseDecoder {
  readonly #limits: ResponseLimits;
  #bytes: Uint8Array = new Uint8Array(0);
  #head: Head | null = null;
  #framing: Framing = { kind: "none" };
  #body: Uint8Array[] = [];
  #bodySize = 0;
  #interim = 0;
  #trailerSize = 0;
  #ended: ResponseProgress | null = null;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
  }

  /** What came next; once it is not "more", every later call gives the same again. */
  push(chunk: Uint8Array): ResponseProgress {
    if (this.#ended !== null) return this.#ended;
    this.#bytes = this.#bytes.length === 0 ? chunk : concat([this.#bytes, chunk]);
    const progress = this.#advance();
    if (progress.kind !== "more") this.#ended = progress;
    return progress;
  }

  /** The connection has ended: the end of the body only where nothing else marks it. */
  end(): ResponseProgress {
    if (this.#ended !== null) return this.#ended;
    const whole = this.#head !== null && this.#framing.kind === "until-close";
    this.#ended = whole ? this.#done() : malformed("the connection ended within the response");
    return this.#ended;
  }

  #advance(): ResponseProgress {
    while (this.#head === null) {
      const end = endOfHead(this.#bytes);
      const size = end ?? this.#bytes.length;
      if (size > RESPONSE_HEAD_MAX_BYTES) return malformed("the head is too long");
      if (end === null) return MORE;
      const head = parseHead(latin1(this.#take(end)));
      if (typeof head === "string") return malformed(head);
      // RFC 9110 §15.2: any number of 1xx may come first; an upgrade was never asked for.
      if (head.status < 200) {
        this.#interim += 1;
        if (this.#interim > INTERIM_MAX) return malformed("too many interim responses");
        continue;
      }
      const framing = framingOf(head);
      if (typeof framing === "string") return malformed(framing);
      this.#head = head;
      this.#framing = framing;
      if (!this.#limits.wantsBody(head.status)) return this.#done();
    }
    return this.#readBody();
  }

  #readBody(): ResponseProgress {
    const framing = this.#framing;
    if (framing.kind === "none") return this.#done();
    if (framing.kind === "chunks") return this.#readChunks(framing);
    if (framing.kind === "length") {
      if (framing.left > this.#limits.bodyMaxBytes - this.#bodySize) return { kind: "too-large" };
      const part = this.#take(Math.min(framing.left, this.#bytes.length));
      framing.left -= part.length;
      return this.#keep(part) ?? (framing.left === 0 ? this.#done() : MORE);
    }
    return this.#keep(this.#take(this.#bytes.length)) ?? MORE;
  }

  /** RFC 9112 §7.1. */
  #readChunks(framing: Framing & { kind: "chunks" }): ResponseProgress {
    for (;;) {
      if (framing.part === "data") {
        const part = this.#take(Math.min(framing.left, this.#bytes.length));
        framing.left -= part.length;
        const over = this.#keep(part);
        if (over !== null) return over;
        if (framing.left > 0) return MORE;
        framing.part = "end-of-data";
      }
      const line = this.#takeLine();
      if (line === null) {
        const over = this.#bytes.length > CHUNK_LINE_MAX_BYTES;
        return over ? malformed("a chunk line is too long") : MORE;
      }
      if (framing.part === "end-of-data") {
        if (line !== "") return malformed("a chunk is longer than it says");
        framing.part = "size";
      } else if (framing.part === "trailer") {
        if (line === "") return this.#done();
        this.#trailerSize += line.length;
        if (this.#trailerSize > RESPONSE_HEAD_MAX_BYTES) return malformed("a trailer is too long");
      } else {
        const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
        if (size === undefined) return malformed("a chunk size is not a number");
        framing.left = Number.parseInt(size, 16);
        framing.part = framing.left === 0 ? "trailer" : "data";
      }
    }
  }

  #keep(part: Uint8Array): ResponseProgress | null {
    this.#bodySize += part.length;
    if (this.#bodySize > this.#limits.bodyMaxBytes) return { kind: "too-large" };
    if (part.length > 0) this.#body.push(part);
    return null;
  }

  #take(count: number): Uint8Array {
    const part = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return part;
  }

  #takeLine(): string | null {
    const end = this.#bytes.indexOf(LF);
    return end < 0 ? null : latin1(this.#take(end + 1)).replace(/\r?\n$/, "");
  }

  #done(): ResponseProgress {
    const head = this.#head ?? { status: 0, headers: new Map<string, string>(), setCookies: [] };
    return { kind: "done", response: { ...head, body: concat(this.#body) } };
  }
}

const LF = 0x0a;
const CR = 0x0d;

/** The index after the empty line; RFC 9112 §2.2: a bare LF may end a line. */
function endOfHead(bytes: Uint8Array): number | null {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return null;
}

function parseHead(text: string): Head | string {
  // RFC 9112 §5.2: a folded line is joined to the one before.
  const [statusLine = "", ...lines] = text.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  const status = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/.exec(statusLine)?.[1];
  if (status === undefined) return "the status line is not one of HTTP/1.1";
  const headers = new Map<string, string>();
  const setCookies: string[] = [];
  for (const line of lines) {
    if (line === "") continue;
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (parts === null) return "a header line is not a header";
    const name = (parts[1] ?? "").toLowerCase();
    const value = parts[2] ?? "";
    if (name === "set-cookie") setCookies.push(value);
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers, setCookies };
}

/** RFC 9112 §6.3, for a response to GET or POST. */
function framingOf({ status, headers }: Head): Framing | string {
  if (status === 204 || status === 304) return { kind: "none" };
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") return "a transfer coding other than chunked";
    return { kind: "chunks", left: 0, part: "size" };
  }
  const length = headers.get("content-length");
  if (length === undefined) return { kind: "until-close" };
  const [first = "", ...others] = length.split(",").map((value) => value.trim());
  if (!/^\d{1,15}$/.test(first) || others.some((other) => other !== first)) {
    return "Content-Length is not a number";
  }
  return { kind: "length", left: Number(first) };
}

const malformed = (reason: string): ResponseProgress => ({ kind: "malformed", reason });
const decoder = new TextDecoder("latin1");
const latin1 = (bytes: Uint8Array): string => decoder.decode(bytes);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
