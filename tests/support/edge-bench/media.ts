// A media process in memory: lends ports, opens and closes forks as ordered, fails when told to.
import { Value } from "@sinclair/typebox/value";
import type { ApplyResult } from "../../../edge/ports/media.ts";
import type { Clock } from "../../../edge/runtime/types.ts";
import {
  type ForkOrder, type ForkReport, MediaOrder, type MediaPort, MediaReply,
} from "../../../schemas/media.ts";

export type Draft = Omit<MediaOrder, "edge" | "epoch">;

export interface GivenOrder {
  at: number;
  order: Draft;
}

interface Fork {
  order: ForkOrder;
  port: MediaPort;
  packets: number;
}

interface HeldCall {
  revision: number;
  port: MediaPort;
  forks: Map<string, Fork>;
  ended: ForkReport[];
}

const REPLY_MS = 1;
const ADDRESS = "192.0.2.1";
const FIRST_PORT = 10_000;
const PACKET_BYTES = 160;

const noCounters = {
  packets: 0, bytes: 0, lost: 0, late: 0, dropped: 0, firstAt: null, lastAt: null,
};

export class FakeMedia {
  readonly #clock: Clock;
  /** Every order that arrived, also those that failed. */
  readonly orders: GivenOrder[] = [];
  readonly calls = new Map<string, HeldCall>();
  readonly #lent = new Set<number>();
  readonly #released = new Map<string, { revision: number; reply: MediaReply }>();
  /** Pairs of ports that there are. */
  pairs = 100;
  #firstPort = FIRST_PORT;
  /** null: the order is carried out. */
  fault: (order: Draft) => { code: string; message: string } | null = () => null;
  /** Told when an order opens or closes something, with words for it. */
  onChange: (callSid: string, what: string) => void = () => {};
  onOrder: (order: Draft) => void = () => {};
  onProblem: (problem: string) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get lent(): number {
    return this.#lent.size;
  }

  apply(_process: string, order: Draft): Promise<ApplyResult> {
    // As over NATS: the order that arrives is a copy.
    const copy = structuredClone(order);
    return new Promise((resolve) => {
      this.#clock.after(REPLY_MS, () => resolve(this.#receive(copy)));
    });
  }

  /** So many packets go through every open fork of a call. */
  speak(callSid: string, packets: number): void {
    for (const fork of this.calls.get(callSid)?.forks.values() ?? []) {
      if (fork.order.destination !== null) fork.packets += packets;
    }
  }

  /** The forks of a call that have a destination, by label. */
  open(callSid: string): Record<string, string> {
    const forks = [...this.calls.get(callSid)?.forks.values() ?? []];
    return Object.fromEntries(forks.flatMap(({ order }) =>
      order.destination === null ? []
        : [[order.id.slice(order.id.indexOf(".") + 1), placeOf(order)]]
    ));
  }

  /** The process died, with all that it held; the next one lends its ports in another order. */
  forget(): void {
    this.#firstPort += 2 * this.pairs;
    this.calls.clear();
    this.#lent.clear();
  }

  last(callSid: string): Draft | null {
    return this.orders.findLast(({ order }) => order.callSid === callSid)?.order ?? null;
  }

  #receive(order: Draft): ApplyResult {
    this.orders.push({ at: this.#clock.wallMs(), order });
    const full = { ...order, edge: "ashburn", epoch: 1 };
    if (!Value.Check(MediaOrder, full)) {
      const [first] = Value.Errors(MediaOrder, full);
      this.onProblem(`an order breaks its schema at ${first?.path}: ${first?.message}`);
    }
    this.onOrder(order);
    const fault = this.fault(order);
    if (fault !== null) return { ok: false, ...fault };
    const reply = this.#carryOut(order);
    if (!Value.Check(MediaReply, reply)) this.onProblem("a reply of the fake breaks its schema");
    return reply;
  }

  #carryOut(order: Draft): MediaReply {
    const known = this.calls.get(order.callSid) ?? this.#released.get(order.callSid);
    if (known !== undefined && order.revision < known.revision) {
      this.onProblem(`order ${order.revision} came after ${known.revision}`);
      return { ok: false, code: "STALE_REVISION", message: `${known.revision} has been applied` };
    }
    if (order.endpoint === null) return this.#release(order);
    const before = this.calls.get(order.callSid);
    const fresh = order.forks.filter(({ id }) => before?.forks.has(id) !== true);
    if (this.#lent.size + fresh.length + (before === undefined ? 1 : 0) > this.pairs) {
      return { ok: false, code: "PORTS_EXHAUSTED", message: "no pair of ports can be lent now" };
    }
    const held = before ?? { revision: 0, port: this.#lend(), forks: new Map(), ended: [] };
    this.calls.set(order.callSid, held);
    held.revision = order.revision;
    for (const fork of held.forks.values()) {
      if (!order.forks.some(({ id }) => id === fork.order.id)) this.#close(order.callSid, fork);
    }
    for (const fork of order.forks) this.#point(order.callSid, held, fork);
    return this.#replyOf(held);
  }

  #point(callSid: string, held: HeldCall, order: ForkOrder): void {
    const before = held.forks.get(order.id);
    const fork = before ?? { order, port: this.#lend(), packets: 0 };
    const from = before === undefined ? "-" : placeOf(before.order);
    fork.order = order;
    held.forks.set(order.id, fork);
    if (placeOf(order) !== from) {
      const label = order.id.slice(order.id.indexOf(".") + 1);
      const state = order.destination === null ? "held" : "open";
      this.onChange(callSid, `fork ${label} ${state}`);
    }
  }

  #close(callSid: string, fork: Fork): void {
    const held = this.calls.get(callSid);
    held?.forks.delete(fork.order.id);
    held?.ended.push(reportOf(fork));
    this.#lent.delete(fork.port.rtpPort);
    this.onChange(callSid, `fork ${fork.order.id.slice(fork.order.id.indexOf(".") + 1)} closed`);
  }

  #release(order: Draft): MediaReply {
    const { callSid, revision } = order;
    const held = this.calls.get(callSid);
    if (held === undefined) {
      const before = this.#released.get(callSid)?.reply;
      return before?.ok === true ? { ...before, revision }
        : { ok: true, revision, endpoint: null, forks: [] };
    }
    for (const fork of [...held.forks.values()]) this.#close(callSid, fork);
    this.#lent.delete(held.port.rtpPort);
    this.calls.delete(callSid);
    const reply: MediaReply = {
      ok: true, revision, forks: [], ended: held.ended,
      endpoint: { port: held.port, received: noCounters, sent: noCounters },
    };
    this.#released.set(callSid, { revision, reply });
    return reply;
  }

  #replyOf(held: HeldCall): MediaReply {
    return {
      ok: true, revision: held.revision,
      endpoint: { port: held.port, received: noCounters, sent: noCounters },
      forks: [...held.forks.values()].map(reportOf),
      ended: [...held.ended],
    };
  }

  #lend(): MediaPort {
    let rtpPort = this.#firstPort;
    while (this.#lent.has(rtpPort)) rtpPort += 2;
    this.#lent.add(rtpPort);
    return { address: ADDRESS, rtpPort, rtcpPort: rtpPort + 1 };
  }
}

const placeOf = ({ destination }: ForkOrder): string =>
  destination === null ? "-" : `${destination.rtp.address}:${destination.rtp.port}`;

const reportOf = (fork: Fork): ForkReport => ({
  id: fork.order.id, port: fork.port, ssrc: 1, errors: 0, remote: null,
  counters: { ...noCounters, packets: fork.packets, bytes: fork.packets * PACKET_BYTES },
});
