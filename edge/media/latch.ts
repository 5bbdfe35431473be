// Symmetric RTP (RFC 4961) for legs behind NAT: which source a leg's audio is taken from, and so
// where audio is sent to. Everybody else is a stranger (RFC 7362 says why that has to be strict).
import { BlockList, isIP, isIPv6 } from "node:net";

/** After this much silence the same SSRC, or the same IP, may come from elsewhere. */
export const LATCH_SILENCE_MS = 2000;

export interface LatchTarget {
  address: string;
  port: number;
}

/** What is known of a packet from somewhere else than the last one. */
export interface Candidate {
  address: string;
  port: number;
  ssrc: number;
  /** The SSRC and the time of the last packet that was taken. */
  lastSsrc: number;
  lastAtMs: number;
  nowMs: number;
}

export class Latch {
  /** Where audio comes from once heard, before that where SDP says; port 0: nowhere. */
  address = "";
  port = 0;
  /** A packet has been taken from there, and one from elsewhere is a stranger's. */
  locked = false;
  #signalled: LatchTarget | null = null;
  #allow: BlockList | null = null;
  #old: LatchTarget | null = null;
  #oldUntilMs = 0;

  /** A new remote SDP: its address counts until a packet shows another one. */
  open(target: LatchTarget | null, allow: string[], nowMs: number): void {
    const moved = target?.address !== this.#signalled?.address
      || target?.port !== this.#signalled?.port;
    this.#signalled = target;
    this.#allow = allow.length === 0 ? null : blockListOf(allow);
    if (moved) {
      // Packets under way from the old place are still heard, but they don't lock it again.
      this.#old = this.locked ? { address: this.address, port: this.port } : null;
      this.#oldUntilMs = nowMs + LATCH_SILENCE_MS;
      this.address = shared(target?.address ?? "");
      this.port = target?.port ?? 0;
    }
    this.locked = false;
  }

  /** Is this valid packet of an expected payload type the leg's? */
  admit(from: Candidate): boolean {
    const { address, port } = from;
    if (address === this.address && port === this.port) {
      this.locked = true;
      return true;
    }
    if (!this.#isAllowed(address)) return false;
    if (this.locked) {
      // The signalled address wins over a latched one: whoever came first may have been a stranger.
      const signalled = address === this.#signalled?.address && port === this.#signalled.port;
      const silent = from.nowMs - from.lastAtMs > LATCH_SILENCE_MS;
      const known = from.ssrc === from.lastSsrc || address === this.address;
      if (!signalled && !(silent && known)) return false;
    } else if (address === this.#old?.address && port === this.#old.port) {
      if (from.nowMs < this.#oldUntilMs) return true;
    }
    this.address = shared(address);
    this.port = port;
    this.locked = true;
    return true;
  }

  /** RTCP has no payload type to check: it comes from where audio comes from, or where SDP says. */
  admitsControl(address: string, signalled: string | null): boolean {
    return this.#isAllowed(address) && (address === this.address || address === signalled);
  }

  #isAllowed(address: string): boolean {
    if (this.#allow === null || address === this.#signalled?.address) return true;
    return this.#allow.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  }
}

const ADDRESSES_MAX = 4096;
const addresses = new Map<string, string>();

/** One string for all legs of a trunk: comparing sources with it stays in the cache. */
function shared(address: string): string {
  const known = addresses.get(address);
  if (known !== undefined) return known;
  if (addresses.size >= ADDRESSES_MAX) addresses.clear();
  addresses.set(address, address);
  return address;
}

/** Networks written as CIDRs or single addresses; null: one of them is neither. */
export function parseNetworks(cidrs: string[]): BlockList | null {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [, address = "", bits] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(cidr) ?? [];
    // The list itself would take 10.0.0 for 10.0.0.0.
    const version = isIP(address);
    const prefix = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits);
    if (version === 0 || prefix > (version === 6 ? 128 : 32)) return null;
    list.addSubnet(address, prefix, version === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/** Unreadable networks allow nobody: the order that carries one is refused before it comes here. */
function blockListOf(cidrs: string[]): BlockList {
  return parseNetworks(cidrs) ?? new BlockList();
}
