// Offer and answer of a recording session (RFC 7866 §7): one sendonly audio stream a track, named
// by a=label (RFC 4574), and what the recorder answers to it.
import type { Codec } from "../../schemas/media.ts";
import { isAudio, isEvent } from "./codec.ts";
import type { MediaDescription } from "./description.ts";
import {
  commonCodecs, type HostPort, localMedia, type LocalSession, mirrorFault, readExchange,
  remoteTarget, sessionOf,
} from "./negotiate.ts";
import { parseSdp, serializeSdp } from "./text.ts";

export interface RecordingStream {
  label: string;
  /** 0: the stream was removed, its m-line keeps its place (RFC 3264 §8.2). */
  rtpPort: number;
  rtcpPort: number;
  codecs: readonly Codec[];
  /** "inactive" while it is paused (RFC 7866 §7.1.1.1). */
  direction: "sendonly" | "inactive";
}

export interface RecordingOffer extends LocalSession {
  streams: readonly RecordingStream[];
}

/** What the recorder made of one offered stream; `label` is ours, by the place of the m-line. */
export interface RecordingStreamAnswer {
  label: string;
  accepted: boolean;
  /** Why it was not accepted. */
  reason: string | null;
  /** As seen from us. */
  direction: "sendonly" | "inactive";
  /** null where it is not accepted, or held by 0.0.0.0. */
  rtp: HostPort | null;
  rtcp: HostPort | null;
  /** With the payload types of the answer, which are the ones to send (RFC 3264 §5.1). */
  codecs: Codec[];
}

export type RecordingAnswer =
  | { ok: true; streams: RecordingStreamAnswer[] }
  | { ok: false; reason: string };

/** The labels that a session description defines, for metadata to refer to. */
export function labelsIn(sdpText: string): string[] {
  const parsed = parseSdp(sdpText);
  return parsed.ok ? parsed.sdp.media.flatMap(({ label }) => label ?? []) : [];
}

export function offerRecording(offer: RecordingOffer): string {
  const media = offer.streams.map((stream) =>
    localMedia(stream, {
      // telephone-event is never sent to a recorder, so it is never offered.
      codecs: stream.codecs.filter((codec) => !isEvent(codec)),
      direction: stream.direction,
      label: stream.label,
    })
  );
  return serializeSdp(sessionOf(offer, media));
}

/** `offerText` is the offer as it was sent. */
export function readRecordingAnswer(offerText: string, answerText: string): RecordingAnswer {
  const exchange = readExchange(offerText, answerText);
  if (!exchange.ok) return exchange;
  const streams: RecordingStreamAnswer[] = [];
  for (const [index, offered] of exchange.offer.media.entries()) {
    const answered = exchange.answer.media[index];
    if (answered === undefined) return { ok: false, reason: `m-line ${index + 1} is missing` };
    const stream = readStream(offered, answered, exchange.offer.origin.address);
    if (!stream.ok) return { ok: false, reason: `m-line ${index + 1}: ${stream.reason}` };
    streams.push(stream.stream);
  }
  return { ok: true, streams };
}

type StreamResult =
  | { ok: true; stream: RecordingStreamAnswer }
  | { ok: false; reason: string };

function readStream(
  offered: MediaDescription, answered: MediaDescription, ourAddress: string,
): StreamResult {
  // The label in the answer is not looked at: recorders leave it out or write their own.
  const label = offered.label ?? "";
  const refused = (reason: string): StreamResult => ({
    ok: true,
    stream: {
      label, accepted: false, reason, direction: "inactive", rtp: null, rtcp: null, codecs: [],
    },
  });
  if (offered.type !== answered.type) {
    return { ok: false, reason: `m=${answered.type} answers m=${offered.type}` };
  }
  const fault = mirrorFault(offered, answered);
  if (offered.port === 0 || fault !== null) return refused(fault ?? "removed");
  // RFC 3264 §6.1: sendonly can't answer sendonly; a recorder has nothing to say to us. sendrecv,
  // also by silence, is a common fault without consequences.
  if (answered.direction === "sendonly") return { ok: false, reason: "a recorder wants to send" };
  const target = remoteTarget(answered, ourAddress);
  if (!target.ok) return target;
  const codecs = commonCodecs(answered.codecs, offered.codecs);
  if (!codecs.some(isAudio)) return refused("no codec in common");
  const paused = offered.direction === "inactive" || answered.direction === "inactive" ||
    target.rtp === null;
  return {
    ok: true,
    stream: {
      label, accepted: true, reason: null, direction: paused ? "inactive" : "sendonly",
      rtp: target.rtp, rtcp: target.rtcp, codecs,
    },
  };
}
