// Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

import { header, parseCseq, tagOf, topVia, type Via, withTopVia } from "../header.ts";
import { BRANCH_COOKIE } from "../identity.ts";
import type { SipRequest, SipResponse } from "../message.ts";

/** The same text for a request of ours and the responses to it; null when it has none. */
export function clientKey(message: SipRequest | SipResponse): string | null {
  const branch = topVia(message)?.branch ?? null;
  const method = message.kind === "request" ? message.method : parseCseq(message)?.method;
  return branch === null || method === undefined ? null : `${branch} ${method}`;
}

/** `method` is INVITE for an ACK and for the INVITE that a CANCEL means. */
export function serverKey(request: SipRequest, method: string = request.method): string | null {
  const via = topVia(request);
  if (via === null) return null;
  if (via.branch?.startsWith(BRANCH_COOKIE) === true && via.branch !== BRANCH_COOKIE) {
    return `${via.branch} ${sentBy(via)} ${method}`;
  }
  // A peer of RFC 2543: an ACK has our tag in To, so that To cannot take part.
  const from = tagOf(header(request, "From") ?? "") ?? "";
  const number = parseCseq(request)?.number ?? 0;
  const place = `${sentBy(via)} ${via.branch ?? ""} ${request.uri}`;
  return `${number} ${from} ${place} ${header(request, "Call-ID") ?? ""} ${method}`;
}

export const sentBy = (via: Via): string =>
  `${via.host.toLowerCase()}:${via.port ?? (via.transport === "TLS" ? 5061 : 5060)}`;

/** §8.2.2.2: the same request that came by two paths; null inside a dialog. */
export function mergeKey(request: SipRequest): string | null {
  if (tagOf(header(request, "To") ?? "") !== null) return null;
  const from = tagOf(header(request, "From") ?? "") ?? "";
  return `${header(request, "CSeq") ?? ""} ${from} ${header(request, "Call-ID") ?? ""}`;
}

/** RFC 3261 §18.2.1, RFC 3581 §4: where the request really came from, noted in its Via. */
export function withSource(request: SipRequest, address: string, port: number): SipRequest {
  const via = topVia(request);
  if (via === null) return request;
  const asksPort = via.params.some(([name]) => name.toLowerCase() === "rport");
  const isSame = bare(via.host) === bare(address);
  if (!asksPort && isSame && !via.params.some(([name]) => name.toLowerCase() === "received")) {
    return request;
  }
  // Whatever the peer itself put there is not believed.
  const params = via.params.filter(([name]) => name.toLowerCase() !== "received")
    .map(([name, value]): [string, string | null] =>
      name.toLowerCase() === "rport" ? [name, String(port)] : [name, value]);
  if (asksPort || !isSame) params.push(["received", bare(address)]);
  return withTopVia(request, { ...via, params });
}

/** IPv6 without its brackets; lower case. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, "").toLowerCase();

