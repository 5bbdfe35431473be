// What a request asks of us that we can't do, whatever it is about (RFC 3261 §8.2.2.3, §8.2.3).
import { headerList, headersOf } from "./header.ts";
import type { SipHeader, SipRequest } from "./message.ts";

export interface Refusal {
  status: number;
  headers: SipHeader[];
}

/**
 * 420 for an extension outside `known`, 415 for an encoded body; null: nothing stands against it.
 * BYE is never refused: an end needs no extension, and a call must not hang on one.
 */
export function refusalOf(request: SipRequest, known: readonly string[] = []): Refusal | null {
  if (request.method === "BYE") return null;
  const unknown = headerList(request, "Require")
    .filter((tag) => !known.includes(tag.toLowerCase()));
  if (unknown.length > 0) {
    return { status: 420, headers: [{ name: "Unsupported", value: unknown.join(", ") }] };
  }
  if (headersOf(request, "Content-Encoding").some((value) => value.toLowerCase() !== "identity")) {
    return { status: 415, headers: [{ name: "Accept-Encoding", value: "identity" }] };
  }
  return null;
}
