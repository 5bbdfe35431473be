// Holds the call actors of this edge: starts and restores them, stores what they become, and
// brings to each what is meant for it.
import { type Actor, createActor, type Snapshot } from "xstate";
import type { callMachine } from "../../actors/call.machine.ts";
import {
  abandonedRecord, OUTBOX_MAX, recordAfter, withoutEntry,
} from "../../actors/call-record.ts";
import { packSnapshot, type StoredSnapshot, unpackSnapshot } from "../../actors/restore.ts";
import { holdsSlots } from "../../actors/slots.ts";
import { stateText } from "../../actors/state-text.ts";
import type { CallContext, CallEvent, CallInput } from "../../actors/call-types.ts";
import type { CallRecord, OutboxEntry } from "../../schemas/call.ts";
import { ERRORS } from "../../schemas/error.ts";
import type { Clock, Log } from "../runtime/types.ts";

/** Where call records, snapshots and documents are kept. */
export interface CallStore {
  putRecord(record: CallRecord): void;
  putSnapshot(callSid: string, snapshot: StoredSnapshot): void;
  putDocument(callSid: string, document: object): void;
  removeSnapshot(callSid: string): void;
  /** In the snapshot's place: the call is over, but callbacks in its record are not delivered. */
  markOutbox(callSid: string): void;
  /** Resolves when everything put for the call is stored. */
  stored(callSid: string): Promise<void>;
}

export interface AlertDraft {
  level: "error" | "warning";
  code: number;
  message: string;
  accountSid: string;
  callSid: string;
  siprecSid: string | null;
  at: number;
}

export interface CallHostOptions {
  machine: typeof callMachine;
  store: CallStore;
  clock: Clock;
  log: Log;
  alert(alert: AlertDraft): void;
  /** The record changed: what waits in its outbox may go. */
  changed(record: CallRecord): void;
  /** Gives the media of a call back whose machine can't do it any more. */
  release(callSid: string, mediaProcess: string, revision: number): void;
  /** A call is here from now on, or no more: its subject is served as long, and `forget` is
   *  called when it is not served any more. */
  opened(callSid: string): void;
  closed(callSid: string): void;
}

interface Held {
  actor: Actor<typeof callMachine>;
  record: CallRecord | null;
  /** What was stored last, to write only changes. */
  state: string;
  context: CallContext | null;
  /** The snapshot of the document's run. */
  run: unknown;
  documentStored: boolean;
}

export class CallHost {
  readonly #options: CallHostOptions;
  readonly #calls = new Map<string, Held>();
  /** Records of ended calls whose callbacks are still to be delivered. */
  readonly #ended = new Map<string, CallRecord>();
  /** Of calls that have just ended: a question may still be on its way to their subject. */
  readonly #recent = new Map<string, CallRecord>();
  readonly #idle: (() => void)[] = [];

  constructor(options: CallHostOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  has(callSid: string): boolean {
    return this.#calls.has(callSid);
  }

  start(input: CallInput): void {
    const actor = createActor(this.#options.machine, { input });
    this.#hold(input.callSid, actor);
    this.#options.log.info("call.started", {
      call_sid: input.callSid, direction: input.direction, parent_call_sid: input.parentCallSid,
    });
    actor.start();
  }

