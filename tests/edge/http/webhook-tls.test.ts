import { afterEach, describe, expect, test } from "bun:test";
import twilio from "twilio";
import type { DocumentResult, WebhookClientOptions } from "../../../edge/http/webhook.ts";
import { type App, startApp, startRawApp, testClient } from "./app.ts";
import { APP, type Identity, OTHER } from "./certificates.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const running: { stop(): void }[] = [];
afterEach(() => {
  for (const server of running.splice(0)) server.stop();
});
function app(identity: Identity): App {
  const answer = (): Response =>
    new Response("<Response/>", { headers: { "Content-Type": "text/xml" } });
  const started = startApp(answer, identity);
  running.push(started);
  return started;
}
const ask = (url: string, options: Partial<WebhookClientOptions>): Promise<DocumentResult> =>
  testClient({ lookup: async () => ["127.0.0.1"], ...options }).fetchDocument({
    url, method: "POST", params: { a: "b" }, authToken: TOKEN,
  });

describe("HTTPS", () => {
  test("a certificate that names the host is trusted; the signature drops the port", async () => {
    const { port, seen } = app(APP);
    const url = `https://app.test:${port}/voice`;
    expect(await ask(url, { ca: APP.cert })).toMatchObject({ ok: true, url });
    const signature = seen[0]?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, url, { a: "b" })).toBe(true);
    expect(signature).toBe(twilioSignature("https://app.test/voice", { a: "b" }));
  });

  test("an address in the certificate serves for a URL with that address", async () => {
    const { port } = app(APP);
    expect((await ask(`https://127.0.0.1:${port}/`, { ca: APP.cert })).ok).toBe(true);
  });

  test("a certificate for another host is refused with 11220, and nothing is sent", async () => {
    const { port, seen } = app(OTHER);
    expect(await ask(`https://app.test:${port}/`, { ca: OTHER.cert }))
      .toMatchObject({ ok: false, code: 11220 });
    expect(await ask(`https://127.0.0.1:${port}/`, { ca: OTHER.cert }))
      .toMatchObject({ ok: false, code: 11220 });
    expect(seen.length).toBe(0);
  });

  test("a certificate that nobody vouches for is refused with 11220", async () => {
    const { port, seen } = app(APP);
    expect(await ask(`https://app.test:${port}/`, {})).toMatchObject({ ok: false, code: 11220 });
    expect(seen.length).toBe(0);
  });

  test("a server without TLS is a failed handshake", async () => {
    const raw = await startRawApp(() => {});
    running.push(raw);
    const plain = startApp(() => new Response("x"));
    running.push(plain);
    expect(await ask(`https://app.test:${plain.port}/`, { ca: APP.cert }))
      .toMatchObject({ ok: false, code: 11220 });
  });

  test("a handshake that hangs is a connect timeout", async () => {
    const raw = await startRawApp(() => {});
    running.push(raw);
    expect(await ask(`https://app.test:${raw.port}/#ct=150&rc=0`, { ca: APP.cert }))
      .toMatchObject({ ok: false, code: 11201 });
  });
});

/** What Twilio's library computes for a URL and a form. */
const twilioSignature = (url: string, params: Record<string, string>): string =>
  twilio.getExpectedTwilioSignature(TOKEN, url, params);
