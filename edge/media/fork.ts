// A fork stream: one track copied to one SRS as an RTP stream of our own (RFC 7866 §8.2.3), from a
// pair of sockets of its own. Nothing that happens here reaches the call.
import { payloadEnd, RTP_HEADER_BYTES, setSequence, setSsrc, setTimestamp }
  from "../../protocol/rtp/packet.ts";
import { ForkTimeline, MARKER, NOT_KEPT } from "../../protocol/rtp/fork-stream.ts";
import { translate } from "../../protocol/rtp/g711.ts";
import type { ForkOrder, ForkReport } from "../../schemas/media.ts";
import type { ConnectedMediaSocket } from "../runtime/media-socket.ts";
import { type CodecMap, entryType, PLAIN_BELOW, tableOf } from "./codec-map.ts";
import {
  closePair, type MediaEnvironment, mediaPort, openPair, random32, type SocketPair, wallOf,
} from "./environment.ts";
import { CNAME_BYTES, ForkReports } from "./fork-reports.ts";

const CLOCK_RATE_FIRST = 8000;
/** A destination that refuses for so long has stalled. */
const STALLED_AFTER_S = 5;
/** A peer that reflects our packets collides with every new SSRC as well (RFC 3550 §8.2). */
const COLLISION_REST_MS = 60_000;

/** How the packets of one source go into one fork stream, and into the next one. */
export interface Tap {
  fork: ForkStream;
  map: CodecMap;
  clocks: Int32Array;
  next: Tap | null;
}

export type ForkDestination = NonNullable<ForkOrder["destination"]>;

export class ForkStream {
  // What a packet needs stands first, side by side in memory.
  /** Packets can be sent. */
  active = false;
  #timeline: ForkTimeline;
  /** Connected to the destination; null: the pair is only held. */
  #rtp: ConnectedMediaSocket | null = null;
  /** Of the present SSRC, as its sender reports say. */
  #packets = 0;
  #bytes = 0;
  readonly id: string;
  readonly track: ForkOrder["track"];
  destination: ForkDestination | null = null;
  readonly #env: MediaEnvironment;
  readonly #callSid: string;
  readonly #port: number;
  readonly #held: SocketPair;
  #rtcp: ConnectedMediaSocket | null = null;
  readonly #reports: ForkReports;
  /** Of the SSRCs before. */
  #packetsBefore = 0;
  #bytesBefore = 0;
  #late = 0;
  #dropped = 0;
  #lostBefore = 0;
  #errors = 0;
  #errorsBefore = 0;
  #stalledS = 0;
  #firstAtMs = -1;
  #reported = false;
  #collidedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Takes a pair of ports; null: none can be lent. */
  static async open(env: MediaEnvironment, callSid: string, order: ForkOrder,
  ): Promise<ForkStream | null> {
    const nothing = (): void => undefined;
    const deaf = { receive: nothing };
    const held = await openPair(env, { rtp: deaf, rtcp: deaf, onError: nothing });
    return held === null ? null : new ForkStream(env, callSid, order, held);
  }

  private constructor(
    env: MediaEnvironment, callSid: string, order: ForkOrder, held: SocketPair,
  ) {
    this.#env = env;
    this.#callSid = callSid;
    this.id = order.id;
    this.track = order.track;
    this.#held = held;
    this.#port = held.port;
    this.#timeline = this.#newTimeline(CLOCK_RATE_FIRST);
    const cname = Buffer.from(env.random(CNAME_BYTES)).toString("base64");
    this.#reports = new ForkReports(cname, () => random32(env) / 2 ** 32);
  }

