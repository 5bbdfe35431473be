import { describe, expect, test } from "bun:test";
import { StreamFramer } from "../../../protocol/sip/framing.ts";
import type { FramerOutput } from "../../../protocol/sip/framing.ts";
import { HEADERS_MAX_BYTES, MESSAGE_MAX_BYTES, parseMessage } from "../../../protocol/sip/parse.ts";
import { seeded } from "../../support/seeded.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function options(lines: string[], body = ""): string {
  return [
    "OPTIONS sip:h SIP/2.0", "Via: SIP/2.0/TCP a;branch=z9hG4bK1", "From: <sip:a@h>;tag=1",
    "To: <sip:b@h>", "Call-ID: x", "CSeq: 1 OPTIONS", ...lines, "", body,
  ].join("\r\n");
}

const one = options(["Content-Length: 4"], "body");
const utf8 = options(["Subject: Žižek 😀", "l : \t\r\n  0011"], "\r\n\r\nŽ 😀");
const empty = options(["Contact: <sip:x>", "CONTENT-LENGTH:0"]);

const feed = (...chunks: string[]): FramerOutput[] => {
  const framer = new StreamFramer();
  return chunks.flatMap((chunk) => framer.push(encode(chunk)));
};

const shown = (outputs: FramerOutput[]): string[] =>
  outputs.map((output) => {
    if (output.kind === "message") return decode(output.bytes);
    return output.kind === "error" ? `error ${output.status}` : output.kind;
  });

/** Each octet alone, then halves, then everything at once, then random cuts. */
function* splits(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield Array.from(bytes, (octet) => Uint8Array.of(octet));
  yield [bytes];
  for (let cut = 1; cut < bytes.length; cut += 7) yield [bytes.slice(0, cut), bytes.slice(cut)];
  for (let seed = 1; seed <= 100; seed++) {
    const random = seeded(seed);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + random.below(random.pick([3, 50, 400]));
      chunks.push(bytes.slice(at, next), new Uint8Array(0));
      at = next;
    }
    yield chunks;
  }
}

function sameForAnySplit(bytes: Uint8Array): FramerOutput[] {
  const whole = new StreamFramer().push(bytes);
  for (const chunks of splits(bytes)) {
    const framer = new StreamFramer();
    expect(chunks.flatMap((chunk) => framer.push(chunk))).toEqual(whole);
  }
  return whole;
}

