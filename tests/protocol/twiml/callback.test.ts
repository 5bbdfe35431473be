import { describe, expect, test } from "bun:test";
import {
  type CallFacts, fallbackParams, siprecCallbackParams, type SiprecFacts, voiceParams,
} from "../../../protocol/twiml/callback.ts";

const CALL: CallFacts = {
  callSid: "CA1", accountSid: "AC1", from: "sip:anna@h", to: "+15551230001", status: "ringing",
  direction: "inbound", parentCallSid: null, forwardedFrom: null, callerName: null,
};
const STANDARD = {
  CallSid: "CA1", AccountSid: "AC1", From: "sip:anna@h", To: "+15551230001",
  Caller: "sip:anna@h", Called: "+15551230001", CallStatus: "ringing",
  ApiVersion: "2010-04-01", Direction: "inbound",
};
const SIPREC: SiprecFacts = {
  siprecSid: "SR1", name: "my-first-siprec", event: "siprec-started",
  at: Date.UTC(2025, 0, 2, 3, 4, 5, 678), error: null,
};

describe("The parameters of a request for a document", () => {
  test("are the standard ones; what is not known is left out", () => {
    expect(voiceParams(CALL, null)).toEqual(STANDARD);
    const child = { ...CALL, parentCallSid: "CA0", forwardedFrom: "+1", callerName: "Anna" };
    expect(voiceParams(child, null)).toEqual({
      ...STANDARD, ParentCallSid: "CA0", ForwardedFrom: "+1", CallerName: "Anna",
    });
  });

  test("name the SIP side, and of its headers those that begin with X-", () => {
    const params = voiceParams(CALL, {
      callId: "id@h", sourceIp: "192.0.2.1", domain: "h", username: null,
      headers: [
        { name: "X-Room", value: "7" }, { name: "x-lower", value: "8" },
        { name: "Authorization", value: "secret" }, { name: "X-Bad Name", value: "9" },
      ],
    });
    expect(params).toEqual({
      ...STANDARD, SipCallId: "id@h", SipSourceIp: "192.0.2.1", SipDomain: "h",
      "SipHeader_X-Room": "7", "SipHeader_x-lower": "8",
    });
  });

  test("to the fallback say what was wrong with which URL", () => {
    expect(fallbackParams(voiceParams(CALL, null), 12100, "http://h/voice")).toEqual({
      ...STANDARD, ErrorCode: "12100", ErrorUrl: "http://h/voice",
    });
  });
});

describe("The parameters of a SIPREC status callback", () => {
  test("are the standard ones and the session's, with the time in ISO 8601", () => {
    expect(siprecCallbackParams(CALL, SIPREC)).toEqual({
      ...STANDARD, SiprecSid: "SR1", SiprecName: "my-first-siprec",
      SiprecEvent: "siprec-started", Timestamp: "2025-01-02T03:04:05.678Z",
    });
  });

  test("have the SID for a name when there is none", () => {
    expect(siprecCallbackParams(CALL, { ...SIPREC, name: null })["SiprecName"]).toBe("SR1");
  });

  test("of a failure have its number and its sentence", () => {
    const error = { code: 32011, message: "The recorder answered 486" };
    expect(siprecCallbackParams(CALL, { ...SIPREC, event: "siprec-error", error })).toMatchObject({
      SiprecEvent: "siprec-error", SiprecErrorCode: "32011",
      SiprecError: "The recorder answered 486",
    });
  });
});
