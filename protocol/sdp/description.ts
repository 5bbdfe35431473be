// A session description as plain data (RFC 8866): only what offer/answer over RTP needs, resolved
// where SDP inherits (connection, direction, static payload types).
import type { Codec } from "../../schemas/media.ts";

/** As seen from the writer of the description. */
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** RTP/SAVP and RTP/SAVPF are known so that they can be refused: SRTP is not negotiated yet. */
export const SECURE_PROFILES: readonly string[] = ["RTP/SAVP", "RTP/SAVPF"];
export const PLAIN_PROFILES: readonly string[] = ["RTP/AVP", "RTP/AVPF"];

export interface Origin {
  username: string;
  /** Decimal digits as text: values up to 2^64 lose digits as numbers (RFC 8866 §5.2). */
  sessionId: string;
  version: string;
  address: string;
}

export interface FormatParameters {
  payloadType: number;
  config: string;
}

export interface MediaDescription {
  /** audio, video, image, … */
  type: string;
  /** 0: refused or removed (RFC 3264 §6). */
  port: number;
  /** RTP/AVP, RTP/SAVP, udptl, … as written. */
  protocol: string;
  /** Every format of the m-line as written, in order. */
  formats: string[];
  /** From the media's own c= or the session's; null without both. A host name may stand here. */
  address: string | null;
  /** a=rtcp (RFC 3605); null: the port above RTP's. */
  rtcp: { port: number; address: string | null } | null;
  rtcpMux: boolean;
  direction: Direction;
  /** Formats that name a codec, in the order of the m-line: by rtpmap, or by static type. */
  codecs: Codec[];
  formatParameters: FormatParameters[];
  ptimeMs: number | null;
  maxPtimeMs: number | null;
  /** a=label (RFC 4574). */
  label: string | null;
  /** a=crypto values as written (RFC 4568). */
  crypto: string[];
}

export interface SessionDescription {
  origin: Origin;
  name: string;
  /** The session's c=. */
  address: string | null;
  media: MediaDescription[];
}

export type SdpResult =
  | { ok: true; sdp: SessionDescription }
  /** As the status of an offer: 400, it can't be read; 488, it is more than we look at. */
  | { ok: false; status: 400 | 488; reason: string };

/** Larger bodies are refused unread. */
export const SDP_MAX_BYTES = 65_536;
/** More m-lines than any telephone needs: such an offer is answered 488. */
export const MEDIA_LINES_MAX = 64;
/** Lines of a session description that are looked at; the rest of a larger one is not legal use. */
export const SDP_LINES_MAX = 20_000;
