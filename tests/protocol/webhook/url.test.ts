import { describe, expect, test } from "bun:test";
import { DEFAULT_OVERRIDES, parseOverrides } from "../../../protocol/webhook/overrides.ts";
import {
  isWebhookUrl, nextHop, type NextHop, parseWebhookUrl, requestUrl, URL_MAX_CHARS,
} from "../../../protocol/webhook/url.ts";

describe("A webhook's URL", () => {
  test("is taken apart into what is sent, what is proved and what is kept", () => {
    const result = parseWebhookUrl("https://us%20er:p%3Aw@app.example:8443/cb?b=2&a=1#rc=2&rp=rt");
    if (!result.ok) throw new Error(result.reason);
    expect(result.target.url.href).toBe("https://app.example:8443/cb?b=2&a=1");
    expect(result.target.credentials).toEqual({ user: "us er", password: "p:w" });
    expect(result.target.overrides).toEqual({
      ...DEFAULT_OVERRIDES, explicit: true, retryCount: 2, retryPolicies: ["rt"],
    });
  });

  for (const url of [
    "", "cb", "/cb", "//host/cb", "mailto:a@b", "javascript:alert(1)", "file:///etc/passwd",
    "http:", "http://", "http:///", "http:/host", "http://a b/", "http://host:0x/", "http://[::1",
    "http://host:65536/", "https://%ff@host/", `http://h/${"a".repeat(URL_MAX_CHARS)}`,
    " http://host/", "http://host/#rc=x",
  ]) {
    test(`"${url.slice(0, 40)}" is none`, () => {
      expect(isWebhookUrl(url)).toBe(false);
    });
  }

  test("line breaks within it are not sent on", () => {
    const result = parseWebhookUrl("http://host/a\r\nX-Evil: b");
    expect(result.ok && result.target.url.href).toBe("http://host/aX-Evil:%20b");
  });
});

describe("What a GET asks for", () => {
  for (const [url, expected] of [
    ["http://h/", "http://h/?a=b%20c"],
    ["http://h/?", "http://h/?a=b%20c"],
    ["http://h/?z=1&y=%2b+", "http://h/?z=1&y=%2b+&a=b%20c"],
  ] as const) {
    test(`${url} with a parameter is ${expected}`, () => {
      expect(requestUrl(new URL(url), "GET", { a: "b c" })).toBe(expected);
    });
  }

  test("without parameters, and for a POST, it is the URL itself", () => {
    expect(requestUrl(new URL("http://h/?x"), "GET", {})).toBe("http://h/?x");
    expect(requestUrl(new URL("http://h/?x"), "POST", { a: "b" })).toBe("http://h/?x");
  });
});

describe("A redirect", () => {
  const from: NextHop = {
    url: new URL("https://app.example/a/b?c"), method: "POST", params: { x: "1" },
    credentials: { user: "u", password: "p" },
  };
  const hop = (status: number, location: string): NextHop => {
    const next = nextHop(from, status, location);
    if (!next.ok) throw new Error(next.reason);
    return next.hop;
  };

  for (const [status, method] of [
    [301, "GET"], [302, "GET"], [303, "GET"], [307, "POST"], [308, "POST"],
  ] as const) {
    test(`${status} of a POST is followed by ${method}`, () => {
      const next = hop(status, "c");
      expect([next.method, next.params]).toEqual([method, method === "POST" ? { x: "1" } : {}]);
      expect(next.url.href).toBe("https://app.example/a/c");
    });
  }

  test("keeps credentials within the origin, and takes those of the location", () => {
    expect(hop(302, "/d").credentials).toEqual(from.credentials);
    expect(hop(302, "http://app.example/d").credentials).toBeNull();
    expect(hop(302, "https://app.example:444/d").credentials).toBeNull();
    expect(hop(302, "https://v:w@else.example/").credentials)
      .toEqual({ user: "v", password: "w" });
  });

  test("does not take a rule from the location's fragment", () => {
    expect(hop(302, "/d#rc=99").url.href).toBe("https://app.example/d");
  });

  for (const location of ["ftp://h/", "http://", "data:text/xml,<Response/>"]) {
    test(`to ${location} is refused`, () => {
      expect(nextHop(from, 302, location).ok).toBe(false);
    });
  }
});

describe("Connection overrides", () => {
  const overrides = (hash: string): object => {
    const result = parseOverrides(hash);
    if (!result.ok) throw new Error(result.reason);
    return result.overrides;
  };

  test("all of them are read, in any order", () => {
    expect(overrides("#rc=5&rp=5xx,ct,rt&ct=100&rt=15000&tt=9000&sni=y&e=ashburn")).toEqual({
      explicit: true, retryCount: 5, retryPolicies: ["ct", "rt", "5xx"], connectTimeoutMs: 100,
      readTimeoutMs: 15_000, totalTimeoutMs: 9000,
    });
  });

  test("all is every policy, and an encoded comma is a comma", () => {
    expect(overrides("rp=all")).toMatchObject({ retryPolicies: ["ct", "rt", "4xx", "5xx"] });
    expect(overrides("rp=4xx%2Crt")).toMatchObject({ retryPolicies: ["rt", "4xx"] });
  });

  test("timeouts alone are no rule of when to retry", () => {
    expect(overrides("#ct=200")).toEqual({ ...DEFAULT_OVERRIDES, connectTimeoutMs: 200 });
  });

  for (const hash of ["", "#", "#section-2", "#a=b", "#__proto__=1&constructor=2"]) {
    test(`"${hash}" is a fragment of the app's own`, () => {
      expect(overrides(hash)).toEqual(DEFAULT_OVERRIDES);
    });
  }

  for (const [hash, code] of [
    ["#rc=6", 11100], ["#rc=-1", 11100], ["#rc=", 11100], ["#rc=1.5", 11100], ["#rc=1e0", 11100],
    ["#ct=99", 11100], ["#ct=10001", 11100], ["#rt=15001", 11100], ["#tt=0", 11100],
    ["#rp=", 11243], ["#rp=6xx", 11243], ["#rp=ct,", 11243], ["#rp=all,x", 11243],
  ] as const) {
    test(`"${hash}" is refused with ${code}`, () => {
      expect(parseOverrides(hash)).toMatchObject({ ok: false, code });
    });
  }
});
