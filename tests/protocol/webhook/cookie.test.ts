import { describe, expect, test } from "bun:test";
import {
  type Cookie, COOKIES_MAX, cookieHeader, storeCookies,
} from "../../../protocol/webhook/cookie.ts";

const NOW = Date.UTC(2025, 0, 1);
const store = (url: string, ...headers: string[]): Cookie[] =>
  storeCookies([], new URL(url), headers, NOW);
const sent = (cookies: Cookie[], url: string, now = NOW): string | null =>
  cookieHeader(cookies, new URL(url), now);

describe("Cookies of a call", () => {
  test("go back to the host that set them, and to no other", () => {
    const cookies = store("https://app.example/a", "s=1; Path=/; HttpOnly");
    expect(sent(cookies, "https://app.example/b")).toBe("s=1");
    expect(sent(cookies, "https://www.app.example/b")).toBeNull();
    expect(sent(cookies, "https://other.example/")).toBeNull();
  });

  test("with a Domain go to the hosts below it", () => {
    const cookies = store("https://www.app.example/", "s=1; Domain=.app.example");
    expect(sent(cookies, "https://api.app.example/")).toBe("s=1");
    expect(sent(cookies, "https://badapp.example/")).toBeNull();
  });

  for (const [url, header] of [
    ["https://app.example/", "s=1; Domain=other.example"],
    ["https://app.example/", "s=1; Domain=example"],
    ["http://10.0.0.1/", "s=1; Domain=0.0.1"],
    ["https://app.example/", "=1"],
    ["https://app.example/", ""],
    ["https://app.example/", "s=1\r\nX-Evil: 1"],
    ["https://app.example/", `s=${"a".repeat(5000)}`],
    ["https://app.example/", "s=1; Max-Age=0"],
    ["https://app.example/", "s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
  ] as const) {
    test(`"${header.slice(0, 40)}" from ${url} is not kept`, () => {
      expect(store(url, header)).toEqual([]);
    });
  }

  test("follow their path, longer paths first", () => {
    const cookies = store("http://h/app/in", "a=1", "b=2; Path=/", "c=3; Path=/app/in");
    expect(sent(cookies, "http://h/app/in")).toBe("c=3; a=1; b=2");
    expect(sent(cookies, "http://h/app")).toBe("a=1; b=2");
    expect(sent(cookies, "http://h/apple")).toBe("b=2");
  });

  test("that are Secure stay off plain HTTP", () => {
    const cookies = store("https://h/", "a=1; secure");
    expect(sent(cookies, "http://h/")).toBeNull();
    expect(sent(cookies, "https://h/")).toBe("a=1");
  });

  test("end at their time, Max-Age before Expires", () => {
    const cookies = store("http://h/", "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    expect(sent(cookies, "http://h/", NOW + 59_999)).toBe("a=1");
    expect(sent(cookies, "http://h/", NOW + 60_000)).toBeNull();
  });

  test("of one name, host and path are replaced, and can be taken back", () => {
    const url = new URL("http://h/");
    const first = storeCookies([], url, ["a=1", "b=1"], NOW);
    const second = storeCookies(first, url, ["a=2"], NOW);
    expect(sent(second, "http://h/")).toBe("b=1; a=2");
    expect(sent(storeCookies(second, url, ["a=; Max-Age=-1"], NOW), "http://h/")).toBe("b=1");
  });

  test("are never more than the limit: the newest stay", () => {
    const many = Array.from({ length: COOKIES_MAX + 5 }, (_, n) => `c${n}=1`);
    const cookies = store("http://h/", ...many);
    expect(cookies.length).toBe(COOKIES_MAX);
    expect(cookies.at(-1)?.name).toBe(`c${COOKIES_MAX + 4}`);
  });
});
