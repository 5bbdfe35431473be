import { describe, expect, test } from "bun:test";
import { header, headersOf, topVia } from "../../../protocol/sip/header.ts";
import type { SipHeader, SipMessage } from "../../../protocol/sip/message.ts";
import {
  HEADERS_MAX_BYTES, HEADER_COUNT_MAX, MESSAGE_MAX_BYTES, parseMessage,
} from "../../../protocol/sip/parse.ts";
import type { ParseResult } from "../../../protocol/sip/parse.ts";
import { serializeMessage } from "../../../protocol/sip/serialize.ts";
import { seeded } from "../../support/seeded.ts";
import type { Seeded } from "../../support/seeded.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const MANDATORY = [
  "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKabc",
  "From: <sip:a@example.com>;tag=1",
  "To: <sip:b@example.com>",
  "Call-ID: id@192.0.2.1",
  "CSeq: 1 INVITE",
];

/** An INVITE in which lines are replaced (by header name), dropped (null) or added. */
function invite(changes: Record<string, string | null> = {}, body = ""): Uint8Array {
  const lines = MANDATORY.map((line) => {
    const name = line.slice(0, line.indexOf(":"));
    return name in changes ? changes[name] : line;
  });
  const added = Object.entries(changes).filter(([name]) => name.startsWith("+"));
  lines.push(...added.map(([, line]) => line));
  const head = lines.filter((line) => typeof line === "string").join("\r\n");
  const start = changes["start"] ?? "INVITE sip:b@example.com SIP/2.0";
  return encode(`${start}\r\n${head}\r\n\r\n${body}`);
}

