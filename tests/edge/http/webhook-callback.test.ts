import { afterEach, describe, expect, test } from "bun:test";
import twilio from "twilio";
import type { CallbackRequest, CallbackResult } from "../../../edge/http/webhook.ts";
import { type App, type RawApp, startApp, startRawApp, testClient } from "./app.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PARAMS = { CallSid: "CA1", From: "+15550001111", Name: "Bob & Alice é", Empty: "" };

const running: { stop(): void }[] = [];
afterEach(() => {
  for (const server of running.splice(0)) server.stop();
});
function app(...args: Parameters<typeof startApp>): App {
  const started = startApp(...args);
  running.push(started);
  return started;
}
async function rawApp(...args: Parameters<typeof startRawApp>): Promise<RawApp> {
  const started = await startRawApp(...args);
  running.push(started);
  return started;
}
const deliver = (url: string, more: Partial<CallbackRequest> = {}): Promise<CallbackResult> =>
  testClient().deliverCallback({
    url, method: "POST", params: PARAMS, authToken: TOKEN, idempotencyToken: "SR1:started", ...more,
  });

describe("Delivering a status callback", () => {
  test("any 2xx is delivered; the token and the signature are in the request", async () => {
    const { url, seen } = app(() => new Response(null, { status: 204 }));
    expect(await deliver(`${url}/cb`)).toEqual({ ok: true, status: 204 });
    const [one] = seen;
    expect(one?.headers.get("i-twilio-idempotency-token")).toBe("SR1:started");
    const signature = one?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, `${url}/cb`, PARAMS)).toBe(true);
  });

  test("a large answer is not read", async () => {
    const { url } = app(() => new Response("a".repeat(1_000_000)));
    expect(await deliver(url)).toEqual({ ok: true, status: 200 });
  });

  for (const status of [400, 404, 500, 503]) {
    test(`${status} ends the delivery with 15003, after one request`, async () => {
      const { url, seen } = app(() => new Response(null, { status }));
      expect(await deliver(url)).toMatchObject({
        ok: false, kind: "status", code: 15003, mayRetry: false,
      });
      expect(seen.length).toBe(1);
    });
  }

  test("a refused connection may be retried later", async () => {
    const { url, stop } = await rawApp(() => {});
    stop();
    expect(await deliver(url)).toMatchObject({ kind: "connect", code: 11202, mayRetry: true });
  });

  test("a timeout may be retried later", async () => {
    const { url } = await rawApp(() => {});
    expect(await deliver(`${url}/#rt=100`)).toMatchObject({
      kind: "timeout", code: 11203, mayRetry: true,
    });
  });

  test("a rule in the URL is the whole rule: 5xx is repeated as often as it says", async () => {
    const { url, seen } = app(() => new Response(null, { status: 503 }));
    expect(await deliver(`${url}/#rc=2&rp=5xx`)).toMatchObject({ kind: "status", mayRetry: false });
    expect(seen.length).toBe(3);
    const tokens = seen.map(({ headers }) => headers.get("i-twilio-idempotency-token"));
    expect(new Set(tokens)).toEqual(new Set(["SR1:started"]));
  });

  test("a rule that stops sooner is obeyed too", async () => {
    const { url } = await rawApp(() => {});
    const result = await deliver(`${url}/#rc=0&rt=100`);
    expect(result).toMatchObject({ kind: "timeout", mayRetry: false });
  });

  test("the repetition stops at the first success", async () => {
    const { url, seen } = app((_, index) => new Response(null, { status: index < 1 ? 404 : 200 }));
    expect(await deliver(`${url}/#rc=5&rp=all`)).toEqual({ ok: true, status: 200 });
    expect(seen.length).toBe(2);
  });

  test("a read timeout is repeated by rp=rt, within the total time", async () => {
    const server = await rawApp((socket, index) => {
      if (index === 1) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    expect(await deliver(`${server.url}/#rc=3&rp=rt&rt=100`)).toEqual({ ok: true, status: 200 });
    expect(server.connections).toBe(2);
  });
});
