// The answering side of a recording session: the recorder's answer to an SRC, and ours to an offer
// that the recorder makes (RFC 7866 §7.1, §7.2).
import type { Codec } from "../../schemas/media.ts";
import { codecsNamed, isAudio } from "./codec.ts";
import {
  type Direction, type MediaDescription, PLAIN_PROFILES, type SessionDescription,
} from "./description.ts";
import { answerDirection } from "./direction.ts";
import {
  commonCodecs, type HostPort, localMedia, type LocalSession, refusedMedia, remoteTarget, sessionOf,
} from "./negotiate.ts";
import type { RecordingOffer, RecordingStreamAnswer } from "./recording.ts";
import { parseSdp, serializeSdp } from "./text.ts";

/** The fault of a stream that the far end ended itself, by port 0. */
export const REMOVED = "removed";

export interface OfferedStream {
  /** null: the SRC broke RFC 7866 §7.1.1, or it is a call and no recording. */
  label: string | null;
  /** false: removed, or nothing that a recorder of audio can take. */
  live: boolean;
  direction: Direction;
  codecs: Codec[];
}

export type RecordingOfferResult =
  /** One entry an m-line. */
  | { ok: true; streams: OfferedStream[] }
  | { ok: false; reason: string };

export interface RecorderSession extends LocalSession {
  /** One an m-line of the offer, null where it is refused. */
  streams: readonly ({ rtpPort: number; rtcpPort: number } | null)[];
  /** Names as `media.codecs` has them. */
  codecs: readonly string[];
  /** "inactive": not yet, the recorder will offer "recvonly" itself (RFC 7866 §7.2). */
  direction: "recvonly" | "inactive";
}

export interface RecorderStream {
  label: string | null;
  accepted: boolean;
  direction: "recvonly" | "inactive";
  /** Where the SRC sends from, and wants its RTCP. */
  rtp: HostPort | null;
  rtcp: HostPort | null;
  codecs: Codec[];
}

export type RecorderAnswer =
  | { ok: true; text: string; streams: RecorderStream[] }
  | { ok: false; status: 400 | 488; reason: string };

export type ReofferAnswer =
  | { ok: true; text: string; streams: RecordingStreamAnswer[] }
  | { ok: false; status: 400 | 488; reason: string };

export function readRecordingOffer(offerText: string): RecordingOfferResult {
  const offer = parseSdp(offerText);
  if (!offer.ok) return offer;
  return {
    ok: true,
    streams: offer.sdp.media.map((media) => ({
      label: media.label, live: liveFault(media) === null, direction: media.direction,
      codecs: media.codecs.filter(isAudio),
    })),
  };
}

function liveFault(media: MediaDescription): string | null {
  if (media.port === 0) return REMOVED;
  if (media.type !== "audio") return "not audio";
  return PLAIN_PROFILES.includes(media.protocol.toUpperCase()) ? null : "not a plain RTP profile";
}

/** The recorder's answer: 488 when there is not one stream that it can take. */
export function acceptRecording(offerText: string, recorder: RecorderSession): RecorderAnswer {
  const offer = parseSdp(offerText);
  if (!offer.ok) return { ...offer, reason: `SDP offer: ${offer.reason}` };
  const codecs = codecsNamed(recorder.codecs);
  const lines = answerLines(offer.sdp, recorder, recorder.streams.map((ports, index) =>
    ports === null ? null : {
      ...ports, codecs, wish: recorder.direction, label: offer.sdp.media[index]?.label ?? null,
    }
  ));
  const offered = offer.sdp.media.filter((media) => media.port !== 0).length;
  if (offered > 0 && !lines.some(({ fault }) => fault === null)) {
    const reason = lines.find(({ fault }) => fault !== REMOVED)?.fault ?? "no stream";
    return { ok: false, status: 488, reason };
  }
  return {
    ok: true,
    text: textOf(recorder, lines),
    streams: lines.map(({ media, fault, rtp, rtcp }, index) => ({
      label: offer.sdp.media[index]?.label ?? null,
      accepted: fault === null,
      direction: media.direction === "recvonly" && fault === null ? "recvonly" : "inactive",
      rtp, rtcp, codecs: media.codecs,
    })),
  };
}

/**
 * Our answer, as the SRC, to what the recorder offers: `ours` are the streams in the order of the
 * m-lines. A line that the recorder adds is refused (RFC 7866 §7.2: it must not), one that it sets
 * to port 0 ends, the others keep their labels.
 */
export function answerRecording(offerText: string, ours: RecordingOffer): ReofferAnswer {
  const offer = parseSdp(offerText);
  if (!offer.ok) return { ...offer, reason: `SDP offer: ${offer.reason}` };
  const lines = answerLines(offer.sdp, ours, ours.streams.map((stream) => ({
    rtpPort: stream.rtpPort, rtcpPort: stream.rtcpPort, codecs: stream.codecs.filter(isAudio),
    wish: stream.direction, label: stream.label,
  })));
  return {
    ok: true,
    text: textOf(ours, lines),
    streams: ours.streams.map(({ label }, index): RecordingStreamAnswer => {
      const line = lines[index];
      const fault = line === undefined ? "not in the offer" : line.fault;
      if (line === undefined || fault !== null) {
        return {
          label, accepted: false, reason: fault, direction: "inactive", rtp: null, rtcp: null,
          codecs: [],
        };
      }
      const { media, rtp, rtcp } = line;
      const sending = media.direction === "sendonly" && rtp !== null;
      return {
        label, accepted: true, reason: null, direction: sending ? "sendonly" : "inactive",
        rtp, rtcp, codecs: media.codecs,
      };
    }),
  };
}

interface OurLine {
  rtpPort: number;
  rtcpPort: number;
  codecs: readonly Codec[];
  wish: Direction;
  label: string | null;
}

interface AnswerLine {
  media: MediaDescription;
  fault: string | null;
  rtp: HostPort | null;
  rtcp: HostPort | null;
}

const textOf = (local: LocalSession, lines: readonly AnswerLine[]): string =>
  serializeSdp(sessionOf(local, lines.map(({ media }) => media)));

const answerLines = (
  offer: SessionDescription, local: LocalSession, ours: readonly (OurLine | null)[],
): AnswerLine[] =>
  offer.media.map((offered, index) => answerLine(offered, ours[index] ?? null, local.address));

function answerLine(
  offered: MediaDescription, ours: OurLine | null, ourAddress: string,
): AnswerLine {
  const refused = (fault: string): AnswerLine => ({
    media: { ...refusedMedia(offered), label: ours?.label ?? null },
    fault, rtp: null, rtcp: null,
  });
  const fault = liveFault(offered);
  if (fault !== null) return refused(fault);
  if (ours === null || ours.rtpPort === 0) return refused("not one of ours");
  const target = remoteTarget(offered, ourAddress);
  if (!target.ok) return refused(target.reason);
  const codecs = commonCodecs(offered.codecs, ours.codecs);
  if (codecs.length === 0) return refused("no codec in common");
  const media = localMedia(ours, {
    protocol: offered.protocol, codecs,
    direction: answerDirection(offered.direction, ours.wish), label: ours.label,
  });
  return { media, fault: null, rtp: target.rtp, rtcp: target.rtcp };
}
