// The client transactions of a user agent: pure machines, their timers, and who listens to them
// (RFC 3261 §17.1, §9.1).

import { headerList, topVia } from "../../protocol/sip/header.ts";
import { mintBranch } from "../../protocol/sip/identity.ts";
import type { SipFlow, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import { cancelOf } from "../../protocol/sip/transaction/derived.ts";
import {
  type InviteClientTransaction, startInviteClient, stepInviteClientTransaction,
} from "../../protocol/sip/transaction/invite-client.ts";
import { clientKey } from "../../protocol/sip/transaction/match.ts";
import {
  type NonInviteClientTransaction, startNonInviteClient, stepNonInviteClient,
} from "../../protocol/sip/transaction/non-invite-client.ts";
import type { Step } from "../../protocol/sip/transaction/step.ts";
import type { Clock, Log, Random, Timer } from "../runtime/types.ts";
import { type Departure, type Sender, sentence } from "./sender.ts";
import type { ClientEvent, ClientListener, SendOptions, SipStats } from "./types.ts";

export interface ClientsOptions {
  sender: Sender;
  clock: Clock;
  random: Random;
  stats: SipStats;
  log: Log;
  transactionsMax: number;
}

type Machine =
  | { kind: "invite"; state: InviteClientTransaction }
  | { kind: "other"; state: NonInviteClientTransaction };

type Input =
  | { type: "response"; response: SipResponse }
  | { type: "time" }
  | { type: "transport-error"; reason: string };

interface Entry {
  id: string;
  listener: ClientListener;
  /** null until it is on its way. */
  machine: Machine | null;
  key: string;
  flow: SipFlow | null;
  /** Where the last response came from. */
  heardOn: SipFlow | null;
  /** Monotonic. */
  sentAt: number;
  timer: Timer | null;
  cancel: "none" | "wanted" | "sent";
}

const BRANCH_RANDOM_BYTES = 8;

export class Clients {
  readonly #options: ClientsOptions;
  readonly #byId = new Map<string, Entry>();
  readonly #byKey = new Map<string, Entry>();
  #ordinal = 0;
  #isStopped = false;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  send(request: SipRequest, options: SendOptions, listener: ClientListener): string {
    const entry: Entry = {
      id: `t${++this.#ordinal}`, listener, machine: null, key: "", flow: null, heardOn: null,
      sentAt: 0, timer: null, cancel: "none",
    };
    this.#byId.set(entry.id, entry);
    this.#count();
    if (this.#byId.size > this.#options.transactionsMax) {
      this.#options.stats.overLimit++;
      queueMicrotask(() => this.#abandon(entry, "too many transactions"));
      return entry.id;
    }
    const branch = mintBranch(options.owner, this.#options.random(BRANCH_RANDOM_BYTES));
    this.#options.sender.prepare(request, options, branch).then(
      (departure) => this.#launch(entry, departure),
      (error: unknown) => this.#abandon(entry, sentence(error)),
    );
    return entry.id;
  }

  /** RFC 3261 §9.1: INVITE only, after a 1xx, never after the final response. */
  cancel(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined || entry.cancel !== "none") return;
    entry.cancel = "wanted";
    if (entry.machine === null) {
      // Nothing has been sent: there is nothing to take back.
      queueMicrotask(() => this.#abandon(entry, "cancelled before it was sent"));
      return;
    }
    this.#cancelIfAllowed(entry);
  }

  receive(response: SipResponse, flow: SipFlow): void {
    const entry = this.#ownerOf(response);
    if (entry === undefined) {
      this.#options.stats.strayResponses++;
      return;
    }
    entry.heardOn = flow;
    this.#step(entry, { type: "response", response });
  }

  /** RFC 3261 §17.1.4: whoever waits for an answer on it is told. */
  connectionClosed(connection: string): void {
    for (const entry of [...this.#byId.values()]) {
      if (entry.flow?.connection !== connection) continue;
      this.#step(entry, { type: "transport-error", reason: "the connection was closed" });
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const entry of this.#byId.values()) entry.timer?.cancel();
    this.#byId.clear();
    this.#byKey.clear();
    this.#count();
  }

  /** RFC 3261 §17.1.3, §18.1.2: our branch and method, our Via alone, as we wrote it. */
  #ownerOf(response: SipResponse): Entry | undefined {
    const key = clientKey(response);
    const entry = key === null ? undefined : this.#byKey.get(key);
    const sent = entry?.machine?.state.request;
    const own = sent === undefined ? null : topVia(sent);
    const via = topVia(response);
    if (via === null || own === null || headerList(response, "Via").length !== 1) return undefined;
    const isOurs = via.host.toLowerCase() === own.host.toLowerCase() && via.port === own.port;
    return isOurs ? entry : undefined;
  }

  #launch(entry: Entry, { request, flow }: Departure): void {
    if (this.#isStopped || !this.#byId.has(entry.id)) return;
    entry.flow = flow;
    entry.key = clientKey(request) ?? entry.id;
    this.#byKey.set(entry.key, entry);
    const isReliable = flow.transport !== "udp";
    const now = this.#options.clock.monotonicMs();
    entry.sentAt = now;
    if (request.method === "INVITE") {
      const step = startInviteClient(request, isReliable, now);
      entry.machine = { kind: "invite", state: step.state };
      this.#carryOut(entry, step);
    } else {
      const step = startNonInviteClient(request, isReliable, now);
      entry.machine = { kind: "other", state: step.state };
      this.#carryOut(entry, step);
    }
  }

  /** Nothing was sent. */
  #abandon(entry: Entry, reason: string): void {
    if (this.#isStopped || !this.#remove(entry)) return;
    this.#tell(entry, { type: "transport-error", reason });
  }

  #step(entry: Entry, input: Input): void {
    const now = this.#options.clock.monotonicMs();
    const { machine } = entry;
    if (machine === null) return;
    if (machine.kind === "invite") {
      const step = stepInviteClientTransaction(machine.state, input, now);
      machine.state = step.state;
      this.#carryOut(entry, step);
      this.#cancelIfAllowed(entry);
    } else {
      const step = stepNonInviteClient(machine.state, input, now);
      machine.state = step.state;
      this.#carryOut(entry, step);
    }
  }

  #carryOut(entry: Entry, step: Step<Machine["state"]>): void {
    this.#schedule(entry, step.deadlineAt);
    if (step.state.phase === "terminated") this.#remove(entry);
    const { flow } = entry;
    for (const out of step.out) {
      switch (out.type) {
        case "send":
          if (flow !== null && !this.#options.sender.transmit(out.message, flow)) {
            queueMicrotask(() => this.#unsent(entry));
          }
          break;
        case "response":
          if (entry.heardOn !== null) this.#tell(entry, { ...out, flow: entry.heardOn });
          break;
        case "timeout":
          this.#tell(entry, out);
          if (flow !== null) this.#options.sender.doubt(flow, entry.sentAt);
          break;
        case "transport-error":
          this.#tell(entry, out);
          break;
      }
    }
  }

  #unsent(entry: Entry): void {
    if (!this.#byId.has(entry.id)) return;
    this.#step(entry, { type: "transport-error", reason: "it could not be sent" });
  }

  /** A listener's fault is its own: the others' transactions go on. */
  #tell(entry: Entry, event: ClientEvent): void {
    try {
      entry.listener(event);
    } catch (error) {
      this.#options.log.error("sip.listener-failed", { message: sentence(error) });
    }
  }

  #cancelIfAllowed(entry: Entry): void {
    const { machine, flow } = entry;
    if (entry.cancel !== "wanted" || machine?.kind !== "invite" || flow === null) return;
    if (machine.state.phase !== "proceeding") return;
    entry.cancel = "sent";
    const now = this.#options.clock.monotonicMs();
    const step = stepInviteClientTransaction(machine.state, { type: "cancelled" }, now);
    machine.state = step.state;
    this.#schedule(entry, step.deadlineAt);
    const cancel: Entry = {
      id: `t${++this.#ordinal}`, listener: () => {}, machine: null, key: "", flow: null,
      heardOn: null, sentAt: 0, timer: null, cancel: "none",
    };
    this.#byId.set(cancel.id, cancel);
    this.#count();
    this.#launch(cancel, { request: cancelOf(machine.state.request), flow });
  }

  #schedule(entry: Entry, deadlineAt: number | null): void {
    entry.timer?.cancel();
    entry.timer = null;
    if (deadlineAt === null) return;
    const { clock } = this.#options;
    entry.timer = clock.after(deadlineAt - clock.monotonicMs(), () =>
      this.#step(entry, { type: "time" }));
  }

  #remove(entry: Entry): boolean {
    entry.timer?.cancel();
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
    const wasThere = this.#byId.delete(entry.id);
    this.#count();
    return wasThere;
  }

  #count(): void {
    this.#options.stats.clientTransactions = this.#byId.size;
  }
}
