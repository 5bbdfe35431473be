import { describe, expect, test } from "bun:test";
import { param, splitList } from "../../../protocol/sip/grammar.ts";
import {
  addHeader, header, headerHas, headerList, headersOf, parseCseq, parseNameAddr, parseVia,
  prependHeader, serializeNameAddr, serializeVia, tagOf, topVia, withHeader, withTag, withTopVia,
  withoutHeader,
} from "../../../protocol/sip/header.ts";
import type { HasHeaders, NameAddr, Via } from "../../../protocol/sip/header.ts";
import { canonicalName } from "../../../protocol/sip/names.ts";
import { seeded } from "../../support/seeded.ts";

function message(...lines: [name: string, value: string][]): HasHeaders {
  return { headers: lines.map(([name, value]) => ({ name, value })) };
}

function address(text: string): NameAddr {
  const result = parseNameAddr(text);
  if (!result.ok) throw new Error(`${text}: ${result.reason}`);
  const { display, uri, params } = result;
  return { display, uri, params };
}

function via(text: string): Via {
  const result = parseVia(text);
  if (!result.ok) throw new Error(`${text}: ${result.reason}`);
  return result.via;
}

describe("header names", () => {
  test("compact forms and odd case become the long form; unknown names stay", () => {
    const came = ["v", "F", "t", "m", "i", "s", "l", "c", "k", "e", "o", "r", "b", "j", "x", "u",
      "CALL-ID", "cseq", "www-authenticate", "X-oWn"];
    expect(came.map(canonicalName)).toEqual([
      "Via", "From", "To", "Contact", "Call-ID", "Subject", "Content-Length", "Content-Type",
      "Supported", "Content-Encoding", "Event", "Refer-To", "Referred-By", "Reject-Contact",
      "Session-Expires", "Allow-Events", "Call-ID", "CSeq", "WWW-Authenticate", "X-oWn",
    ]);
  });

  test("names of Object's prototype are ordinary unknown names", () => {
    expect(["constructor", "__proto__"].map(canonicalName)).toEqual(["constructor", "__proto__"]);
  });
});

describe("headers of a message", () => {
  const some = message(["Via", "a"], ["X-Own", "1"], ["Via", "b, c"], ["Subject", "s, t"]);

  test("header gives the first, headersOf all lines, headerList all elements", () => {
    expect(header(some, "v")).toBe("a");
    expect(header(some, "x-own")).toBe("1");
    expect(header(some, "To")).toBeNull();
    expect(headersOf(some, "via")).toEqual(["a", "b, c"]);
    expect(headerList(some, "Via")).toEqual(["a", "b", "c"]);
    expect(headerList(some, "Subject")).toEqual(["s, t"]);
  });

  test("RFC 3261 §7.3.1: two challenges are two values, commas and all", () => {
    const challenged = message(
      ["WWW-Authenticate", 'Digest realm="a, b", nonce="1"'],
      ["WWW-Authenticate", 'Digest realm="a", nonce="2"'],
    );
    expect(headerList(challenged, "WWW-Authenticate").length).toBe(2);
  });

  test("changes give copies: in place, without, at the end, at the start", () => {
    const names = (each: HasHeaders): string[] =>
      each.headers.map((line) => line.name + line.value);
    expect(names(withHeader(some, "v", "z"))).toEqual(["Viaz", "X-Own1", "Subjects, t"]);
    expect(names(withHeader(some, "To", "z")).at(-1)).toBe("Toz");
    expect(names(withoutHeader(some, "VIA"))).toEqual(["X-Own1", "Subjects, t"]);
    expect(names(addHeader(some, "x-own", "2")).at(-1)).toBe("x-own2");
    expect(names(prependHeader(some, "v", "0"))[0]).toBe("Via0");
    expect(some.headers.length).toBe(4);
  });

  test("headerHas looks into every line of a list", () => {
    const one = message(["Require", "100rel, siprec"], ["Require", "Timer"]);
    expect(["siprec", "timer", "rel"].map((tag) => headerHas(one, "Require", tag))).toEqual([
      true, true, false,
    ]);
  });

  test("splitList respects quotes, escapes and brackets, and leaves empty elements out", () => {
    expect(splitList('"a, \\"b" <sip:x,y@h>;p="q,r" ,, <sip:z>,')).toEqual([
      '"a, \\"b" <sip:x,y@h>;p="q,r"', "<sip:z>",
    ]);
    expect(splitList("")).toEqual([]);
    expect(splitList(' "never closed, so one')).toEqual(['"never closed, so one']);
  });
});

