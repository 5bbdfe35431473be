// Whose call it is, and where calls go: trunks, numbers, addresses. Pure look-ups over the
// configuration.
import { isIP } from "node:net";
import { BlockList } from "node:net";
import type { SipHeader } from "../../protocol/sip/message.ts";
import {
  escapeUser, parseUri, type SipUri, uriParam, uriUser,
} from "../../protocol/sip/uri.ts";
import type { NumberRoute, Trunk } from "../../schemas/config.ts";
import type { Route, SendTarget } from "../../actors/ports.ts";

/** Addresses of the sources that may call in, by trunk. */
export class TrunkSources {
  readonly #trunks: { trunk: Trunk; list: BlockList }[];

  constructor(trunks: readonly Trunk[]) {
    this.#trunks = trunks.map((trunk) => ({ trunk, list: cidrList(trunk.allow) }));
  }

  find(address: string): Trunk | null {
    if (isIP(address) === 0) return null;
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    return this.#trunks.find(({ list }) => list.check(address, family))?.trunk ?? null;
  }
}

function cidrList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    list.addSubnet(address, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
  }
  return list;
}

/** `*` stands for any run of characters; everything else for itself. */
export function matchesPattern(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === text;
  const [first = "", ...rest] = parts;
  const last = rest.pop() ?? "";
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from <= text.length - last.length;
}

const NUMBER = /^\+?[0-9]{3,15}$/;

/** As Twilio names a party: a number by its digits, anything else by its SIP URI. */
export function partyName(uri: SipUri): string {
  const user = uriUser(uri);
  if (NUMBER.test(user)) return user;
  return `${uri.scheme}:${uri.user === null ? "" : `${uri.user}@`}${uri.host}`;
}

export function numberRoute(numbers: readonly NumberRoute[], uri: SipUri): NumberRoute | null {
  const user = uriUser(uri);
  const whole = partyName({ ...uri, scheme: uri.scheme === "sips" ? "sips" : "sip" });
  const address = `${uri.scheme}:${user}@${uri.host}`;
  return numbers.find(({ match }) =>
    matchesPattern(match, user) || matchesPattern(match, address) || matchesPattern(match, whole)
  ) ?? null;
}

export type RouteResult =
  | {
    ok: true; route: Route; to: string; headers: SipHeader[]; allow: string[];
    trunk: Trunk | null;
  }
  | { ok: false; code: number; message: string };

/** `<Dial><Number>`: the first trunk that may be used for it. */
export function numberTarget(
  trunks: readonly Trunk[], accountSid: string, number: string,
  hasRoom: (trunk: Trunk) => boolean = () => true,
): RouteResult {
  const digits = number.replace(/[\s().-]/g, "");
  if (!/^\+?[0-9*#]{1,32}$/.test(digits)) {
    return { ok: false, code: 13223, message: "Dial: Invalid phone number format" };
  }
  const fitting = trunks.filter((one) =>
    (one.accounts.length === 0 || one.accounts.includes(accountSid)) &&
    one.numbers.some((pattern) => matchesPattern(pattern, digits))
  );
  const trunk = fitting.find(hasRoom);
  if (trunk === undefined) {
    const message = fitting.length === 0 ? "Dial: no trunk takes this number"
      : "Dial: every trunk for this number is at its limit";
    return { ok: false, code: 13223, message };
  }
  const { address } = trunk;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  const port = address.port === null ? "" : `:${address.port}`;
  const transport = address.transport === null ? "" : `;transport=${address.transport}`;
  return {
    ok: true,
    route: {
      requestUri: `sip:${escapeUser(digits)}@${host}${port}${transport}`,
      target: { transport: address.transport, host: address.host, port: address.port },
    },
    to: digits,
    headers: [],
    allow: trunk.mediaAllow,
    trunk,
  };
}

/** As at Twilio: only X- headers may be set, in less than 1024 characters. */
const URI_HEADERS_MAX_CHARS = 1024;
const X_HEADER = /^x-(?!twilio-)[A-Za-z0-9-]{1,64}$/i;

/** `<Dial><Sip>`: a SIP URI, with headers of the app's own after `?`. */
export function sipTarget(text: string): RouteResult {
  const trimmed = text.trim();
  const mark = trimmed.indexOf("?");
  const parsed = parseUri(mark < 0 ? trimmed : trimmed.slice(0, mark));
  const invalid = (message: string): RouteResult => ({ ok: false, code: 13224, message });
  if (!parsed.ok) return invalid("Dial: Invalid SIP URI");
  const { uri } = parsed;
  if (uri.scheme === "sips") return invalid("Dial: sips: is not served by this version");
  if (uri.scheme !== "sip") return invalid("Dial: Invalid SIP URI");
  const transport = transportOf(uri);
  if (transport === undefined) return invalid("Dial: the transport of the SIP URI is not served");
  const query = mark < 0 ? "" : trimmed.slice(mark + 1);
  if (query.length >= URI_HEADERS_MAX_CHARS) return invalid("Dial: the SIP headers are too long");
  const target: SendTarget = { transport, host: uri.host.replace(/^\[|\]$/g, ""), port: uri.port };
  return {
    ok: true,
    route: { requestUri: mark < 0 ? trimmed : trimmed.slice(0, mark), target },
    to: partyName(uri).startsWith("sip") ? partyName(uri) : `sip:${uriUser(uri)}@${uri.host}`,
    headers: [...new URLSearchParams(query)].filter(([name]) => X_HEADER.test(name))
      .map(([name, value]) => ({ name, value: value.replace(/[\p{Cc}]+/gu, " ") })),
    allow: [],
    trunk: null,
  };
}

function transportOf(uri: SipUri): "udp" | "tcp" | null | undefined {
  const name = uriParam(uri, "transport")?.toLowerCase() ?? null;
  return name === null || name === "udp" || name === "tcp" ? name : undefined;
}
