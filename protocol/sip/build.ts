// New requests and answers (RFC 3261 §8.1.1, §8.2.6). Via, Contact and User-Agent of a request
// are the user agent's to add: they depend on the socket that is used.

import { header, tagOf, withTag } from "./header.ts";
import { NO_BODY } from "./message.ts";
import type { SipHeader, SipRequest, SipResponse } from "./message.ts";

export const MAX_FORWARDS = 70;

export interface RequestSpec {
  method: string;
  uri: string;
  /** Header values, with their tags. */
  from: string;
  to: string;
  callId: string;
  cseq: number;
  maxForwards?: number;
  headers?: SipHeader[];
  body?: Uint8Array;
  contentType?: string;
}

export function buildRequest(spec: RequestSpec): SipRequest {
  const headers: SipHeader[] = [
    { name: "Max-Forwards", value: String(spec.maxForwards ?? MAX_FORWARDS) },
    { name: "From", value: spec.from },
    { name: "To", value: spec.to },
    { name: "Call-ID", value: spec.callId },
    { name: "CSeq", value: `${spec.cseq} ${spec.method}` },
    ...(spec.headers ?? []),
  ];
  if (spec.contentType !== undefined) {
    headers.push({ name: "Content-Type", value: spec.contentType });
  }
  const { method, uri } = spec;
  return { kind: "request", method, uri, headers, body: spec.body ?? NO_BODY };
}

export interface ResponseSpec {
  /** Set when the request's To has none; never on a 100. */
  toTag?: string;
  headers?: SipHeader[];
  body?: Uint8Array;
  contentType?: string;
}

const DIALOG_FORMING = new Set(["INVITE", "SUBSCRIBE", "REFER"]);

/** Copies what RFC 3261 §8.2.6.2 and §12.1.1 ask for. A broken request's remains will do. */
export function buildResponse(
  request: { method: string; headers: SipHeader[] },
  status: number,
  reason?: string | null,
  spec: ResponseSpec = {},
): SipResponse {
  const mirrored = new Set(["Via", "From", "To", "Call-ID", "CSeq"]);
  if (status === 100) mirrored.add("Timestamp");
  if (status > 100 && status < 300 && DIALOG_FORMING.has(request.method)) {
    mirrored.add("Record-Route");
  }
  const headers: SipHeader[] = [];
  for (const { name, value } of request.headers) {
    if (!mirrored.has(name)) continue;
    headers.push({ name, value: name === "To" ? taggedTo(value, status, spec.toTag) : value });
  }
  headers.push(...(spec.headers ?? []));
  if (spec.contentType !== undefined) {
    headers.push({ name: "Content-Type", value: spec.contentType });
  }
  const text = reason ?? reasonOf(status);
  return { kind: "response", status, reason: text, headers, body: spec.body ?? NO_BODY };
}

function taggedTo(value: string, status: number, tag: string | undefined): string {
  return status === 100 || tag === undefined || tagOf(value) !== null ? value : withTag(value, tag);
}

/** RFC 3261 §21 and IANA's registry; a class's own words for a code that we do not know. */
export const reasonOf = (status: number): string =>
  REASONS[status] ?? REASONS[status - (status % 100)] ?? "Unknown";

/** Does the request already belong to a dialog? */
export const isInDialog = (request: { headers: SipHeader[] }): boolean =>
  tagOf(header(request, "To") ?? "") !== null;

export const REASONS: Record<number, string> = {
  100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued",
  183: "Session Progress", 199: "Early Dialog Terminated",
  200: "OK", 202: "Accepted", 204: "No Notification",
  300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
  380: "Alternative Service",
  400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
  404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
  407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
  412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
  415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 417: "Unknown Resource-Priority",
  420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
  423: "Interval Too Brief", 424: "Bad Location Information", 428: "Use Identity Header",
  429: "Provide Referrer Identity", 430: "Flow Failed", 433: "Anonymity Disallowed",
  436: "Bad Identity Info", 437: "Unsupported Credential", 438: "Invalid Identity Header",
  439: "First Hop Lacks Outbound Support", 440: "Max-Breadth Exceeded", 469: "Bad Info Package",
  470: "Consent Needed", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
  482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous",
  486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
  491: "Request Pending", 493: "Undecipherable", 494: "Security Agreement Required",
  500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
  503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported",
  513: "Message Too Large", 555: "Push Notification Service Not Supported",
  580: "Precondition Failure",
  600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
  607: "Unwanted", 608: "Rejected",
};
