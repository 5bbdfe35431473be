// Delivers what waits in the outboxes of call records: for each session one at a time and in
// order, sessions apart from each other. What is delivered or given up leaves the record.
import { type Actor, createActor } from "xstate";
import type { callbackMachine, CallbackOutput } from "../../actors/callback.machine.ts";
import type { CallRecord, Fault, OutboxEntry } from "../../schemas/call.ts";

export interface OutboxOptions {
  machine: typeof callbackMachine;
  /** Takes the entry out of its record and stores that. */
  settled(callSid: string, entry: OutboxEntry): void;
  alert(accountSid: string, entry: OutboxEntry, fault: Fault): void;
}

interface Queue {
  callSid: string;
  accountSid: string;
  entries: OutboxEntry[];
  actor: Actor<typeof callbackMachine>;
}

export class Outbox {
  readonly #options: OutboxOptions;
  /** By SiprecSid. */
  readonly #queues = new Map<string, Queue>();
  readonly #idle: (() => void)[] = [];
  #isStopped = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Takes up what is new in the record; running it again with the same record does nothing. */
  take(record: CallRecord): void {
    if (this.#isStopped) return;
    for (const entry of record.outbox) {
      const queue = this.#queues.get(entry.siprecSid);
      if (queue === undefined) {
        this.#start(record.call.sid, record.call.accountSid, [entry]);
      } else if (!queue.entries.some(({ id }) => id === entry.id)) {
        queue.entries.push(entry);
      }
    }
  }

  /** Callbacks that are not delivered yet. */
  waiting(): number {
    return [...this.#queues.values()].reduce((sum, { entries }) => sum + entries.length, 0);
  }

  /** Resolves when everything is delivered or given up. */
  empty(): Promise<void> {
    if (this.#queues.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Lets go: what waits stays in the records, for the next process. */
  stop(): void {
    this.#isStopped = true;
    for (const { actor } of this.#queues.values()) actor.stop();
    this.#queues.clear();
  }

  #start(callSid: string, accountSid: string, entries: OutboxEntry[]): void {
    const [entry] = entries;
    if (entry === undefined) return;
    const actor = createActor(this.#options.machine, { input: { accountSid, entry } });
    this.#queues.set(entry.siprecSid, { callSid, accountSid, entries, actor });
    actor.subscribe({
      complete: () => this.#ended(entry, actor.getSnapshot().output),
      error: () => this.#ended(entry, undefined),
    });
    actor.start();
  }

  #ended(entry: OutboxEntry, output: CallbackOutput | undefined): void {
    const queue = this.#queues.get(entry.siprecSid);
    if (queue === undefined || this.#isStopped) return;
    const result = output?.result ?? null;
    if (result?.kind !== "delivered") {
      const { code, message } = result ?? { code: 20500, message: "It could not be delivered" };
      this.#options.alert(queue.accountSid, entry, { code, message });
    }
    this.#queues.delete(entry.siprecSid);
    this.#options.settled(queue.callSid, entry);
    this.#start(queue.callSid, queue.accountSid, queue.entries.slice(1));
    if (this.#queues.size === 0) this.#idle.splice(0).forEach((resolve) => resolve());
  }
}
