// What must hold of a call and its sessions at all times (docs/ARCHITECTURE.md, "What must hold").
import { recordAfter, withoutEntry } from "../../actors/call-record.ts";
import { packSnapshot, unpackSnapshot } from "../../actors/restore.ts";
import { FORK_SLOTS, holdsSlots, slotsInUse, slotsOf } from "../../actors/slots.ts";
import type { CallRecord } from "../../schemas/call.ts";
import type { MachineWorld } from "../support/machine-world.ts";

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** ARCHITECTURE section 9: slots are the streams of live sessions, four at most. */
export function checkSlots({ context }: MachineWorld): void {
  const used = slotsInUse(context.sessions);
  check(used <= FORK_SLOTS, `${used} slots are in use`);
  const live = context.sessions.filter(holdsSlots);
  const streams = live.reduce((sum, { track }) => sum + slotsOf(track), 0);
  check(streams === used, "slots and streams differ");
  if (context.endStatus !== null) return;
  check(context.forks.length === streams, `${context.forks.length} forks, ${streams} streams`);
  for (const { id } of context.forks) {
    check(live.some(({ sid }) => id.startsWith(sid)), `${id} has no live session`);
  }
  const names = live.flatMap(({ name }) => name ?? []);
  check(new Set(names).size === names.length, "two live sessions have one name");
}

/** What records has a dialog and its egress; what is over has neither. */
export function checkSessions(world: MachineWorld): void {
  const { context } = world;
  const sessions = world.sessions();
  for (const [sid, { state, context: session }] of sessions) {
    check(context.sessions.some((record) => record.sid === sid && record.state === state),
      `${sid} is ${state}, the call's record of it differs`);
    if (/^in-progress\.(recording|updating|waiting)$/.test(state)) {
      check(session.dialog?.state === "confirmed", `${sid} is ${state} without a dialog`);
      const forks = context.forks.filter(({ id }) => id.startsWith(sid));
      check(context.endStatus !== null || forks.length === session.streams.length &&
        forks.every(({ destination }) => destination !== null), `${sid} has no egress`);
    }
  }
  for (const { sid, state, fault, startedAt, endedAt } of context.sessions) {
    if (state !== "stopped" && state !== "error") continue;
    check(!sessions.has(sid), `${sid} is over and lives`);
    check(!context.forks.some(({ id }) => id.startsWith(sid)), `${sid} is over and has forks`);
    check((state === "error") === (fault !== null), `${sid} is ${state}, fault ${fault?.message}`);
    check(endedAt !== null && endedAt >= (startedAt ?? 0), `${sid} ended at ${endedAt}`);
  }
}

/** The snapshot as it is after a journey through storage. */
export function storedAndRead(world: MachineWorld): object {
  const persisted = world.persisted();
  const { stored, document } = packSnapshot(persisted, world.at);
  const text = JSON.stringify({ stored, document });
  // XState's own form has keys without a value; ours has none.
  check(Bun.deepEquals(JSON.parse(text), { stored, document }), "the snapshot is not JSON");
  const ours = [world.context, ...[...world.sessions()].map(([, one]) => one.context)];
  check(ours.every((one) => Bun.deepEquals(JSON.parse(JSON.stringify(one)), one, true)),
    "a context is not plain JSON");
  const read: { stored: unknown; document: unknown } = JSON.parse(text);
  const unpacked = unpackSnapshot(read.stored, read.document);
  if (!unpacked.ok) throw new Error(`the snapshot can't be restored: ${unpacked.reason}`);
  check(Bun.deepEquals(unpacked.snapshot, JSON.parse(JSON.stringify(persisted))),
    "the snapshot differs after storage");
  return unpacked.snapshot;
}

/** The record of a call as it is made and delivered: each event is in the outbox once. */
export class RecordWatch {
  #record: CallRecord | null = null;
  readonly #delivered = new Set<string>();

  get told(): readonly string[] {
    return this.#record?.told ?? [];
  }

  /** `acked`: the sessions that have acknowledged a 2xx; `delivers`: a callback goes out now. */
  look({ context, state }: MachineWorld, acked: readonly string[], delivers: boolean): void {
    const record = recordAfter(this.#record, context, state);
    const again = recordAfter(record, context, state);
    check(JSON.stringify(again) === JSON.stringify(record), "a record made twice differs");
    const ids = record.outbox.map(({ id }) => id);
    check(new Set([...ids, ...this.#delivered]).size === ids.length + this.#delivered.size,
      "an entry is in the outbox twice");
    for (const id of record.told.filter((one) => one.endsWith(":siprec-started"))) {
      check(acked.some((sid) => id.startsWith(sid)), `${id} without 2xx and ACK`);
    }
    this.#record = record;
    const [first] = record.outbox;
    if (first === undefined || !delivers) return;
    this.#delivered.add(first.id);
    this.#record = withoutEntry(record, first.id);
  }
}
