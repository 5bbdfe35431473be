// Values that are written behind: the newest of a key wins, one write of a key is under way at a
// time, and a failed one is tried again until it is done. Who must know waits for `flushed`.
import type { Static, TSchema } from "@sinclair/typebox";
import { EdgeError } from "../../schemas/error.ts";
import type { Clock, Log } from "../runtime/types.ts";
import type { Bucket, PutResult } from "./bucket.ts";
import { parsePayload } from "./rpc.ts";

export const FLUSH_TIMEOUT_MS = 2_000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
/** Revisions kept of keys at rest; a forgotten one makes the next put of its key unconditional. */
const REVISIONS_MAX = 100_000;
const READS_AT_ONCE = 64;

/** Bytes, or a value for JSON that is not changed after it was given. */
export type StoredValue = Uint8Array | object;

export interface WriteBehindOptions {
  clock: Clock;
  log: Log;
  /** False: writes wait. The holder of the edge's lease only may write. */
  mayWrite?: () => boolean;
}

interface Writing {
  /** null: remove. */
  value: StoredValue | null;
  /** Counts the puts of this key. */
  version: number;
  /** The bytes of a put of which nobody knows whether it was done. */
  doubtful: Uint8Array | null;
  failures: number;
  waiters: { version: number; settle: (error: EdgeError | null) => void }[];
}

export class WriteBehind {
  private readonly writing = new Map<string, Writing>();
  private readonly revisions = new Map<string, number>();
  /** Writes that were given up because another process has written the key since. */
  conflicts = 0;

  constructor(private readonly bucket: Bucket, private readonly options: WriteBehindOptions) {}

  /** Returns at once; a later value of the same key replaces one that waits. */
  put(key: string, value: StoredValue): void {
    this.change(key, value);
  }

  remove(key: string): void {
    this.change(key, null);
  }

