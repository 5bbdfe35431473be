// Where a message goes (RFC 3261 §8.1.2, §18.1.1, §18.2.2; RFC 3263 as far as A and AAAA records).

import { isIP } from "node:net";
import { headerList, parseNameAddr, type Via } from "../../protocol/sip/header.ts";
import type { SipFlow, SipRequest, Transport } from "../../protocol/sip/message.ts";
import { parseUri, uriParam } from "../../protocol/sip/uri.ts";
import { lookupAddresses } from "../runtime/addresses.ts";
import { connectTcp, listenTcp } from "../runtime/tcp.ts";
import { isUdpPortClosed, openUdp } from "../runtime/udp.ts";
import type { SipNetwork, SipTarget } from "./types.ts";

export const systemNetwork: SipNetwork = {
  openUdp, listenTcp, connectTcp, isUdpPortClosed, lookup: lookupAddresses,
};

const PORTS = { udp: 5060, tcp: 5060, tls: 5061 } as const satisfies Record<Transport, number>;

const isTransport = (name: string | undefined): name is Transport =>
  name === "udp" || name === "tcp" || name === "tls";

export interface Hop {
  /** null: any; by the size of the message. */
  transport: Transport | null;
  host: string;
  port: number | null;
}

export type HopResult = { ok: true; hop: Hop } | { ok: false; reason: string };

/** RFC 3261 §8.1.2: the caller's word, else the first Route, else the Request-URI. */
export function nextHop(request: SipRequest, target: SipTarget | null | undefined): HopResult {
  if (target !== null && target !== undefined && target.host !== "") {
    const { transport, host, port } = target;
    return { ok: true, hop: { transport, host: unbracketed(host), port } };
  }
  const [route] = headerList(request, "Route");
  const address = route === undefined ? null : parseNameAddr(route);
  const parsed = parseUri(address?.ok === true ? address.uri : request.uri);
  if (!parsed.ok) return { ok: false, reason: `no address to send to: ${parsed.reason}` };
  const { uri } = parsed;
  if (uri.scheme !== "sip" && uri.scheme !== "sips") {
    return { ok: false, reason: `no way to send to a ${uri.scheme} address` };
  }
  const named = uriParam(uri, "transport")?.toLowerCase();
  if (named !== undefined && !isTransport(named)) {
    return { ok: false, reason: `the transport ${named} is not offered` };
  }
  // A sips URI with transport=tcp means TLS over TCP (RFC 3261 §26.2.2).
  const transport = uri.scheme === "sips" ? "tls" : named ?? null;
  const host = unbracketed(uriParam(uri, "maddr") ?? uri.host);
  return { ok: true, hop: { transport, host, port: uri.port } };
}

export interface Address {
  address: string;
  port: number;
}

/** SRV and NAPTR would come in here (RFC 3263 §4): a name without a port can have several. */
export async function locate(
  hop: Hop, transport: Transport, lookup: SipNetwork["lookup"],
): Promise<Address[]> {
  const port = hop.port ?? PORTS[transport];
  if (isIP(hop.host) !== 0) return [{ address: hop.host, port }];
  const addresses = await lookup(hop.host);
  return addresses.map((address) => ({ address, port }));
}

/** RFC 3261 §18.2.2, RFC 3581 §4: where a response goes when not back on its stream. */
export function responseAddress(via: Via, flow: SipFlow): Address {
  const sentByPort = via.port ?? PORTS[flow.transport];
  const received = via.params.find(([name]) => name.toLowerCase() === "received")?.[1];
  const host = unbracketed(received ?? via.host);
  const address = isIP(host) === 0 ? flow.remoteAddress : host;
  if (flow.transport !== "udp") return { address, port: sentByPort };
  const maddr = via.params.find(([name]) => name.toLowerCase() === "maddr")?.[1];
  if (maddr !== undefined && maddr !== null && isIP(maddr) === 4 && !isMulticast(maddr)) {
    return { address: maddr, port: sentByPort };
  }
  const rport = via.params.find(([name]) => name.toLowerCase() === "rport");
  // The flow is what was seen; a Via's rport and received were written from it.
  return rport === undefined
    ? { address: flow.remoteAddress, port: sentByPort }
    : { address: flow.remoteAddress, port: flow.remotePort };
}

/** 224.0.0.0/4 and above: an answer there would reach people who did not ask. */
const isMulticast = (address: string): boolean => Number(address.split(".", 1)[0]) >= 224;

const unbracketed = (host: string): string => host.replace(/^\[|\]$/g, "");
