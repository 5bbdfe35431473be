// One HTTP request on a connection of its own, to an address that was looked up and judged before:
// fetch would look the name up again, and has no timeout for the connection alone.
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  type HttpResponse, ResponseDecoder, type ResponseLimits, type ResponseProgress,
} from "../../protocol/webhook/response.ts";
import type { Clock, Timer } from "./types.ts";

export interface ExchangeOptions {
  /** Scheme, host and port; the host is also the name that a certificate must have. */
  url: URL;
  /** The IP address that is connected to. */
  address: string;
  /** The whole request as it goes out. */
  request: Uint8Array;
  limits: ResponseLimits;
  /** For TCP and TLS together. */
  connectTimeoutMs: number;
  /** Without a byte from the server. */
  readTimeoutMs: number;
  /** From now to the end of the response. */
  totalTimeoutMs: number;
  clock: Clock;
  /** PEM: certificates trusted instead of the system's. */
  ca?: string;
  signal?: AbortSignal;
}

export type ExchangeFailure =
  | "connect-timeout" | "refused" | "connect" | "tls" | "read-timeout" | "total-timeout"
  | "dropped" | "too-large" | "malformed" | "aborted";

export type ExchangeResult =
  | { ok: true; response: HttpResponse }
  | { ok: false; failure: ExchangeFailure; detail: string };

/** Never rejects; the connection is gone when it resolves. */
export function exchange(options: ExchangeOptions): Promise<ExchangeResult> {
  return new Promise((resolve) => new Exchange(options, resolve).start());
}

class Exchange {
  readonly #options: ExchangeOptions;
  readonly #resolve: (result: ExchangeResult) => void;
  readonly #decoder: ResponseDecoder;
  readonly #secure: boolean;
  #stage: "tcp" | "tls" | "read" | "over" = "tcp";
  #socket: Socket | null = null;
  #total: Timer | null = null;
  #stageTimer: Timer | null = null;

  constructor(options: ExchangeOptions, resolve: (result: ExchangeResult) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#decoder = new ResponseDecoder(options.limits);
    this.#secure = options.url.protocol === "https:";
  }

  start(): void {
    const { clock, signal, connectTimeoutMs, totalTimeoutMs } = this.#options;
    if (signal?.aborted) return this.#fail("aborted", "aborted");
    signal?.addEventListener("abort", this.#abort, { once: true });
    this.#total = clock.after(totalTimeoutMs, () => {
      this.#fail("total-timeout", `no complete answer within ${Math.round(totalTimeoutMs)} ms`);
    });
    this.#stageTimer = clock.after(connectTimeoutMs, () => {
      this.#fail("connect-timeout", `no connection within ${Math.round(connectTimeoutMs)} ms`);
    });
    const socket = this.#connect();
    this.#socket = socket;
    socket.on("connect", () => {
      if (this.#stage === "tcp") this.#stage = "tls";
      if (!this.#secure) this.#send(socket);
    });
    socket.on("secureConnect", () => this.#send(socket));
    socket.on("data", (bytes: Uint8Array) => this.#take(this.#decoder.push(bytes)));
    socket.on("end", () => this.#end());
    socket.on("error", (error: NodeJS.ErrnoException) => this.#break(error));
    socket.on("close", () => this.#break(new Error("the connection was closed")));
  }

  #connect(): Socket {
    const { url, address, ca } = this.#options;
    const port = url.port === "" ? (this.#secure ? 443 : 80) : Number(url.port);
    if (!this.#secure) return connect({ host: address, port });
    const name = url.hostname.replace(/^\[|\]$/g, "");
    // RFC 6066 §3: an address is never a server name.
    const servername = isIP(name) === 0 ? { servername: name } : {};
    return connectTls({ host: address, port, ...servername, ...(ca === undefined ? {} : { ca }) });
  }

  #send(socket: Socket): void {
    if (this.#stage === "over") return;
    this.#stage = "read";
    this.#waitForBytes();
    socket.write(this.#options.request);
  }

  #waitForBytes(): void {
    const { clock, readTimeoutMs } = this.#options;
    this.#stageTimer?.cancel();
    this.#stageTimer = clock.after(readTimeoutMs, () => {
      this.#fail("read-timeout", `nothing came for ${Math.round(readTimeoutMs)} ms`);
    });
  }

  #take(progress: ResponseProgress): void {
    switch (progress.kind) {
      case "more":
        if (this.#stage === "read") this.#waitForBytes();
        return;
      case "done":
        return this.#finish({ ok: true, response: progress.response });
      case "too-large":
        return this.#fail("too-large", "the body is larger than is allowed");
      case "malformed":
        return this.#fail("malformed", progress.reason);
    }
  }

  /** The server has closed: the end of a body without a length, or a response cut short. */
  #end(): void {
    if (this.#stage !== "read") return this.#break(new Error("the connection was closed"));
    const progress = this.#decoder.end();
    if (progress.kind === "malformed") return this.#fail("dropped", progress.reason);
    this.#take(progress);
  }

  #break(error: NodeJS.ErrnoException): void {
    if (this.#stage === "tcp") {
      return this.#fail(error.code === "ECONNREFUSED" ? "refused" : "connect", error.message);
    }
    this.#fail(this.#stage === "tls" ? "tls" : "dropped", error.message);
  }

  readonly #abort = (): void => this.#fail("aborted", "aborted");

  #fail(failure: ExchangeFailure, detail: string): void {
    this.#finish({ ok: false, failure, detail });
  }

  #finish(result: ExchangeResult): void {
    if (this.#stage === "over") return;
    this.#stage = "over";
    this.#total?.cancel();
    this.#stageTimer?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#socket?.destroy();
    this.#resolve(result);
  }
}
