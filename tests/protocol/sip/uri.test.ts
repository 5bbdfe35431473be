import { describe, expect, test } from "bun:test";
import {
  escapeUser, parseHostPort, parseUri, sameUri, serializeUri, unescapeUri, uriParam, uriUser,
} from "../../../protocol/sip/uri.ts";
import type { SipUri } from "../../../protocol/sip/uri.ts";
import { seeded } from "../../support/seeded.ts";

function uri(text: string): SipUri {
  const result = parseUri(text);
  if (!result.ok) throw new Error(`${text}: ${result.reason}`);
  return result.uri;
}

describe("parseUri", () => {
  test("takes all parts of a SIP URI apart", () => {
    expect(uri("SIPS:al%69ce:secret@Example.com:5061;transport=tcp;lr?a=b&c=d")).toEqual({
      scheme: "sips", user: "al%69ce", password: "secret", host: "Example.com", port: 5061,
      params: [["transport", "tcp"], ["lr", null]], headers: "a=b&c=d",
    });
  });

  test("a user part may hold ; ? and /", () => {
    expect(uri("sip:+1;phone-context=x/y?z@h;lr")).toMatchObject({
      user: "+1;phone-context=x/y?z", host: "h", params: [["lr", null]], headers: "",
    });
  });

  test("IPv6 keeps its brackets", () => {
    expect(uri("sip:[2001:db8::1]:5070;maddr=[::1]")).toMatchObject({
      user: null, host: "[2001:db8::1]", port: 5070, params: [["maddr", "[::1]"]],
    });
  });

  test("tel has a number, other schemes are opaque", () => {
    expect(uri("tel:+1-201-555-0123;phone-context=example.com")).toMatchObject({
      scheme: "tel", user: "+1-201-555-0123", host: "", params: [["phone-context", "example.com"]],
    });
    expect(uri("urn:service:sos")).toMatchObject({
      scheme: "urn", user: null, host: "service:sos",
    });
  });

  const REFUSED = [
    "", "sip", "sip:", "sip:@h", "sip:u@", "sip:u@h:", "sip:u@h:0", "sip:u@h:65536", "sip:u@h:x",
    "sip:u@h;", "sip:u@h;;lr", "sip:u@h;=x", "sip:u@h?", "sip:u@h ;lr", "sip:u u@h", "<sip:u@h>",
    "sip:u@2001:db8::1", "sip:u@[2001:db8::1", "sip:u@[h]", "sip:u@[]", "sip:u@[::1]x", "sip:u@h%",
    "sip:u%4@h", "sip:u%zz@h", "sip:ü@h", "sip:u@h\r\n", "sip:u@a@b", "sip:u@h;x@y", "1sip:u@h",
    "s ip:u@h",
    "tel:", "tel:abc!", "tel:+1;", 'sip:"u"@h', `sip:${"h".repeat(256)}`, "sip:\0@h",
  ];
  for (const text of REFUSED) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(parseUri(text).ok).toBe(false);
    });
  }

  test("what is accepted is written as it was read, but for the scheme's case", () => {
    for (const text of [
      "sip:alice:pw@h.example:5060;transport=UDP;lr?Subject=x%20y", "sip:h", "tel:911",
      "sips:%61lice@[::1]:5061", "im:whoever@h", "sip:1234#@h", "sip:u@under_score",
    ]) {
      expect(serializeUri(uri(text))).toBe(text);
    }
  });

  test("any text gives a value, and what is accepted can be written and read again", () => {
    const alphabet = [..."sip:tel@;=?&%41[]:.-<> \"\\+a0ü,/#"];
    for (let seed = 1; seed <= 3000; seed++) {
      const random = seeded(seed);
      const tail = Array.from({ length: random.below(14) }, () => random.pick(alphabet)).join("");
      const result = parseUri(random.pick(["sip:", "sips:u@", "tel:", ""]) + tail);
      if (!result.ok) continue;
      expect(parseUri(serializeUri(result.uri))).toEqual(result);
    }
  });
});

describe("sameUri, RFC 3261 §19.1.4", () => {
  const SAME: [string, string][] = [
    ["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
    ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
    ["sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"],
    ["sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
      "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"],
    ["sip:alice@atlanta.com?subject=project%20x&priority=urgent",
      "sip:alice@atlanta.com?priority=urgent&subject=project%20x"],
  ];
  const DIFFERENT: [string, string][] = [
    ["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
    ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
    ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
    ["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"],
    ["sip:bob@biloxi.com", "sips:bob@biloxi.com"],
    ["sip:bob@biloxi.com;user=phone", "sip:bob@biloxi.com"],
    ["sip:bob@biloxi.com;maddr=h", "sip:bob@biloxi.com"],
    ["sip:bob@biloxi.com;ttl=1", "sip:bob@biloxi.com"],
    ["sip:biloxi.com", "sip:bob@biloxi.com"],
    ["sip:bob:x@biloxi.com", "sip:bob@biloxi.com"],
    ["sip:a%3Bb@h", "sip:a;b@h"],
  ];
  for (const [a, b] of SAME) {
    test(`${a} is ${b}`, () => {
      expect([sameUri(uri(a), uri(b)), sameUri(uri(b), uri(a))]).toEqual([true, true]);
    });
  }
  for (const [a, b] of DIFFERENT) {
    test(`${a} is not ${b}`, () => {
      expect([sameUri(uri(a), uri(b)), sameUri(uri(b), uri(a))]).toEqual([false, false]);
    });
  }
});

describe("parts of URIs", () => {
  test("uriParam: value, present without a value, absent; the name's case is no matter", () => {
    const one = uri("sip:h;LR;Transport=tcp");
    expect([uriParam(one, "transport"), uriParam(one, "lr"), uriParam(one, "x")]).toEqual([
      "tcp", "", null,
    ]);
  });

  test("a user is escaped and unescaped as UTF-8", () => {
    for (const user of ["+1 234#5", "Žižek@home", "a;b?c/d&e=f+g$h,i", "100%", ""]) {
      const escaped = escapeUser(user);
      expect(unescapeUri(escaped)).toBe(user);
      if (user !== "") expect(uriUser(uri(`sip:${escaped}@h`))).toBe(user);
    }
    expect(escapeUser("+123;x")).toBe("+123;x");
    expect(escapeUser("\ud800")).toBe("%EF%BF%BD");
  });

  test("escapes that are not UTF-8 stay as they are", () => {
    expect(unescapeUri("caf%E9")).toBe("caf%E9");
  });

  test("parseHostPort allows blanks around the colon, as a Via has them", () => {
    expect(parseHostPort("h.example : 5060")).toEqual({ host: "h.example", port: 5060 });
    expect(parseHostPort("[::1] : 5060")).toEqual({ host: "[::1]", port: 5060 });
    expect(parseHostPort("h example")).toBeNull();
  });
});
