import { describe, expect, test } from "bun:test";
import {
  RESPONSE_HEAD_MAX_BYTES, ResponseDecoder, type ResponseProgress,
} from "../../../protocol/webhook/response.ts";
import { seeded } from "../../support/seeded.ts";

const LIMIT = 1000;
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const decoder = (wantsBody = true): ResponseDecoder =>
  new ResponseDecoder({ bodyMaxBytes: LIMIT, wantsBody: () => wantsBody });

/** The end of it, as one line of text: the same however the bytes were cut. */
function decode(text: string, cuts: number[] = [], wantsBody = true): string {
  const response = decoder(wantsBody);
  let last: ResponseProgress = { kind: "more" };
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    last = response.push(bytes(text.slice(from, cut)));
    from = cut;
  }
  if (last.kind === "more") last = response.end();
  return summary(last);
}

function summary(progress: ResponseProgress): string {
  if (progress.kind !== "done") return progress.kind;
  const { status, headers, body, setCookies } = progress.response;
  const names = [...headers].map(([name, value]) => `${name}=${value}`).join("|");
  return `${status} ${names} [${Buffer.from(body).toString("latin1")}] ${setCookies.join("|")}`;
}

const GOOD: [string, string][] = [
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 content-length=5 [hello] "],
  ["HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "200 content-length=5, 5 [hello] "],
  ["HTTP/1.0 200\r\nA: b\r\n\r\nuntil the end", "200 a=b [until the end] "],
  ["HTTP/1.1 200 OK\nA:b\n\nx", "200 a=b [x] "],
  ["HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", "204 content-length=9 [] "],
  ["HTTP/1.1 304 No\r\n\r\n", "304  [] "],
  [
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" +
    "HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", "201 content-length=0 [] ",
  ],
  [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n" +
    "4;ext=\"1\"\r\nwiki\r\n0A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
    "200 transfer-encoding=Chunked|content-length=3 [wiki0123456789] ",
  ],
  [
    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1, b\r\nset-cookie: c=2\r\nX: 1\r\n  folded\r\n" +
    "Content-Length: 0\r\n\r\n",
    "200 set-cookie=a=1, b, c=2|x=1 folded|content-length=0 [] a=1, b|c=2",
  ],
  ["HTTP/1.1 200 OK\r\nEmpty:\r\nContent-Length: 1\r\n\r\nab", "200 empty=|content-length=1 [a] "],
];

describe("An HTTP response", () => {
  for (const [text, expected] of GOOD) {
    test(`${JSON.stringify(text.slice(0, 60))} is ${expected.slice(0, 50)}`, () => {
      expect(decode(text)).toBe(expected);
    });

    test(`${JSON.stringify(text.slice(0, 60))} is the same, cut anywhere`, () => {
      const random = seeded(11);
      for (let cut = 1; cut < text.length; cut += 1) expect(decode(text, [cut])).toBe(expected);
      expect(decode(text, Array.from({ length: text.length - 1 }, (_, n) => n + 1))).toBe(expected);
      for (let round = 0; round < 50; round += 1) {
        const cuts = Array.from({ length: 3 }, () => random.below(text.length));
        expect(decode(text, cuts.sort((a, b) => a - b))).toBe(expected);
      }
    });
  }

  test("without interest in its body ends with its head", () => {
    const response = decoder(false);
    const progress = response.push(bytes("HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\n"));
    expect(summary(progress)).toBe("500 content-length=99999 [] ");
    expect(summary(response.push(bytes("more")))).toBe("500 content-length=99999 [] ");
  });

  for (const [what, text] of [
    ["no HTTP", "hello\r\n\r\n"],
    ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["a header without a colon", "HTTP/1.1 200 OK\r\nfoo\r\n\r\n"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    ["a coding that is not chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["a chunk size in words", `${CHUNKED}five\r\n`],
    ["a chunk size that overflows", `${CHUNKED}fffffffff\r\n`],
    ["a chunk longer than said", `${CHUNKED}1\r\nab\r\n`],
    ["an endless chunk line", `${CHUNKED}1;${"a".repeat(2000)}`],
    ["a head over the limit", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(RESPONSE_HEAD_MAX_BYTES)}`],
    ["endless interim responses", "HTTP/1.1 100 C\r\n\r\n".repeat(20)],
    ["a head cut short", "HTTP/1.1 200 OK\r\nX: "],
    ["a body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"],
    ["chunks cut short", `${CHUNKED}5\r\nhello\r\n`],
    ["nothing", ""],
  ] as const) {
    test(`${what} is malformed`, () => {
      expect(decode(text)).toBe("malformed");
    });
  }

  for (const [what, text] of [
    ["a length over the limit", `HTTP/1.1 200 OK\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`],
    ["an open body over the limit", `HTTP/1.1 200 OK\r\n\r\n${"a".repeat(LIMIT + 1)}`],
    [
      "chunks over the limit",
      CHUNKED + `64\r\n${"a".repeat(100)}\r\n`.repeat(11),
    ],
  ] as const) {
    test(`${what} is too large`, () => {
      expect(decode(text)).toBe("too-large");
    });
  }

  test("any bytes give a value, never a throw", () => {
    const random = seeded(3);
    const parts = ["HTTP/1.1 200 OK\r\n", "\r\n", "\n", "Content-Length: ", "5", "chunked", ":",
      "Transfer-Encoding: ", "\0", "ÿ", "a", "0\r\n\r\n", " ", "ffffffff\r\n"];
    for (let round = 0; round < 2000; round += 1) {
      const text = Array.from({ length: random.below(20) }, () => parts[random.below(parts.length)])
        .join("");
      expect(decode(text)).not.toBe("more");
    }
  });
});
