import { afterEach, describe, expect, test } from "bun:test";
import twilio from "twilio";
import { encodeForm } from "../../../protocol/webhook/url.ts";
import { DOCUMENT_MAX_BYTES } from "../../../edge/http/webhook.ts";
import { type App, type RawApp, startApp, startRawApp, testClient } from "./app.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PARAMS = { CallSid: "CA1", From: "+15550001111", Name: "Bob & Alice é", Empty: "" };
const XML = "<Response><Hangup/></Response>";

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
const raw = (text: string): Promise<RawApp> => rawApp((socket) => void socket.end(text));

const twiml = (body = XML, type = "text/xml"): Response =>
  new Response(body, { headers: { "Content-Type": type } });
type Fetch = Parameters<ReturnType<typeof testClient>["fetchDocument"]>[0];
const document = (url: string, more: Partial<Fetch> = {}): ReturnType<
  ReturnType<typeof testClient>["fetchDocument"]
> => testClient().fetchDocument({
  url, method: "POST", params: PARAMS, authToken: TOKEN, ...more,
});
type Deliver = Parameters<ReturnType<typeof testClient>["deliverCallback"]>[0];
const deliver = (url: string, more: Partial<Deliver> = {}): ReturnType<
  ReturnType<typeof testClient>["deliverCallback"]
> => testClient().deliverCallback({
  url, method: "POST", params: PARAMS, authToken: TOKEN, idempotencyToken: "SR1:started", ...more,
});

describe("Fetching a document", () => {
  test("POST sends a form, signed so that Twilio's own validator accepts it", async () => {
    const { url, seen } = app(() => twiml());
    const result = await document(`${url}/voice?a=1&b=%20x`);
    expect(result).toMatchObject({ ok: true, body: XML, contentType: "text/xml" });
    const [one] = seen;
    expect(one?.method).toBe("POST");
    expect(one?.body)
      .toBe("CallSid=CA1&From=%2B15550001111&Name=Bob%20%26%20Alice%20%C3%A9&Empty=");
    expect(one?.headers.get("content-type"))
      .toBe("application/x-www-form-urlencoded; charset=UTF-8");
    expect(one?.headers.get("user-agent")).toBe("TwilioProxy/1.1");
    const signature = one?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, one?.url ?? "", PARAMS)).toBe(true);
    expect(twilio.validateRequest("wrong", signature, one?.url ?? "", PARAMS)).toBe(false);
  });

  test("GET sends the parameters after the app's own query, and signs them there", async () => {
    const { url, seen } = app(() => twiml());
    await document(`${url}/voice?z=1&a='~`, { method: "GET" });
    const [one] = seen;
    expect(one?.url).toStartWith(`${url}/voice?z=1&a=%27~&CallSid=CA1&From=%2B15550001111&`);
    expect([one?.method, one?.body]).toEqual(["GET", ""]);
    const signature = one?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, one?.url ?? "", {})).toBe(true);
  });

  test("a URL without a path is signed with its slash", async () => {
    const { url, seen } = app(() => twiml());
    await document(url, { method: "GET", params: {} });
    const signature = seen[0]?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, `${url}/`, {})).toBe(true);
  });

  test("user and password of the URL go as Basic, and nowhere else", async () => {
    const { port, seen } = app(() => twiml());
    const result = await document(`http://us%20er:p%3A%C3%A9@127.0.0.1:${port}/v#rc=0`);
    expect(result).toMatchObject({ ok: true, url: `http://127.0.0.1:${port}/v` });
    const [one] = seen;
    const basic = Buffer.from("us er:p:é", "utf8").toString("base64");
    expect(one?.headers.get("authorization")).toBe(`Basic ${basic}`);
    const signature = one?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, `http://127.0.0.1:${port}/v`, PARAMS))
      .toBe(true);
  });

  test("cookies of a call are sent again, and a later one replaces them", async () => {
    const { url, seen } = app((_, index) => {
      const headers = new Headers({ "Content-Type": "text/xml" });
      headers.append("Set-Cookie", `session=${index}; Path=/`);
      headers.append("Set-Cookie", "gone=1; Max-Age=0");
      return new Response(XML, { headers });
    });
    const first = await document(`${url}/a`);
    const second = await document(`${url}/b`, { cookies: first.cookies });
    await document(`${url}/c`, { cookies: second.cookies });
    const sent = seen.map(({ headers }) => headers.get("cookie"));
    expect(sent).toEqual([null, "session=0", "session=1"]);
  });

  for (const type of [
    "text/xml", "application/xml; charset=utf-8", "text/html", "text/plain", "TEXT/XML",
  ]) {
    test(`${type} is read`, async () => {
      const { url } = app(() => twiml("<Response>é</Response>", type));
      expect(await document(url)).toMatchObject({ ok: true, body: "<Response>é</Response>" });
    });
  }

  for (const [what, bytes, type] of [
    ["the header's charset", Buffer.from("<R>é</R>", "latin1"), "text/xml; charset=iso-8859-1"],
    [
      "the document's encoding",
      Buffer.from(`<?xml version="1.0" encoding="ISO-8859-1"?><R>é</R>`, "latin1"), "text/xml",
    ],
    ["a byte order mark", Buffer.from("\uFEFF<R>é</R>", "utf16le"), "text/xml"],
    ["an unknown charset as UTF-8", Buffer.from("<R>é</R>"), "text/xml; charset=klingon"],
  ] as const) {
    test(`${what} is followed`, async () => {
      const { url } = app(() => new Response(bytes, { headers: { "Content-Type": type } }));
      const result = await document(url);
      expect(result.ok && result.body).toEndWith("<R>é</R>");
    });
  }

  for (const [what, answer, code] of [
    ["404", () => new Response(XML, { status: 404 }), 11200],
    ["500", () => new Response(XML, { status: 500 }), 11200],
    ["a redirect to nowhere", () => new Response(null, { status: 302 }), 11200],
    ["audio", () => twiml("RIFF", "audio/wav"), 12300],
    ["JSON", () => twiml("{}", "application/json"), 12300],
    ["a coding not asked for", () => new Response(XML, {
      headers: { "Content-Type": "text/xml", "Content-Encoding": "br" },
    }), 12300],
    ["64 kB and a byte", () => twiml("a".repeat(DOCUMENT_MAX_BYTES + 1)), 11750],
    ["a redirect to another scheme", () => new Response(null, {
      status: 302, headers: { Location: "file:///etc/passwd" },
    }), 11100],
  ] as const) {
    test(`${what} is a failure with ${code}`, async () => {
      const { url } = app(answer);
      expect(await document(url)).toMatchObject({ ok: false, code });
    });
  }

  test("exactly 64 kB is read", async () => {
    const { url } = app(() => twiml("a".repeat(DOCUMENT_MAX_BYTES)));
    const result = await document(url);
    expect(result.ok && result.body.length).toBe(DOCUMENT_MAX_BYTES);
  });
});