describe("parseNameAddr", () => {
  test("quoted, plain and absent display names", () => {
    expect(address('"A \\"B\\" \\\\ C" <sip:a@h>;tag=1').display).toBe('A "B" \\ C');
    expect(address("Alice Cooper <sip:a@h>").display).toBe("Alice Cooper");
    expect(address("Žižek 😀<sip:a@h>").display).toBe("Žižek 😀");
    expect(address('""<sip:a@h>').display).toBe("");
    expect(address("<sip:a@h>").display).toBeNull();
  });

  test("RFC 3261 §20.10: parameters are the URI's only within brackets", () => {
    expect(address("sip:a@h;+sip.srs")).toEqual({
      display: null, uri: "sip:a@h", params: [["+sip.srs", null]],
    });
    expect(address("<sip:a@h;+sip.srs>")).toEqual({
      display: null, uri: "sip:a@h;+sip.srs", params: [],
    });
  });

  test("parameters: quoted values with separators inside, blanks around the signs", () => {
    const one = address('<sip:a@h> ; +sip.instance = "<urn:uuid:1;2>" ; Q=0.5;x="a\\"b"');
    expect(param(one.params, "+SIP.instance")).toBe("<urn:uuid:1;2>");
    expect(param(one.params, "q")).toBe("0.5");
    expect(param(one.params, "x")).toBe('a"b');
  });

  const REFUSED = [
    "", "*", "nobody", "<>", "<sip:a@h", "sip:a@h>", '"A <sip:a@h>', '"A" B <sip:a@h>',
    "A, B <sip:a@h>", "< sip:a@h >", "<sip:a@h>;", "<sip:a@h>;;a", "<sip:a@h>;a=", "<sip:a@h>x",
    "<sip:a@h>;a b", '<sip:a@h>;a="b', '<sip:a@h>;a="b"c', "<<sip:a@h>>", "sip:a@h?b=c",
    "sip:a@h,sip:b@h", "<:a>", "<sip:a@h>;=x",
  ];
  for (const text of REFUSED) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(parseNameAddr(text).ok).toBe(false);
    });
  }

  test("what is written reads back the same, whatever the display name", () => {
    const alphabet = [..."ab \"\\<>;,'()@:é😀\t\0"];
    for (let seed = 1; seed <= 1000; seed++) {
      const random = seeded(seed);
      const display = random.chance(4)
        ? null
        : Array.from({ length: random.below(9) }, () => random.pick(alphabet)).join("");
      const one: NameAddr = { display, uri: "sip:a@h;lr", params: [["tag", "x"], ["p", '"q;"']] };
      expect(address(serializeNameAddr(one))).toEqual(one);
    }
  });

  test("a display name cannot start a new header", () => {
    const text = serializeNameAddr({ display: "a\r\nVia: b", uri: "sip:a@h", params: [] });
    expect(text).toBe('"a Via: b" <sip:a@h>');
  });

  test("any text gives a value", () => {
    const alphabet = [..."sip:a@h<>\";=, \\"];
    for (let seed = 1; seed <= 3000; seed++) {
      const random = seeded(seed);
      const text = Array.from({ length: random.below(20) }, () => random.pick(alphabet)).join("");
      expect(typeof parseNameAddr(text).ok).toBe("boolean");
    }
  });
});

