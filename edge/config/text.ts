// The small texts of the configuration: durations, addresses with a port, IP addresses, networks,
// patterns of numbers, URLs. Each reader gives null for what it cannot read.
import { isIP, isIPv6 } from "node:net";
import type { ListenAddress, SipListenAddress } from "../../schemas/config.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
export const DURATION_MAX_MS = 3_650 * UNIT_MS.d;
const PORT_MAX = 65_535;

/** "500ms", "5s", "1.5h", "7d"; milliseconds. */
export function parseDuration(text: string): number | null {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim());
  const unit = found?.[2];
  // The expression allows these units only.
  const ms = Math.round(Number(found?.[1]) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  return ms <= DURATION_MAX_MS ? ms : null;
}

/** "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (IPv4). */
export function parseListen(text: string): ListenAddress | null {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  const host = found?.[1] ?? found?.[2] ?? "";
  const port = Number(found?.[3] ?? -1);
  if (found === null || port > PORT_MAX) return null;
  if (host === "localhost") return { host: "127.0.0.1", port };
  if (found[1] === undefined ? isIP(host) !== 4 : !isIPv6(host)) return null;
  return { host, port };
}

/** "udp:127.0.0.1:5060". */
export function parseSipListen(text: string): SipListenAddress | null {
  const found = /^(udp|tcp|tls):(.+)$/.exec(text.trim());
  const listen = parseListen(found?.[2] ?? "");
  const transport = found?.[1];
  if (listen === null) return null;
  if (transport !== "udp" && transport !== "tcp" && transport !== "tls") return null;
  return { transport, address: listen.host, port: listen.port };
}

export const isIpAddress = (text: string): boolean => isIP(text) !== 0;

/** "192.0.2.0/24", or one address; always written with its length. */
export function parseNetwork(text: string): string | null {
  const found = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text.trim());
  const address = found?.[1] ?? "";
  const family = isIP(address);
  if (family === 0) return null;
  const most = family === 4 ? 32 : 128;
  const length = found?.[2] === undefined ? most : Number(found[2]);
  return length <= most ? `${address}/${length}` : null;
}

export const isHttpUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === "http:" || url.protocol === "https:");
};

/** An IPv6 address needs brackets before a port. */
export const hostPort = ({ host, port }: ListenAddress): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

export const isLoopback = (host: string): boolean =>
  host === "::1" || host === "localhost" || /^127\./.test(host);
