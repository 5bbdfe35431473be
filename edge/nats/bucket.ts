// A KV bucket of the edge's own server: one replica, one value a key, puts that may be bound to
// the revision they replace. Removing leaves no marker, as long as the cluster has a leader.
import {
  jetstream, JetStreamApiCodes, JetStreamApiError, type JetStreamClient, type JetStreamManager,
  jetstreamManager, type StreamConfig,
} from "@nats-io/jetstream";
import { headers, nanos } from "@nats-io/transport-node";
import type { Clock, Log } from "../runtime/types.ts";
import type { NatsLink } from "./connect.ts";

const OPERATION_TIMEOUT_MS = 1_000;
const OPEN_TIMEOUT_MS = 2_000;
const OPEN_RETRY_MS = 50;
const DUPLICATE_WINDOW_MS = 120_000;
const KEY = /^[A-Za-z0-9_=/-]+(?:\.[A-Za-z0-9_=/-]+)*$/;
export const KEY_MAX_CHARS = 256;

export interface StreamPlace {
  link: NatsLink;
  /** Its server carries the tag `edge:<edge>`. */
  edge: string;
  clock: Clock;
  log: Log;
  /** Ends the wait for JetStream at start. */
  signal?: AbortSignal;
}

type WantedStream = Partial<StreamConfig> & { name: string };

export interface BucketEntry {
  value: Uint8Array;
  revision: number;
  createdAt: number;
}

export type PutResult =
  | { ok: true; revision: number }
  /** `conflict`: another revision is there; `away`: unknown whether it was written;
   *  `refused`: it can never be written (too large). */
  | { ok: false; reason: "conflict" | "away" | "refused"; message: string };

export interface Bucket {
  readonly name: string;
  /** Rejects when the server is away. */
  get(key: string): Promise<BucketEntry | null>;
  /** `expected`: the revision that is replaced, 0 for none; undefined: whatever is there. */
  put(key: string, value: Uint8Array, expected?: number): Promise<PutResult>;
  /** Removes that revision and nothing newer; true also when it is gone already. */
  remove(key: string, revision: number): Promise<boolean>;
  /** `filter` may have the wildcards * and > of NATS. A key that was removed while the server was
   *  cut off from its cluster may be among them. Rejects when the server is away. */
  keys(filter?: string): Promise<string[]>;
}

/** Opens a bucket, made when it is missing; waits for JetStream to be ready. */
export async function openBucket(
  place: StreamPlace, name: string, maxAgeMs: number,
): Promise<Bucket> {
  const stream = `KV_${name}`;
  const prefix = `$KV.${name}.`;
  const jsm = await openStream(place, {
    name: stream, subjects: [`${prefix}>`], max_msgs_per_subject: 1, max_age: nanos(maxAgeMs),
    allow_rollup_hdrs: true,
  });
  const js = jetstream(place.link.nc, { timeout: OPERATION_TIMEOUT_MS });
  const subjectOf = (key: string): string => prefix + checkedKey(key);
  return {
    name,
    async get(key) {
      const found = await jsm.direct.getMessage(stream, { last_by_subj: subjectOf(key) });
      if (found === null || REMOVED.includes(found.header.get(OPERATION_HEADER))) return null;
      return { value: found.data, revision: found.seq, createdAt: found.time.getTime() };
    },
    put: (key, value, expected) => putMessage(place.link, js, subjectOf(key), value, expected),
    async remove(key, revision) {
      if (!place.link.isConnected()) return false;
      try {
        return await jsm.streams.deleteMessage(stream, revision, false);
      } catch (error) {
        if (hasCode(error, JetStreamApiCodes.NoMessageFound)) return true;
        return markRemoved(js, subjectOf(key), revision);
      }
    },
    async keys(filter = ">") {
      const info = await jsm.streams.info(stream, { subjects_filter: prefix + filter });
      return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
    },
  };
}

/** What a KV client leaves in a removed key's place. */
const OPERATION_HEADER = "KV-Operation";
const REMOVED = ["DEL", "PURGE"];

