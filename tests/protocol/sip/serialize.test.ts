import { describe, expect, test } from "bun:test";
import { NO_BODY } from "../../../protocol/sip/message.ts";
import type { SipHeader, SipRequest } from "../../../protocol/sip/message.ts";
import { parseMessage } from "../../../protocol/sip/parse.ts";
import { serializeMessage } from "../../../protocol/sip/serialize.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const request = (headers: SipHeader[], body: Uint8Array = NO_BODY): SipRequest => (
  { kind: "request", method: "OPTIONS", uri: "sip:h", headers, body }
);

describe("serializeMessage", () => {
  test("writes the start line, the headers in their order, and Content-Length at the end", () => {
    const bytes = serializeMessage(request([{ name: "To", value: "a" }, { name: "X", value: "" }]));
    expect(text(bytes)).toBe("OPTIONS sip:h SIP/2.0\r\nTo: a\r\nX: \r\nContent-Length: 0\r\n\r\n");
  });

  test("writes a response, its phrase empty or not", () => {
    const bytes = serializeMessage({
      kind: "response", status: 180, reason: "", headers: [], body: NO_BODY,
    });
    expect(text(bytes)).toBe("SIP/2.0 180 \r\nContent-Length: 0\r\n\r\n");
  });

  test("RFC 3261 §20.14: Content-Length counts octets, once, whatever was said", () => {
    const body = new TextEncoder().encode("Žižek 😀");
    const wrong = { name: "Content-Length", value: "5" };
    const bytes = serializeMessage(request([wrong, { name: "To", value: "a" }, wrong], body));
    expect(text(bytes)).toBe(
      "OPTIONS sip:h SIP/2.0\r\nContent-Length: 12\r\nTo: a\r\n\r\nŽižek 😀",
    );
  });

  test("octets of a body are not touched", () => {
    const body = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(serializeMessage(request([], body)).slice(-256)).toEqual(body);
  });

  test("a line end in any text starts no header and no body", () => {
    const bytes = serializeMessage({
      kind: "response", status: 200, reason: "OK\r\nA: 1", body: NO_BODY,
      headers: [{ name: "B\r\nC", value: "x\r\n\r\ny\nD: 2\rE: 3" }],
    });
    expect(text(bytes)).toBe(
      "SIP/2.0 200 OK A: 1\r\nB C: x y D: 2 E: 3\r\nContent-Length: 0\r\n\r\n",
    );
    const split = serializeMessage({ ...request([]), uri: "sip:h SIP/2.0\r\nTo: x" });
    expect(parseMessage(split).ok).toBe(false);
    expect(text(split).split("\r\n").length).toBe(4);
  });
});
