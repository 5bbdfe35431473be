// Messages out of a stream (RFC 3261 §18.3, RFC 5626 §3.5.1): by Content-Length alone. However
// the stream is cut into chunks, the outputs are the same.

import { isBlank, parseNumber } from "./grammar.ts";
import { canonicalName } from "./names.ts";
import {
  HEADERS_MAX_BYTES, MESSAGE_MAX_BYTES, findBlankLine, parseMessage,
} from "./parse.ts";
import type { PartialRequest } from "./parse.ts";

export type FramerOutput =
  | { kind: "message"; bytes: Uint8Array }
  /** CRLFCRLF between messages: to be answered by one CRLF. A pong comes before it. */
  | { kind: "ping" }
  /** CRLF between messages: the answer to our ping, or the first half of the peer's. */
  | { kind: "pong" }
  /** Where the next message starts is not known: answer if there is a status, then close. */
  | { kind: "error"; reason: string; status: number | null; request: PartialRequest | null };

export class StreamFramer {
  #buffer = new Uint8Array(0);
  #used = 0;
  #scanned = 0;
  #halfPing = false;
  /** Of the message whose head is complete: its length in octets; 0 while it is not. */
  #length = 0;
  #closed = false;

  /** After an error nothing more comes out. Bytes given out are copies. */
  push(chunk: Uint8Array): FramerOutput[] {
    const outputs: FramerOutput[] = [];
    if (this.#closed) return outputs;
    this.#append(chunk);
    let at = 0;
    while (!this.#closed) {
      const next = this.#step(at, outputs);
      if (next === at) break;
      at = next;
    }
    this.#drop(at);
    return outputs;
  }

  /** Octets that wait for the rest of their message. */
  get pendingBytes(): number {
    return this.#used;
  }

  /** Takes one thing from the buffer at `at`; returns where the next one starts. */
  #step(at: number, outputs: FramerOutput[]): number {
    if (this.#length === 0) {
      const left = this.#used - at;
      if (left === 0) return at;
      if (this.#buffer[at] === 0x0d) {
        if (left === 1) return at;
        if (this.#buffer[at + 1] === 0x0a) {
          outputs.push({ kind: this.#halfPing ? "ping" : "pong" });
          this.#halfPing = !this.#halfPing;
          return at + 2;
        }
      }
      this.#halfPing = false;
      this.#length = this.#readHead(at, outputs);
    }
    if (this.#closed || this.#length === 0 || this.#used - at < this.#length) return at;
    const end = at + this.#length;
    outputs.push({ kind: "message", bytes: this.#buffer.slice(at, end) });
    this.#length = 0;
    this.#scanned = 0;
    return end;
  }

  /** The whole length of the message that starts at `at`; 0 while its head is not complete. */
  #readHead(at: number, outputs: FramerOutput[]): number {
    const blank = findBlankLine(this.#buffer.subarray(0, this.#used), Math.max(at, this.#scanned));
    const headBytes = (blank < 0 ? this.#used - BLANK_LINE_BYTES + 1 : blank) - at;
    if (headBytes > HEADERS_MAX_BYTES) {
      const start = this.#buffer.slice(at, at + HEADERS_MAX_BYTES);
      return this.#close("headers too large", 513, start, outputs);
    }
    // The blank line may have begun in what is here already.
    this.#scanned = Math.max(at, this.#used - BLANK_LINE_BYTES + 1);
    if (blank < 0) return 0;
    const head = this.#buffer.slice(at, blank + BLANK_LINE_BYTES);
    const body = contentLength(decoder.decode(head));
    if (body === null) return this.#close("no single Content-Length", 400, head, outputs);
    if (head.length + body > MESSAGE_MAX_BYTES) {
      return this.#close("message too large", 513, head, outputs);
    }
    return head.length + body;
  }

  #close(reason: string, status: number, head: Uint8Array, outputs: FramerOutput[]): number {
    this.#closed = true;
    const parsed = parseMessage(head);
    if (parsed.ok) {
      const request = parsed.message.kind === "request" ? parsed.message : null;
      const silent = request === null || request.method === "ACK";
      const remains = request && { method: request.method, headers: request.headers };
      outputs.push({ kind: "error", reason, status: silent ? null : status, request: remains });
    } else {
      const answered = parsed.status === null ? null : status;
      outputs.push({ kind: "error", reason, status: answered, request: parsed.request });
    }
    return 0;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#used + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(needed * 2, MESSAGE_MAX_BYTES)));
      grown.set(this.#buffer.subarray(0, this.#used));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#used);
    this.#used = needed;
  }

  /** Forgets what was taken. An idle connection holds no memory. */
  #drop(taken: number): void {
    if (this.#closed || taken === this.#used) {
      this.#buffer = EMPTY;
      this.#used = 0;
      this.#scanned = 0;
    } else if (taken > 0) {
      this.#buffer.copyWithin(0, taken, this.#used);
      this.#used -= taken;
      this.#scanned = Math.max(0, this.#scanned - taken);
    }
  }
}

const BLANK_LINE_BYTES = 4;
const EMPTY = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** null: missing, more than one, or not a number. Reads lines as `parseMessage` does. */
function contentLength(head: string): number | null {
  let found: number | null = null;
  let at = head.indexOf("\r\n") + 2;
  while (at >= 2 && at < head.length) {
    let end = head.indexOf("\r\n", at);
    if (end < 0) end = head.length;
    if (mayBeLength(head.charCodeAt(at))) {
      while (isBlank(head.charCodeAt(end + 2))) {
        const next = head.indexOf("\r\n", end + 2);
        end = next < 0 ? head.length : next;
      }
      const colon = head.indexOf(":", at);
      const name = colon < 0 || colon > end ? "" : head.slice(at, colon).trimEnd();
      if (canonicalName(name) === "Content-Length") {
        const value = parseNumber(head.slice(colon + 1, end).trim(), Number.MAX_SAFE_INTEGER);
        if (value === null || found !== null) return null;
        found = value;
      }
    }
    at = end + 2;
  }
  return found;
}

/** "C", "c", "L", "l". */
const mayBeLength = (code: number): boolean => {
  const lower = code | 0x20;
  return lower === 0x63 || lower === 0x6c;
};
