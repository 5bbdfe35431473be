// Where an edge's calls are kept in tests: in memory, written a little later than it is asked for.
import { Value } from "@sinclair/typebox/value";
import type { CallStore } from "../../../edge/ports/call-host.ts";
import type { Clock } from "../../../edge/runtime/types.ts";
import { CallRecord } from "../../../schemas/call.ts";

const WRITE_MS = 1;
const OUTBOX_MARK = { machine: "outbox" };

export interface LeftCall {
  callSid: string;
  snapshot: unknown;
  document: unknown;
  record: CallRecord | null;
  isMark: boolean;
}

export class MemoryStore implements CallStore {
  readonly #clock: Clock;
  readonly #records = new Map<string, string>();
  readonly #snapshots = new Map<string, string>();
  readonly #documents = new Map<string, string>();
  readonly #writing = new Map<string, Promise<void>>();
  /** Each record as it is put, before it is stored. */
  onRecord: (record: CallRecord) => void = () => {};
  onProblem: (problem: string) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  putRecord(record: CallRecord): void {
    if (!Value.Check(CallRecord, record)) {
      const [first] = Value.Errors(CallRecord, record);
      this.onProblem(`a record breaks its schema at ${first?.path}: ${first?.message}`);
    }
    this.onRecord(record);
    this.#write(this.#records, record.call.sid, record);
  }

  putSnapshot(callSid: string, snapshot: object): void {
    this.#write(this.#snapshots, callSid, snapshot);
  }

  putDocument(callSid: string, document: object): void {
    this.#write(this.#documents, callSid, document);
  }

  removeSnapshot(callSid: string): void {
    this.#write(this.#snapshots, callSid, null);
  }

  markOutbox(callSid: string): void {
    this.#write(this.#snapshots, callSid, OUTBOX_MARK);
  }

  async stored(callSid: string): Promise<void> {
    await this.#writing.get(callSid);
  }

  /** What a later version finds that can't read it. */
  spoilSnapshot(callSid: string): void {
    this.#snapshots.set(callSid, JSON.stringify({ machine: "call", version: 0, state: {} }));
  }

  record(callSid: string): CallRecord | null {
    const text = this.#records.get(callSid);
    // What was checked when it was put.
    return text === undefined ? null : JSON.parse(text) as CallRecord;
  }

  records(): CallRecord[] {
    return [...this.#records.keys()].flatMap((sid) => this.record(sid) ?? []);
  }

  /** What a process that starts finds. */
  left(): LeftCall[] {
    return [...this.#snapshots].map(([callSid, text]) => {
      const snapshot: unknown = JSON.parse(text);
      const document = this.#documents.get(callSid);
      return {
        callSid, snapshot,
        document: document === undefined ? null : JSON.parse(document) as unknown,
        record: this.record(callSid),
        isMark: JSON.stringify(snapshot) === JSON.stringify(OUTBOX_MARK),
      };
    });
  }

  /** As bytes would be: nothing stored is shared with what goes on. */
  #write(map: Map<string, string>, key: string, value: object | null): void {
    const text = value === null ? null : JSON.stringify(value);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing.set(key, promise);
    this.#clock.after(WRITE_MS, () => {
      if (text === null) map.delete(key);
      else map.set(key, text);
      resolve();
    });
  }
}
