// A phone's audio: what it says and what it hears, on one RTP port.
import { decodeRtp } from "../../protocol/rtp/packet.ts";
import { encodeCompound } from "../../protocol/rtp/rtcp.ts";
import { SoundTrack } from "../../protocol/rtp/sound-track.ts";
import { DigitDetector } from "../../protocol/rtp/telephone-event.ts";
import type { Codec, MediaRemote } from "../../schemas/media.ts";
import type { MediaSockets } from "../runtime/media-socket.ts";
import type { Clock, Random, Timer } from "../runtime/types.ts";
import { beatRtcp } from "./rtcp-beat.ts";
import { type Address, openRtpPort, type RtpPort } from "./rtp-port.ts";
import { Speaker } from "./speaker.ts";

export interface PhoneMediaOptions {
  /** The local IP literal. */
  address: string;
  sockets: MediaSockets;
  clock: Clock;
  random: Random;
  cname: string;
}

export class PhoneMedia {
  readonly speaker: Speaker;
  readonly heard = new SoundTrack();
  /** Keys that the far end pressed. */
  digits = "";
  rtcpReceived = 0;
  #port: RtpPort | null = null;
  #remote: MediaRemote | null = null;
  #beat: Timer | null = null;
  #octets = 0;
  readonly #detector = new DigitDetector();

  private constructor(private readonly options: PhoneMediaOptions) {
    const { clock, random } = options;
    this.speaker = new Speaker({ clock, random, send: (bytes) => this.#send(bytes) });
  }

  static async open(options: PhoneMediaOptions): Promise<PhoneMedia> {
    const media = new PhoneMedia(options);
    const { address, sockets, random } = options;
    media.#port = await openRtpPort({
      address, sockets, random,
      onRtp: (bytes) => media.#receive(bytes),
      onRtcp: () => {
        media.rtcpReceived += 1;
      },
    });
    return media;
  }

  get ports(): { rtpPort: number; rtcpPort: number } {
    const { rtpPort = 0, rtcpPort = 0 } = this.#port ?? {};
    return { rtpPort, rtcpPort };
  }

  /** What was agreed; again after each offer and answer. */
  apply(remote: MediaRemote, codec: Codec): void {
    this.#remote = remote;
    const sends = remote.rtp !== null && remote.direction.startsWith("send");
    if (!sends) return this.speaker.pause();
    this.speaker.start(codec, remote.sendEvents[0] ?? null);
    const { clock, random } = this.options;
    this.#beat ??= beatRtcp(clock, random, () => this.#report(null));
  }

  close(): void {
    this.speaker.stop();
    this.#beat?.cancel();
    if (this.#beat !== null) this.#report("call ended");
    this.#beat = null;
    this.#port?.close();
    this.#port = null;
  }

  #send(bytes: Uint8Array): void {
    const to = this.#remote?.rtp;
    if (to === null || to === undefined) return;
    this.#octets += bytes.length - 12;
    this.#port?.sendRtp(bytes, to);
  }

  #report(bye: string | null): void {
    const to: Address | null = this.#remote?.rtcp ?? null;
    if (to === null) return;
    const { clock, cname } = this.options;
    const { ssrc, packets, timestamp } = this.speaker;
    const sender = {
      wallMs: clock.wallMs(), rtpTimestamp: timestamp, packets, octets: this.#octets,
    };
    this.#port?.sendRtcp(encodeCompound({ ssrc, cname, sender, bye }), to);
  }

  #receive(bytes: Uint8Array): void {
    const read = decodeRtp(bytes);
    const remote = this.#remote;
    if (!read.ok || remote === null) return;
    const { packet } = read;
    const now = this.options.clock.monotonicMs();
    if (remote.receiveEvents.some((event) => event.payloadType === packet.payloadType)) {
      this.heard.pass(packet, now);
      this.digits += this.#detector.push(packet.timestamp, packet.payload);
      return;
    }
    this.heard.accept(packet, remote.receive, now);
  }
}
