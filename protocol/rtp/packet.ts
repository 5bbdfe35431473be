// The RTP packet (RFC 3550 §5.1), read and patched in place: on the path of every packet nothing is
// copied and nothing is allocated. RTP and RTCP are told apart as RFC 7983 §7 and RFC 5761 §4 say.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//   |                           timestamp                           |
//   |           synchronization source (SSRC) identifier            |
//   |            contributing sources (CSRC), CC times              |
//   |  (X) profile                  |  (X) length in 32-bit words   |

export const RTP_HEADER_BYTES = 12;
/** No datagram that we relay is larger than an Ethernet frame's payload. */
export const RTP_PACKET_BYTES_MAX = 1500;

export type DatagramKind = "stun" | "zrtp" | "dtls" | "turn" | "rtp" | "rtcp" | "unknown";

/** What a datagram is, by its first two octets. */
export function kindOf(datagram: Uint8Array): DatagramKind {
  const first = datagram[0] ?? 255;
  if (datagram.length < 2) return "unknown";
  if (first >= 128 && first <= 191) return isRtcpType(datagram[1] ?? 0) ? "rtcp" : "rtp";
  if (first <= 3) return "stun";
  if (first >= 16 && first <= 19) return "zrtp";
  if (first >= 20 && first <= 63) return "dtls";
  if (first >= 64 && first <= 79) return "turn";
  return "unknown";
}

/** RFC 5761 §4: 192 to 223 in the second octet is an RTCP packet type. */
export const isRtcpType = (octet: number): boolean => octet >= 192 && octet <= 223;

/**
 * Where the payload starts, or -1 when this is not a valid RTP packet: version, room for CSRCs and
 * extension, a padding count that fits (RFC 3550 §A.1).
 */
export function payloadStart(p: Uint8Array): number {
  const first = p[0] ?? 0;
  if (first >> 6 !== 2 || p.length < RTP_HEADER_BYTES || isRtcpType(p[1] ?? 0)) return -1;
  // Nearly every packet of a telephone has neither padding, extension nor CSRC.
  if (first === 0x80) return RTP_HEADER_BYTES;
  let start = RTP_HEADER_BYTES + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (p.length < start + 4) return -1;
    start += 4 + (((p[start + 2] ?? 0) << 8) | (p[start + 3] ?? 0)) * 4;
  }
  if (p.length < start) return -1;
  if ((first & 0x20) !== 0) {
    const padding = p[p.length - 1] ?? 0;
    if (padding === 0 || padding > p.length - start) return -1;
  }
  return start;
}

/** Where the payload ends: before the padding, when there is some. The packet must be valid. */
export function payloadEnd(p: Uint8Array): number {
  return ((p[0] ?? 0) & 0x20) === 0 ? p.length : p.length - (p[p.length - 1] ?? 0);
}

export const payloadType = (p: Uint8Array): number => (p[1] ?? 0) & 0x7f;
export const hasMarker = (p: Uint8Array): boolean => ((p[1] ?? 0) & 0x80) !== 0;
export const sequence = (p: Uint8Array): number => ((p[2] ?? 0) << 8) | (p[3] ?? 0);
export const timestamp = (p: Uint8Array): number => uint32At(p, 4);
export const ssrc = (p: Uint8Array): number => uint32At(p, 8);

export function setPayloadType(p: Uint8Array, type: number): void {
  p[1] = ((p[1] ?? 0) & 0x80) | type;
}

export function setMarker(p: Uint8Array, marker: boolean): void {
  p[1] = ((p[1] ?? 0) & 0x7f) | (marker ? 0x80 : 0);
}

export function setSequence(p: Uint8Array, value: number): void {
  p[2] = value >> 8;
  p[3] = value;
}

export const setTimestamp = (p: Uint8Array, value: number): void => setUint32At(p, 4, value);
export const setSsrc = (p: Uint8Array, value: number): void => setUint32At(p, 8, value);

/** Signed distance from `from` to `to` on the circle of 16-bit sequence numbers. */
export const sequenceDistance = (from: number, to: number): number => ((to - from) << 16) >> 16;
/** Signed distance on the circle of 32-bit timestamps. */
export const timestampDistance = (from: number, to: number): number => (to - from) | 0;

export interface RtpPacket {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  csrcs: number[];
  /** A view into the datagram: without header extension and padding. */
  payload: Uint8Array;
}

export type RtpResult = { ok: true; packet: RtpPacket } | { ok: false; reason: string };

/** The whole packet as plain data, for tools and tests; the relay uses the views above. */
export function decodeRtp(datagram: Uint8Array): RtpResult {
  const start = payloadStart(datagram);
  if (start < 0) return { ok: false, reason: "not a valid RTP packet" };
  const csrcs = [];
  for (let i = 0; i < ((datagram[0] ?? 0) & 0x0f); i += 1) {
    csrcs.push(uint32At(datagram, RTP_HEADER_BYTES + 4 * i));
  }
  return {
    ok: true,
    packet: {
      payloadType: payloadType(datagram), marker: hasMarker(datagram),
      sequence: sequence(datagram), timestamp: timestamp(datagram), ssrc: ssrc(datagram),
      csrcs, payload: datagram.subarray(start, payloadEnd(datagram)),
    },
  };
}

/** A packet on the wire. At most 15 CSRCs fit; further ones are left out (RFC 3550 §5.1). */
export function encodeRtp(packet: RtpPacket): Uint8Array {
  const csrcs = packet.csrcs.slice(0, 15);
  const start = RTP_HEADER_BYTES + 4 * csrcs.length;
  const p = new Uint8Array(start + packet.payload.length);
  p[0] = 0x80 | csrcs.length;
  p[1] = packet.payloadType & 0x7f;
  setMarker(p, packet.marker);
  setSequence(p, packet.sequence);
  setTimestamp(p, packet.timestamp);
  setSsrc(p, packet.ssrc);
  csrcs.forEach((csrc, i) => setUint32At(p, RTP_HEADER_BYTES + 4 * i, csrc));
  p.set(packet.payload, start);
  return p;
}

export function uint32At(p: Uint8Array, at: number): number {
  return (((p[at] ?? 0) << 24) | ((p[at + 1] ?? 0) << 16) | ((p[at + 2] ?? 0) << 8)
    | (p[at + 3] ?? 0)) >>> 0;
}

export function setUint32At(p: Uint8Array, at: number, value: number): void {
  p[at] = value >>> 24;
  p[at + 1] = value >>> 16;
  p[at + 2] = value >>> 8;
  p[at + 3] = value;
}
