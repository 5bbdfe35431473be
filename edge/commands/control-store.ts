// The call host's store, over the edge's buckets at its own NATS server.
import { CallRecord } from "../../schemas/call.ts";
import type { CallStore } from "../ports/call-host.ts";
import type { Store } from "../nats/store.ts";
import type { Log } from "../runtime/types.ts";

/** Stands where the snapshot was while the outbox of an ended call is not empty. */
const OUTBOX_MARK = { machine: "outbox" };

export const isOutboxMark = (snapshot: unknown): boolean =>
  typeof snapshot === "object" && snapshot !== null && "machine" in snapshot &&
  snapshot.machine === OUTBOX_MARK.machine;

export function callStore(store: Store): CallStore {
  return {
    putRecord: (record) => store.records.put(record.call.sid, record),
    putSnapshot: (callSid, snapshot) => store.snapshots.put(callSid, snapshot),
    putDocument: (callSid, document) => store.documents.put(callSid, document),
    markOutbox: (callSid) => store.snapshots.put(callSid, OUTBOX_MARK),
    removeSnapshot: (callSid) => store.snapshots.remove(callSid),
    async stored(callSid) {
      await Promise.all([store.records.flushed(callSid), store.snapshots.flushed(callSid)]);
    },
  };
}

export interface StoredCall {
  callSid: string;
  snapshot: unknown;
  document: unknown;
  record: CallRecord | null;
}

const decoder = new TextDecoder();

/** Calls that another process of this edge has left behind. */
export async function storedCalls(store: Store, log: Log): Promise<StoredCall[]> {
  const entries = await store.snapshots.entries();
  return Promise.all(entries.map(async ({ key, value }) => {
    const [document, record] = await Promise.all([
      store.documents.get(key),
      store.records.read(key, CallRecord).catch((error: unknown) => {
        log.error("record.unreadable", { call_sid: key, reason: String(error) });
        return null;
      }),
    ]);
    return {
      callSid: key,
      snapshot: parsed(value),
      document: document === null ? null : parsed(document),
      record,
    };
  }));
}

/** null for what is no JSON: whoever reads it says what is wrong. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return null;
  }
}
