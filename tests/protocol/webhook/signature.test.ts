import { describe, expect, test } from "bun:test";
import twilio from "twilio";
import { signature, signedUrl } from "../../../protocol/webhook/signature.ts";
import { encodeForm, requestUrl } from "../../../protocol/webhook/url.ts";
import { seeded } from "../../support/seeded.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const SIPREC = {
  AccountSid: `AC${"a".repeat(32)}`, CallSid: `CA${"b".repeat(32)}`,
  SiprecSid: `SR${"c".repeat(32)}`, SiprecName: "my-first-siprec",
  SiprecEvent: "siprec-started", Timestamp: "2025-01-02T03:04:05.678Z",
};
const DIGITS = {
  CallSid: "CA1234567890ABCDE", Caller: "+14158675310", Digits: "1234", From: "+14158675310",
  To: "+18005551212",
};

describe("X-Twilio-Signature", () => {
  for (const [token, url, params, expected] of [
    ["12345", "https://example.com/myapp.php?foo=1&bar=2", DIGITS, "L/OH5YylLD5NRKLltdqwSvS0BnU="],
    [
      "12345", "https://mycompany.com/myapp.php?foo=1&bar=2",
      { ...DIGITS, Caller: "+14158675309", From: "+14158675309" }, "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ],
    [TOKEN, "https://example.com/siprec", SIPREC, "nqhY53c3UqB2VFPfxs5QYCqNYEM="],
    [TOKEN, "http://127.0.0.1:3000/siprec", SIPREC, "Yaa2nZH3pkq8okVn57yz6EknK/c="],
  ] as const) {
    test(`of a form to ${url} is ${expected}`, () => {
      expect(signature(token, url, params)).toBe(expected);
    });
  }

  test("of a GET covers the parameters as part of the URL", () => {
    const url = requestUrl(new URL("https://example.com/siprec"), "GET", SIPREC);
    expect(signature(TOKEN, url, null)).toBe("W75Fk1c5yl1/ZOPeRoxTCnP1WKA=");
  });

  test("sorts names by code unit, capitals first", () => {
    const params = { b: "1", B: "2", a: "3", A: "4", "é": "5", _: "6" };
    expect(signature(TOKEN, "https://a/", params))
      .toBe(twilio.getExpectedTwilioSignature(TOKEN, "https://a/", params));
  });

  test("agrees with Twilio's own library for any form", () => {
    const random = seeded(7);
    const alphabet = ["a", "B", "é", "+", "%", "&", "=", " ", "\n", "漢", "😀", "1", "."];
    const word = (): string =>
      Array.from({ length: random.below(12) }, () => random.pick(alphabet)).join("");
    for (let round = 0; round < 300; round += 1) {
      const params = Object.fromEntries(
        Array.from({ length: random.below(6) }, () => [`p${word()}`, word()]),
      );
      const [path, query] = [encodeURIComponent(word()), encodeURIComponent(word())];
      const url = `https://app.example/${path}?x=${query}`;
      const made = signature(TOKEN, url, params);
      expect(twilio.validateRequest(TOKEN, made, url, params)).toBe(true);
    }
  });
});

describe("The signed URL", () => {
  for (const [url, signed] of [
    ["https://host", "https://host/"],
    ["https://host?a=b", "https://host/?a=b"],
    ["https://host:8443/cb", "https://host/cb"],
    ["https://[2001:db8::1]:8443/cb", "https://[2001:db8::1]/cb"],
    ["http://host:3000/cb", "http://host:3000/cb"],
    ["https://user:p%40ss@host/cb", "https://host/cb"],
    ["https://host/cb#rc=2&rp=5xx", "https://host/cb"],
    ["https://host/a:9/@b?c=d:8@e&f=%20+", "https://host/a:9/@b?c=d:8@e&f=%20+"],
  ] as const) {
    test(`of ${url} is ${signed}`, () => {
      expect(signedUrl(url)).toBe(signed);
    });
  }
});

describe("Encoding a form", () => {
  test("a space is %20, a plus is %2B, and text is UTF-8", () => {
    expect(encodeForm({ "a b": "c+d é", e: "" })).toBe("a%20b=c%2Bd%20%C3%A9&e=");
  });

  test("a lone surrogate is replaced, not thrown at", () => {
    expect(encodeForm({ a: "\uD800" })).toBe("a=%EF%BF%BD");
    expect(signature(TOKEN, "https://a/", { a: "\uD800" }))
      .toBe(signature(TOKEN, "https://a/", { a: "\uFFFD" }));
  });
});
