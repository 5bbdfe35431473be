import { describe, expect, test } from "bun:test";
import {
  REASONS, buildRequest, buildResponse, isInDialog, reasonOf,
} from "../../../protocol/sip/build.ts";
import { header, headersOf, prependHeader } from "../../../protocol/sip/header.ts";
import type { SipRequest } from "../../../protocol/sip/message.ts";
import { parseMessage } from "../../../protocol/sip/parse.ts";
import { serializeMessage } from "../../../protocol/sip/serialize.ts";

const body = new TextEncoder().encode("hello");

const invite = (to = "<sip:b@h>", method = "INVITE"): SipRequest => buildRequest({
  method, uri: "sip:b@h", from: "<sip:a@h>;tag=1", to, callId: "x", cseq: 7,
  headers: [
    { name: "Via", value: "SIP/2.0/UDP a;branch=z9hG4bK1" },
    { name: "Via", value: "SIP/2.0/UDP b;branch=z9hG4bK2" },
    { name: "Record-Route", value: "<sip:p1;lr>" }, { name: "Record-Route", value: "<sip:p2;lr>" },
    { name: "Timestamp", value: "54" }, { name: "Subject", value: "not mirrored" },
  ],
});

describe("buildRequest", () => {
  test("has what RFC 3261 §8.1.1 asks for, but for the Via", () => {
    const request = buildRequest({
      method: "MESSAGE", uri: "sip:b@h", from: "<sip:a@h>;tag=1", to: "<sip:b@h>", callId: "x",
      cseq: 7, maxForwards: 5, body, contentType: "text/plain",
    });
    expect(request.headers.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      "Max-Forwards: 5", "From: <sip:a@h>;tag=1", "To: <sip:b@h>", "Call-ID: x",
      "CSeq: 7 MESSAGE", "Content-Type: text/plain",
    ]);
    expect(header(invite(), "Max-Forwards")).toBe("70");
    const sent = prependHeader(request, "Via", "SIP/2.0/UDP h;branch=z9hG4bK1");
    expect(parseMessage(serializeMessage(sent)).ok).toBe(true);
  });
});

describe("buildResponse", () => {
  test("RFC 3261 §8.2.6.2: mirrors Via, From, To, Call-ID and CSeq, and tags the To", () => {
    const response = buildResponse(invite(), 486, null, { toTag: "us" });
    expect(response.reason).toBe("Busy Here");
    expect(response.headers.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      "From: <sip:a@h>;tag=1", "To: <sip:b@h>;tag=us", "Call-ID: x", "CSeq: 7 INVITE",
      "Via: SIP/2.0/UDP a;branch=z9hG4bK1", "Via: SIP/2.0/UDP b;branch=z9hG4bK2",
    ]);
  });

  test("a 100 has no tag, and the Timestamp", () => {
    const response = buildResponse(invite(), 100, null, { toTag: "us" });
    expect(header(response, "To")).toBe("<sip:b@h>");
    expect(header(response, "Timestamp")).toBe("54");
  });

  test("a To that has a tag keeps it", () => {
    const response = buildResponse(invite("<sip:b@h>;tag=old"), 200, null, { toTag: "us" });
    expect(header(response, "To")).toBe("<sip:b@h>;tag=old");
  });

  test("RFC 3261 §12.1.1: Record-Route only where a dialog is formed", () => {
    const routes = (request: SipRequest, status: number): number =>
      headersOf(buildResponse(request, status), "Record-Route").length;
    expect([100, 180, 200, 302, 486].map((status) => routes(invite(), status))).toEqual([
      0, 2, 2, 0, 0,
    ]);
    expect(routes(invite("<sip:b@h>;tag=1", "BYE"), 200)).toBe(0);
  });

  test("carries a reason, headers and a body of its own", () => {
    const response = buildResponse(invite(), 200, "Fine", {
      headers: [{ name: "Contact", value: "<sip:us>" }], body, contentType: "text/plain",
    });
    expect(response).toMatchObject({ reason: "Fine", body });
    expect(header(response, "Contact")).toBe("<sip:us>");
    expect(header(response, "Content-Type")).toBe("text/plain");
  });

  test("a code without a phrase of its own takes its class's", () => {
    expect([reasonOf(183), reasonOf(299), reasonOf(499), reasonOf(599)]).toEqual([
      "Session Progress", "OK", "Bad Request", "Server Internal Error",
    ]);
    const codes = Object.keys(REASONS).map(Number);
    expect(codes.every((code) => code >= 100 && code < 700)).toBe(true);
  });

  test("isInDialog looks at the To's tag", () => {
    expect([isInDialog(invite()), isInDialog(invite("<sip:b@h>;tag=1"))]).toEqual([false, true]);
    expect(isInDialog({ headers: [] })).toBe(false);
  });
});
