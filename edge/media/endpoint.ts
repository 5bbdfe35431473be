// An endpoint: the RTP and RTCP sockets of one leg. Each packet of the call goes through
// `receive`: checked, counted, relayed to whom hears this leg, copied to its fork streams.
import { payloadEnd, payloadStart, RTP_HEADER_BYTES, sequence, ssrc, timestamp }
  from "../../protocol/rtp/packet.ts";
import { ReceivedCounters } from "../../protocol/rtp/counters.ts";
import { translate } from "../../protocol/rtp/g711.ts";
import { decodeRtcp } from "../../protocol/rtp/rtcp.ts";
import { DigitDetector } from "../../protocol/rtp/telephone-event.ts";
import type { MediaOrder, MediaRemote, StreamCounters } from "../../schemas/media.ts";
import type { MediaSocket } from "../runtime/media-socket.ts";
import type { Clock } from "../runtime/types.ts";
import {
  type CodecMap, entryType, isComfortNoise, NOT_MAPPED, PAYLOAD_TYPES, PLAIN_BELOW, tableOf,
} from "./codec-map.ts";
import {
  closePair, type MediaEnvironment, mediaPort, openPair, type SocketPair, wallOf,
} from "./environment.ts";
import type { Tap } from "./fork.ts";
import { Generator } from "./generator.ts";
import { Latch } from "./latch.ts";

/** More than any packet time needs, with room for what a stalled network lets go at once. */
export const RTP_PACKETS_PER_S_MAX = 500;
export const RTCP_PACKETS_PER_S_MAX = 50;
/** A bridged leg hears silence when the other has said nothing for this long, */
export const FILL_AFTER_MS = 1000;
/** or for this long, when the last was comfort noise: its sender is silent on purpose. */
export const FILL_AFTER_NOISE_MS = 30_000;

export const UNEXPECTED = 0;
export const AUDIO = 1;
export const EVENT = 2;

/** A leg that hears this one, and the next. */
export interface Path {
  endpoint: Endpoint;
  map: CodecMap;
  next: Path | null;
}

/** Where the packets of an endpoint go: compiled when anything changes, read for each packet. */
export interface Route {
  /** UNEXPECTED, AUDIO or EVENT, by payload type. */
  uses: Uint8Array;
  paths: Path | null;
  taps: Tap | null;
  /** Who gets its RTCP: also those that hear nothing at the moment. */
  controlListeners: Endpoint[];
}

export const NO_ROUTE: Route = {
  uses: new Uint8Array(PAYLOAD_TYPES), paths: null, taps: null, controlListeners: [],
};

export type EndpointOrder = NonNullable<MediaOrder["endpoint"]>;

export class Endpoint {
  // What a packet needs stands first, side by side in memory: with a thousand legs its cost is
  // that of the cache lines it touches.
  readonly #clock: Clock;
  #uses = NO_ROUTE.uses;
  /** The latch's own, copied: where audio goes to, and when it is locked also comes from. */
  #address = "";
  #port = 0;
  #locked = false;
  readonly #received = new ReceivedCounters();
  #paths: Path | null = null;
  #taps: Tap | null = null;
  #canReceive = false;
  #rtpBudget = RTP_PACKETS_PER_S_MAX;
  #rtp: MediaSocket | null = null;
  #fillAtMs = Number.NEGATIVE_INFINITY;
  #sentPackets = 0;
  #sentBytes = 0;
  #sentLastAtMs = -1;

  readonly callSid: string;
  readonly generator: Generator;
  readonly #latch = new Latch();
  remote: MediaRemote | null = null;
  hears: EndpointOrder["hears"] = { kind: "nothing" };
  /** SDP lets us send audio, and there is somewhere to send it to. */
  canSend = false;
  readonly #env: MediaEnvironment;
  #pair: SocketPair | null = null;
  readonly #digits = new DigitDetector();
  #controlListeners: Endpoint[] = [];
  #rtcpAddress = "";
  #rtcpPort = 0;
  #rtcpBudget = RTCP_PACKETS_PER_S_MAX;
  /** RTCP, or RTP of a kind that is not counted as received. */
  #signOfLifeAtMs: number;
  #timeoutMs = 0;
  #expectsSinceMs = 0;
  #sentDropped = 0;
  #sentFirstAtMs = -1;

