import { describe, expect, test } from "bun:test";
import { header } from "../../../protocol/sip/header.ts";
import {
  PART_COUNT_MAX, parseMediaType, parseMultipart, serializeMultipart,
} from "../../../protocol/sip/multipart.ts";
import type { MultipartPart } from "../../../protocol/sip/multipart.ts";
import { seeded } from "../../support/seeded.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

function parts(contentType: string, body: string): MultipartPart[] {
  const result = parseMultipart(contentType, encode(body));
  if (!result.ok) throw new Error(result.reason);
  return result.parts;
}

const MIXED = "multipart/mixed;boundary=b";
const bodies = (list: MultipartPart[]): string[] => list.map((part) => decode(part.body));

describe("parseMultipart", () => {
  test("reads headers and bodies; the line end before a boundary is the boundary's", () => {
    const list = parts(MIXED, [
      "--b", "Content-Type: application/sdp", "content-disposition: session;", " handling=required",
      "", "v=0", "", "--b", "c: application/rs-metadata+xml", "", "<x/>", "--b--", "",
    ].join("\r\n"));
    expect(bodies(list)).toEqual(["v=0\r\n", "<x/>"]);
    expect(list.map((part) => part.headers)).toEqual([
      [{ name: "Content-Type", value: "application/sdp" },
        { name: "Content-Disposition", value: "session; handling=required" }],
      [{ name: "Content-Type", value: "application/rs-metadata+xml" }],
    ]);
  });

  test("preamble and epilogue are passed over, blanks after boundaries too", () => {
    const before = "pre --b\r\nx--b\r\n\r\n";
    const after = "\r\nepilogue\r\n--b\r\n\r\nno";
    expect(bodies(parts(MIXED, `${before}--b \t\r\n\r\none\r\n--b-- \t${after}`))).toEqual(["one"]);
  });

  test("a last boundary without a line end, or with only blanks after it, closes", () => {
    for (const end of ["--b--", "--b-- ", "--b--\r\n"]) {
      expect(bodies(parts(MIXED, `--b\r\n\r\none\r\n${end}`))).toEqual(["one"]);
    }
  });

  test("a boundary inside a line, or one that only starts like it, is content", () => {
    const content = "a --b\r\n--bc\r\n--b-x\r\n --b";
    expect(bodies(parts(MIXED, `--b\r\n\r\n${content}\r\n--b--`))).toEqual([content]);
  });

  test("a quoted boundary with blanks and colons", () => {
    const type = 'Multipart/Mixed ; charset=x ; Boundary = "a b:c"';
    const body = "--a b:c\r\n\r\n1\r\n--a b:c\r\n\r\n2\r\n--a b:c--";
    expect(bodies(parts(type, body))).toEqual(["1", "2"]);
  });

  test("empty bodies, parts without headers, parts of headers alone", () => {
    const body = "--b\r\n\r\n\r\n--b\r\nA: y\r\n\r\n\r\n--b\r\nA: z\r\n--b\r\n--b--";
    const list = parts(MIXED, body);
    expect(bodies(list)).toEqual(["", "", "", ""]);
    expect(list.map((part) => header(part, "A"))).toEqual([null, "y", "z", null]);
  });

  const REFUSED: [what: string, contentType: string, body: string][] = [
    ["no boundary parameter", "multipart/mixed", "--b\r\n\r\n1\r\n--b--"],
    ["an empty boundary", 'multipart/mixed;boundary=""', "--\r\n\r\n1\r\n----"],
    ["a boundary over 70 characters", `multipart/mixed;boundary=${"b".repeat(71)}`, ""],
    ["another type", "application/sdp;boundary=b", "--b\r\n\r\n1\r\n--b--"],
    ["a type that is none", "multipart;boundary=b", "--b\r\n\r\n1\r\n--b--"],
    ["an empty body", MIXED, ""],
    ["no boundary in the body", MIXED, "v=0\r\n"],
    ["no closing boundary", MIXED, "--b\r\n\r\n1\r\n"],
    ["no parts", MIXED, "--b--"],
    ["a part header that is none", MIXED, "--b\r\nno colon\r\n\r\n1\r\n--b--"],
    ["a part header without end", MIXED, `--b\r\nX: ${"x".repeat(9000)}\r\n\r\n1\r\n--b--`],
    ["too many parts", MIXED, `${"--b\r\n\r\n1\r\n".repeat(PART_COUNT_MAX + 1)}--b--`],
  ];
  for (const [what, contentType, body] of REFUSED) {
    test(`refuses ${what}`, () => {
      expect(parseMultipart(contentType, encode(body)).ok).toBe(false);
    });
  }

  test("any octets give a value", () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const random = seeded(seed);
      const pieces = ["--b", "--b--", "\r\n", "\r", "\n", "--", "b", "X: y", "\0", " ", "text"];
      const text = Array.from({ length: random.below(20) }, () => random.pick(pieces)).join("");
      expect(typeof parseMultipart(MIXED, encode(text)).ok).toBe("boolean");
    }
  });
});

