// What both kinds of offer/answer share (RFC 3264): which m-lines can be used, which codecs both
// sides have, and where the far end wants its packets.
import type { Codec } from "../../schemas/media.ts";
import { addressFamily, isUnicast, isUnspecified } from "./address.ts";
import { sameCodec } from "./codec.ts";
import type { Direction, MediaDescription, SessionDescription } from "./description.ts";
import { parseSdp } from "./text.ts";

export interface HostPort {
  address: string;
  port: number;
}

/** Our side of one description: the same o= line but for the version over a dialog's life. */
export interface LocalSession {
  /** The IP literal that goes into o= and c=. */
  address: string;
  /** Decimal digits (RFC 8866 §5.2); `sdpSessionId` makes them. */
  sessionId: string;
  version: number;
}

export const PTIME_MS = 20;
const PTIME_MIN_MS = 10;
const PTIME_MAX_MS = 120;

export const sessionOf = (
  local: LocalSession, media: MediaDescription[],
): SessionDescription => ({
  origin: {
    username: "-", sessionId: local.sessionId, version: String(local.version),
    address: local.address,
  },
  name: "-",
  address: local.address,
  media,
});

/** A media description of ours; without a codec there is nothing to offer, and its port is 0. */
export function localMedia(
  ports: { rtpPort: number; rtcpPort: number },
  fields: Partial<MediaDescription> & { codecs: Codec[]; direction: Direction },
): MediaDescription {
  const { rtpPort, rtcpPort } = ports;
  return {
    type: "audio",
    port: fields.codecs.length === 0 ? 0 : rtpPort,
    protocol: "RTP/AVP",
    formats: formatsOf(fields.codecs),
    address: null,
    // RFC 3605 §2.1: said only where it is not the port above RTP's.
    rtcp: rtpPort === 0 || rtcpPort === rtpPort + 1 ? null : { port: rtcpPort, address: null },
    rtcpMux: false,
    formatParameters: [],
    ptimeMs: PTIME_MS,
    maxPtimeMs: null,
    label: null,
    crypto: [],
    ...fields,
  };
}

/** RFC 8866 §5.14: at least one format stands in an m-line. */
const formatsOf = (codecs: readonly Codec[]): string[] =>
  codecs.length === 0 ? ["0"] : codecs.map((codec) => String(codec.payloadType));

/** RFC 3264 §6: a refused m-line keeps its type, its profile and at least one format. */
export const refusedMedia = (offered: MediaDescription): MediaDescription => ({
  ...offered,
  port: 0,
  formats: offered.formats.length === 0 ? ["0"] : offered.formats,
  address: null, rtcp: null, rtcpMux: false, codecs: [], formatParameters: [],
  ptimeMs: null, maxPtimeMs: null, label: null, crypto: [],
});

export type RemoteTarget =
  | { ok: true; rtp: HostPort | null; rtcp: HostPort | null }
  | { ok: false; reason: string };

/**
 * Where RTP and RTCP of an m-line go. RFC 3264 §8.4: 0.0.0.0 is hold, neither RTP nor RTCP is sent.
 * What can't be one host of our own address family can't be sent to.
 */
export function remoteTarget(media: MediaDescription, ourAddress: string): RemoteTarget {
  const { address, port } = media;
  if (address === null) return { ok: false, reason: "no c= line" };
  if (isUnspecified(address)) return { ok: true, rtp: null, rtcp: null };
  const fault = addressFault(address, ourAddress);
  if (fault !== null) return { ok: false, reason: fault };
  const rtcp = { address: media.rtcp?.address ?? address, port: media.rtcp?.port ?? port + 1 };
  const usable = rtcp.port <= 65_535 && addressFault(rtcp.address, ourAddress) === null;
  return { ok: true, rtp: { address, port }, rtcp: usable ? rtcp : null };
}

function addressFault(address: string, ourAddress: string): string | null {
  const family = addressFamily(address);
  if (family === null) return "the c= address is not an IP literal";
  if (family !== addressFamily(ourAddress)) return "the c= address is of the other IP version";
  return isUnicast(address) ? null : "the c= address is not one host";
}

/** The codecs of `theirs` that are in `ours` too: their order, their payload types, each once. */
export function commonCodecs(theirs: readonly Codec[], ours: readonly Codec[]): Codec[] {
  const common: Codec[] = [];
  for (const codec of theirs) {
    if (!ours.some((one) => sameCodec(one, codec))) continue;
    if (!common.some((one) => sameCodec(one, codec))) common.push(codec);
  }
  return common;
}

/** RFC 3264 §5.1: ptime is what the writer would like to receive. */
export function ptimeOf(media: MediaDescription): number {
  const wish = Math.min(media.ptimeMs ?? PTIME_MS, media.maxPtimeMs ?? PTIME_MAX_MS);
  return Math.round(Math.min(Math.max(wish, PTIME_MIN_MS), PTIME_MAX_MS));
}

export type Exchange =
  | { ok: true; offer: SessionDescription; answer: SessionDescription }
  | { ok: false; reason: string };

/** Both halves of an exchange, the answer having at least the m-lines of the offer. */
export function readExchange(offerText: string, answerText: string): Exchange {
  const offer = parseSdp(offerText);
  if (!offer.ok) return { ok: false, reason: `our offer: ${offer.reason}` };
  const answer = parseSdp(answerText);
  if (!answer.ok) return { ok: false, reason: `SDP answer: ${answer.reason}` };
  const offered = offer.sdp.media.length;
  const answered = answer.sdp.media.length;
  // RFC 3264 §6: the same number of m-lines. More than offered is a fault too, but one that leaves
  // no doubt about the ones that were.
  if (answered < offered) {
    return { ok: false, reason: `${answered} m-lines answer the ${offered} that were offered` };
  }
  return { ok: true, offer: offer.sdp, answer: answer.sdp };
}

/** RFC 3264 §6: the i-th m-line answers the i-th, with its media type and its profile. */
export function mirrorFault(offered: MediaDescription, answered: MediaDescription): string | null {
  if (offered.type !== answered.type) {
    return `m=${answered.type} answers m=${offered.type}`;
  }
  if (answered.port === 0) return "refused (port 0)";
  if (offered.protocol !== answered.protocol.toUpperCase()) {
    return `${answered.protocol} answers ${offered.protocol}`;
  }
  return null;
}
