// The lease of an edge: one key with a time to live. Who holds it is the active control process;
// the revision at which it was taken is the epoch. Whether it still holds is asked of the
// monotonic clock at the moment of acting, because a process may have been stopped meanwhile.
import type { Clock, Log, Random } from "../runtime/types.ts";
import { type Bucket, openBucket, type StreamPlace } from "./bucket.ts";

export const LEASE_TTL_MS = 3_000;
export const LEASE_RENEW_MS = 1_000;
export const LEASE_TRY_MS = 300;
/** So much earlier than the server we call the lease over. */
export const LEASE_MARGIN_MS = 1_000;
/** Whoever stood by leaves the holder so long after a server that was away is back. */
export const LEASE_COURTESY_MS = 2_000;
const LEASE_KEY = "lease";

export interface LeaseTimes {
  ttlMs: number;
  renewMs: number;
  tryMs: number;
  marginMs: number;
  courtesyMs: number;
}

export interface LeaseOptions extends StreamPlace {
  random: Random;
  /** Shown to people who look into the bucket. */
  holderName: string;
  onTaken(epoch: number): void;
  /** It is gone: `taken` by another, or `expired`; we try for it again until `close`. */
  onLost(reason: "taken" | "expired"): void;
  times?: LeaseTimes;
}

export interface Lease {
  /** True while nobody else can hold it: ask before each thing that only the holder may do. */
  isHeld(): boolean;
  /** The epoch of the lease that is held, or was until now; null: never, or lost. */
  epoch(): number | null;
  /** Gives it back, so that another takes it at once, and tries no more. */
  release(): Promise<void>;
  /** Tries no more, and lets it expire. */
  close(): void;
}

const DEFAULT_TIMES: LeaseTimes = {
  ttlMs: LEASE_TTL_MS, renewMs: LEASE_RENEW_MS, tryMs: LEASE_TRY_MS, marginMs: LEASE_MARGIN_MS,
  courtesyMs: LEASE_COURTESY_MS,
};

/** Opens the bucket and starts trying. */
export async function openLease(options: LeaseOptions): Promise<Lease> {
  const times = options.times ?? DEFAULT_TIMES;
  const bucket = await openBucket(options, `siprec_lease_${options.edge}`, times.ttlMs);
  const loop = new LeaseLoop(bucket, options, times);
  loop.turn();
  return loop;
}

class LeaseLoop implements Lease {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly value: Uint8Array;
  /** null: not held. */
  private held: { epoch: number; revision: number; validUntilMs: number } | null = null;
  private closed = false;
  /** When the server came back after it had been away. */
  private backAtMs = Number.NEGATIVE_INFINITY;
  private turning: Promise<void> = Promise.resolve();

  constructor(
    private readonly bucket: Bucket, private readonly options: LeaseOptions,
    private readonly times: LeaseTimes,
  ) {
    this.clock = options.clock;
    this.log = options.log;
    const holder = Buffer.from(options.random(16)).toString("hex");
    this.value = Buffer.from(JSON.stringify({ holder, name: options.holderName }));
    options.link.onChange((connected) => {
      if (connected) this.backAtMs = this.clock.monotonicMs();
    });
  }

  isHeld(): boolean {
    return this.held !== null && this.clock.monotonicMs() < this.held.validUntilMs;
  }

  epoch(): number | null {
    return this.held?.epoch ?? null;
  }

  close(): void {
    this.closed = true;
  }

  async release(): Promise<void> {
    this.close();
    await this.turning;
    const held = this.held;
    this.held = null;
    if (held !== null) await this.bucket.remove(LEASE_KEY, held.revision);
  }

  /** One try or renewal, and the next one after its time. */
  turn(): void {
    if (this.closed) return;
    this.turning = (this.held === null ? this.take() : this.renew()).then(
      (nextMs) => void this.clock.after(nextMs, () => this.turn()));
  }

  private async take(): Promise<number> {
    const sentMs = this.clock.monotonicMs();
    // The lease ran out with nobody to renew it at: its holder knows what happened meanwhile.
    if (sentMs - this.backAtMs < this.times.courtesyMs) return this.times.tryMs;
    const put = await this.bucket.put(LEASE_KEY, this.value, 0);
    if (put.ok) return this.taken(put.revision, sentMs);
    // A put whose answer was lost may have been ours.
    const own = put.reason === "conflict" ? await this.ownRevision() : null;
    if (own !== null) return this.taken(own, sentMs);
    return this.times.tryMs;
  }

  private taken(revision: number, sentMs: number): number {
    if (this.closed) {
      // Released while the put was under way: give it back at once.
      void this.bucket.remove(LEASE_KEY, revision);
      return this.times.tryMs;
    }
    this.held = { epoch: revision, revision, validUntilMs: this.validUntil(sentMs) };
    this.log.info("lease.taken", { epoch: revision });
    this.options.onTaken(revision);
    return this.times.renewMs;
  }

  private async renew(): Promise<number> {
    const held = this.held;
    if (held === null) return 0;
    const sentMs = this.clock.monotonicMs();
    const put = await this.bucket.put(LEASE_KEY, this.value, held.revision);
    if (put.ok) {
      held.revision = put.revision;
      held.validUntilMs = this.validUntil(sentMs);
      return this.times.renewMs;
    }
    if (put.reason !== "conflict") return this.times.tryMs;
    return this.afterConflict(held);
  }

  // Another revision is there, or none: a renewal of ours whose answer was lost, or a loss.
  private async afterConflict(
    held: { revision: number; validUntilMs: number },
  ): Promise<number> {
    const found = await this.bucket.get(LEASE_KEY).catch(() => undefined);
    if (found === undefined) return this.times.tryMs;
    if (found !== null && sameBytes(found.value, this.value)) {
      // Not valid for longer by this: the next renewal says so.
      held.revision = found.revision;
      return 0;
    }
    return found === null ? this.takeAgain(held) : this.lost("taken");
  }

  /** It ran out while the server was away. If nobody has written since, nobody has acted either:
   *  what this process holds is the newest there is, and it goes on. */
  private async takeAgain(held: { revision: number; validUntilMs: number }): Promise<number> {
    const sentMs = this.clock.monotonicMs();
    const put = await this.bucket.put(LEASE_KEY, this.value, 0);
    if (!put.ok) return put.reason === "conflict" ? 0 : this.times.tryMs;
    if (put.revision === held.revision + 1) {
      held.revision = put.revision;
      held.validUntilMs = this.validUntil(sentMs);
      this.log.warn("lease.renewed-late");
      return this.times.renewMs;
    }
    await this.bucket.remove(LEASE_KEY, put.revision);
    return this.lost("expired");
  }

  private lost(reason: "taken" | "expired"): number {
    this.held = null;
    this.log.warn("lease.lost", { reason });
    this.options.onLost(reason);
    return 0;
  }

  private async ownRevision(): Promise<number | null> {
    const found = await this.bucket.get(LEASE_KEY).catch(() => null);
    return found !== null && sameBytes(found.value, this.value) ? found.revision : null;
  }

  private validUntil(sentMs: number): number {
    return sentMs + this.times.ttlMs - this.times.marginMs;
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
