// Addresses that no public app server has: refused when webhooks.allow_private is false.
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** RFC 6890 and its registry: loopback, private, link-local, shared, test, multicast, reserved. */
const RANGES_V4 = [
  ["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16],
  ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.0.2.0", 24], ["192.88.99.0", 24],
  ["192.168.0.0", 16], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const;
/** Everything outside 2000::/3 besides, and what in it is set apart. */
const RANGES_V6 = [
  ["::", 3], ["4000::", 2], ["8000::", 1], ["2001::", 23], ["2001:db8::", 32], ["3fff::", 20],
] as const;

const blocked = new BlockList();
for (const [net, bits] of RANGES_V4) blocked.addSubnet(net, bits, "ipv4");
const blockedV6 = new BlockList();
for (const [net, bits] of RANGES_V6) blockedV6.addSubnet(net, bits, "ipv6");

/** Also true for what is not an address at all. */
export function isPrivateAddress(address: string): boolean {
  if (isIPv4(address)) return blocked.check(address, "ipv4");
  if (!isIPv6(address)) return true;
  const embedded = embeddedV4(address);
  if (embedded !== null) return blocked.check(embedded, "ipv4");
  return blockedV6.check(address, "ipv6");
}

/** The IPv4 address in ::ffff:0:0/96, 64:ff9b::/96 (RFC 6052) and 2002::/16 (RFC 3056). */
function embeddedV4(address: string): string | null {
  const groups = expand(address);
  const [g0 = 0, g1 = 0, g2 = 0] = groups;
  const middle = groups.slice(1, 5).every((group) => group === 0);
  if (g0 === 0 && middle && groups[5] === 0xffff) return dotted(groups[6], groups[7]);
  if (g0 === 0x64 && g1 === 0xff9b && groups.slice(2, 6).every((group) => group === 0)) {
    return dotted(groups[6], groups[7]);
  }
  return g0 === 0x2002 ? dotted(g1, g2) : null;
}

/** The eight groups, by the URL parser's canonical spelling. */
function expand(address: string): number[] {
  const canonical = new URL(`http://[${address.split("%")[0]}]/`).hostname.slice(1, -1);
  const [left = "", right] = canonical.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const gap = right === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array<string>(gap).fill("0"), ...tail];
  return groups.map((group) => Number.parseInt(group, 16));
}

const dotted = (high = 0, low = 0): string =>
  [high >> 8, high & 255, low >> 8, low & 255].join(".");
