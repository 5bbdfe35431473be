// Which media processes an edge has, and how control speaks to them.
import type { ApplyResult } from "../ports/media.ts";
import {
  MEDIA_ORDER_VERSION, MediaHello, type MediaOrder, MediaReply, MediaStats,
} from "../../schemas/media.ts";
import { edgeNumberOf } from "../../schemas/sid.ts";
import type { NatsLink } from "../nats/connect.ts";
import { listen, request } from "../nats/rpc.ts";
import { mediaHelloSubject, mediaSubject } from "../nats/subjects.ts";
import type { Clock } from "../runtime/types.ts";

/** A process that has not said hello for so long is not chosen for new calls. */
const HELLO_FRESH_MS = 3_000;
const FIND_STEP_MS = 30;
const ORDER_TIMEOUT_MS = 1_000;

export interface MediaDirectoryOptions {
  link: NatsLink;
  edge: string;
  edgeNumber: number;
  clock: Clock;
  /** How many processes this host starts: they are asked for by number at the start. */
  expected: number;
  epoch(): number;
  /** Another process serves that id now: what the one before held is gone. */
  replaced(id: string): void;
}

export interface CallsThere {
  has(callSid: string): boolean;
  /** Those of that media process. */
  of(process: string): string[];
  /** Its process does not have it. */
  doubt(callSid: string): void;
}

export class MediaDirectory {
  readonly #options: MediaDirectoryOptions;
  readonly #known = new Map<string, { hello: MediaHello; heardMs: number }>();
  readonly #stop: () => void;

  constructor(options: MediaDirectoryOptions) {
    this.#options = options;
    const served = listen(options.link, mediaHelloSubject(options.edge), MediaHello, (hello) =>
      this.#note(hello));
    this.#stop = () => served.stop();
  }

  /** Asks until one answers, or `untilMs` of the monotonic clock. */
  async find(untilMs: number): Promise<boolean> {
    const { link, edge, clock, expected } = this.#options;
    const ids = Array.from({ length: Math.max(1, expected) }, (_, index) => String(index));
    while (clock.monotonicMs() < untilMs) {
      const replies = await Promise.all(ids.map((id) =>
        request(link, mediaSubject(edge, id, "hello"), MediaHello, {}, { timeoutMs: 500 })
      ));
      for (const reply of replies) if (reply.ok) this.#note(reply.value);
      if (this.#known.size >= ids.length) return true;
      await new Promise<void>((resolve) => clock.after(FIND_STEP_MS, resolve));
    }
    return this.#known.size > 0;
  }

  /** The least loaded process with ports to lend; null: none is there. */
  choose(): string | null {
    const now = this.#options.clock.monotonicMs();
    const fresh = [...this.#known.values()].filter(({ hello, heardMs }) =>
      now - heardMs < HELLO_FRESH_MS && !hello.draining && hello.portsFree > 0
    );
    fresh.sort((a, b) => a.hello.load - b.hello.load || a.hello.calls - b.hello.calls);
    return fresh[0]?.hello.id ?? null;
  }

  async apply(
    process: string, order: Omit<MediaOrder, "edge" | "epoch">,
  ): Promise<ApplyResult> {
    const { link, edge, epoch } = this.#options;
    const full: MediaOrder = { ...order, edge, epoch: epoch() };
    const subject = mediaSubject(edge, process, "apply");
    const reply = await request(link, subject, MediaReply, full, { timeoutMs: ORDER_TIMEOUT_MS });
    return reply.ok ? reply.value : { ok: false, code: "UNREACHABLE", message: reply.message };
  }

  /** Gives back what no call of this edge wants any more: its release was lost. */
  async release(process: string, callSid: string, revision: number): Promise<void> {
    await this.apply(process, {
      version: MEDIA_ORDER_VERSION, callSid, revision, endpoint: null, forks: [],
    });
  }

  /** What the processes hold, beside the calls that there are. */
  async compare(calls: CallsThere): Promise<void> {
    const { link, edge, edgeNumber } = this.#options;
    for (const id of this.#known.keys()) {
      const reply = await request(link, mediaSubject(edge, id, "stats"), MediaStats, {
        callSid: null,
      });
      if (!reply.ok) continue;
      const held = new Set(reply.value.calls.map(({ callSid }) => callSid));
      for (const { callSid, revision } of reply.value.calls) {
        const isOurs = edgeNumberOf(callSid) === edgeNumber;
        if (isOurs && !calls.has(callSid)) await this.release(id, callSid, revision + 1);
      }
      for (const callSid of calls.of(id)) if (!held.has(callSid)) calls.doubt(callSid);
    }
  }

  close(): void {
    this.#stop();
  }

  #note(hello: MediaHello): void {
    const before = this.#known.get(hello.id)?.hello;
    // One that ends says a last word, and its successor may have spoken by then.
    if (before !== undefined && hello.startedAt < before.startedAt) return;
    this.#known.set(hello.id, { hello, heardMs: this.#options.clock.monotonicMs() });
    const isSame = before?.pid === hello.pid && before.startedAt === hello.startedAt;
    if (before !== undefined && !isSame) this.#options.replaced(hello.id);
  }
}
