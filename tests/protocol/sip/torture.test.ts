// RFC 4475 (bit-exact, from its appendix) and RFC 5118: what this parser says to each message, and
// which later layer reacts where the parser rightly does not.

import { describe, expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { buildResponse } from "../../../protocol/sip/build.ts";
import { StreamFramer } from "../../../protocol/sip/framing.ts";
import type { FramerOutput } from "../../../protocol/sip/framing.ts";
import {
  header, headerList, headersOf, parseCseq, parseNameAddr, parseVia, tagOf, topVia,
} from "../../../protocol/sip/header.ts";
import type { SipMessage, SipRequest, SipResponse } from "../../../protocol/sip/message.ts";
import { parseMultipart } from "../../../protocol/sip/multipart.ts";
import { parseMessage } from "../../../protocol/sip/parse.ts";
import { serializeMessage } from "../../../protocol/sip/serialize.ts";
import { parseUri, uriParam, uriUser } from "../../../protocol/sip/uri.ts";

const folder = new URL("../../vectors/rfc4475/", import.meta.url).pathname;
const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(`${folder}${name}.dat`));

/** "accept", a status to answer with, or null: drop. The note names who reacts later. */
const REACTIONS: [name: string, reaction: "accept" | number | null, note?: string][] = [
  // 3.1.1 valid
  ["wsinv", "accept"], ["intmeth", "accept", "501 above"], ["esc01", "accept"],
  ["escnull", "accept"], ["esc02", "accept", "501 above"], ["lwsdisp", "accept"],
  ["longreq", "accept"], ["dblreq", "accept"], ["semiuri", "accept"], ["transports", "accept"],
  ["mpart01", "accept"], ["unreason", "accept"], ["noreason", "accept"],
  // 3.1.2 invalid
  ["badinv01", 400], ["clerr", 400], ["ncl", 400], ["scalar02", 400], ["scalarlg", null],
  ["quotbal", 400], ["ltgtruri", 400], ["lwsruri", 400], ["lwsstart", 400], ["trws", 400],
  ["escruri", 400], ["baddate", "accept", "Date is nobody's concern"],
  ["regbadct", "accept", "parseNameAddr refuses the Contact"], ["badaspec", 400],
  ["baddn", 400], ["badvers", 505], ["mismatch01", 400], ["mismatch02", 400], ["bigcode", null],
  // 3.2 transaction, 3.3 application, 3.4 backward compatibility
  ["badbranch", 400], ["insuf", 400], ["unkscm", "accept", "416 above"],
  ["novelsc", "accept", "416 above"], ["unksm2", "accept"],
  ["bext01", "accept", "420 above"], ["invut", "accept", "415 above"],
  ["regaut01", "accept", "405 above"], ["multi01", 400], ["mcl01", 400],
  ["bcast", "accept", "dropped: top Via is not ours"], ["zeromf", "accept"],
  ["cparam01", "accept"], ["cparam02", "accept"], ["regescrt", "accept"],
  ["sdp01", "accept", "406 above"], ["inv2543", "accept"],
  ["test", null, "not in the RFC's text: a request line without a version, and no Via"],
];

describe("RFC 4475 torture messages", () => {
  test("the table names every message of the archive, once", () => {
    const names = readdirSync(folder).map((file) => file.replace(".dat", "")).sort();
    expect(REACTIONS.map(([name]) => name).sort()).toEqual(names);
    expect(names.length).toBe(50);
  });

  for (const [name, reaction, note] of REACTIONS) {
    test(`${name}: ${reaction ?? "drop"}${note === undefined ? "" : ` (${note})`}`, () => {
      const result = parseMessage(read(name));
      if (reaction === "accept") {
        expect(result.ok ? "accept" : result.reason).toBe("accept");
      } else {
        expect(result.ok ? "accept" : result.status).toBe(reaction);
      }
    });
  }

  const answered = REACTIONS.filter(([, reaction]) => typeof reaction === "number");
  for (const [name, status] of answered) {
    test(`${name}: the refusal is itself a message that parses as far as its headers go`, () => {
      const result = parseMessage(read(name));
      if (result.ok || result.request === null) throw new Error("expected a refused request");
      const response = buildResponse(result.request, Number(status), null, { toTag: "t" });
      expect(topVia(response)).not.toBeNull();
      for (const line of headersOf(response, "Via")) expect(parseVia(line).ok).toBe(true);
      for (const once of ["From", "To", "Call-ID", "CSeq"]) {
        expect(headersOf(response, once).length).toBeLessThanOrEqual(1);
      }
      const text = new TextDecoder().decode(serializeMessage(response));
      expect(text).toStartWith(`SIP/2.0 ${status} `);
    });
  }

  const accepted = REACTIONS.filter(([, reaction]) => reaction === "accept");
  for (const [name] of accepted) {
    test(`${name}: written and read again it is the same message`, () => {
      const first = parsed(name);
      const again = parseMessage(serializeMessage(first));
      if (!again.ok) throw new Error(again.reason);
      expect(withoutLength(again.message)).toEqual(withoutLength(first));
    });
  }
});