describe("Redirects", () => {
  const to = (location: string, status = 302): Response =>
    new Response(null, { status, headers: { Location: location } });

  test("302 becomes a signed GET of the location as it stands", async () => {
    const { url, seen } = app((_, index) => (index === 0 ? to("/next?x=1#frag") : twiml()));
    expect(await document(`${url}/voice`)).toMatchObject({ ok: true, url: `${url}/next?x=1` });
    const next = seen[1];
    expect([next?.method, next?.url, next?.body]).toEqual(["GET", `${url}/next?x=1`, ""]);
    const signature = next?.headers.get("x-twilio-signature") ?? "";
    expect(twilio.validateRequest(TOKEN, signature, `${url}/next?x=1`, {})).toBe(true);
  });

  test("307 repeats the POST with its parameters", async () => {
    const { url, seen } = app((_, index) => (index === 0 ? to("/next", 307) : twiml()));
    await document(`${url}/voice`);
    expect([seen[1]?.method, seen[1]?.body]).toEqual(["POST", encodeForm(PARAMS)]);
  });

  test("credentials do not follow to another origin", async () => {
    const other = app(() => twiml());
    const { port, seen } = app((_, index) => to(index === 0 ? "/again" : `${other.url}/`));
    await document(`http://u:p@127.0.0.1:${port}/`);
    expect(seen.map(({ headers }) => headers.has("authorization"))).toEqual([true, true]);
    expect(other.seen.map(({ headers }) => headers.has("authorization"))).toEqual([false]);
  });

  test("a cookie set by the redirect is sent with the next request", async () => {
    const { url, seen } = app((_, index) => {
      if (index > 0) return twiml();
      const headers = { Location: "/in", "Set-Cookie": "a=b; Path=/" };
      return new Response(null, { status: 303, headers });
    });
    await document(`${url}/voice`);
    expect(seen[1]?.headers.get("cookie")).toBe("a=b");
  });

  test("ten are followed, the eleventh is 11215", async () => {
    const ten = app((_, index) => (index < 10 ? to("/") : twiml()));
    expect((await document(ten.url)).ok).toBe(true);
    const endless = app(() => to("/"));
    expect(await document(endless.url)).toMatchObject({ ok: false, code: 11215 });
    expect(endless.seen.length).toBe(11);
  });
});

