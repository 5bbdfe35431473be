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
  /** Takes no more connections and lets requests end for that long. */
  close(graceMs: number): Promise<void>;
}

const IDLE_TIMEOUT_SECONDS = 60;
/** The application has a limit of its own, and answers in its own words when it is passed. */
const BODY_MAX_BYTES = Number.MAX_SAFE_INTEGER;

/** Throws when the address cannot be bound; the message names it. */
export function serve(options: ServeOptions): HttpServer {
  const { address, port, tls } = options;
  const server = Bun.serve({
    hostname: address,
    port,
    fetch: options.fetch,
    // Two edges on one port would share its connections without a word.
    reusePort: false,
    idleTimeout: IDLE_TIMEOUT_SECONDS,
    maxRequestBodySize: BODY_MAX_BYTES,
    development: false,
    ...(tls === undefined ? {} : { tls }),
    error: () => new Response(null, { status: 500 }),
  });
  const bound = server.port ?? port;
  const host = address.includes(":") ? `[${address}]` : address;
  return {
    address,
    port: bound,
    url: `${tls === undefined ? "http" : "https"}://${host}:${bound}`,
    async close(graceMs: number): Promise<void> {
      const grace = setTimeout(() => void server.stop(true), graceMs);
      await server.stop(false);
      clearTimeout(grace);
    },
  };
}