function parsed(name: string): SipMessage {
  const result = parseMessage(read(name));
  if (!result.ok) throw new Error(`${name}: ${result.reason}`);
  return result.message;
}

function request(name: string): SipRequest {
  const message = parsed(name);
  if (message.kind !== "request") throw new Error(`${name} is a response`);
  return message;
}

function response(name: string): SipResponse {
  const message = parsed(name);
  if (message.kind !== "response") throw new Error(`${name} is a request`);
  return message;
}

/** A message that came without Content-Length gets one when it is written. */
const withoutLength = (message: SipMessage): SipMessage => ({
  ...message,
  headers: message.headers.filter((line) => line.name !== "Content-Length"),
});

describe("RFC 4475 valid messages, read closely", () => {
  test("wsinv: folds, odd case, compact forms and lists", () => {
    const message = request("wsinv");
    expect(message.uri).toBe("sip:vivekg@chair-dnrc.example.com;unknownparam");
    expect(header(message, "Max-Forwards")).toBe("0068");
    expect(tagOf(header(message, "To") ?? "")).toBe("1918181833n");
    const from = parseNameAddr(header(message, "From") ?? "");
    expect(from.ok && from.display).toBe('J Rosenberg \\"');
    expect(from.ok && from.uri).toBe("sip:jdrosen@example.com");
    expect(parseCseq(message)).toEqual({ number: 9, method: "INVITE" });
    const vias = headerList(message, "Via").map(parseVia);
    expect(vias.map((via) => via.ok && [via.via.transport, via.via.host, via.via.branch])).toEqual([
      ["UDP", "192.0.2.2", "390skdjuw"],
      ["TCP", "spindle.example.com", "z9hG4bK9ikj8"],
      ["UDP", "192.168.255.111", "z9hG4bK30239"],
    ]);
    expect(topVia(message)?.host).toBe("192.0.2.2");
    expect(headerList(message, "Route")).toEqual([
      "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
    ]);
    expect(header(message, "NewFangledHeader")).toBe(
      "newfangled value continued newfangled value",
    );
    expect(header(message, "UnknownHeaderWithUnusualValue")).toBe(";;,,;;,;");
    const contact = parseNameAddr(header(message, "Contact") ?? "");
    expect(contact.ok && contact.display).toBe("Quoted string \"\"");
    expect(contact.ok && contact.params).toEqual([
      ["newparam", "newvalue"], ["secondparam", null], ["q", "0.33"],
    ]);
    expect(header(message, "Subject")).toBe("");
    expect(message.body.length).toBe(150);
  });

  test("intmeth: every token character, UTF-8, and controls behind a backslash", () => {
    const message = request("intmeth");
    expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
    const to = parseNameAddr(header(message, "To") ?? "");
    expect(to.ok && to.display).toBe("BEL:\x07 NUL:\x00 DEL:\x7f");
    const from = parseNameAddr(header(message, "From") ?? "");
    expect(from.ok && from.display).toBe("token1~` token2'+_ token3*%!.-");
    expect(header(message, "extensionHeader-!.%*+_`'~")).toContain("大停電");
  });

  test("esc01: an escaped @ in the user part; escapes in parameters", () => {
    const uri = parseUri(request("esc01").uri);
    expect(uri.ok && uriUser(uri.uri)).toBe("sips:user@example.com");
    expect(uri.ok && uri.uri.host).toBe("example.net");
  });

  test("esc02: %-signs that escape nothing stay as they are", () => {
    const message = request("esc02");
    expect(message.method).toBe("RE%47IST%45R");
    expect(tagOf(header(message, "From") ?? "")).toBe("f232jadfj23");
  });

  test("lwsdisp: no blank between display name and bracket", () => {
    const from = parseNameAddr(header(request("lwsdisp"), "From") ?? "");
    expect(from.ok && from.display).toBe("caller");
  });

  test("longreq: 34 Vias, and values longer than a segment", () => {
    const message = request("longreq");
    expect(headerList(message, "Via").length).toBe(34);
    expect(headerList(message, "Via").every((via) => parseVia(via).ok)).toBe(true);
  });

  test("dblreq: octets after Content-Length are not part of a datagram's message", () => {
    expect(request("dblreq").method).toBe("REGISTER");
    expect(request("dblreq").body.length).toBe(0);
  });

  test("semiuri: a semicolon before the @ belongs to the user part", () => {
    const uri = parseUri(request("semiuri").uri);
    expect(uri.ok && uri.uri.user).toBe("user;par=u%40example.net");
    expect(uri.ok && uri.uri.params).toEqual([]);
  });

  test("transports: known and unknown ones", () => {
    const transports = headerList(request("transports"), "Via").map(parseVia);
    expect(transports.map((via) => via.ok && via.via.transport)).toEqual([
      "UDP", "SCTP", "TLS", "UNKNOWN", "TCP",
    ]);
  });

  test("mpart01: a binary part keeps its octets", () => {
    const message = request("mpart01");
    const result = parseMultipart(header(message, "Content-Type") ?? "", message.body);
    if (!result.ok) throw new Error(result.reason);
    expect(result.parts.map((part) => header(part, "Content-Type"))).toEqual([
      "text/plain", "application/octet-stream",
    ]);
    expect(new TextDecoder().decode(result.parts[0]?.body)).toBe("Hello");
    expect(result.parts[1]?.body.includes(0)).toBe(true);
    expect(result.parts[1]?.body[0]).toBe(0x30);
  });

  test("unreason, noreason: the phrase is UTF-8, or nothing", () => {
    expect(response("unreason").reason).toStartWith("= 2**3 * 5**2 но сто");
    expect(response("noreason").reason).toBe("");
  });

  test("cparam01, cparam02: brackets decide whose parameter it is", () => {
    const bare = parseNameAddr(header(request("cparam01"), "Contact") ?? "");
    expect(bare.ok && bare.params).toEqual([["unknownparam", null]]);
    const wrapped = parseNameAddr(header(request("cparam02"), "Contact") ?? "");
    expect(wrapped.ok && wrapped.params).toEqual([]);
    const uri = wrapped.ok ? parseUri(wrapped.uri) : wrapped;
    expect(uri.ok && uriParam(uri.uri, "unknownparam")).toBe("");
  });

  test("regbadct: the accessor refuses what the parser does not look at", () => {
    expect(parseNameAddr(header(request("regbadct"), "Contact") ?? "").ok).toBe(false);
  });

  test("inv2543: no branch, no tag, no Max-Forwards", () => {
    const message = request("inv2543");
    expect(topVia(message)?.branch).toBeNull();
    expect(tagOf(header(message, "From") ?? "")).toBeNull();
  });
});