  /** Takes a pair of ports; null: none can be lent. */
  static async open(env: MediaEnvironment, callSid: string): Promise<Endpoint | null> {
    const endpoint = new Endpoint(env, callSid);
    const pair = await openPair(env, {
      rtp: endpoint,
      rtcp: { receive: (p, port, address) => endpoint.#receiveRtcp(p, port, address) },
      onError: () => undefined,
    });
    if (pair === null) return null;
    endpoint.#pair = pair;
    endpoint.#rtp = pair.rtp;
    return endpoint;
  }

  private constructor(env: MediaEnvironment, callSid: string) {
    this.#env = env;
    this.#clock = env.clock;
    this.callSid = callSid;
    this.generator = new Generator(env);
    this.#signOfLifeAtMs = env.clock.monotonicMs();
  }

  /** Any RTP or RTCP of this leg. */
  get heardAtMs(): number {
    return Math.max(this.#signOfLifeAtMs, this.#received.lastAtMs);
  }

  connect(route: Route): void {
    this.#uses = route.uses;
    this.#paths = route.paths;
    this.#taps = route.taps;
    this.#controlListeners = route.controlListeners;
  }

  /** What SDP says now, and whom the leg hears. */
  update(order: EndpointOrder): void {
    const nowMs = this.#env.clock.monotonicMs();
    if (JSON.stringify(order.remote) !== JSON.stringify(this.remote)) {
      this.#negotiate(order.remote, nowMs);
    }
    const other = this.hears.kind !== order.hears.kind
      || JSON.stringify(order.hears) !== JSON.stringify(this.hears);
    if (other) {
      // Until the one it hears now has said something, it hears silence at once.
      this.#fillAtMs = Number.NEGATIVE_INFINITY;
      this.generator.begin();
    }
    this.hears = order.hears;
    if (order.timeoutMs !== this.#timeoutMs) this.#expectsSinceMs = nowMs;
    this.#timeoutMs = order.timeoutMs;
  }

  /** Nobody speaks to the leg, so it is on us to. */
  isUnheard(nowMs: number): boolean {
    const { kind } = this.hears;
    return this.canSend && kind !== "nothing" && (kind !== "call" || nowMs >= this.#fillAtMs);
  }

  /** A packet of 20 ms for a leg that hears nobody. */
  generate(tick: number, nowMs: number): void {
    const packet = this.generator.next(tick, this.hears.kind === "ringback");
    if (packet === null || !this.#send(packet, nowMs)) return;
    this.generator.fork(packet, nowMs);
  }

  /** Once a second: budgets, and whether the leg has fallen silent. */
  watch(nowMs: number): void {
    this.#rtpBudget = RTP_PACKETS_PER_S_MAX;
    this.#rtcpBudget = RTCP_PACKETS_PER_S_MAX;
    if (!this.expectsAudio || this.#timeoutMs === 0) return;
    if (nowMs - Math.max(this.heardAtMs, this.#expectsSinceMs) < this.#timeoutMs) return;
    // Said again after as long again: whoever owns the call may have been away.
    this.#expectsSinceMs = nowMs;
    const at = this.#env.clock.wallMs();
    this.#env.onFact({ type: "media.timeout", callSid: this.callSid, at });
  }

  /** Neither side holds: its silence means that it is gone. */
  get expectsAudio(): boolean {
    return this.remote?.direction === "sendrecv" && this.remote.rtp !== null;
  }

  report(): { port: ReturnType<typeof mediaPort>; received: StreamCounters; sent: StreamCounters } {
    const { clock } = this.#env;
    const received = this.#received;
    return {
      port: mediaPort(this.#env, this.#pair?.port ?? 0),
      received: {
        packets: received.packets, bytes: received.bytes, lost: received.lost,
        late: received.late, dropped: received.dropped,
        firstAt: wallOf(clock, received.firstAtMs), lastAt: wallOf(clock, received.lastAtMs),
      },
      sent: {
        packets: this.#sentPackets, bytes: this.#sentBytes, lost: 0, late: 0,
        dropped: this.#sentDropped, firstAt: wallOf(clock, this.#sentFirstAtMs),
        lastAt: wallOf(clock, this.#sentLastAtMs),
      },
    };
  }

  close(): void {
    this.connect(NO_ROUTE);
    this.canSend = false;
    this.#rtp = null;
    if (this.#pair !== null) closePair(this.#env, this.#pair);
    this.#pair = null;
  }

  /** The path of every RTP packet: nothing is allocated, nothing is logged. */
  receive(p: Uint8Array, port: number, address: string): void {
    const start = payloadStart(p);
    const received = this.#received;
    const type = (p[1] ?? 0) & 0x7f;
    const use = this.#uses[type] ?? UNEXPECTED;
    const home = port === this.#port && this.#locked && address === this.#address;
    if (start < 0 || (use === UNEXPECTED && !home)) {
      received.dropped += 1;
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    const source = ssrc(p);
    if (!home && !this.#admits(address, port, source, nowMs)) {
      received.dropped += 1;
      return;
    }
    this.#rtpBudget -= 1;
    if (this.#rtpBudget < 0) {
      received.dropped += 1;
      return;
    }
    const marked = ((p[1] ?? 0) & 0x80) !== 0;
    const inSequence = sequence(p);
    const inTimestamp = timestamp(p);
    const taken = use !== UNEXPECTED && this.#canReceive;
    if (taken) {
      received.accept(source, inSequence, p.length - start, nowMs);
      for (let path = this.#paths; path !== null; path = path.next) {
        path.endpoint.#relay(p, start, path.map[type] ?? NOT_MAPPED, nowMs);
      }
      if (use === EVENT) this.#detect(inTimestamp, p.subarray(start, payloadEnd(p)));
    } else {
      received.dropped += 1;
      this.#signOfLifeAtMs = nowMs;
    }
    // Also what is not taken: its number must not look like a loss at the recorder.
    for (let tap = this.#taps; tap !== null; tap = tap.next) {
      tap.fork.forward(tap, p, start, taken ? type : PAYLOAD_TYPES, marked, inSequence,
        inTimestamp, source, nowMs);
    }
  }

  /** Relayed as it is to the other party (RFC 3550 §7.2), when it comes from this leg's peer. */
  #receiveRtcp(bytes: Uint8Array, port: number, address: string): void {
    const signalled = this.remote?.rtcp?.address ?? null;
    const admitted = this.#latch.admitsControl(address, signalled);
    // A stranger's flood must not use up what the peer may send.
    if (admitted) this.#rtcpBudget -= 1;
    if (!admitted || this.#rtcpBudget < 0 || !decodeRtcp(bytes).ok) {
      this.#received.dropped += 1;
      return;
    }
    this.#signOfLifeAtMs = this.#clock.monotonicMs();
    this.#rtcpAddress = address;
    this.#rtcpPort = port;
    for (const listener of this.#controlListeners) listener.#sendRtcp(bytes);
  }

  #relay(p: Uint8Array, start: number, entry: number, nowMs: number): void {
    if (entry < 0) return;
    this.#fillAtMs = nowMs + FILL_AFTER_MS;
    if (entry < PLAIN_BELOW) {
      p[1] = ((p[1] ?? 0) & 0x80) | entry;
      this.#send(p, nowMs);
      return;
    }
    if (isComfortNoise(entry)) this.#fillAtMs = nowMs + FILL_AFTER_NOISE_MS;
    // A copy (a Buffer's slice would be none): the sender's fork streams want its own law.
    const out = new Uint8Array(p);
    out[1] = ((p[1] ?? 0) & 0x80) | entryType(entry);
    const table = tableOf(entry);
    if (table !== null) translate(out, start, payloadEnd(p), table);
    this.#send(out, nowMs);
  }

  #send(p: Uint8Array, nowMs: number): boolean {
    let sent = false;
    try {
      sent = this.#rtp?.send(p, this.#port, this.#address) ?? false;
    } catch {
      // The error belongs to an earlier datagram (an ICMP answer): this one goes out when repeated.
      sent = this.#sendAgain(p);
    }
    if (!sent) {
      this.#sentDropped += 1;
      return false;
    }
    if (this.#sentPackets === 0) this.#sentFirstAtMs = nowMs;
    this.#sentPackets += 1;
    this.#sentBytes += p.length - RTP_HEADER_BYTES;
    this.#sentLastAtMs = nowMs;
    return true;
  }

  #sendAgain(p: Uint8Array): boolean {
    try {
      return this.#rtp?.send(p, this.#port, this.#address) ?? false;
    } catch {
      return false; // Counted as dropped by the caller.
    }
  }

  #sendRtcp(bytes: Uint8Array): void {
    if (this.#rtcpPort === 0 || this.remote?.rtp === null) return;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      try {
        this.#pair?.rtcp.send(bytes, this.#rtcpPort, this.#rtcpAddress);
        return;
      } catch {
        // As with RTP: the error is an earlier datagram's, so once more.
      }
    }
    this.#sentDropped += 1;
  }

  #admits(address: string, port: number, source: number, nowMs: number): boolean {
    const { ssrc: lastSsrc, lastAtMs } = this.#received;
    const admitted = this.#latch.admit(
      { address, port, ssrc: source, lastSsrc, lastAtMs, nowMs });
    this.#copyLatch();
    return admitted;
  }

  #copyLatch(): void {
    this.#address = this.#latch.address;
    this.#port = this.#latch.port;
    this.#locked = this.#latch.locked;
  }

  #negotiate(remote: MediaRemote | null, nowMs: number): void {
    const expectedAudio = this.expectsAudio;
    this.remote = remote;
    const direction = remote?.direction ?? "inactive";
    const sends = direction === "sendrecv" || direction === "sendonly";
    this.canSend = sends && remote !== null && remote.rtp !== null;
    this.#canReceive = direction === "sendrecv" || direction === "recvonly";
    this.#latch.open(remote?.rtp ?? null, remote?.allow ?? [], nowMs);
    this.#copyLatch();
    this.#rtcpAddress = remote?.rtcp?.address ?? "";
    this.#rtcpPort = remote?.rtcp?.port ?? 0;
    if (!expectedAudio && this.expectsAudio) this.#expectsSinceMs = nowMs;
    this.generator.negotiate(remote?.send ?? []);
  }

  #detect(inTimestamp: number, payload: Uint8Array): void {
    const { clock, onFact } = this.#env;
    for (const digit of this.#digits.push(inTimestamp, payload)) {
      onFact({ type: "media.digit", callSid: this.callSid, at: clock.wallMs(), digit });
    }
  }
}