describe("Servers that misbehave", () => {
  for (const [what, answer, code] of [
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 11206],
    ["HTTP/2 bytes", "HTTP/2 200\r\n\r\n", 11206],
    ["nothing at all", "", 11205],
    ["half a head", "HTTP/1.1 200 OK\r\nContent-", 11205],
    ["half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 11205],
    ["a huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 11750],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 11206],
    ["no type", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 11200],
    ["a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 11206],
    ["a 40 kB head", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(40_000)}\r\n\r\n`, 11206],
  ] as const) {
    test(`${what} is a failure with ${code}`, async () => {
      const { url } = await raw(answer);
      expect(await document(`${url}#rc=0`)).toMatchObject({ ok: false, code });
    });
  }

  test("a body that never ends is cut at 64 kB, not at the end of memory", async () => {
    const { url } = await rawApp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      const more = (): void => {
        while (socket.write(`4000\r\n${"a".repeat(0x4000)}\r\n`)) if (socket.destroyed) return;
        socket.once("drain", more);
      };
      more();
    });
    expect(await document(url)).toMatchObject({ ok: false, code: 11750 });
  });

  test("silence is a timeout with 11203, once the read timeout has passed", async () => {
    const { url, connections } = await rawApp(() => {});
    expect(connections).toBe(0);
    expect(await document(`${url}/#rt=100`)).toMatchObject({ ok: false, code: 11203 });
  });

  test("dripping bytes do not outlast the total time", async () => {
    const silent = await rawApp((socket) => {
      const drip = setInterval(() => socket.write("H"), 20);
      socket.on("close", () => clearInterval(drip));
    });
    const result = await document(`${silent.url}/#rt=15000&tt=200`);
    expect(result).toMatchObject({ ok: false });
    expect(result.ok ? 0 : result.code).toBe(11203);
  });

  test("a dead port is refused with 11202, tried twice", async () => {
    const { url, port, stop } = await raw("");
    stop();
    expect(await document(url)).toMatchObject({ ok: false, code: 11202 });
    let lookups = 0;
    const client = testClient({
      lookup: async () => {
        lookups += 1;
        return ["127.0.0.1"];
      },
    });
    await client.fetchDocument({
      url: `http://app.test:${port}/`, method: "GET", params: {}, authToken: TOKEN,
    });
    expect(lookups).toBe(2);
  });

  test("the second address serves when the first refuses", async () => {
    const { port } = app(() => twiml());
    const client = testClient({ lookup: async () => ["127.0.0.2", "127.0.0.1"] });
    const result = await client.fetchDocument({
      url: `http://app.test:${port}/`, method: "GET", params: {}, authToken: TOKEN,
    });
    expect(result).toMatchObject({ ok: true, url: `http://app.test:${port}/` });
  });

  for (const [what, lookup] of [
    ["a name without an address", async () => []],
    ["a resolver that fails", () => Promise.reject(new Error("ENOTFOUND"))],
    ["a resolver that hangs", () => new Promise<string[]>(() => {})],
  ] as const) {
    test(`${what} is 11210`, async () => {
      const result = await testClient({ lookup }).fetchDocument({
        url: "http://app.test/#ct=100", method: "GET", params: {}, authToken: TOKEN,
      });
      expect(result).toMatchObject({ ok: false, code: 11210 });
    });
  }

  for (const [url, code] of [
    ["", 11100], ["/voice", 11100], ["ftp://a/b", 11100], ["http://", 11100],
    ["http://a:99999/", 11100], ["http://a b/", 11100], ["https://a/#rc=6", 11100],
    ["https://a/#rp=6xx", 11243], [`http://a/${"x".repeat(5000)}`, 11100],
  ] as const) {
    test(`the URL "${url.slice(0, 30)}" is refused with ${code} and never asked`, async () => {
      expect(await document(url)).toMatchObject({ ok: false, code });
      expect(await deliver(url)).toMatchObject({ kind: "invalid", code, mayRetry: false });
    });
  }

  test("an abort ends the request with the signal's reason", async () => {
    const abort = new AbortController();
    const { url } = await rawApp(() => abort.abort(new Error("left the state")));
    const request = { url, method: "POST", params: {}, authToken: TOKEN } as const;
    expect(testClient().fetchDocument(request, abort.signal)).rejects.toThrow("left the state");
    await testClient().fetchDocument(request, abort.signal).catch(() => {});
  });
});

describe("Private addresses, when they are not allowed", () => {
  const refuse = async (url: string, addresses: string[]): Promise<unknown> => {
    const client = testClient({ allowPrivate: false, lookup: async () => addresses });
    return client.deliverCallback({
      url, method: "POST", params: {}, authToken: TOKEN, idempotencyToken: "x",
    });
  };
  for (const url of [
    "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/",
    "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data",
  ]) {
    test(`${url} is refused`, async () => {
      const refused = { kind: "invalid", code: 11100, mayRetry: false };
      expect(await refuse(url, [])).toMatchObject(refused);
    });
  }

  test("a name is judged by where it leads, and connected to as it was judged", async () => {
    const { port, seen } = app(() => new Response());
    const url = `http://public.example:${port}/`;
    expect(await refuse(url, ["127.0.0.1"])).toMatchObject({ kind: "invalid" });
    expect(seen.length).toBe(0);
  });

  test("a redirect does not lead inside either", async () => {
    const outside = app(() => Response.redirect("http://inside.test/", 307));
    const asked: string[] = [];
    const client = testClient({
      allowPrivate: false,
      isPrivate: (address) => address !== "127.0.0.1",
      lookup: async (host) => {
        asked.push(host);
        return ["192.168.0.1", "10.0.0.1"];
      },
    });
    expect(await client.deliverCallback({
      url: outside.url, method: "POST", params: {}, authToken: TOKEN, idempotencyToken: "x",
    })).toMatchObject({ kind: "invalid", code: 11100, mayRetry: false });
    expect([outside.seen.length, asked]).toEqual([1, ["inside.test"]]);
  });
});