// A server that is cut off from its cluster deletes no message, but still takes new ones.
async function markRemoved(
  js: JetStreamClient, subject: string, revision: number,
): Promise<boolean> {
  const marker = headers();
  marker.set(OPERATION_HEADER, "PURGE");
  marker.set("Nats-Rollup", "sub");
  try {
    await js.publish(subject, "", { headers: marker, expect: { lastSubjectSequence: revision } });
    return true;
  } catch (error) {
    // Something newer is there: that revision is gone.
    return hasCode(error, JetStreamApiCodes.StreamWrongLastSequence);
  }
}

const hasCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;

async function putMessage(
  link: NatsLink, js: JetStreamClient, subject: string, value: Uint8Array,
  expected: number | undefined,
): Promise<PutResult> {
  if (!link.isConnected()) return { ok: false, reason: "away", message: "NATS is away" };
  const most = link.nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
  if (value.length > most) {
    const message = `${value.length} bytes where ${most} are the most`;
    return { ok: false, reason: "refused", message };
  }
  try {
    const expect = expected === undefined ? {} : { lastSubjectSequence: expected };
    const ack = await js.publish(subject, value, { expect });
    return { ok: true, revision: ack.seq };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const conflict = hasCode(error, JetStreamApiCodes.StreamWrongLastSequence);
    return { ok: false, reason: conflict ? "conflict" : "away", message };
  }
}

/** A wildcard or an empty token in a key would be our bug. */
function checkedKey(key: string): string {
  if (key.length > KEY_MAX_CHARS || !KEY.test(key)) {
    throw new Error("a key is made of letters, digits, - _ = / and single dots");
  }
  return key;
}

/** Opens a NATS stream of one replica at the edge's own server; waits until JetStream is ready. */
export async function openStream(
  place: StreamPlace, config: WantedStream,
): Promise<JetStreamManager> {
  const { link, edge, clock, log, signal } = place;
  const jsm = await jetstreamManager(link.nc, { checkAPI: false, timeout: OPEN_TIMEOUT_MS });
  const wanted: WantedStream = {
    storage: "file", num_replicas: 1, allow_direct: true, discard: "old",
    duplicate_window: nanos(duplicateWindowMs(config.max_age)), ...config,
  };
  // A server that is alone refuses a placement.
  const cluster = link.nc.info?.cluster;
  if (cluster !== undefined) wanted.placement = { cluster, tags: [`edge:${edge}`] };
  for (let said = false; ; said = true) {
    try {
      await ensureStream(jsm, wanted);
      return jsm;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!said) log.debug("nats.stream.waiting", { stream: config.name, reason });
      if (isWrongConfig(error)) throw error;
    }
    if (signal?.aborted === true || link.nc.isClosed()) {
      throw new Error(`stopped before the NATS stream ${config.name} was open`);
    }
    await new Promise<void>((resolve) => void clock.after(OPEN_RETRY_MS, resolve));
  }
}

async function ensureStream(jsm: JetStreamManager, wanted: WantedStream): Promise<void> {
  try {
    const { config } = await jsm.streams.info(wanted.name);
    if (config.max_age === wanted.max_age) return;
    await jsm.streams.update(wanted.name, {
      ...config, max_age: wanted.max_age ?? 0,
      duplicate_window: wanted.duplicate_window ?? config.duplicate_window,
    });
  } catch (error) {
    if (!hasCode(error, JetStreamApiCodes.StreamNotFound)) throw error;
    await jsm.streams.add(wanted);
  }
}

// The server refuses a window that is longer than the age of the messages.
const duplicateWindowMs = (maxAgeNs: number | undefined): number =>
  Math.min(DUPLICATE_WINDOW_MS, (maxAgeNs ?? 0) / 1e6 || DUPLICATE_WINDOW_MS);

// 400: it will not get better by waiting. 10005 (no suitable peers) does, and so does all else.
const isWrongConfig = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.status === 400 && error.code !== NO_SUITABLE_PEERS;
const NO_SUITABLE_PEERS = 10005;