describe("RFC 4475 on a stream", () => {
  const framed = (name: string): FramerOutput[] => new StreamFramer().push(read(name));
  const kinds = (name: string): string[] => framed(name).map((output) => output.kind);

  test("dblreq: what a datagram ignores is the next message here", () => {
    // The second one's body is longer than it says, so the stream is lost after it.
    expect(kinds("dblreq")).toEqual(["message", "pong", "message", "error"]);
  });

  test("clerr: waits for octets that never come", () => {
    expect(kinds("clerr")).toEqual([]);
  });

  for (const name of ["ncl", "mcl01", "inv2543"]) {
    test(`${name}: no single Content-Length, so 400 and the end`, () => {
      const outputs = framed(name);
      expect(outputs.map((output) => output.kind)).toEqual(["error"]);
      expect(outputs[0]).toMatchObject({ status: 400 });
    });
  }
});

describe("RFC 5118 IPv6 torture messages", () => {
  const folder5118 = new URL("../../vectors/rfc5118/", import.meta.url).pathname;
  // The archive holds them with bare line feeds, two of them without their last, empty line.
  const read5118 = (name: string): Uint8Array => {
    const text = readFileSync(folder5118 + name, "utf8").replace(/\n/g, "\r\n");
    return new TextEncoder().encode(text.includes("\r\n\r\n") ? text : `${text}\r\n`);
  };

  const REFUSED: Record<string, string> = {
    "ipv6-bad": "no brackets around the address",
    "ipv6-in-sdp": "the archive's Content-Length is larger than its body",
  };

  for (const name of readdirSync(folder5118)) {
    const why = REFUSED[name];
    const accepted = why === undefined;
    test(`${name}: ${accepted ? "accept" : `400 (${why})`}`, () => {
      const result = parseMessage(read5118(name));
      expect(result.ok ? "accept" : result.status).toBe(accepted ? "accept" : 400);
    });
  }

  test("received is read with brackets and without", () => {
    const names = ["via-received-param-with-delim", "via-received-param-no-delim"];
    const received = names.map((name) => {
      const result = parseMessage(read5118(name));
      const via = result.ok ? topVia(result.message) : null;
      return via?.params.find(([key]) => key === "received")?.[1];
    });
    expect(received).toEqual(["[2001:db8::9:255]", "2001:db8::9:255"]);
  });

  test("the port is outside the brackets", () => {
    const ports = ["port-ambiguous", "port-unambiguous"].map((name) => {
      const result = parseMessage(read5118(name));
      if (!result.ok || result.message.kind !== "request") return null;
      const uri = parseUri(result.message.uri);
      return uri.ok ? [uri.uri.host, uri.uri.port] : null;
    });
    expect(ports).toEqual([["[2001:db8::10:5070]", null], ["[2001:db8::10]", 5070]]);
  });
});
