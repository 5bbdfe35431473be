// One connection to NATS that never gives up: it reconnects for ever, finds a dead server within
// seconds, and says whether it is up, so that nothing is queued for a server that is away.
import { AuthorizationError, connect, type NatsConnection } from "@nats-io/transport-node";
import type { Clock, Log } from "../runtime/types.ts";

const START_RETRY_MS = 30;
const RECONNECT_MS = 250;
const PING_MS = 2_000;
const PINGS_UNANSWERED_MAX = 2;
const CONNECT_TIMEOUT_MS = 2_000;

export interface NatsOptions {
  /** `nats://host:port`, one or more. */
  servers: string[];
  /** Shown by the server's monitoring: `control.ashburn`. */
  name: string;
  log: Log;
  clock: Clock;
  credentials?: { user: string; password: string } | null;
  /** The configuration's `nats.tls` as it is: without a file there is no TLS. */
  tls?: PemFiles | null;
  /** Ends the retries of the start; a connection that is up is closed by `close`. */
  signal?: AbortSignal;
}

/** A connection and whether it is up. */
export interface NatsLink {
  readonly nc: NatsConnection;
  isConnected(): boolean;
  /** Called with true after a reconnect, with false when the connection is lost. */
  onChange(listener: (connected: boolean) => void): void;
  /** Sends what is pending, then closes; at once when the server is away. */
  close(): Promise<void>;
}

/** Tries until a server answers; rejects only when `signal` aborts or the server refuses us. */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const nc = await firstConnection(options);
  const listeners: ((connected: boolean) => void)[] = [];
  let connected = true;
  let closing = false;
  const change = (now: boolean): void => {
    if (now === connected) return;
    connected = now;
    if (closing) return;
    options.log[now ? "info" : "warn"](now ? "nats.connected" : "nats.disconnected",
      { server: nc.getServer() });
    for (const listener of listeners) listener(now);
  };
  void followStatus(nc, options.log, change);
  return {
    nc,
    isConnected: () => connected && !nc.isClosed(),
    onChange: (listener) => void listeners.push(listener),
    async close() {
      if (nc.isClosed()) return;
      closing = true;
      await (connected ? nc.drain() : nc.close());
    },
  };
}

async function followStatus(
  nc: NatsConnection, log: Log, change: (connected: boolean) => void,
): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === "disconnect" || status.type === "staleConnection") change(false);
    else if (status.type === "reconnect") change(true);
    else if (status.type === "error") log.warn("nats.error", { reason: status.error.message });
    else if (status.type === "slowConsumer") {
      log.warn("nats.slow-consumer", { subject: status.sub.getSubject() });
    }
  }
  change(false);
}

async function firstConnection(options: NatsOptions): Promise<NatsConnection> {
  const { servers, name, clock, credentials, tls, signal } = options;
  for (let said = false; ; said = true) {
    try {
      return await connect({
        servers, name, timeout: CONNECT_TIMEOUT_MS,
        maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, reconnectJitter: RECONNECT_MS,
        pingInterval: PING_MS, maxPingOut: PINGS_UNANSWERED_MAX,
        // A server of another edge must not become ours when our own is away for a moment.
        ignoreClusterUpdates: true,
        // A server that starts again may refuse us for a moment before its users are read.
        ignoreAuthErrorAbort: true,
        ...(credentials ? { user: credentials.user, pass: credentials.password } : {}),
        ...tlsOption(tls ?? null),
      });
    } catch (error) {
      if (error instanceof AuthorizationError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (!said) options.log.debug("nats.waiting", { reason });
    }
    if (signal?.aborted === true) throw new Error("stopped before NATS could be reached");
    await new Promise<void>((resolve) => void clock.after(START_RETRY_MS, resolve));
  }
}

interface PemFiles {
  ca: string | null;
  cert: string | null;
  key: string | null;
}

/** Nothing when no file is named: any TLS option would demand TLS of the server. */
function tlsOption(files: PemFiles | null): { tls?: Record<string, string> } {
  const named = { caFile: files?.ca, certFile: files?.cert, keyFile: files?.key };
  const tls: Record<string, string> = {};
  for (const [name, path] of Object.entries(named)) if (path) tls[name] = path;
  return Object.keys(tls).length === 0 ? {} : { tls };
}
