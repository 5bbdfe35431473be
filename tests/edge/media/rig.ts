// A media plane on real sockets of the loopback, a clock that stands still until it is told, and
// phones that send and collect RTP.
import { decodeRtp, encodeRtp, type RtpPacket } from "../../../protocol/rtp/packet.ts";
import { MediaPlane } from "../../../edge/media/plane.ts";
import { PortPool } from "../../../edge/media/ports.ts";
import { mediaSockets } from "../../../edge/runtime/media-socket.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import type { Clock, Log, Timer } from "../../../edge/runtime/types.ts";
import type {
  Codec, ForkOrder, MediaFact, MediaOrder, MediaRemote, MediaReply,
} from "../../../schemas/media.ts";

export const LOOPBACK = "127.0.0.1";
export const PCMU: Codec = { name: "PCMU", payloadType: 0, clockRate: 8000, channels: 1 };
export const PCMA: Codec = { name: "PCMA", payloadType: 8, clockRate: 8000, channels: 1 };
export const CN: Codec = { name: "CN", payloadType: 13, clockRate: 8000, channels: 1 };
export const events = (payloadType: number): Codec =>
  ({ name: "telephone-event", payloadType, clockRate: 8000, channels: 1 });

export const callSid = (digit: string): string => `CA${digit.repeat(32)}`;
export const forkId = (digit: string, label: number): string => `SR${digit.repeat(32)}.${label}`;

const quiet = (): void => undefined;
export const noLog: Log = {
  debug: quiet, info: quiet, warn: quiet, error: quiet, with: () => noLog,
};

/** Monotonic and wall time move together, and only by `advance`. */
export class StillClock implements Clock {
  nowMs = 1_000_000;
  #timers: { atMs: number; callback: () => void }[] = [];
  monotonicMs = (): number => this.nowMs;
  wallMs = (): number => 1_700_000_000_000 + this.nowMs;
  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((one) => one !== timer)) };
  }
  get pending(): number {
    return this.#timers.length;
  }
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = untilMs;
  }
}

/** A UDP socket that keeps what it hears, and can be waited on. */
export class Peer {
  readonly heard: { bytes: Uint8Array; port: number }[] = [];
  #waiting: (() => void)[] = [];
  #socket: Bun.udp.Socket<"buffer"> | null = null;

  static async open(port = 0, address = LOOPBACK): Promise<Peer> {
    const peer = new Peer();
    peer.#socket = await Bun.udpSocket({
      hostname: address, port,
      socket: {
        data: (_socket, bytes, fromPort) => {
          peer.heard.push({ bytes: new Uint8Array(bytes), port: fromPort });
          for (const wake of peer.#waiting.splice(0)) wake();
        },
        error: quiet,
      },
    });
    return peer;
  }
  get port(): number {
    return this.#socket?.port ?? 0;
  }
  get packets(): RtpPacket[] {
    return this.heard.flatMap(({ bytes }) => {
      const decoded = decodeRtp(bytes);
      return decoded.ok ? [decoded.packet] : [];
    });
  }
  send(bytes: Uint8Array, port: number): void {
    this.#socket?.send(bytes, port, LOOPBACK);
  }
  sendRtp(port: number, packet: Partial<RtpPacket>): void {
    this.send(encodeRtp({ ...aPacket(), ...packet }), port);
  }
  /** Everything heard so far, once it is this many. The runner's own timeout ends a vain wait. */
  async hears(count: number): Promise<RtpPacket[]> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.packets;
  }
  close(): void {
    this.#socket?.close();
  }
}

export const aPacket = (): RtpPacket => ({
  payloadType: 0, marker: false, sequence: 1, timestamp: 160, ssrc: 0x1111, csrcs: [],
  payload: new Uint8Array(160).fill(0x42),
});

export interface Rig {
  plane: MediaPlane;
  ports: PortPool;
  /** Of its range. */
  firstPort: number;
  clock: StillClock;
  facts: MediaFact[];
  peer(): Promise<Peer>;
  close(): void;
}

/** For a test that counts on every port of a small pool: no other program may hold one. */
export async function openSmallRig(pairs: number): Promise<Rig> {
  for (let offset = 0; offset < 2 * pairs; offset += 1) {
    try {
      (await Bun.udpSocket({ hostname: LOOPBACK, port: nextPort + offset })).close();
    } catch {
      // Taken: look further on.
      nextPort += 2 * pairs;
      offset = -1;
    }
  }
  return openRig({ pairs });
}

