// RTCP of one fork stream (RFC 3550 §6): when our next report is due, what it says, and what the
// SRS says of us.
import {
  type CompoundReport, decodeRtcp, encodeCompound, roundTripMs, rtcpIntervalMs, type SenderInfo,
} from "../../protocol/rtp/rtcp.ts";
import type { ForkReport } from "../../schemas/media.ts";

/** 5 % of a G.711 stream with its headers (RFC 3550 §6.2). */
const RTCP_BYTES_PER_S = 500;
const AVERAGE_BYTES_INITIAL = 80;
/** RFC 3550 §6.3.5: a member that was not heard for five intervals is gone. */
const MEMBER_TIMEOUT_MS = 25_000;
/** RFC 7022 §4.2: 96 random bits. */
export const CNAME_BYTES = 12;

export type RemoteReport = NonNullable<ForkReport["remote"]>;

export class ForkReports {
  /** From the receiver reports of the SRS. */
  remote: RemoteReport | null = null;
  readonly #cname: string;
  /** 0 to 1. */
  readonly #random: () => number;
  #nextAtMs = Number.POSITIVE_INFINITY;
  #initial = true;
  #averageBytes = AVERAGE_BYTES_INITIAL;
  /** Packets that the last two reports knew of: more now means that we are a sender. */
  #packetsBefore: [older: number, newer: number] = [0, 0];
  #heardAtMs = Number.NEGATIVE_INFINITY;

  constructor(cname: string, random: () => number) {
    this.#cname = cname;
    this.#random = random;
  }

  /** Reports flow from now on. */
  start(nowMs: number): void {
    if (this.#nextAtMs === Number.POSITIVE_INFINITY) this.#schedule(nowMs, false);
  }

  stop(): void {
    this.#nextAtMs = Number.POSITIVE_INFINITY;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextAtMs;
  }

  /** The next report; `bye` makes it the last one of this SSRC. */
  compose(ssrc: number, info: SenderInfo, nowMs: number, bye: string | null): Uint8Array {
    const sending = info.packets > this.#packetsBefore[0];
    this.#packetsBefore = bye === null ? [this.#packetsBefore[1], info.packets] : [0, 0];
    const report: CompoundReport = {
      ssrc, cname: this.#cname, sender: sending ? info : null, bye,
    };
    const bytes = encodeCompound(report);
    this.#averageBytes += (bytes.length - this.#averageBytes) / 16;
    this.#initial = false;
    this.#schedule(nowMs, sending);
    return bytes;
  }

  /** RTCP from the SRS. True: it uses our SSRC for itself (RFC 3550 §8.2). */
  receive(bytes: Uint8Array, ssrc: number, clockRate: number, nowMs: number, wallMs: number,
  ): boolean {
    const decoded = decodeRtcp(bytes);
    if (!decoded.ok) return false;
    this.#heardAtMs = nowMs;
    for (const block of decoded.packets.flatMap((packet) => packet.blocks)) {
      if (block.ssrc !== ssrc) continue;
      this.remote = {
        fractionLost: block.fractionLost, cumulativeLost: block.cumulativeLost,
        jitterMs: (block.jitterTicks * 1000) / clockRate, roundTripMs: roundTripMs(block, wallMs),
      };
    }
    return decoded.packets.some((packet) => packet.ssrc === ssrc);
  }

  #schedule(nowMs: number, weSent: boolean): void {
    const heard = nowMs - this.#heardAtMs < MEMBER_TIMEOUT_MS;
    this.#nextAtMs = nowMs + rtcpIntervalMs({
      members: heard ? 2 : 1, senders: weSent ? 1 : 0, weSent, bandwidth: RTCP_BYTES_PER_S,
      averageBytes: this.#averageBytes, initial: this.#initial, random: this.#random(),
    });
  }
}