  /** Takes a call over from its snapshot; false when it can't be read: then it has ended. */
  restore(callSid: string, stored: unknown, document: unknown, record: CallRecord | null): boolean {
    const unpacked = unpackSnapshot(stored, document);
    if (!unpacked.ok) {
      this.#options.log.error("call.not-restored", { call_sid: callSid, reason: unpacked.reason });
      this.#bury(callSid, record);
      return false;
    }
    // XState wants an input beside a snapshot, and then does not look at it; the snapshot's own
    // form is XState's, and `unpackSnapshot` has checked which machine and version wrote it.
    const options = { snapshot: unpacked.snapshot as Snapshot<unknown> } as
      { snapshot: Snapshot<unknown>; input: CallInput };
    const actor = createActor(this.#options.machine, options);
    this.#hold(callSid, actor, record);
    actor.start();
    actor.send({ type: "restored", at: this.#options.clock.wallMs() });
    // What was due before is in no change that follows.
    if (record !== null && record.outbox.length > 0) this.#options.changed(record);
    this.#options.log.info("call.restored", { call_sid: callSid });
    return true;
  }

  /** After all were taken over: whoever waits for a call that is not there any more is told. */
  reunite(): void {
    const at = this.#options.clock.wallMs();
    for (const [callSid, { actor }] of [...this.#calls]) {
      const { parentCallSid, bridge } = actor.getSnapshot().context;
      if (parentCallSid !== null && !this.#calls.has(parentCallSid)) {
        this.send(callSid, { type: "call.hangup", reason: "parent-ended", at });
      }
      const childSid = bridge?.callSid ?? parentCallSid;
      if (childSid !== null && childSid !== parentCallSid && !this.#calls.has(childSid)) {
        this.send(callSid, { type: "child.ended", childSid, status: "failed", at });
      }
    }
  }

  /** false: no such call is here. */
  send(callSid: string, event: CallEvent): boolean {
    const held = this.#calls.get(callSid);
    held?.actor.send(event);
    return held !== undefined;
  }

  /** The record as it is now, without waiting for it to be stored. */
  record(callSid: string): CallRecord | null {
    return this.#calls.get(callSid)?.record ?? this.#recent.get(callSid) ?? null;
  }

  /** Nobody asks any more: from now on its stored record answers. */
  forget(callSid: string): void {
    this.#recent.delete(callSid);
  }

  snapshot(callSid: string): ReturnType<Actor<typeof callMachine>["getSnapshot"]> | null {
    return this.#calls.get(callSid)?.actor.getSnapshot() ?? null;
  }

  callSids(): string[] {
    return [...this.#calls.keys()];
  }

  /** A callback was delivered or given up: it leaves the record. */
  settled(callSid: string, entry: OutboxEntry): void {
    const held = this.#calls.get(callSid);
    const record = held?.record ?? this.#ended.get(callSid);
    if (record === undefined || record === null) return;
    const next = withoutEntry(record, entry.id);
    if (held !== undefined) held.record = next;
    else if (next.outbox.length > 0) this.#ended.set(callSid, next);
    else {
      this.#ended.delete(callSid);
      this.#options.store.removeSnapshot(callSid);
    }
    this.#options.store.putRecord(next);
  }

  /** A call that ended under another process, whose callbacks are still due. */
  adopt(record: CallRecord): void {
    if (record.outbox.length === 0) return this.#options.store.removeSnapshot(record.call.sid);
    this.#ended.set(record.call.sid, record);
    this.#options.changed(record);
  }

  /** Resolves when no call is left. */
  empty(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #hold(
    callSid: string, actor: Actor<typeof callMachine>, record: CallRecord | null = null,
  ): void {
    const held: Held = {
      actor, record, state: "", context: null, run: null, documentStored: false,
    };
    this.#calls.set(callSid, held);
    this.#options.opened(callSid);
    actor.on("alert", (alert) => {
      const { level, fault, siprecSid, at } = alert;
      const { accountSid } = actor.getSnapshot().context;
      this.#options.alert({ level, ...fault, accountSid, callSid, siprecSid, at });
    });
    actor.subscribe({
      next: () => this.#store(callSid, held),
      complete: () => this.#end(callSid, held),
      error: (error: unknown) => {
        // Our bug: this call is lost, the others are not.
        const reason = error instanceof Error ? error.stack ?? error.message : String(error);
        this.#options.log.error("call.broken", { call_sid: callSid, reason });
        this.#break(callSid, held);
        this.#end(callSid, held);
      },
    });
  }

  #store(callSid: string, held: Held): void {
    const snapshot = held.actor.getSnapshot();
    const { context } = snapshot;
    const state = stateText(snapshot.value);
    const run: unknown = snapshot.children["twiml"]?.getSnapshot();
    const { store } = this.#options;
    const before = held.record;
    const record = recordAfter(before, context, state);
    // States of the sessions, and everything else that is told, are part of the record.
    const isTold = before === null || JSON.stringify(record) !== JSON.stringify(before);
    if (isTold) {
      if (record.outbox.length >= OUTBOX_MAX && (before?.outbox.length ?? 0) < OUTBOX_MAX) {
        this.#options.log.warn("outbox.full", { call_sid: callSid });
      }
      held.record = record;
      store.putRecord(record);
      this.#options.changed(record);
    }
    const isSame = !isTold && state === held.state && run === held.run &&
      isSameCall(context, held.context);
    if (snapshot.status !== "active" || isSame) return;
    held.state = state;
    held.run = run;
    held.context = context;
    const packed = packSnapshot(held.actor.getPersistedSnapshot(), this.#options.clock.wallMs());
    if (packed.document !== null && !held.documentStored) {
      held.documentStored = true;
      store.putDocument(callSid, packed.document);
    }
    store.putSnapshot(callSid, packed.stored);
  }

  /** Nobody can go on with it: its record says so, and its callbacks. */
  #bury(callSid: string, record: CallRecord | null): void {
    const { store, clock, alert } = this.#options;
    if (record === null) return store.removeSnapshot(callSid);
    const at = clock.wallMs();
    const fault = { code: ERRORS.INTERNAL.code, message: "The call could not be taken over" };
    const ended = abandonedRecord(record, fault, at);
    alert({
      level: "error", ...fault, accountSid: record.call.accountSid, callSid, siprecSid: null, at,
    });
    store.putRecord(ended);
    if (ended.outbox.length === 0) return store.removeSnapshot(callSid);
    this.#ended.set(callSid, ended);
    store.markOutbox(callSid);
    this.#options.changed(ended);
  }

  /** What a broken machine can't say itself: that it is over, and with it its recordings. */
  #break(callSid: string, held: Held): void {
    const { context } = held.actor.getSnapshot();
    this.#options.release(callSid, context.mediaProcess, context.revision + 1);
    const at = this.#options.clock.wallMs();
    const fault = { code: ERRORS.INTERNAL.code, message: "The call ended by a fault of ours" };
    const sessions = context.sessions.map((session) => holdsSlots(session)
      ? { ...session, status: "stopped" as const, state: "error", fault, endedAt: at }
      : session);
    const ended = { ...context, endStatus: "failed" as const, endAt: at, updatedAt: at, sessions };
    held.record = recordAfter(held.record, ended, "failed");
    this.#options.store.putRecord(held.record);
    this.#options.changed(held.record);
  }

  #end(callSid: string, held: Held): void {
    if (this.#calls.get(callSid) !== held) return;
    if (held.actor.getSnapshot().status === "done") this.#store(callSid, held);
    this.#calls.delete(callSid);
    if (held.record !== null) this.#recent.set(callSid, held.record);
    if (held.record !== null && held.record.outbox.length > 0) {
      this.#ended.set(callSid, held.record);
      this.#options.store.markOutbox(callSid);
    } else {
      this.#options.store.removeSnapshot(callSid);
    }
    this.#options.closed(callSid);
    this.#options.log.info("call.ended", {
      call_sid: callSid, status: held.record?.call.status ?? null,
    });
    if (this.#calls.size === 0) this.#idle.splice(0).forEach((resolve) => resolve());
  }
}

/** Nothing changed that a successor must know: dialog, media, whom the call talks to. */
const isSameCall = (context: CallContext, last: CallContext | null): boolean =>
  context.leg === last?.leg && context.bridge === last.bridge &&
  context.revision === last.revision && context.dialling === last.dialling;