describe("serializeMultipart", () => {
  test("RFC 2046 §5.1.1: line ends everywhere, the boundary a token, the last one closed", () => {
    const { contentType, body } = serializeMultipart([
      { headers: [{ name: "Content-Type", value: "application/sdp" }], body: encode("v=0\r\n") },
      { headers: [], body: encode("x") },
    ], "edge-1");
    expect(contentType).toBe("multipart/mixed;boundary=edge-1");
    expect(decode(body)).toBe(
      "--edge-1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n" +
      "--edge-1\r\n\r\nx\r\n--edge-1--\r\n",
    );
  });

  test("a boundary that is in the content is made longer", () => {
    const part = { headers: [], body: encode("--b and\r\n--bx--") };
    const { contentType, body } = serializeMultipart([part], "b");
    expect(contentType).toBe("multipart/mixed;boundary=bxx");
    expect(bodies(parts(contentType, decode(body)))).toEqual(["--b and\r\n--bx--"]);
  });

  test("a boundary that is no token is quoted", () => {
    const part = { headers: [], body: encode("1") };
    const { contentType, body } = serializeMultipart([part], "a b", "related");
    expect(contentType).toBe('multipart/related;boundary="a b"');
    expect(bodies(parts(contentType, decode(body)))).toEqual(["1"]);
  });

  test("a line end in a part's header starts no header", () => {
    const part = { headers: [{ name: "X-Own", value: "a\r\n\r\nB: c" }], body: encode("1") };
    const { contentType, body } = serializeMultipart([part], "b");
    expect(parts(contentType, decode(body))).toEqual([
      { headers: [{ name: "X-Own", value: "a B: c" }], body: encode("1") },
    ]);
  });

  test("what is written reads back the same, whatever the octets", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = seeded(seed);
      const list = Array.from({ length: 1 + random.below(4) }, (): MultipartPart => ({
        headers: random.chance(3) ? [] : [{ name: "Content-Type", value: "a/b;c=d" }],
        body: random.chance(2)
          ? random.bytes(random.below(60))
          : encode(random.pick(["\r\n", "--b", "\r\n--b\r\n", "--b--", "\r\n\r\n", "--bx\r\n"])),
      }));
      const { contentType, body } = serializeMultipart(list, "b");
      const result = parseMultipart(contentType, body);
      expect({ seed, result }).toEqual({ seed, result: { ok: true, parts: list } });
    }
  });
});

describe("parseMediaType", () => {
  test("type in lower case and parameters", () => {
    expect(parseMediaType("Application/SDP; Charset=UTF-8")).toEqual({
      type: "application/sdp", params: [["Charset", "UTF-8"]],
    });
    for (const bad of ["", "text", "a/b/c", "a b/c", "a/b;", "/b"]) {
      expect(parseMediaType(bad)).toBeNull();
    }
  });
});