describe("StreamFramer", () => {
  test("three messages in one segment are three messages", () => {
    expect(shown(feed(one + utf8 + empty))).toEqual([one, utf8, empty]);
  });

  test("any split of messages, pings and pongs gives the same outputs", () => {
    const stream = `\r\n\r\n${one}${utf8}\r\n${empty}\r\n\r\n\r\n\r\n${one}`;
    expect(shown(sameForAnySplit(encode(stream)))).toEqual([
      "pong", "ping", one, utf8, "pong", empty, "pong", "ping", "pong", "ping", one,
    ]);
  });

  test("any split before and at an error gives the same outputs, and nothing after it", () => {
    for (const broken of [
      options([]), options(["l: -1"], "x"), options(["l: 1", "Content-Length: 1"], "x"),
      options([`l: ${MESSAGE_MAX_BYTES}`]), `OPTIONS ${"x".repeat(HEADERS_MAX_BYTES + 10)}`,
    ]) {
      const outputs = sameForAnySplit(encode(one + broken + one));
      expect(outputs.map((output) => output.kind)).toEqual(["message", "error"]);
    }
  });

  test("what it gives is what the parser takes", () => {
    for (const output of feed(one + utf8 + empty)) {
      if (output.kind !== "message") throw new Error(output.kind);
      expect(parseMessage(output.bytes).ok).toBe(true);
    }
  });

  test("RFC 5626 §3.5.1: a ping cut in two by the network is one ping", () => {
    expect(shown(feed("\r", "\n\r", "\n"))).toEqual(["pong", "ping"]);
    expect(shown(feed("\r\n"))).toEqual(["pong"]);
    expect(shown(feed(`\r\n${one}\r\n`))).toEqual(["pong", one, "pong"]);
  });

  const ERRORS: [what: string, bytes: string, status: number | null][] = [
    ["no Content-Length", options([]), 400],
    ["a negative Content-Length", options(["Content-Length: -5"]), 400],
    ["a Content-Length in hexadecimal", options(["Content-Length: 0x5"]), 400],
    ["an empty Content-Length", options(["Content-Length:"]), 400],
    ["two Content-Lengths, although equal", options(["l: 4", "Content-Length: 4"], "body"), 400],
    ["a Content-Length over the limit", options(["l: 99999999999999999999"]), 400],
    ["a message over the limit", options([`l: ${MESSAGE_MAX_BYTES - 50}`]), 513],
    ["headers over the limit", options([`X: ${"x".repeat(HEADERS_MAX_BYTES)}`, "l: 0"]), 513],
    ["headers that never end", options([`X: ${"x".repeat(HEADERS_MAX_BYTES)}`]).trimEnd(), 513],
    ["a response without Content-Length",
      options([]).replace("OPTIONS sip:h SIP/2.0", "SIP/2.0 200 OK"), null],
    ["an ACK without Content-Length", options([]).replaceAll("OPTIONS", "ACK"), null],
    ["a request of HTTP", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", null],
    ["a broken request without Content-Length", options(["junk"]), 400],
  ];
  for (const [what, bytes, status] of ERRORS) {
    test(`${what}: ${status ?? "no answer"}, and the end`, () => {
      const outputs = feed(bytes);
      expect(shown(outputs)).toEqual([`error ${status}`]);
      const [output] = outputs;
      if (status === null || output?.kind !== "error") return;
      expect(output.request?.method).toBe("OPTIONS");
      expect(output.request?.headers.some((line) => line.name === "Via")).toBe(true);
    });
  }

  test("a broken message of known length is given on, for the parser to refuse", () => {
    const broken = options(["junk", "l: 0"]).replace("Call-ID: x\r\n", "");
    expect(shown(feed(broken + one))).toEqual([broken, one]);
  });

  test("a Content-Length hidden behind a bare line feed is not seen by framer or parser", () => {
    const hidden = options(["Subject: a\nContent-Length: 4", "Content-Length: 0"]);
    expect(shown(feed(hidden))).toEqual([hidden]);
    expect(parseMessage(encode(hidden))).toMatchObject({ ok: false, status: 400 });
  });

  test("pendingBytes tells what waits, and an idle connection holds nothing", () => {
    const framer = new StreamFramer();
    framer.push(encode(one + one.slice(0, 10)));
    expect(framer.pendingBytes).toBe(10);
    framer.push(encode(one.slice(10)));
    expect(framer.pendingBytes).toBe(0);
  });

  test("given messages are not changed by what comes later", () => {
    const framer = new StreamFramer();
    const chunk = encode(one);
    const [first] = framer.push(chunk);
    chunk.fill(0);
    framer.push(encode(utf8));
    expect(first?.kind === "message" && decode(first.bytes)).toBe(one);
  });

  test("any octets in any chunks give outputs, never a throw", () => {
    const pieces = [one, utf8, "\r\n", "\r", "\n", "l: 3\r\n", "\r\n\r\n", "\0\xff", " "];
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed);
      const text = Array.from({ length: 1 + random.below(6) }, () => random.pick(pieces)).join("");
      const bytes = encode(text);
      const whole = new StreamFramer().push(bytes);
      const framer = new StreamFramer();
      const byOctet = Array.from(bytes, (octet) => framer.push(Uint8Array.of(octet))).flat();
      expect({ seed, outputs: byOctet }).toEqual({ seed, outputs: whole });
    }
  });
});