function accepted(result: ParseResult): SipMessage {
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

const outcome = (bytes: Uint8Array): string | number | null => {
  const result = parseMessage(bytes);
  return result.ok ? "ok" : result.status;
};

describe("parseMessage", () => {
  test("reads names canonically, values unfolded and trimmed, lines in their order", () => {
    const message = accepted(parseMessage(encode(
      "INVITE sip:b@example.com SIP/2.0\r\nv :SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n" +
      "f:<sip:a@example.com>;\r\n\t tag=1 \r\nT: <sip:b@example.com>\r\ni:x\r\ncseq: 1 INVITE\r\n" +
      "x-Own: kept  as is\t\r\nEmpty:\r\nL: 2\r\n\r\nhi",
    )));
    expect(message.headers).toEqual([
      { name: "Via", value: "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa" },
      { name: "From", value: "<sip:a@example.com>; tag=1" },
      { name: "To", value: "<sip:b@example.com>" },
      { name: "Call-ID", value: "x" },
      { name: "CSeq", value: "1 INVITE" },
      { name: "x-Own", value: "kept  as is" },
      { name: "Empty", value: "" },
      { name: "Content-Length", value: "2" },
    ]);
    expect(new TextDecoder().decode(message.body)).toBe("hi");
  });

  test("ignores line ends before the start line", () => {
    const bytes = new Uint8Array([13, 10, 13, 10, ...invite()]);
    expect(outcome(bytes)).toBe("ok");
  });

  test("RFC 3261 §18.3: without Content-Length the body is the rest of the datagram", () => {
    expect(accepted(parseMessage(invite({}, "rest"))).body.length).toBe(4);
  });

  test("counts octets, not characters", () => {
    const bytes = invite({ "+": "Content-Length: 8" }, "Žižek 😀");
    expect(new TextDecoder().decode(accepted(parseMessage(bytes)).body)).toBe("Žižek ");
  });

  test("a status line may lack its phrase, and even the blank before it", () => {
    for (const start of ["SIP/2.0 180 Ringing", "SIP/2.0 180 ", "SIP/2.0 180", "sip/2.0 180 x"]) {
      expect(accepted(parseMessage(invite({ start })))).toMatchObject({ status: 180 });
    }
  });

  const REFUSED: [what: string, changes: Record<string, string | null>, status: number | null][] = [
    ["a missing Via: nobody to answer", { Via: null }, null],
    ["a missing From", { From: null }, 400],
    ["a missing To", { To: null }, 400],
    ["a missing Call-ID", { "Call-ID": null }, 400],
    ["a missing CSeq", { CSeq: null }, 400],
    ["a CSeq of another method", { CSeq: "CSeq: 1 BYE" }, 400],
    ["a CSeq of another case", { CSeq: "CSeq: 1 invite" }, 400],
    ["a CSeq beyond 32 bits", { CSeq: "CSeq: 4294967296 INVITE" }, 400],
    ["a negative CSeq", { CSeq: "CSeq: -1 INVITE" }, 400],
    ["two CSeq", { "+": "CSeq: 1 INVITE" }, 400],
    ["two From", { "+": "f: <sip:a@example.com>;tag=1" }, 400],
    ["an empty Call-ID", { "Call-ID": "Call-ID:" }, 400],
    ["a Call-ID of two words", { "Call-ID": "Call-ID: a b" }, 400],
    ["a From that is no address", { From: "From: nobody" }, 400],
    ["a To whose URI has no host", { To: "To: <sip:b@>" }, 400],
    ["a Via of HTTP", { Via: "Via: HTTP/1.1 proxy" }, null],
    ["a Via whose parameters are broken", { Via: "Via: SIP/2.0/UDP a;;b" }, 400],
    ["a Via of another version", { Via: "Via: SIP/7.0/UDP a;branch=z9hG4bK1" }, 400],
    ["a second Via that is broken", { "+": "Via: nonsense" }, 400],
    ["Max-Forwards that is no number", { "+": "Max-Forwards: many" }, 400],
    ["Max-Forwards over 255", { "+": "Max-Forwards: 256" }, 400],
    ["a negative Content-Length", { "+": "Content-Length: -1" }, 400],
    ["a Content-Length beyond the datagram", { "+": "Content-Length: 1" }, 400],
    ["two Content-Lengths", { "+": "Content-Length: 0", "++": "l: 0" }, 400],
    ["a line without a colon", { "+": "no colon here" }, 400],
    ["a name with a blank inside", { "+": "Two Words: x" }, 400],
    ["a name that is empty", { "+": ": x" }, 400],
    ["a bare line feed in a value", { "+": "Subject: a\nVia: b" }, 400],
    ["a bare carriage return in a value", { "+": "Subject: a\rb" }, 400],
    ["SIP/3.0", { start: "INVITE sip:b@example.com SIP/3.0" }, 505],
    ["HTTP", { start: "INVITE sip:b@example.com HTTP/1.1" }, 400],
    ["a Request-URI in brackets", { start: "INVITE <sip:b@example.com> SIP/2.0" }, 400],
    ["a Request-URI with headers", { start: "INVITE sip:b@example.com?a=b SIP/2.0" }, 400],
    ["a Request-URI without a scheme", { start: "INVITE b SIP/2.0" }, 400],
    ["a method that is no token", { start: "IN@VITE sip:b@example.com SIP/2.0" }, null],
    ["a response of 099", { start: "SIP/2.0 099 x" }, null],
    ["a response of 700", { start: "SIP/2.0 700 x" }, null],
    ["a response of four digits", { start: "SIP/2.0 2000 x" }, null],
    ["a response of two digits", { start: "SIP/2.0 20" }, null],
    ["a response of another version", { start: "SIP/1.0 200 OK" }, null],
    ["a response without a To", { start: "SIP/2.0 200 OK", To: null }, null],
    ["an ACK with a broken To", {
      start: "ACK sip:b@example.com SIP/2.0", CSeq: "CSeq: 1 ACK", To: "To: x",
    }, null],
  ];
  for (const [what, changes, status] of REFUSED) {
    test(`refuses ${what}: ${status ?? "dropped"}`, () => {
      const result = parseMessage(invite(changes));
      expect(result).toMatchObject({ ok: false, status });
    });
  }

  test("a refused request keeps enough to be answered", () => {
    const result = parseMessage(invite({ "Call-ID": null, "+": "junk", Via:
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;;x, SIP/2.0/TCP 192.0.2.2, nonsense" }));
    if (result.ok || result.request === null) throw new Error("expected a refused request");
    expect(result.request.method).toBe("INVITE");
    expect(headersOf(result.request, "Via")).toEqual([
      "SIP/2.0/UDP 192.0.2.1, SIP/2.0/TCP 192.0.2.2",
    ]);
    expect(topVia(result.request)?.host).toBe("192.0.2.1");
    expect(header(result.request, "CSeq")).toBe("1 INVITE");
  });

  test("unterminated headers are 400, also when cut anywhere", () => {
    const whole = invite({ "+": "Content-Length: 4" }, "body");
    for (let length = 0; length < whole.length; length++) {
      expect(parseMessage(whole.subarray(0, length)).ok).toBe(false);
    }
    expect(outcome(whole)).toBe("ok");
    expect(outcome(whole.subarray(0, whole.length - 1))).toBe(400);
  });

  test("limits: header count, header octets, message octets", () => {
    const many = (count: number): Uint8Array =>
      invite({ "+": Array.from({ length: count }, () => "X: y").join("\r\n") });
    expect(outcome(many(HEADER_COUNT_MAX - MANDATORY.length))).toBe("ok");
    expect(outcome(many(HEADER_COUNT_MAX - MANDATORY.length + 1))).toBe(513);
    const headLength = invite({ "+": "Subject: " }).length - 4;
    const long = (extra: number): Uint8Array => invite({ "+": `Subject: ${"x".repeat(extra)}` });
    expect(outcome(long(HEADERS_MAX_BYTES - headLength))).toBe("ok");
    expect(outcome(long(HEADERS_MAX_BYTES - headLength + 1))).toBe(513);
    const room = MESSAGE_MAX_BYTES - invite().length;
    expect(outcome(invite({}, "x".repeat(room)))).toBe("ok");
    expect(outcome(invite({}, "x".repeat(room + 1)))).toBe(513);
  });

  test("a header folded ten thousand times costs no more than its octets", () => {
    const fold = "\r\n x".repeat(8000);
    const message = accepted(parseMessage(invite({ "+": `Subject: a${fold}` })));
    expect(header(message, "Subject")).toBe(`a${" x".repeat(8000)}`);
  });

  test("octets that are not UTF-8 are read with replacement characters", () => {
    const bytes = invite({ "+": "Subject: caf~" });
    bytes[bytes.indexOf(0x7e)] = 0xe9;
    expect(header(accepted(parseMessage(bytes)), "Subject")).toBe("caf\ufffd");
  });
});

describe("properties of parse and serialize", () => {
  test("parse(serialize(m)) equals m", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const message = anyMessage(seeded(seed));
      const result = parseMessage(serializeMessage(message));
      expect({ seed, result }).toEqual({ seed, result: { ok: true, message } });
    }
  });

  test("any octets give a value, never a throw", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = seeded(seed);
      expect(typeof parseMessage(random.bytes(random.below(300))).ok).toBe("boolean");
    }
  });

  test("a message with any octets changed gives a value, and what is accepted stays itself", () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const random = seeded(seed);
      const bytes = serializeMessage(anyMessage(random)).slice();
      for (let change = random.below(4); change >= 0; change--) mutate(bytes, random);
      const result = parseMessage(bytes);
      if (!result.ok) continue;
      const again = parseMessage(serializeMessage(result.message));
      expect({ seed, ok: again.ok }).toEqual({ seed, ok: true });
    }
  });
});

