// Addresses in SDP: which literals can be sent to. Host names are legal in c= (RFC 8866 §5.7) but
// would need a look-up in the middle of an offer/answer exchange: they are treated as unusable.

export type AddressFamily = 4 | 6;

/** The family of an IP literal; null for anything else. */
export function addressFamily(text: string): AddressFamily | null {
  if (ipv4Octets(text) !== null) return 4;
  return ipv6Groups(text) !== null ? 6 : null;
}

/** 0.0.0.0 and ::, by which RFC 3264 §8.4 peers (after RFC 2543) say hold. */
export function isUnspecified(address: string): boolean {
  const octets = ipv4Octets(address);
  if (octets !== null) return octets.every((octet) => octet === 0);
  const groups = ipv6Groups(address);
  return groups !== null && groups.every((group) => group === 0);
}

/** One host: neither multicast nor broadcast, not reserved (RFC 1112, RFC 4291 §2.7). */
export function isUnicast(address: string): boolean {
  const octets = ipv4Octets(address);
  if (octets !== null) return octets[0] !== undefined && octets[0] < 224 && octets[0] > 0;
  const groups = ipv6Groups(address);
  if (groups === null || isUnspecified(address)) return false;
  // An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5) would hide what it is.
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return !mapped && ((groups[0] ?? 0) & 0xff00) !== 0xff00;
}

function ipv4Octets(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const octets: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return null;
    const octet = Number(part);
    if (octet > 255) return null;
    octets.push(octet);
  }
  return octets;
}

/** RFC 4291 §2.2; a zone (%eth0) is not for the wire. */
function ipv6Groups(text: string): number[] | null {
  if (text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Colon-separated groups; the last may be an IPv4 literal where the address ends. */
function groupsOf(text: string, ends: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const octets = ends && index === parts.length - 1 ? ipv4Octets(part) : null;
    if (octets !== null) {
      const [a = 0, b = 0, c = 0, d = 0] = octets;
      groups.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else return null;
  }
  return groups;
}
