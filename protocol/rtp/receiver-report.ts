// What a receiver tells the sender of a stream (RFC 3550 §6.4.2, §A.3, §A.8): losses, jitter, and
// which sender report it has seen; as a compound packet with its SDES.
import { compactNtp, encodeCompound, RTCP_RR, RTCP_SR } from "./rtcp.ts";
import { type RtpPacket, sequenceDistance, setUint32At, uint32At } from "./packet.ts";

const CYCLE = 65536;
const REPORT_BYTES = 8;
const BLOCK_BYTES = 24;
const LOST_MAX = 0x7fffff;

export class ReceiverReport {
  #source = -1;
  #base = 0;
  #highest = 0;
  #received = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #transit = 0;
  #jitter = 0;
  #senderReport = 0;
  #senderReportAt = 0;

  /** `clockRate` is the codec's. */
  accept(packet: RtpPacket, clockRate: number, nowMs: number): void {
    const transit = Math.round((nowMs * clockRate) / 1000) - packet.timestamp;
    if (packet.ssrc !== this.#source) {
      this.#source = packet.ssrc;
      this.#base = packet.sequence;
      this.#highest = packet.sequence;
      this.#received = 0;
      this.#expectedBefore = 0;
      this.#receivedBefore = 0;
      this.#jitter = 0;
    } else {
      const step = sequenceDistance(this.#highest % CYCLE, packet.sequence);
      if (step > 0) this.#highest += step;
      // §A.8: an estimate over some sixteen packets; a wrapped timestamp is one wild value.
      const difference = Math.abs((transit - this.#transit) | 0);
      this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
    this.#received += 1;
  }

  /** Remembers the sender's report: its time comes back to it in ours. */
  readSenderReport(rtcp: Uint8Array, nowMs: number): void {
    if (rtcp.length < 28 || rtcp[1] !== RTCP_SR) return;
    this.#senderReport = ((uint32At(rtcp, 8) << 16) | (uint32At(rtcp, 12) >>> 16)) >>> 0;
    this.#senderReportAt = nowMs;
  }

  /** The compound packet to send; without a block before anything was received. */
  encode(ssrc: number, cname: string, nowMs: number): Uint8Array {
    const plain = encodeCompound({ ssrc, cname, sender: null, bye: null });
    if (this.#source < 0) return plain;
    const bytes = new Uint8Array(plain.length + BLOCK_BYTES);
    bytes.set(plain.subarray(0, REPORT_BYTES));
    bytes[0] = 0x81;
    bytes[1] = RTCP_RR;
    bytes[3] = (REPORT_BYTES + BLOCK_BYTES) / 4 - 1;
    this.#block(bytes.subarray(REPORT_BYTES, REPORT_BYTES + BLOCK_BYTES), nowMs);
    bytes.set(plain.subarray(REPORT_BYTES), REPORT_BYTES + BLOCK_BYTES);
    return bytes;
  }

  #block(block: Uint8Array, nowMs: number): void {
    const expected = this.#highest - this.#base + 1;
    const lost = Math.max(-LOST_MAX, Math.min(LOST_MAX, expected - this.#received));
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    const fraction = lostNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow));
    setUint32At(block, 0, this.#source);
    setUint32At(block, 4, ((fraction << 24) | (lost & 0xffffff)) >>> 0);
    setUint32At(block, 8, this.#highest >>> 0);
    setUint32At(block, 12, Math.round(this.#jitter));
    if (this.#senderReport === 0) return;
    setUint32At(block, 16, this.#senderReport);
    const delay = (compactNtp(nowMs) - compactNtp(this.#senderReportAt)) >>> 0;
    setUint32At(block, 20, delay);
  }
}
