// The media plane: all calls of one media process. It is told the whole wanted state of a call
// (schemas/media.ts) and makes it so; it knows sockets and time, nothing of NATS or SIP.
import { isIP } from "node:net";
import type { ForkReport, MediaOrder, MediaReply } from "../../schemas/media.ts";
import type { Timer } from "../runtime/types.ts";
import { SharedMaps } from "./codec-map.ts";
import { Endpoint, type EndpointOrder } from "./endpoint.ts";
import type { MediaEnvironment } from "./environment.ts";
import { ForkStream } from "./fork.ts";
import { parseNetworks } from "./latch.ts";
import { connectLeg, heardBy, type Leg, replyOf, TRANSITION_MS } from "./leg.ts";

export const TICK_MS = 20;
/** Ticks made up for after a stall; beyond, time is skipped. */
const TICKS_LATE_MAX = 5;
/** RTCP intervals are seconds: it is enough to look for a due one ten times a second. */
const REPORTS_EVERY_MS = 100;
const WATCH_EVERY_MS = 1000;
/** A call without RTP is released when its owner has been away for as long. */
export const RELEASE_AFTER_MS = 60_000;
/** A released call's late orders are refused for this long. */
const TOMBSTONE_MS = 60_000;
const ENDED_FORKS_MAX = 16;
export const EDGES_MAX = 64;

export interface HeldCall {
  callSid: string;
  epoch: number;
  revision: number;
}

interface Tombstone extends HeldCall {
  releasedAtMs: number;
  reply: MediaReply;
}

type Refusal = Extract<MediaReply, { ok: false }>;

const refusal = (code: string, message: string): Refusal => ({ ok: false, code, message });

export class MediaPlane {
  readonly #env: MediaEnvironment;
  readonly #maps = new SharedMaps();
  readonly #legs = new Map<string, Leg>();
  /** Those that hear ringback or silence now: a tick visits nobody else. */
  readonly #unheard = new Set<Leg>();
  readonly #tombstones = new Map<string, Tombstone>();
  /** The highest epoch seen of each edge. */
  readonly #epochs = new Map<string, number>();
  /** Orders are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #timer: Timer | null = null;
  #startedAtMs = 0;
  #ticks = 0;
  #reportsAtMs = 0;
  #watchedAtMs = 0;
  #controlAtMs: number;
  #closed = false;

  constructor(env: MediaEnvironment) {
    this.#env = env;
    this.#controlAtMs = env.clock.monotonicMs();
  }

  get callCount(): number {
    return this.#legs.size;
  }

  /** Since control was last heard: an order, or a request for hello or stats. */
  silentMs(): number {
    return this.#env.clock.monotonicMs() - this.#controlAtMs;
  }

  /** Control is there. */
  noteControl(): void {
    this.#controlAtMs = this.#env.clock.monotonicMs();
  }

  calls(): HeldCall[] {
    return [...this.#legs.values()].map(({ callSid, epoch, revision }) =>
      ({ callSid, epoch, revision }));
  }

  /** The present state of a call; null: it is not here. */
  report(callSid: string): MediaReply | null {
    const leg = this.#legs.get(callSid);
    return leg === undefined ? this.#tombstones.get(callSid)?.reply ?? null : replyOf(leg);
  }

