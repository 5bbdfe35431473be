// What a user agent server refuses before it looks at a request's meaning (RFC 3261 §8.2).

import { header, headerList } from "./header.ts";
import type { SipHeader, SipRequest } from "./message.ts";
import { parseUri } from "./uri.ts";

export interface ScreenPolicy {
  /** Those that are served here. */
  methods: readonly string[];
  /** Option tags that a peer may require. */
  extensions: readonly string[];
  /** Media types of bodies, in lower case; "multipart/mixed" is one. */
  contentTypes: readonly string[];
}

export type ScreenVerdict = { ok: true } | { ok: false; status: number; headers: SipHeader[] };

/** All methods that IANA lists: one of these is known, if perhaps not allowed (405, not 501). */
const KNOWN_METHODS = new Set([
  "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY",
  "PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE",
]);

const refuse = (status: number, name: string, values: readonly string[]): ScreenVerdict => ({
  ok: false, status, headers: [{ name, value: values.join(", ") }],
});

/** In the order of §8.2: method, Request-URI, Require, content. ACK and CANCEL are not asked. */
export function screenRequest(request: SipRequest, policy: ScreenPolicy): ScreenVerdict {
  const { method } = request;
  if (method === "ACK" || method === "CANCEL") return { ok: true };
  if (!policy.methods.includes(method)) {
    return refuse(KNOWN_METHODS.has(method) ? 405 : 501, "Allow", policy.methods);
  }
  const target = parseUri(request.uri);
  if (!target.ok) return { ok: false, status: 400, headers: [] };
  if (target.uri.scheme !== "sip" && target.uri.scheme !== "sips" && target.uri.scheme !== "tel") {
    return { ok: false, status: 416, headers: [] };
  }
  const unsupported = headerList(request, "Require")
    .filter((tag) => !policy.extensions.includes(tag.toLowerCase()));
  if (unsupported.length > 0) return refuse(420, "Unsupported", unsupported);
  return screenContent(request, policy);
}

/** §8.2.3; a body that is optional may be ignored instead (§20.11). */
function screenContent(request: SipRequest, policy: ScreenPolicy): ScreenVerdict {
  if (request.body.length === 0) return { ok: true };
  const disposition = header(request, "Content-Disposition")?.toLowerCase() ?? "";
  if (/;\s*handling\s*=\s*optional\b/.test(disposition)) return { ok: true };
  const encoding = header(request, "Content-Encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity") return refuse(415, "Accept-Encoding", ["identity"]);
  const type = (header(request, "Content-Type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return policy.contentTypes.includes(type) ? { ok: true } : refuse(415, "Accept", policy.contentTypes);
}