  /** Where to send from now on; null: pause, and keep the ports. */
  async point(destination: ForkDestination | null): Promise<void> {
    const same = this.#rtp !== null
      && JSON.stringify(destination) === JSON.stringify(this.destination);
    if (same) return;
    this.active = false;
    this.destination = destination;
    if (destination === null) {
      this.#timeline.pause();
      this.#reports.stop();
      return;
    }
    await this.#connect(destination);
    if (this.#rtp === null) return;
    this.active = true;
    this.#reports.start(this.#env.clock.monotonicMs());
  }

  /** One packet of the source. Patches `p`: the relay has had it. */
  forward(
    tap: Tap, p: Uint8Array, start: number, type: number, marked: boolean, inSequence: number,
    inTimestamp: number, source: number, nowMs: number,
  ): void {
    if (!this.active) return;
    const entry = tap.map[type] ?? -1;
    if (entry < 0) {
      this.#timeline.filter(source, inSequence);
      this.#dropped += 1;
      return;
    }
    const clockRate = tap.clocks[type] ?? 0;
    if (clockRate !== this.#timeline.clockRate) this.#renew(clockRate, "clock rate changed");
    const timeline = this.#timeline;
    const kept = timeline.keep(source, inSequence, inTimestamp, marked, nowMs);
    if (kept === NOT_KEPT) {
      this.#late += 1;
      return;
    }
    const plain = start === RTP_HEADER_BYTES && p[0] === 0x80 && entry < PLAIN_BELOW;
    const out = plain ? p : rebuilt(p, start, entry);
    out[1] = ((kept & MARKER) !== 0 ? 0x80 : 0) | entryType(entry);
    setSequence(out, kept & 0xffff);
    setTimestamp(out, inTimestamp + timeline.timestampOffset);
    setSsrc(out, timeline.ssrc);
    this.#send(out, nowMs);
  }

  /** Several times a second. */
  tick(nowMs: number): void {
    if (this.active && this.#reports.isDue(nowMs)) this.#sendReport(null);
  }

  /** Once a second: has the destination refused us all the time? */
  watch(): void {
    // Also one that could not be connected sends nothing, and makes no errors any more.
    const isDead = this.destination !== null && !this.active;
    this.#stalledS = isDead || this.#errors > this.#errorsBefore ? this.#stalledS + 1 : 0;
    this.#errorsBefore = this.#errors;
    if (this.#stalledS !== STALLED_AFTER_S) return;
    const at = this.#env.clock.wallMs();
    this.#env.onFact({ type: "media.fork.stalled", callSid: this.#callSid, at, id: this.id });
  }

  report(): ForkReport {
    const { clock } = this.#env;
    return {
      id: this.id, port: mediaPort(this.#env, this.#port), ssrc: this.#timeline.ssrc,
      counters: {
        packets: this.#packetsBefore + this.#packets, bytes: this.#bytesBefore + this.#bytes,
        late: this.#late, dropped: this.#dropped, lost: this.#lostBefore + this.#timeline.lost,
        firstAt: wallOf(clock, this.#firstAtMs), lastAt: wallOf(clock, this.#timeline.newestAtMs),
      },
      errors: this.#errors, remote: this.#reports.remote,
    };
  }

  /** Says BYE if anything was ever sent (RFC 3550 §6.3.7), and gives the ports back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#rtp !== null) this.#sendBye("stream ended");
    this.active = false;
    const { rtp, rtcp } = this.#held;
    closePair(this.#env, {
      port: this.#port, rtp: this.#rtp ?? rtp, rtcp: this.#rtcp ?? rtcp,
    });
  }

  #send(out: Uint8Array, nowMs: number): void {
    let sent = false;
    try {
      sent = this.#rtp?.send(out) ?? false;
    } catch {
      // Counted below: what goes wrong towards a recorder must not reach the call.
    }
    if (!sent) {
      this.#errors += 1;
      return;
    }
    if (this.#packets === 0 && this.#firstAtMs < 0) this.#firstAtMs = nowMs;
    this.#packets += 1;
    this.#bytes += out.length - RTP_HEADER_BYTES;
  }

  #sendReport(bye: string | null): void {
    const nowMs = this.#env.clock.monotonicMs();
    const info = {
      wallMs: this.#env.clock.wallMs(), rtpTimestamp: this.#timeline.timestampAt(nowMs),
      packets: this.#packets, octets: this.#bytes,
    };
    const bytes = this.#reports.compose(this.#timeline.ssrc, info, nowMs, bye);
    this.#reported = true;
    try {
      this.#rtcp?.send(bytes);
    } catch {
      this.#errors += 1;
    }
  }

  #sendBye(reason: string): void {
    if (this.#reported || this.#packets > 0) this.#sendReport(reason);
  }

  /** Another SSRC (RFC 3550 §8.2; RFC 7160 for another clock): BYE for the one before. */
  #renew(clockRate: number, reason: string): void {
    this.#sendBye(reason);
    this.#lostBefore += this.#timeline.lost;
    this.#timeline = this.#newTimeline(clockRate);
    this.#packetsBefore += this.#packets;
    this.#bytesBefore += this.#bytes;
    this.#packets = 0;
    this.#bytes = 0;
    this.#reported = false;
  }

  #newTimeline(clockRate: number): ForkTimeline {
    const { random } = this.#env;
    const [high = 0, low = 0] = random(2);
    return new ForkTimeline({
      ssrc: random32(this.#env), sequence: ((high & 0x7f) << 8) | low,
      timestamp: random32(this.#env), clockRate,
    });
  }

  async #connect(destination: ForkDestination): Promise<void> {
    const { sockets, address, log } = this.#env;
    this.#disconnect();
    this.#held.rtp.close();
    this.#held.rtcp.close();
    const onError = (): void => void (this.#errors += 1);
    try {
      this.#rtp = await sockets.connect(
        address, this.#port, destination.rtp, { receive: this.#unexpected }, onError);
      this.#rtcp = await sockets.connect(
        address, this.#port + 1, destination.rtcp, { receive: this.#receiveRtcp }, onError);
      // Closed meanwhile: the pair has been given back already.
      if (this.#closed) this.#disconnect();
    } catch (error) {
      this.#disconnect();
      this.#errors += 1;
      log.warn("fork.connect.failed", { fork: this.id, reason: String(error) });
    }
  }

  #disconnect(): void {
    this.#rtp?.close();
    this.#rtcp?.close();
    this.#rtp = null;
    this.#rtcp = null;
  }

  /** An SRS has nothing to say to us by RTP: counted, never relayed. */
  #unexpected = (): void => {
    this.#dropped += 1;
  };

  #receiveRtcp = (bytes: Uint8Array): void => {
    const { clock } = this.#env;
    const nowMs = clock.monotonicMs();
    const { ssrc, clockRate } = this.#timeline;
    if (!this.#reports.receive(bytes, ssrc, clockRate, nowMs, clock.wallMs())) return;
    if (nowMs - this.#collidedAtMs < COLLISION_REST_MS) return;
    this.#collidedAtMs = nowMs;
    this.#renew(clockRate, "SSRC collision");
  };
}

/** Without CSRCs, extension and padding, and in the law that the recorder takes. */
function rebuilt(p: Uint8Array, start: number, entry: number): Uint8Array {
  const end = payloadEnd(p);
  const out = new Uint8Array(RTP_HEADER_BYTES + end - start);
  out[0] = 0x80;
  out.set(p.subarray(start, end), RTP_HEADER_BYTES);
  const table = tableOf(entry);
  if (table !== null) translate(out, RTP_HEADER_BYTES, out.length, table);
  return out;
}
