// 2xx to INVITE, repeated until the ACK comes, over streams too (RFC 3261 §13.3.1.4).

import type { SipFlow, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import {
  type Accepted2xx, type Accepted2xxStep, acceptedKey, startAccepted2xx, stepAccepted2xx,
} from "../../protocol/sip/transaction/accepted-2xx.ts";
import type { Clock, Log, Timer } from "../runtime/types.ts";
import { type Sender, sentence } from "./sender.ts";
import type { SipStats } from "./types.ts";

export interface AcceptedOptions {
  sender: Sender;
  clock: Clock;
  stats: SipStats;
  log: Log;
  onNoAck: (transactionId: string) => void;
}

interface Entry {
  key: string;
  transactionId: string;
  flow: SipFlow;
  state: Accepted2xx;
  timer: Timer | null;
}

export class AcceptedAnswers {
  readonly #options: AcceptedOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: AcceptedOptions) {
    this.#options = options;
  }

  /** The response has been sent once. */
  open(transactionId: string, response: SipResponse, flow: SipFlow): void {
    const key = acceptedKey(response);
    this.#entries.get(key)?.timer?.cancel();
    const step = startAccepted2xx(response, this.#options.clock.monotonicMs());
    const entry = { key, transactionId, flow, state: step.state, timer: null };
    this.#entries.set(key, entry);
    this.#carryOut(entry, step);
  }

  acknowledge(ack: SipRequest): void {
    const key = acceptedKey(ack);
    this.#entries.get(key)?.timer?.cancel();
    this.#entries.delete(key);
  }

  stop(): void {
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    this.#entries.clear();
  }

  #carryOut(entry: Entry, step: Accepted2xxStep): void {
    const { clock, sender, stats, log, onNoAck } = this.#options;
    entry.state = step.state;
    if (step.out === "send") sender.respond(step.state.response, entry.flow);
    if (step.deadlineAt !== null) {
      entry.timer = clock.after(step.deadlineAt - clock.monotonicMs(), () =>
        this.#carryOut(entry, stepAccepted2xx(entry.state, clock.monotonicMs())));
      return;
    }
    this.#entries.delete(entry.key);
    if (step.out !== "no-ack") return;
    stats.noAck++;
    try {
      onNoAck(entry.transactionId);
    } catch (error) {
      log.error("sip.listener-failed", { message: sentence(error) });
    }
  }
}
