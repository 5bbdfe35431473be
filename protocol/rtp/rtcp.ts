// RTCP (RFC 3550 §6): compound packets of sender or receiver report, SDES with CNAME, BYE; what
// the SRS reports of our streams; and the interval between two of our reports (§6.2, §6.3.1).
import { setUint32At, uint32At } from "./packet.ts";

export const RTCP_SR = 200;
export const RTCP_RR = 201;
export const RTCP_SDES = 202;
export const RTCP_BYE = 203;
const SDES_CNAME = 1;
const REPORT_BLOCK_BYTES = 24;
const PACKETS_MAX = 32;
/** Between the NTP era of 1900 and the Unix epoch of 1970. */
const NTP_UNIX_OFFSET_S = 2208988800;
const UDP_IPV4_BYTES = 28;

export interface SenderInfo {
  /** Wall clock, epoch milliseconds. */
  wallMs: number;
  /** The RTP timestamp of the same instant. */
  rtpTimestamp: number;
  packets: number;
  octets: number;
}

export interface CompoundReport {
  ssrc: number;
  cname: string;
  /** null: nothing was sent since the last two reports, so this is a receiver report (§6.4). */
  sender: SenderInfo | null;
  /** Ends the stream. */
  bye: string | null;
}

/** Report first, SDES always, BYE last (§6.1). We receive no source, so there are no blocks. */
export function encodeCompound(report: CompoundReport): Uint8Array {
  const parts = [encodeReport(report), encodeSdes(report.ssrc, report.cname)];
  if (report.bye !== null) parts.push(encodeBye(report.ssrc, report.bye));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodeReport({ ssrc, sender }: CompoundReport): Uint8Array {
  const bytes = packetOf(sender === null ? RTCP_RR : RTCP_SR, 0, sender === null ? 8 : 28);
  setUint32At(bytes, 4, ssrc);
  if (sender === null) return bytes;
  const [seconds, fraction] = ntpOf(sender.wallMs);
  setUint32At(bytes, 8, seconds);
  setUint32At(bytes, 12, fraction);
  setUint32At(bytes, 16, sender.rtpTimestamp);
  setUint32At(bytes, 20, sender.packets);
  setUint32At(bytes, 24, sender.octets);
  return bytes;
}

function encodeSdes(ssrc: number, cname: string): Uint8Array {
  const text = new TextEncoder().encode(cname).subarray(0, 255);
  // One chunk: SSRC, CNAME item, and at least one zero octet up to the next 32-bit word (§6.5).
  const bytes = packetOf(RTCP_SDES, 1, 8 + Math.ceil((2 + text.length + 1) / 4) * 4);
  setUint32At(bytes, 4, ssrc);
  bytes[8] = SDES_CNAME;
  bytes[9] = text.length;
  bytes.set(text, 10);
  return bytes;
}

function encodeBye(ssrc: number, reason: string): Uint8Array {
  const text = new TextEncoder().encode(reason).subarray(0, 255);
  const bytes = packetOf(RTCP_BYE, 1, 8 + Math.ceil((1 + text.length) / 4) * 4);
  setUint32At(bytes, 4, ssrc);
  bytes[8] = text.length;
  bytes.set(text, 9);
  return bytes;
}

function packetOf(type: number, count: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  bytes[0] = 0x80 | count;
  bytes[1] = type;
  bytes[2] = (lengthBytes / 4 - 1) >> 8;
  bytes[3] = lengthBytes / 4 - 1;
  return bytes;
}

/** RFC 3550 §4: seconds since 1900 and a binary fraction. */
export function ntpOf(wallMs: number): [seconds: number, fraction: number] {
  const seconds = Math.floor(wallMs / 1000);
  const fraction = Math.floor(((wallMs - seconds * 1000) / 1000) * 2 ** 32);
  return [(seconds + NTP_UNIX_OFFSET_S) % 2 ** 32, fraction >>> 0];
}

/** The middle 32 bits of the NTP time: 1/65536 s. */
export function compactNtp(wallMs: number): number {
  const [seconds, fraction] = ntpOf(wallMs);
  return ((seconds << 16) | (fraction >>> 16)) >>> 0;
}

export interface ReportBlock {
  /** The SSRC that the block is about. */
  ssrc: number;
  /** 0 to 1, since the report before. */
  fractionLost: number;
  /** Signed: duplicates can make it negative. */
  cumulativeLost: number;
  highestSequence: number;
  jitterTicks: number;
  lastSr: number;
  delaySinceLastSr: number;
}

export interface RtcpPacket {
  type: number;
  /** The sender's SSRC, or the first one that leaves; null when the packet names none. */
  ssrc: number | null;
  blocks: ReportBlock[];
}

export type RtcpResult = { ok: true; packets: RtcpPacket[] } | { ok: false; reason: string };

/** RFC 3550 §A.2: each version, each length, a report first, padding on the last one only. */
export function decodeRtcp(bytes: Uint8Array): RtcpResult {
  const packets: RtcpPacket[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const type = bytes[at + 1] ?? 0;
    const end = at + 4 * ((((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) + 1);
    if (first >> 6 !== 2) return { ok: false, reason: "version is not 2" };
    if (at + 4 > bytes.length || end > bytes.length) return { ok: false, reason: "cut off" };
    if (at === 0 && type !== RTCP_SR && type !== RTCP_RR) {
      return { ok: false, reason: "does not begin with a report" };
    }
    if ((first & 0x20) !== 0 && (end !== bytes.length || at === 0 && !fitsPadding(bytes))) {
      return { ok: false, reason: "padding where none may be" };
    }
    if (packets.length === PACKETS_MAX) return { ok: false, reason: "too many packets" };
    const packet = decodePacket(bytes.subarray(at, end), type, first & 0x1f);
    if (packet === null) return { ok: false, reason: "more report blocks than octets" };
    packets.push(packet);
    at = end;
  }
  return packets.length === 0 ? { ok: false, reason: "empty" } : { ok: true, packets };
}

function fitsPadding(bytes: Uint8Array): boolean {
  const padding = bytes[bytes.length - 1] ?? 0;
  return padding > 0 && padding % 4 === 0 && padding <= bytes.length - 8;
}

function decodePacket(p: Uint8Array, type: number, count: number): RtcpPacket | null {
  const ssrc = p.length >= 8 ? uint32At(p, 4) : null;
  if (type !== RTCP_SR && type !== RTCP_RR) return { type, ssrc, blocks: [] };
  const start = type === RTCP_SR ? 28 : 8;
  if (p.length < start + count * REPORT_BLOCK_BYTES) return null;
  const blocks = [];
  for (let i = 0; i < count; i += 1) blocks.push(decodeBlock(p, start + i * REPORT_BLOCK_BYTES));
  return { type, ssrc, blocks };
}

function decodeBlock(p: Uint8Array, at: number): ReportBlock {
  return {
    ssrc: uint32At(p, at),
    fractionLost: (p[at + 4] ?? 0) / 256,
    cumulativeLost: (uint32At(p, at + 4) << 8) >> 8,
    highestSequence: uint32At(p, at + 8),
    jitterTicks: uint32At(p, at + 12),
    lastSr: uint32At(p, at + 16),
    delaySinceLastSr: uint32At(p, at + 20),
  };
}

/** RFC 3550 §6.4.1: now less LSR less DLSR; null when the peer has seen no report of ours. */
export function roundTripMs(block: ReportBlock, nowWallMs: number): number | null {
  if (block.lastSr === 0) return null;
  const units = (compactNtp(nowWallMs) - block.lastSr - block.delaySinceLastSr) | 0;
  return units < 0 ? 0 : (units * 1000) / 65536;
}

export interface IntervalInput {
  members: number;
  senders: number;
  weSent: boolean;
  /** Octets a second for all RTCP of the session: 5 % of the session's bandwidth. */
  bandwidth: number;
  /** Mean size of a compound packet, without UDP and IP. */
  averageBytes: number;
  /** No report was sent yet. */
  initial: boolean;
  /** 0 to 1. */
  random: number;
}

/** RFC 3550 §6.3.1 and §A.7: half the minimum before the first, ×0.5 to 1.5, ÷ (e − 3/2). */
export function rtcpIntervalMs(input: IntervalInput): number {
  const { members, senders, weSent } = input;
  const minimumMs = input.initial ? 2500 : 5000;
  const few = senders > 0 && senders <= members / 4;
  const share = few ? (weSent ? 0.25 : 0.75) : 1;
  const sharers = few ? (weSent ? senders : members - senders) : members;
  const size = input.averageBytes + UDP_IPV4_BYTES;
  const fairMs = (1000 * size * sharers) / (input.bandwidth * share);
  return (Math.max(minimumMs, fairMs) * (input.random + 0.5)) / (Math.E - 1.5);
}