const rigs: Rig[] = [];
let nextPort = 20_000 + (process.pid % 200) * 100;

/** A plane of its own range of ports, which other rigs in this process don't use. */
export function openRig(options: { pairs?: number; restMs?: number } = {}): Rig {
  const clock = new StillClock();
  const pairs = options.pairs ?? 20;
  const ports = new PortPool({
    range: [nextPort, nextPort + 2 * pairs - 1], restMs: options.restMs ?? 0, clock,
    random: systemRandom,
  });
  const firstPort = nextPort;
  nextPort += 2 * pairs;
  const facts: MediaFact[] = [];
  const plane = new MediaPlane({
    sockets: mediaSockets, ports, address: LOOPBACK, advertise: LOOPBACK, clock,
    random: systemRandom, log: noLog, onFact: (fact) => void facts.push(fact),
  });
  const peers: Peer[] = [];
  const rig: Rig = {
    plane, ports, firstPort, clock, facts,
    async peer() {
      const peer = await Peer.open();
      peers.push(peer);
      return peer;
    },
    close() {
      plane.close();
      for (const peer of peers) peer.close();
    },
  };
  rigs.push(rig);
  return rig;
}

export function closeRigs(): void {
  for (const rig of rigs.splice(0)) rig.close();
}

/** What a phone's SDP says: PCMU and telephone-event 101, unless told otherwise. */
export function remoteOf(port: number, more: Partial<MediaRemote> = {}): MediaRemote {
  return {
    rtp: { address: LOOPBACK, port }, rtcp: { address: LOOPBACK, port: port + 1 },
    receive: [PCMU], send: [PCMU], receiveEvents: [events(101)], sendEvents: [events(101)],
    direction: "sendrecv", ptimeMs: 20, allow: [], ...more,
  };
}

export function orderOf(
  sid: string, revision: number, endpoint: Partial<NonNullable<MediaOrder["endpoint"]>> | null,
  forks: ForkOrder[] = [],
): MediaOrder {
  return {
    version: 1, edge: "ashburn", epoch: 1, callSid: sid, revision, forks,
    endpoint: endpoint === null ? null
      : { remote: null, hears: { kind: "nothing" }, timeoutMs: 0, ...endpoint },
  };
}

export function forkTo(
  id: string, track: ForkOrder["track"], peer: Peer | null, codecs: Codec[] = [PCMU],
  rtcp: Peer | null = peer,
): ForkOrder {
  return {
    id, track,
    destination: peer === null || rtcp === null ? null : {
      rtp: { address: LOOPBACK, port: peer.port }, rtcp: { address: LOOPBACK, port: rtcp.port },
      codecs,
    },
  };
}

export type Applied = Extract<MediaReply, { ok: true }>;

export async function applied(rig: Rig, order: MediaOrder): Promise<Applied> {
  const reply = await rig.plane.apply(order);
  if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
  return reply;
}

/** Two legs that hear each other. */
export async function bridge(
  rig: Rig, a: Partial<MediaRemote> = {}, b: Partial<MediaRemote> = {},
): Promise<{ a: Peer; b: Peer; portA: number; portB: number }> {
  const [phoneA, phoneB] = [await rig.peer(), await rig.peer()];
  const [sidA, sidB] = [callSid("a"), callSid("b")];
  const hearing = (sid: string) => ({ kind: "call" as const, callSid: sid });
  const first = await applied(rig, orderOf(sidA, 1, {
    remote: remoteOf(phoneA.port, a), hears: hearing(sidB),
  }));
  const second = await applied(rig, orderOf(sidB, 1, {
    remote: remoteOf(phoneB.port, b), hears: hearing(sidA),
  }));
  return {
    a: phoneA, b: phoneB, portA: first.endpoint?.port.rtpPort ?? 0,
    portB: second.endpoint?.port.rtpPort ?? 0,
  };
}

/** What the first leg has received, once it is this many packets. */
export async function received(rig: Rig, count = 0) {
  for (;;) {
    const reply = rig.plane.report(callSid("a"));
    const counters = reply?.ok === true ? reply.endpoint?.received : undefined;
    if (counters === undefined) throw new Error("no such call");
    if (counters.packets + counters.dropped >= count) return counters;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
