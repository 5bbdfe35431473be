// Starts the real API over a fake backend on a free port, and asks it by fetch.
import { systemClock } from "../../../edge/runtime/clock.ts";
import { type HttpServer, serve } from "../../../edge/runtime/serve.ts";
import type { Log } from "../../../edge/runtime/types.ts";
import { createApi } from "../../../edge/http/server.ts";
import { ACCOUNT, FakeBackend, TOKEN } from "./fake-backend.ts";

export const SECOND_TOKEN = "f".repeat(32);
export const KEY = { sid: `SK${"d4".repeat(16)}`, secret: "secretOfTheKey1" };
export const OTHER_ACCOUNT = `AC${"e5".repeat(16)}`;
export const OTHER_TOKEN = "e".repeat(32);

export interface TestApi {
  backend: FakeBackend;
  server: HttpServer;
  logged: string[];
  state: { ready: boolean };
  ask(method: string, path: string, options?: Ask): Promise<Answer>;
}

export interface Ask {
  form?: string;
  headers?: Record<string, string>;
  /** "user:password", null: no credentials. */
  as?: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: Record<string, unknown>;
}

export const basic = (credentials: string): string =>
  `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`;

export function startApi(): TestApi {
  const backend = new FakeBackend();
  const logged: string[] = [];
  const log = recordingLog(logged);
  const state = { ready: true };
  const api = createApi({
    backend, log, clock: systemClock, ready: () => state.ready,
    accounts: [
      {
        sid: ACCOUNT, authToken: TOKEN, secondaryAuthToken: SECOND_TOKEN,
        apiKeys: [KEY, { sid: "SKunset", secret: "" }],
      },
      { sid: OTHER_ACCOUNT, authToken: OTHER_TOKEN },
      { sid: "ACunset", authToken: "", secondaryAuthToken: null },
    ],
  });
  const server = serve({ address: "127.0.0.1", port: 0, fetch: api.fetch });
  return {
    backend, server, logged, state,
    async ask(method, path, { form, headers, as = `${ACCOUNT}:${TOKEN}` } = {}) {
      const sent = new Headers(headers);
      if (as !== null) sent.set("Authorization", basic(as));
      if (form !== undefined && !sent.has("Content-Type")) {
        sent.set("Content-Type", "application/x-www-form-urlencoded");
      }
      const response = await fetch(server.url + path, {
        method, headers: sent, redirect: "manual", ...(form === undefined ? {} : { body: form }),
      });
      const text = await response.text();
      const json = text.startsWith("{") ? JSON.parse(text) : {};
      return { status: response.status, headers: response.headers, text, json };
    },
  };
}

function recordingLog(logged: string[]): Log {
  const write = (event: string, fields?: object): void =>
    void logged.push(`${event} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { debug: write, info: write, warn: write, error: write, with: () => log };
  return log;
}
