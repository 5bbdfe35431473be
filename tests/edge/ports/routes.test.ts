import { describe, expect, test } from "bun:test";
import {
  matchesPattern, numberRoute, numberTarget, partyName, sipTarget, TrunkSources,
} from "../../../edge/ports/routes.ts";
import { parseUri, type SipUri } from "../../../protocol/sip/uri.ts";
import type { NumberRoute, Trunk } from "../../../schemas/config.ts";

const ACCOUNT = `AC${"a".repeat(32)}`;
const OTHER = `AC${"b".repeat(32)}`;

const trunk = (name: string, spec: Partial<Trunk> = {}): Trunk => ({
  name, allow: [], mediaAllow: [], accounts: [], numbers: ["*"], maxCalls: 0, maxCps: 0,
  username: null, password: null, tls: { cert: null, key: null, ca: null, serverName: null },
  address: {
    uri: `sip:${name}.example.net`, transport: null, secure: false, edge: null,
    host: `${name}.example.net`, port: null,
  },
  ...spec,
});

const uriOf = (text: string): SipUri => {
  const parsed = parseUri(text);
  if (!parsed.ok) throw new Error(`${text} is no URI`);
  return parsed.uri;
};

describe("patterns", () => {
  const rows: [string, string, boolean][] = [
    ["*", "", true], ["*", "anything", true], ["", "", true], ["", "a", false],
    ["+1*", "+15550001", true], ["+1*", "+4415550001", false], ["+1*", "+1", true],
    ["*01", "+15550001", true], ["*01", "+15550012", false], ["+1*01", "+15550001", true],
    ["+1*01", "+1", false], ["a*b*c", "abc", true], ["a*b*c", "a-b-c", true],
    ["a*b*c", "acb", false], ["ab*ba", "aba", false], ["**", "x", true],
    ["+1555000?", "+15550001", false], ["+15550001", "+15550001", true],
    ["+1.550001", "+15550001", false], ["a*a*a", "aa", false], ["*a*", "bab", true],
  ];
  for (const [pattern, text, expected] of rows) {
    test(`"${pattern}" ${expected ? "takes" : "leaves"} "${text}"`, () => {
      expect(matchesPattern(pattern, text)).toBe(expected);
    });
  }

  test("many stars over a long text are answered at once", () => {
    expect(matchesPattern(`${"*a".repeat(50)}b`, "a".repeat(5_000))).toBe(false);
  });
});

describe("sources of trunks", () => {
  const sources = new TrunkSources([
    trunk("lan", { allow: ["192.0.2.0/24", "198.51.100.7"] }),
    trunk("six", { allow: ["2001:db8::/32"] }), trunk("wide", { allow: ["192.0.0.0/8"] }),
    trunk("out only"),
  ]);
  const rows: [string, string | null][] = [
    ["192.0.2.1", "lan"], ["192.0.2.255", "lan"], ["192.0.3.1", "wide"], ["198.51.100.7", "lan"],
    ["198.51.100.8", null], ["2001:db8::1", "six"], ["2001:db9::1", null], ["10.0.0.1", null],
    ["::ffff:192.0.2.1", "lan"], ["", null], ["192.0.2", null],
  ];
  for (const [address, expected] of rows) {
    test(`${JSON.stringify(address)}: ${expected ?? "a stranger"}`, () => {
      expect(sources.find(address)?.name ?? null).toBe(expected);
    });
  }
});

describe("the number that is called", () => {
  const route = (match: string): NumberRoute => ({
    match, account: ACCOUNT, voice: { kind: "twiml", twiml: "<Response/>" }, fallbackUrl: null,
    statusCallback: null,
  });
  const routes = ["+15550001", "sip:desk@pbx.example.net", "+1555*", "sip:*@any.example.net"]
    .map(route);
  const rows: [string, string | null][] = [
    ["sip:+15550001@edge", "+15550001"], ["sip:%2B15550001@edge", "+15550001"],
    ["tel:+15550001", "+15550001"], ["sip:+15550002@edge", "+1555*"],
    ["sip:desk@pbx.example.net", "sip:desk@pbx.example.net"],
    ["sips:desk@pbx.example.net", null], ["sip:desk@elsewhere.example.net", null],
    ["sip:who@any.example.net:5070;transport=tcp", "sip:*@any.example.net"],
    ["sip:+44@edge", null],
  ];
  for (const [uri, expected] of rows) {
    test(`${uri}: ${expected ?? "nobody's"}`, () => {
      expect(numberRoute(routes, uriOf(uri))?.match ?? null).toBe(expected);
    });
  }

  test("a party is named by its digits, or by its URI without port and parameters", () => {
    expect(partyName(uriOf("sip:+15550001@edge:5070"))).toBe("+15550001");
    expect(partyName(uriOf("sip:ann@pbx.example.net:5070;transport=tcp")))
      .toBe("sip:ann@pbx.example.net");
    expect(partyName(uriOf("sip:pbx.example.net"))).toBe("sip:pbx.example.net");
  });
});

