// What an edge keeps at its own NATS server: snapshots and documents of live calls, records of
// calls for as long as the history, and alerts, which are only ever added.
import { type AlertLog, openAlertLog } from "./alert-log.ts";
import { openBucket, type StreamPlace } from "./bucket.ts";
import { WriteBehind } from "./write-behind.ts";

/** A document outlives its call by far: nobody removes it. */
const DOCUMENT_AGE_MIN_MS = 24 * 3_600_000;

export interface StoreOptions extends StreamPlace {
  historyMs: number;
  /** Fences the writes: true while this process holds the edge's lease. */
  mayWrite?: () => boolean;
}

export interface Store {
  /** Machines' snapshots by CallSid; removed when the call ended. */
  snapshots: WriteBehind;
  /** Call records: the Twilio resource, receipts, the outbox; they expire after the history. */
  records: WriteBehind;
  /** TwiML documents, beside the snapshot that runs them. */
  documents: WriteBehind;
  alerts: AlertLog;
  /** Waits for what was put so far; false when something is still not stored. */
  flushed(timeoutMs: number): Promise<boolean>;
}

/** Opens, and at the first start makes, the edge's buckets; waits for JetStream. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { edge, historyMs, clock, log, mayWrite } = options;
  const open = async (kind: string, maxAgeMs: number): Promise<WriteBehind> => {
    const bucket = await openBucket(options, `siprec_${kind}_${edge}`, maxAgeMs);
    return new WriteBehind(bucket, { clock, log, ...(mayWrite === undefined ? {} : { mayWrite }) });
  };
  const [snapshots, records, documents, alerts] = await Promise.all([
    open("snapshots", 0),
    open("records", historyMs),
    open("documents", Math.max(historyMs, DOCUMENT_AGE_MIN_MS)),
    openAlertLog(options, historyMs),
  ]);
  return {
    snapshots, records, documents, alerts,
    async flushed(timeoutMs) {
      const kinds = [snapshots, records, documents];
      const all = await Promise.all(kinds.map((kind) => kind.flushedAll(timeoutMs)));
      return all.every(Boolean);
    },
  };
}