  /** Makes the order so, or says why not; then nothing has changed. Never rejects. */
  apply(order: MediaOrder): Promise<MediaReply> {
    this.noteControl();
    const applied = this.#queue.then(() => this.#applyNow(order)).catch((error: unknown) => {
      this.#env.log.error("media.order.failed", { call: order.callSid, reason: String(error) });
      return refusal("FAILED", "the order could not be carried out");
    });
    this.#queue = applied;
    return applied;
  }

  /** Gives everything back; each fork stream says BYE. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const leg of this.#legs.values()) closeLeg(leg);
    this.#legs.clear();
    this.#unheard.clear();
  }

  async #applyNow(order: MediaOrder): Promise<MediaReply> {
    const refused = this.#refusalOf(order);
    if (refused !== null) return refused;
    this.#epochs.set(order.edge, order.epoch);
    if (order.endpoint === null) return this.#release(order);
    const opened = await this.#openMissing(order);
    if (opened === null) return refusal("PORTS_EXHAUSTED", "no pair of ports can be lent now");
    const leg = this.#legs.get(order.callSid) ?? this.#add(order, opened);
    leg.epoch = order.epoch;
    leg.revision = order.revision;
    leg.orderedAtMs = this.#env.clock.monotonicMs();
    for (const fork of opened.forks) {
      const before = leg.forks.get(fork.id);
      if (before !== undefined) endFork(leg, before);
      leg.forks.set(fork.id, fork);
    }
    const heardBefore = heardBy(leg);
    this.#updateEndpoint(leg, order.endpoint);
    this.#unheard.add(leg);
    closeForks(leg, order);
    for (const { id, destination } of order.forks) await leg.forks.get(id)?.point(destination);
    this.#connect(leg.callSid, heardBefore, heardBy(leg));
    return replyOf(leg);
  }

  #refusalOf(order: MediaOrder): Refusal | null {
    if (this.#closed) return refusal("DRAINING", "this media process is ending");
    const epoch = this.#epochs.get(order.edge);
    if (epoch === undefined && this.#epochs.size >= EDGES_MAX) {
      return refusal("INVALID_ORDER", "orders from too many edges");
    }
    if (order.epoch < (epoch ?? 0)) return refusal("STALE_EPOCH", `epoch ${epoch} has been seen`);
    const known = this.#legs.get(order.callSid) ?? this.#tombstones.get(order.callSid);
    if (known?.epoch === order.epoch && order.revision < known.revision) {
      return refusal("STALE_REVISION", `revision ${known.revision} has been applied`);
    }
    const wrong = mistakeIn(order);
    return wrong === null ? null : refusal("INVALID_ORDER", wrong);
  }

  /** Opens what the order wants and is not there; null: not all of it could be, so none was. */
  async #openMissing(order: MediaOrder): Promise<Opened | null> {
    const leg = this.#legs.get(order.callSid);
    const opened: Opened = { endpoint: null, forks: [] };
    try {
      if (leg === undefined) {
        opened.endpoint = await Endpoint.open(this.#env, order.callSid);
        if (opened.endpoint === null) return null;
      }
      for (const wanted of order.forks) {
        if (leg?.forks.get(wanted.id)?.track === wanted.track) continue;
        const fork = await ForkStream.open(this.#env, order.callSid, wanted);
        if (fork === null) return closeOpened(opened);
        opened.forks.push(fork);
      }
    } catch (error) {
      closeOpened(opened);
      throw error;
    }
    return this.#closed ? closeOpened(opened) : opened;
  }

  #add(order: MediaOrder, { endpoint }: Opened): Leg {
    if (endpoint === null) throw new Error("a new call has an endpoint");
    const leg: Leg = {
      callSid: order.callSid, epoch: order.epoch, revision: order.revision, endpoint,
      forks: new Map(), ended: [], orderedAtMs: this.#env.clock.monotonicMs(), before: null,
    };
    this.#tombstones.delete(order.callSid);
    this.#legs.set(order.callSid, leg);
    this.#startTicking();
    return leg;
  }

  #updateEndpoint(leg: Leg, order: EndpointOrder): void {
    const before = leg.endpoint.remote;
    leg.endpoint.update(order);
    if (before === null || leg.endpoint.remote === before) return;
    const untilMs = this.#env.clock.monotonicMs() + TRANSITION_MS;
    leg.before = { receive: before.receive, receiveEvents: before.receiveEvents, untilMs };
  }

  #release(order: MediaOrder): MediaReply {
    const leg = this.#legs.get(order.callSid);
    if (leg === undefined) return this.#releasedBefore(order);
    leg.epoch = order.epoch;
    leg.revision = order.revision;
    return this.#remove(leg);
  }

  /** The same final counters again, to answer this order: its sender waits for its number. */
  #releasedBefore({ callSid, epoch, revision }: MediaOrder): MediaReply {
    const stone = this.#tombstones.get(callSid);
    if (stone === undefined) return { ok: true, revision, endpoint: null, forks: [] };
    const reply: MediaReply = stone.reply.ok ? { ...stone.reply, revision } : stone.reply;
    this.#tombstones.set(callSid, { ...stone, epoch, revision, reply });
    return reply;
  }

  /** The reply says what there was: final counters, under `ended`. */
  #remove(leg: Leg): MediaReply {
    const { callSid, epoch, revision } = leg;
    const endpoint = leg.endpoint.report();
    closeLeg(leg);
    this.#unheard.delete(leg);
    const reply: MediaReply = { ok: true, revision, endpoint, forks: [], ended: leg.ended };
    this.#legs.delete(callSid);
    const releasedAtMs = this.#env.clock.monotonicMs();
    this.#tombstones.set(callSid, { callSid, epoch, revision, releasedAtMs, reply });
    this.#connect(heardBy(leg));
    if (this.#legs.size === 0) this.#stopTicking();
    return reply;
  }

  /** Compiles the routes of these calls anew. */
  #connect(...callSids: (string | null)[]): void {
    for (const callSid of new Set(callSids)) {
      const leg = callSid === null ? undefined : this.#legs.get(callSid);
      if (leg === undefined) continue;
      const listeners = [...this.#legs.values()].filter((other) => heardBy(other) === callSid);
      connectLeg(leg, listeners, this.#maps);
    }
  }

  #startTicking(): void {
    if (this.#timer !== null) return;
    this.#startedAtMs = this.#env.clock.monotonicMs();
    this.#ticks = 0;
    this.#watchedAtMs = this.#startedAtMs;
    this.#schedule();
  }

  #stopTicking(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #schedule(): void {
    const dueAtMs = this.#startedAtMs + (this.#ticks + 1) * TICK_MS;
    const delayMs = dueAtMs - this.#env.clock.monotonicMs();
    this.#timer = this.#env.clock.after(Math.max(0, delayMs), () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#env.clock.monotonicMs();
    const due = Math.floor((nowMs - this.#startedAtMs) / TICK_MS);
    // After a long stall the packets that nobody waits for any more are left out.
    if (due - this.#ticks > TICKS_LATE_MAX) this.#ticks = due - 1;
    for (; this.#ticks < due; this.#ticks += 1) {
      const tick = this.#ticks + 1;
      for (const leg of this.#unheard) {
        if (leg.endpoint.isUnheard(nowMs)) leg.endpoint.generate(tick, nowMs);
        else this.#unheard.delete(leg);
      }
    }
    if (nowMs - this.#reportsAtMs >= REPORTS_EVERY_MS) this.#sendReports(nowMs);
    if (nowMs - this.#watchedAtMs >= WATCH_EVERY_MS) this.#watch(nowMs);
    if (this.#legs.size === 0) this.#timer = null;
    else this.#schedule();
  }

  #sendReports(nowMs: number): void {
    this.#reportsAtMs = nowMs;
    for (const leg of this.#legs.values()) {
      for (const fork of leg.forks.values()) fork.tick(nowMs);
    }
  }

  /** Once a second. */
  #watch(nowMs: number): void {
    this.#watchedAtMs = nowMs;
    for (const leg of this.#legs.values()) {
      if (leg.endpoint.isUnheard(nowMs)) this.#unheard.add(leg);
      leg.endpoint.watch(nowMs);
      for (const fork of leg.forks.values()) fork.watch();
      if (leg.before !== null && nowMs >= leg.before.untilMs) {
        leg.before = null;
        this.#connect(leg.callSid);
      }
      const lastMs = Math.max(leg.endpoint.heardAtMs, leg.orderedAtMs, this.#controlAtMs);
      if (nowMs - lastMs < RELEASE_AFTER_MS) continue;
      this.#env.log.warn("media.call.abandoned", { call: leg.callSid });
      this.#remove(leg);
    }
    for (const { callSid, releasedAtMs } of this.#tombstones.values()) {
      if (nowMs - releasedAtMs >= TOMBSTONE_MS) this.#tombstones.delete(callSid);
    }
  }
}

interface Opened {
  endpoint: Endpoint | null;
  forks: ForkStream[];
}

function closeOpened(opened: Opened): null {
  opened.endpoint?.close();
  for (const fork of opened.forks) fork.close();
  return null;
}

function closeLeg(leg: Leg): void {
  for (const fork of leg.forks.values()) endFork(leg, fork);
  leg.endpoint.close();
}

function closeForks(leg: Leg, order: MediaOrder): void {
  const wanted = new Set(order.forks.map((fork) => fork.id));
  for (const fork of leg.forks.values()) if (!wanted.has(fork.id)) endFork(leg, fork);
}

function endFork(leg: Leg, fork: ForkStream): void {
  fork.close();
  leg.forks.delete(fork.id);
  leg.ended = [...leg.ended.filter(({ id }: ForkReport) => id !== fork.id), fork.report()]
    .slice(-ENDED_FORKS_MAX);
}

/** What a schema can't say; null: nothing is wrong. */
function mistakeIn(order: MediaOrder): string | null {
  if (new Set(order.forks.map((fork) => fork.id)).size !== order.forks.length) {
    return "two forks have the same id";
  }
  const remote = order.endpoint?.remote ?? null;
  if (remote !== null && parseNetworks(remote.allow) === null) {
    return "endpoint.remote.allow is not a list of networks";
  }
  const addresses = [remote?.rtp, remote?.rtcp,
    ...order.forks.flatMap(({ destination }) => [destination?.rtp, destination?.rtcp])];
  const bad = addresses.some((one) => one !== null && one !== undefined && !isUnicast(one.address));
  return bad ? "an address is not the IP literal of one host" : null;
}

/** Audio for one host never goes to a group or to nowhere. */
function isUnicast(address: string): boolean {
  if (isIP(address) === 6) return !/^(ff|::$)/i.test(address);
  const first = Number(address.split(".")[0]);
  return isIP(address) === 4 && first > 0 && first < 224;
}
