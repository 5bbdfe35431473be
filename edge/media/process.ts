// One media process: the plane, what it says of itself each second, and its end when nobody needs
// it any more. How it is heard and how it speaks (NATS) is given by the command that composes it.
import type {
  MediaFact, MediaHello, MediaOrder, MediaReply, MediaStats, MediaStatsRequest,
} from "../../schemas/media.ts";
import type { Clock, Log, Timer } from "../runtime/types.ts";
import type { MediaEnvironment } from "./environment.ts";
import { MediaPlane } from "./plane.ts";

export const HELLO_INTERVAL_MS = 1000;
/** Without a call, and without an order or a request for hello, for so long: nobody needs us. */
export const IDLE_EXIT_MS = 300_000;
/** Facts of one call that wait for its owner; more are dropped and counted. */
export const FACTS_WAITING_MAX = 50;

export interface MediaProcessOptions {
  edge: string;
  id: string;
  version: string;
  pid: number;
  media: Omit<MediaEnvironment, "onFact" | "clock" | "log">;
  clock: Clock;
  log: Log;
  cpuTimeMs: () => number;
  publishHello: (hello: MediaHello) => void;
  /** Tells the owner of the call, patiently; false: nobody took it. Never rejects. */
  tellOwner: (fact: MediaFact) => Promise<boolean>;
  onIdle: () => void;
}

export class MediaProcess {
  readonly #options: MediaProcessOptions;
  readonly #plane: MediaPlane;
  readonly #startedAt: number;
  /** One fact of a call after the other: digits must not change places. */
  readonly #facts = new Map<string, { last: Promise<void>; waiting: number }>();
  #timer: Timer | null = null;
  #cpuMs: number;
  #measuredAtMs: number;
  #load = 0;
  #draining = false;

  constructor(options: MediaProcessOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#startedAt = clock.wallMs();
    this.#measuredAtMs = clock.monotonicMs();
    this.#cpuMs = options.cpuTimeMs();
    this.#plane = new MediaPlane({
      ...options.media, clock, log, onFact: (fact) => this.#tell(fact),
    });
  }

  start(): void {
    this.#sayHello();
  }

  apply(order: MediaOrder): Promise<MediaReply> {
    return this.#plane.apply(order);
  }

  stats({ callSid }: MediaStatsRequest): MediaStats {
    this.#plane.noteControl();
    return {
      calls: this.#plane.calls(), call: callSid === null ? null : this.#plane.report(callSid),
    };
  }

  /** Asked by control, which shows by that that it is there. */
  answerHello(): MediaHello {
    this.#plane.noteControl();
    return this.#hello();
  }

  /** Gives everything back; says so. */
  stop(): void {
    this.#draining = true;
    this.#timer?.cancel();
    this.#plane.close();
    this.#options.publishHello(this.#hello());
  }

  #sayHello(): void {
    const { clock, onIdle, publishHello } = this.#options;
    this.#measure();
    publishHello(this.#hello());
    if (this.#plane.callCount === 0 && this.#plane.silentMs() >= IDLE_EXIT_MS) {
      onIdle();
      return;
    }
    this.#timer = clock.after(HELLO_INTERVAL_MS, () => this.#sayHello());
  }

  #measure(): void {
    const cpuMs = this.#options.cpuTimeMs();
    const nowMs = this.#options.clock.monotonicMs();
    const share = (cpuMs - this.#cpuMs) / Math.max(1, nowMs - this.#measuredAtMs);
    this.#load = Math.min(1, Math.max(0, share));
    this.#cpuMs = cpuMs;
    this.#measuredAtMs = nowMs;
  }

  #hello(): MediaHello {
    const { edge, id, version, pid, media } = this.#options;
    return {
      edge, id, version, pid, startedAt: this.#startedAt, calls: this.#plane.callCount,
      portsFree: media.ports.free, portsAll: media.ports.all, draining: this.#draining,
      load: this.#load,
    };
  }

  #tell(fact: MediaFact): void {
    const queue = this.#facts.get(fact.callSid) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= FACTS_WAITING_MAX) {
      this.#options.log.warn("media.fact.dropped", { call: fact.callSid, type: fact.type });
      return;
    }
    queue.waiting += 1;
    queue.last = queue.last.then(async () => {
      const told = await this.#options.tellOwner(fact);
      if (!told) this.#options.log.warn("media.fact.lost", { call: fact.callSid, type: fact.type });
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#facts.delete(fact.callSid);
    });
    this.#facts.set(fact.callSid, queue);
  }
}
