// App servers for tests: one that answers by a function, and one that writes raw bytes.
import { createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../../../edge/runtime/clock.ts";
import type { Log } from "../../../edge/runtime/types.ts";
import {
  createWebhookClient, type WebhookClient, type WebhookClientOptions,
} from "../../../edge/http/webhook.ts";

export interface Seen {
  method: string;
  /** As the app would rebuild it. */
  url: string;
  headers: Headers;
  body: string;
}

export interface App {
  url: string;
  port: number;
  seen: Seen[];
  stop(): void;
}

type Answer = (seen: Seen, index: number) => Response | Promise<Response>;

/** Counts and keeps what is asked; `answer` gets the number of requests before this one. */
export function startApp(answer: Answer, tls?: { cert: string; key: string }): App {
  const seen: Seen[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1", port: 0, idleTimeout: 30,
    ...(tls === undefined ? {} : { tls }),
    async fetch(request) {
      const one = {
        method: request.method, url: request.url, headers: request.headers,
        body: await request.text(),
      };
      seen.push(one);
      return answer(one, seen.length - 1);
    },
  });
  const port = server.port ?? 0;
  const scheme = tls === undefined ? "http" : "https";
  return {
    url: `${scheme}://127.0.0.1:${port}`, port, seen, stop: () => void server.stop(true),
  };
}

export interface RawApp {
  url: string;
  port: number;
  connections: number;
  requests: string[];
  stop(): void;
}

/** `answer` is called with each connection's request once its head is there; index from 0. */
export function startRawApp(
  answer: (socket: Socket, index: number, request: string) => void,
): Promise<RawApp> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const index = app.connections;
    app.connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let head = "";
    socket.on("data", (bytes) => {
      const before = head.includes("\r\n\r\n");
      head += bytes.toString("latin1");
      if (before || !head.includes("\r\n\r\n")) return;
      app.requests.push(head);
      answer(socket, index, head);
    });
  });
  const app: RawApp = {
    url: "", port: 0, connections: 0, requests: [],
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      app.port = typeof address === "object" && address !== null ? address.port : 0;
      app.url = `http://127.0.0.1:${app.port}`;
      resolve(app);
    });
  });
}

const silent: Log = {
  debug() {}, info() {}, warn() {}, error() {}, with: () => silent,
};

export const testClient = (options: Partial<WebhookClientOptions> = {}): WebhookClient =>
  createWebhookClient({ clock: systemClock, log: silent, allowPrivate: true, ...options });
