// HTTP server of this process: bytes in, a fetch function called, bytes out.

export interface ServeOptions {
  address: string;
  /** 0: any free one. */
  port: number;
  fetch: (request: Request) => Response | Promise<Response>;
  /** PEM texts; without them plain HTTP. */
  tls?: { cert: string; key: string };
}

export interface HttpServer {
  address: string;
  port: number;
  url: string;
  /** Refuses new requests, lets those that run end for that long, and cuts off the rest. */
  close(graceMs: number): Promise<void>;
}

const IDLE_TIMEOUT_SECONDS = 30;
const CLOSE_POLL_MS = 5;
/** The application has a limit of its own, and answers in its own words when it is passed. */
const BODY_MAX_BYTES = Number.MAX_SAFE_INTEGER;

/** Throws when the address cannot be bound; the message names it. */
export function serve(options: ServeOptions): HttpServer {
  const { address, port, tls } = options;
  const host = address.includes(":") ? `[${address}]` : address;
  let closing = false;
  const answer = (request: Request): Response | Promise<Response> =>
    (closing ? goingAway() : options.fetch(request));
  const server = listen({ ...options, fetch: answer }, `${host}:${port}`);
  const bound = server.port ?? port;
  return {
    address,
    port: bound,
    url: `${tls === undefined ? "http" : "https"}://${host}:${bound}`,
    async close(graceMs: number): Promise<void> {
      closing = true;
      const deadlineMs = performance.now() + graceMs;
      while (server.pendingRequests > 0 && performance.now() < deadlineMs) {
        await Bun.sleep(CLOSE_POLL_MS);
      }
      // Not stop(false) first: after it Bun no longer closes a connection in the midst of a head.
      await server.stop(true);
    },
  };
}

function listen({ address, port, tls, fetch }: ServeOptions, name: string): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname: address,
      port,
      fetch,
      // Two edges on one port would share its connections without a word.
      reusePort: false,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      maxRequestBodySize: BODY_MAX_BYTES,
      development: false,
      ...(tls === undefined ? {} : { tls }),
      error: () => new Response(null, { status: 500 }),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot listen for HTTP on ${name}: ${reason}`, { cause });
  }
}

const goingAway = (): Response =>
  new Response(null, { status: 503, headers: { "Retry-After": "1", Connection: "close" } });