describe("Dial Number", () => {
  const trunks = [
    trunk("theirs", { accounts: [OTHER] }), trunk("uk", { numbers: ["+44*"] }),
    trunk("us", {
      numbers: ["+1*", "*#"], mediaAllow: ["203.0.113.0/24"],
      address: {
        uri: "sip:[2001:db8::9]:5070;transport=tcp", transport: "tcp", secure: false, edge: null,
        host: "2001:db8::9", port: 5070,
      },
    }),
    trunk("us too", { numbers: ["+1*"] }),
  ];

  test("goes by the first trunk of the account that takes the number", () => {
    const found = numberTarget(trunks, ACCOUNT, "+1 (555) 000-1.2");
    expect(found).toMatchObject({
      ok: true, to: "+155500012", allow: ["203.0.113.0/24"],
      route: {
        requestUri: "sip:+155500012@[2001:db8::9]:5070;transport=tcp",
        target: { transport: "tcp", host: "2001:db8::9", port: 5070 },
      },
    });
  });

  test("goes by the next one when a trunk is at its limit; when all are, it says so", () => {
    const second = numberTarget(trunks, ACCOUNT, "+15550001", ({ name }) => name !== "us");
    expect(second.ok && second.trunk?.name).toBe("us too");
    const none = numberTarget(trunks, ACCOUNT, "+15550001", () => false);
    expect(none).toMatchObject({ ok: false, message: expect.stringContaining("limit") });
  });

  test("a number that no trunk takes is refused, and another account's trunk is none", () => {
    expect(numberTarget(trunks, ACCOUNT, "+33123")).toMatchObject({ ok: false, code: 13223 });
    expect(numberTarget(trunks, OTHER, "+33123")).toMatchObject({ ok: true });
  });

  test("RFC 3261 §25.1: a hash is escaped in the user part", () => {
    const found = numberTarget(trunks, ACCOUNT, "12#");
    expect(found.ok && found.route.requestUri).toStartWith("sip:12%23@");
  });

  for (const number of ["", "+", "abc", "+1555;tel", "1@evil", "+".padEnd(40, "1"), "1\r\n2"]) {
    test(`${JSON.stringify(number)} is no number`, () => {
      expect(numberTarget(trunks, ACCOUNT, number).ok).toBe(false);
    });
  }
});

describe("Dial Sip", () => {
  test("goes where the URI says; X- headers after the question mark go along", () => {
    const query = "X-Name=Dana%20R&x-two=2&Route=evil&X-Bad%0D%0A=1&X-Line=a%0D%0Ab";
    const found = sipTarget(` sip:ann@pbx.example.net:5070;transport=tcp?${query} `);
    expect(found).toEqual({
      ok: true, to: "sip:ann@pbx.example.net", allow: [], trunk: null,
      route: {
        requestUri: "sip:ann@pbx.example.net:5070;transport=tcp",
        target: { transport: "tcp", host: "pbx.example.net", port: 5070 },
      },
      headers: [
        { name: "X-Name", value: "Dana R" }, { name: "x-two", value: "2" },
        { name: "X-Line", value: "a b" },
      ],
    });
  });

  test("an IPv6 host has no brackets as a target", () => {
    const found = sipTarget("sip:ann@[2001:db8::1]");
    expect(found.ok && found.route.target).toEqual({
      transport: null, host: "2001:db8::1", port: null,
    });
  });

  const bad = [
    "", "ann", "tel:+15550001", "sips:ann@h", "sip:ann@h;transport=tls",
    "sip:ann@h;transport=ws",
    "http://h", `sip:ann@h?X-A=${"x".repeat(1_100)}`, "sip:a b@h",
  ];
  for (const uri of bad) {
    test(`${JSON.stringify(uri.slice(0, 30))} is refused with Twilio's number`, () => {
      expect(sipTarget(uri)).toMatchObject({ ok: false, code: 13224 });
    });
  }
});