describe("tags", () => {
  test("tagOf reads only the header's tag", () => {
    expect(tagOf("<sip:a@h;tag=uri>;TAG=mine")).toBe("mine");
    expect(tagOf('"x;tag=no" <sip:a@h>')).toBeNull();
    expect(tagOf("sip:a@h;tag=bare")).toBe("bare");
    expect(tagOf("not an address;tag=1")).toBeNull();
  });

  test("withTag adds one, or puts one in place of another", () => {
    expect(withTag("<sip:a@h>", "1")).toBe("<sip:a@h>;tag=1");
    expect(withTag("sip:a@h;x", "1")).toBe("sip:a@h;x;tag=1");
    expect(withTag('"A" <sip:a@h>;tag=0;x', "1")).toBe('"A" <sip:a@h>;x;tag=1');
  });
});

describe("Via", () => {
  test("reads transport, sent-by, branch and the rest", () => {
    expect(via("SIP/2.0/udp [::1]:5060;branch=z9hG4bKx;rport;received=192.0.2.1")).toEqual({
      transport: "UDP", host: "[::1]", port: 5060, branch: "z9hG4bKx",
      params: [["branch", "z9hG4bKx"], ["rport", null], ["received", "192.0.2.1"]],
    });
    expect(via(" sip / 2.0 / TCP \t h.example : 5062 ; branch = b")).toMatchObject({
      transport: "TCP", host: "h.example", port: 5062, branch: "b",
    });
  });

  const REFUSED = [
    "", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/ h", "SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP h:0",
    "SIP/2.0/UDP h;branch=", "SIP/2.0/UDP h;branch", "SIP/2.0/UDP h;;", "SIP/x/UDP h",
    "HTTP/1.1/TCP h", "SIP/2.0/UDP h i;branch=x", "SIP/2.0/UDP ::1", "SIP/2.0/U@P h",
  ];
  for (const text of REFUSED) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(parseVia(text).ok).toBe(false);
    });
  }

  test("another version is read and written as it came, so that 505 finds its way", () => {
    expect(via("SIP/7.0/UDP h;branch=x").version).toBe("7.0");
    expect(serializeVia(via("SIP/7.0/UDP h;branch=x"))).toBe("SIP/7.0/UDP h;branch=x");
  });

  test("topVia and withTopVia touch the first element only", () => {
    const one = message(["X", "y"], ["Via", "SIP/2.0/UDP a;branch=1;x=\"p,q\" , SIP/2.0/TCP b"],
      ["Via", "SIP/2.0/TLS c"]);
    const top = topVia(one);
    if (top === null) throw new Error("no Via");
    expect(top).toMatchObject({ host: "a", branch: "1" });
    const changed = withTopVia(one, { ...top, params: [...top.params, ["received", "192.0.2.1"]] });
    expect(headersOf(changed, "Via")).toEqual([
      "SIP/2.0/UDP a;branch=1;x=\"p,q\";received=192.0.2.1, SIP/2.0/TCP b", "SIP/2.0/TLS c",
    ]);
    expect(headerList(one, "Via").length).toBe(3);
    expect(topVia(message(["Via", "nonsense"]))).toBeNull();
    expect(topVia(message())).toBeNull();
  });
});

describe("CSeq", () => {
  test("number and method, or null", () => {
    const read = (value: string) => parseCseq(message(["CSeq", value]));
    expect(read("0009 \t INVITE")).toEqual({ number: 9, method: "INVITE" });
    expect(read("4294967295 BYE")).toEqual({ number: 4294967295, method: "BYE" });
    for (const bad of ["", "1", "INVITE", "1INVITE", "4294967296 BYE", "1.5 BYE", "1 B YE"]) {
      expect(read(bad)).toBeNull();
    }
    expect(parseCseq(message())).toBeNull();
  });
});
