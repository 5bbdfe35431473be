// One recorded stream: its RTP port, its sound, and what is reported back to the sender.
import { decodeRtp } from "../../protocol/rtp/packet.ts";
import { ReceiverReport } from "../../protocol/rtp/receiver-report.ts";
import { decodeRtcp, RTCP_BYE, RTCP_SR } from "../../protocol/rtp/rtcp.ts";
import { SoundTrack } from "../../protocol/rtp/sound-track.ts";
import type { RecorderStream } from "../../protocol/sdp/recording-answer.ts";
import type { MediaSockets } from "../runtime/media-socket.ts";
import type { Clock, Random, Timer } from "../runtime/types.ts";
import { beatRtcp } from "./rtcp-beat.ts";
import { type Address, openRtpPort, type RtpPort } from "./rtp-port.ts";

export interface SrsStreamOptions {
  address: string;
  sockets: MediaSockets;
  clock: Clock;
  random: Random;
}

export interface StreamReceipt {
  label: string;
  codec: string | null;
  packets: number;
  lost: number;
  outOfOrder: number;
  /** Of payload types that were not agreed. */
  dropped: number;
  durationMs: number;
  srtp: string | null;
  /** Where its audio came from; null when none came. */
  remote: Address | null;
  ssrc: number | null;
  firstAt: string | null;
  lastAt: string | null;
  senderReports: number;
  /** The sender said by RTCP that it is over. */
  rtcpBye: boolean;
}

export class SrsStream {
  label = "";
  readonly track = new SoundTrack();
  #agreed: RecorderStream | null = null;
  #port: RtpPort | null = null;
  #beat: Timer | null = null;
  #remote: Address | null = null;
  #wallBase = 0;
  #senderReports = 0;
  #rtcpBye = false;
  readonly #report = new ReceiverReport();
  readonly #ssrc: number;

  private constructor(private readonly options: SrsStreamOptions) {
    const [a = 0, b = 0, c = 0, d = 0] = options.random(4);
    this.#ssrc = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  static async open(options: SrsStreamOptions): Promise<SrsStream> {
    const stream = new SrsStream(options);
    const { address, sockets, random, clock } = options;
    // The track's times are monotonic; the receipt's are of the wall.
    stream.#wallBase = clock.wallMs() - clock.monotonicMs();
    stream.#port = await openRtpPort({
      address, sockets, random,
      onRtp: (bytes, from) => stream.#receive(bytes, from),
      onRtcp: (bytes) => stream.#receiveRtcp(bytes),
    });
    stream.#beat = beatRtcp(clock, random, () => stream.#sendReport());
    return stream;
  }

  get ports(): { rtpPort: number; rtcpPort: number } {
    const { rtpPort = 0, rtcpPort = 0 } = this.#port ?? {};
    return { rtpPort, rtcpPort };
  }

  agree(agreed: RecorderStream): void {
    this.#agreed = agreed;
    this.label = agreed.label ?? this.label;
  }

  close(): void {
    this.#beat?.cancel();
    this.#beat = null;
    this.#port?.close();
    this.#port = null;
  }

  receipt(): StreamReceipt {
    const { counters, codec, durationMs } = this.track;
    const { packets, lost, late, dropped, ssrc, firstAtMs, lastAtMs } = counters;
    return {
      label: this.label, codec, packets, lost, outOfOrder: late, dropped,
      durationMs: Math.round(durationMs),
      srtp: null,
      remote: this.#remote,
      ssrc: ssrc < 0 ? null : ssrc,
      firstAt: this.#wallTime(firstAtMs), lastAt: this.#wallTime(lastAtMs),
      senderReports: this.#senderReports, rtcpBye: this.#rtcpBye,
    };
  }

  #wallTime(monotonicMs: number): string | null {
    return monotonicMs < 0 ? null : new Date(this.#wallBase + monotonicMs).toISOString();
  }

  #receive(bytes: Uint8Array, from: Address): void {
    const read = decodeRtp(bytes);
    const agreed = this.#agreed;
    if (!read.ok || agreed === null || !agreed.accepted) return;
    const now = this.options.clock.monotonicMs();
    if (!this.track.accept(read.packet, agreed.codecs, now)) return;
    this.#remote = from;
    this.#report.accept(read.packet, agreed.codecs[0]?.clockRate ?? 8000, now);
  }

  #receiveRtcp(bytes: Uint8Array): void {
    const read = decodeRtcp(bytes);
    if (!read.ok) return;
    this.#report.readSenderReport(bytes, this.options.clock.wallMs());
    for (const { type } of read.packets) {
      if (type === RTCP_SR) this.#senderReports += 1;
      if (type === RTCP_BYE) this.#rtcpBye = true;
    }
  }

  #sendReport(): void {
    const to = this.#agreed?.rtcp ?? null;
    if (to === null) return;
    const report = this.#report.encode(this.#ssrc, "srs", this.options.clock.wallMs());
    this.#port?.sendRtcp(report, to);
  }
}
