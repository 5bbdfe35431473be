import { describe, expect, test } from "bun:test";
import { addHeader, withHeader } from "../../../protocol/sip/header.ts";
import type { SipRequest } from "../../../protocol/sip/message.ts";
import { screenRequest } from "../../../protocol/sip/screen.ts";
import { sampleRequest } from "../../support/sip.ts";

const policy = {
  methods: ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"],
  extensions: ["siprec"],
  contentTypes: ["application/sdp", "multipart/mixed"],
};

const withBody = (type: string | null, ...more: [string, string][]): SipRequest => {
  let request = sampleRequest();
  if (type !== null) request = withHeader(request, "Content-Type", type);
  for (const [name, value] of more) request = addHeader(request, name, value);
  return { ...request, body: new Uint8Array([0x61]) };
};

describe("what is refused before it is looked at", () => {
  const rows: [string, SipRequest, number, string | null][] = [
    ["a method nobody knows", sampleRequest({ method: "NEWMETHOD" }), 501,
      "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS"],
    ["a method that is not served", sampleRequest({ method: "REGISTER" }), 405,
      "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS"],
    ["a scheme that is not SIP's", sampleRequest({ uri: "nobodyKnowsThisScheme:opaque" }), 416, null],
    ["an extension", addHeader(sampleRequest(), "Require", "siprec, nothingSupportsThis"), 420,
      "Unsupported: nothingSupportsThis"],
    ["a body of another type", withBody("application/unknown"), 415,
      "Accept: application/sdp, multipart/mixed"],
    ["a body without a type", withBody(null), 415, "Accept: application/sdp, multipart/mixed"],
    ["an encoding", withBody("application/sdp", ["Content-Encoding", "gzip"]), 415,
      "Accept-Encoding: identity"],
  ];
  for (const [name, request, status, line] of rows) {
    test(`${name}: ${status}`, () => {
      const verdict = screenRequest(request, policy);
      if (verdict.ok) throw new Error("let through");
      expect(verdict.status).toBe(status);
      expect(verdict.headers.map((each) => `${each.name}: ${each.value}`))
        .toEqual(line === null ? [] : [line]);
    });
  }

  const fine: [string, SipRequest][] = [
    ["an ordinary INVITE", sampleRequest()],
    ["a tel address", sampleRequest({ uri: "tel:+15551234" })],
    ["an extension that we have", addHeader(sampleRequest(), "Require", "SIPREC")],
    ["SDP with parameters", withBody("Application/SDP; charset=utf-8")],
    ["the identity encoding", withBody("application/sdp", ["Content-Encoding", "Identity"])],
    ["a body that is optional", withBody("x/y", ["Content-Disposition", "foo; handling = optional"])],
    ["RFC 3261 §8.2.2.3: Require in an ACK",
      addHeader(sampleRequest({ method: "ACK" }), "Require", "x")],
  ];
  for (const [name, request] of fine) {
    test(`let through: ${name}`, () => {
      expect(screenRequest(request, policy)).toEqual({ ok: true });
    });
  }
});