function mutate(bytes: Uint8Array, random: Seeded): void {
  const at = random.below(bytes.length);
  const special = encode(" \t\r\n:;,<>\"\\/@=%[]\0").at(random.below(18)) ?? 0;
  if (random.chance(3)) bytes.copyWithin(at, random.below(bytes.length));
  else bytes[at] = random.chance(2) ? special : random.below(256);
}

function anyMessage(random: Seeded): SipMessage {
  const word = (): string => random.pick(["a", "bob", "x-1", "z9~", "%41", "ü\u{1f600}", "Ω"]);
  const token = (): string => random.pick(["abc", "z9-x", "1.2", "_~+`", "*"]);
  const address = (): string => random.pick([
    `<sip:${token().replace("`", "")}@example.com>`,
    `"${word()}, \\"q\\"" <sips:[2001:db8::1]:5061;lr>`,
    `${word()} <tel:+123;phone-context=x>`, "sip:plain@192.0.2.1",
  ]);
  const method = random.pick(["INVITE", "OPTIONS", "x-Own.1", "BYE"]);
  const extra: SipHeader[] = Array.from({ length: random.below(6) }, () => ({
    name: random.pick(["Subject", "X-Any", "Contact", "Route", "Supported", "Content-Type"]),
    value: [word(), word()].join(random.pick([" ", ", ", ";", '"', "  "])),
  }));
  const body = random.bytes(random.chance(3) ? 0 : random.below(200));
  const headers: SipHeader[] = [
    { name: "Via", value: `SIP/2.0/UDP h.example:5060;branch=z9hG4bK${token()};rport` },
    { name: "From", value: `${address()};tag=${token()}` },
    { name: "To", value: address() },
    { name: "Call-ID", value: `${token()}@${token()}` },
    { name: "CSeq", value: `${random.below(2 ** 32)} ${method}` },
    ...extra,
    { name: "Content-Length", value: String(body.length) },
  ];
  if (random.chance(2)) {
    return { kind: "request", method, uri: "sip:b@example.com;lr", headers, body };
  }
  const reason = random.pick(["", "OK", `Ümlaut ${word()}`]);
  return { kind: "response", status: 100 + random.below(600), reason, headers, body };
}
