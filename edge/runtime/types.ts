// What adapters ask of the runtime (Bun here, Deno behind the same shapes): nothing else of the
// product touches sockets, clocks, randomness, processes or the environment.

export interface Clock {
  /** Monotonic milliseconds, for transactions, leases, pacing. */
  monotonicMs(): number;
  /** Wall time in epoch milliseconds, for what is stored or shown. */
  wallMs(): number;
  /** Calls back once, after `delayMs` of monotonic time. */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export type Random = (bytes: number) => Uint8Array;

export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** One event a line. Never a key, a credential, or SDP; phone numbers go through `mask`. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log that adds these fields to each line. */
  with(fields: LogFields): Log;
}