  /** Resolves when everything put for the key so far is stored; rejects (UNAVAILABLE) when that
   *  takes too long, and CONFLICT when another process wrote the key. */
  flushed(key: string, timeoutMs = FLUSH_TIMEOUT_MS): Promise<void> {
    const writing = this.writing.get(key);
    if (writing === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = this.options.clock.after(timeoutMs, () =>
        reject(new EdgeError("UNAVAILABLE", "The state could not be stored in time")));
      writing.waiters.push({
        version: writing.version,
        settle: (error) => (timer.cancel(), error === null ? resolve() : reject(error)),
      });
    });
  }

  /** Waits for all that was put so far; false when something is still not stored. */
  async flushedAll(timeoutMs = FLUSH_TIMEOUT_MS): Promise<boolean> {
    const waits = [...this.writing.keys()].map((key) => this.flushed(key, timeoutMs));
    const results = await Promise.allSettled(waits);
    return results.every((result) => result.status === "fulfilled");
  }

  /** Keys with something that is not stored yet. */
  pending(): number {
    return this.writing.size;
  }

  /** What was put last, stored or not; rejects when the server is away. */
  async get(key: string): Promise<Uint8Array | null> {
    const writing = this.writing.get(key);
    if (writing !== undefined) return writing.value === null ? null : bytesOf(writing.value);
    const entry = await this.bucket.get(key);
    // A put that came while we asked knows better.
    if (entry !== null && !this.writing.has(key)) this.remember(key, entry.revision);
    return entry?.value ?? null;
  }

  /** JSON that fits the schema; null when there is none; throws INTERNAL when it does not fit. */
  async read<Schema extends TSchema>(key: string, schema: Schema): Promise<Static<Schema> | null> {
    const bytes = await this.get(key);
    if (bytes === null) return null;
    const parsed = parsePayload(schema, bytes);
    if (parsed.ok) return parsed.value;
    throw new EdgeError("INTERNAL", `${this.bucket.name} ${key}: ${parsed.message}`);
  }

  /** Keys at the server, perhaps with some that were removed; `filter` with * and >. */
  keys(filter?: string): Promise<string[]> {
    return this.bucket.keys(filter);
  }

  /** All values whose keys fit the filter; one that goes away meanwhile is left out. */
  async entries(filter?: string): Promise<{ key: string; value: Uint8Array }[]> {
    const keys = await this.keys(filter);
    const found: { key: string; value: Uint8Array }[] = [];
    for (let from = 0; from < keys.length; from += READS_AT_ONCE) {
      const batch = keys.slice(from, from + READS_AT_ONCE);
      const values = await Promise.all(batch.map((key) => this.get(key)));
      values.forEach((value, at) => {
        const key = batch[at];
        if (value !== null && key !== undefined) found.push({ key, value });
      });
    }
    return found;
  }

  private change(key: string, value: StoredValue | null): void {
    const writing = this.writing.get(key);
    if (writing !== undefined) {
      writing.value = value;
      writing.version += 1;
      return;
    }
    const fresh: Writing = { value, version: 1, doubtful: null, failures: 0, waiters: [] };
    this.writing.set(key, fresh);
    void this.write(key, fresh);
  }

  /** Writes until the newest value of the key is stored. */
  private async write(key: string, writing: Writing): Promise<void> {
    for (;;) {
      const { version } = writing;
      const outcome = await this.writeOnce(key, writing);
      if (outcome === "again") {
        await this.pause(writing);
        continue;
      }
      const stored = outcome === "stored";
      writing.failures = 0;
      const error = stored ? null : new EdgeError(outcome === "conflict" ? "CONFLICT" : "INTERNAL");
      // A value that came meanwhile is another write; after a conflict it has no right either.
      const done = writing.version === version || outcome === "conflict";
      if (done) this.writing.delete(key);
      const settled = writing.waiters.filter((waiter) => done || waiter.version <= version);
      writing.waiters = writing.waiters.filter((waiter) => !done && waiter.version > version);
      for (const waiter of settled) waiter.settle(error);
      if (done) return;
    }
  }

  private async writeOnce(
    key: string, writing: Writing,
  ): Promise<"stored" | "again" | "conflict" | "refused"> {
    if (this.options.mayWrite?.() === false) return "again";
    if (writing.value === null) return this.removeOnce(key, writing);
    const bytes = bytesOf(writing.value);
    const result = await this.bucket.put(key, bytes, this.revisions.get(key));
    if (result.ok) {
      writing.doubtful = null;
      this.remember(key, result.revision);
      return "stored";
    }
    this.report(key, result, writing);
    if (result.reason === "refused") return "refused";
    if (result.reason === "away") {
      writing.doubtful = bytes;
      return "again";
    }
    return this.afterConflict(key, writing);
  }

  // The revision is not the one that we know: our own write whose answer was lost, or a successor.
  private async afterConflict(key: string, writing: Writing): Promise<"again" | "conflict"> {
    const found = await this.bucket.get(key).catch(() => undefined);
    if (found === undefined) return "again";
    const ours = found !== null && writing.doubtful !== null
      && Buffer.compare(found.value, writing.doubtful) === 0;
    // Gone (it has expired): a put without an expectation is right.
    if (found === null) this.revisions.delete(key);
    else if (ours) this.remember(key, found.revision);
    if (ours || found === null) return "again";
    this.conflicts += 1;
    this.revisions.delete(key);
    this.options.log.error("store.conflict", { bucket: this.bucket.name, key });
    return "conflict";
  }

  private async removeOnce(key: string, writing: Writing): Promise<"stored" | "again"> {
    // After a put without an answer the revision that we know may be an old one.
    const known = writing.doubtful === null ? this.revisions.get(key) : undefined;
    const revision = known
      ?? await this.bucket.get(key).then((found) => found?.revision ?? null, () => undefined);
    if (revision === undefined) return "again";
    if (revision !== null && !(await this.bucket.remove(key, revision))) return "again";
    this.revisions.delete(key);
    return "stored";
  }

  private report(key: string, result: PutResult & { ok: false }, writing: Writing): void {
    if (result.reason === "conflict" || writing.failures > 0) return;
    const level = result.reason === "refused" ? "error" : "warn";
    this.options.log[level]("store.failed", {
      bucket: this.bucket.name, key, reason: result.message,
    });
  }

  private pause(writing: Writing): Promise<void> {
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(writing.failures, 10));
    writing.failures += 1;
    return new Promise((resolve) => void this.options.clock.after(delayMs, resolve));
  }

  /** The oldest go first when there are too many. */
  private remember(key: string, revision: number): void {
    this.revisions.delete(key);
    this.revisions.set(key, revision);
    if (this.revisions.size <= REVISIONS_MAX) return;
    const oldest = this.revisions.keys().next();
    if (oldest.done !== true) this.revisions.delete(oldest.value);
  }
}

const encoder = new TextEncoder();
const bytesOf = (value: StoredValue): Uint8Array =>
  value instanceof Uint8Array ? value : encoder.encode(JSON.stringify(value));
