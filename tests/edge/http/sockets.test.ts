// Requests that no HTTP library would send, byte by byte over a raw socket.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { BODY_MAX_BYTES } from "../../../edge/http/form.ts";
import { basic, startApi, type TestApi } from "./api.ts";
import { ACCOUNT, CALL, TOKEN } from "./fake-backend.ts";

const CREATE = `/2010-04-01/Accounts/${ACCOUNT}/Calls/${CALL}/Siprec.json`;
const AUTH = `Authorization: ${basic(`${ACCOUNT}:${TOKEN}`)}\r\n`;
const FORM = "Content-Type: application/x-www-form-urlencoded\r\n";

let api: TestApi;
beforeAll(() => {
  api = startApi();
});
afterAll(() => api.server.close(0));
beforeEach(() => {
  api.backend.asked.length = 0;
});

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(api.server.port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Reads until `enough` says so, or the server closes. */
function read(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (enough(text)) resolve(text);
    });
    socket.on("close", () => resolve(text));
    socket.on("error", () => resolve(text));
  });
}

/** A whole response: its headers, and as many bytes as Content-Length says. */
const isWhole = (text: string): boolean => {
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
  const end = text.indexOf("\r\n\r\n");
  return end > 0 && text.length >= end + 4 + Number(length ?? 0);
};

async function exchange(...writes: (string | Uint8Array)[]): Promise<string> {
  const socket = await open();
  const answer = read(socket, isWhole);
  for (const bytes of writes) {
    await new Promise<void>((resolve) => void socket.write(bytes, () => resolve()));
  }
  const text = await answer;
  socket.destroy();
  return text;
}

const isAlive = async (): Promise<boolean> => (await fetch(`${api.server.url}/healthz`)).ok;

describe("Bad bytes on the HTTP port", () => {
  for (const [what, bytes, answer] of [
    ["no HTTP at all", "GARBAGE\r\n\r\n", "HTTP/1.1 400 "],
    ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 "],
    ["no Host", "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "],
    ["an unreadable Host", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 "],
    [
      "headers of 30 kB", `GET / HTTP/1.1\r\nHost: h\r\nX: ${"a".repeat(30_000)}\r\n\r\n`,
      "HTTP/1.1 431 ",
    ],
    [
      "two lengths", `POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}` +
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400 ",
    ],
    [
      "a length and chunks", `POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}` +
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 400 ",
    ],
    [
      "a negative length", `POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}` +
        "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 ",
    ],
  ] as const) {
    test(`${what} is refused, nothing is started, and the server lives`, async () => {
      expect(await exchange(Buffer.from(bytes, "latin1"))).toStartWith(answer);
      expect(api.backend.asked).toEqual([]);
      expect(await isAlive()).toBe(true);
    });
  }

  test("a Host of one letter is as good as any other", async () => {
    const text = await exchange(`GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n`);
    expect(text).toStartWith("HTTP/1.1 200 ");
  });

  test("an absolute request target is routed by its path", async () => {
    const text = await exchange(`GET http://elsewhere/healthz HTTP/1.1\r\nHost: h\r\n\r\n`);
    expect(text).toStartWith("HTTP/1.1 200 ");
  });

  test("dot segments do not lead out of the account's path", async () => {
    const path = `/2010-04-01/Accounts/${ACCOUNT}/../AC${"0".repeat(32)}/Calls/${CALL}.json`;
    const text = await exchange(`GET ${path} HTTP/1.1\r\nHost: h\r\n${AUTH}\r\n`);
    expect(text).toStartWith("HTTP/1.1 401 ");
    expect(api.backend.asked).toEqual([]);
  });

  test("a request cut at every byte is the same request", async () => {
    const body = "Name=a%20b";
    const request = `POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}${FORM}` +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    const text = await exchange(...request);
    expect(text).toStartWith("HTTP/1.1 200 ");
    expect(api.backend.asked).toMatchObject([{ start: { name: "a b" } }]);
    api.backend.sessions.clear();
  });

  test("bytes that are no UTF-8 do not pass for a name of the list", async () => {
    const text = await exchange(
      `POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}${FORM}Content-Length: 7\r\n\r\n`,
      Uint8Array.of(0x4e, 0x61, 0x6d, 0x65, 0x3d, 0xff, 0xfe),
    );
    expect(text).toStartWith("HTTP/1.1 200 ");
    expect(api.backend.asked).toMatchObject([{ start: { name: "\uFFFD\uFFFD" } }]);
    api.backend.sessions.clear();
  });
});

describe("A body over the limit", () => {
  test("is refused with 413 and 20413 by its Content-Length, before it is sent", async () => {
    const text = await exchange(`POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}${FORM}` +
      `Content-Length: ${BODY_MAX_BYTES + 1}\r\n\r\n`);
    expect(text).toStartWith("HTTP/1.1 413 ");
    expect(text).toContain(`"code":20413`);
  });

  test("is refused as soon as its chunks pass the limit", async () => {
    const socket = await open();
    const answer = read(socket, isWhole);
    socket.write(`POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}${FORM}` +
      "Transfer-Encoding: chunked\r\n\r\n");
    const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
    for (let sent = 0; sent <= BODY_MAX_BYTES; sent += 0x10000) socket.write(chunk);
    const text = await answer;
    socket.destroy();
    expect(text).toStartWith("HTTP/1.1 413 ");
    expect(text).toContain(`"code":20413`);
    expect(api.backend.asked).toEqual([]);
  });

  test("of exactly the limit is read", async () => {
    const form = `Unknown=${"a".repeat(BODY_MAX_BYTES - "Unknown=".length)}`;
    expect((await api.ask("POST", CREATE, { form })).status).toBe(200);
    api.backend.sessions.clear();
  });

  test("that is never finished holds nobody up", async () => {
    const socket = await open();
    socket.write(`POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${AUTH}${FORM}Content-Length: 9\r\n\r\nNa`);
    expect((await api.ask("POST", CREATE, { form: "" })).status).toBe(200);
    socket.destroy();
    expect(await isAlive()).toBe(true);
    expect(api.backend.asked.length).toBe(1);
    api.backend.sessions.clear();
  });

  test("without credentials is not read at all", async () => {
    const text = await exchange(`POST ${CREATE} HTTP/1.1\r\nHost: h\r\n${FORM}` +
      `Content-Length: ${BODY_MAX_BYTES + 1}\r\n\r\n`);
    expect(text).toStartWith("HTTP/1.1 401 ");
  });
});
