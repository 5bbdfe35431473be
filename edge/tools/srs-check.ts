// What a strict recorder finds wrong in what a recording client sends (RFC 7866 §6.1, §9.1).
import { header, headerHas, headerList } from "../../protocol/sip/header.ts";
import type { SipRequest } from "../../protocol/sip/message.ts";
import { labelsIn } from "../../protocol/sdp/recording.ts";
import type { RecordingBody } from "../../protocol/siprec/body.ts";
import { metadataProblems } from "../../protocol/siprec/check.ts";
import { readMetadata } from "../../protocol/siprec/read.ts";

/** Understood here; a request that requires anything else is refused (RFC 3261 §8.2.2.3). */
const EXTENSIONS: readonly string[] = ["siprec"];

export interface Refusal {
  status: number;
  headers: { name: string; value: string }[];
}

/** Why an INVITE can't begin a recording; null when it can. */
export function refusalOf(invite: SipRequest): Refusal | null {
  const unknown = headerList(invite, "Require").filter(
    (tag) => !EXTENSIONS.includes(tag.toLowerCase()),
  );
  if (unknown.length > 0) {
    return { status: 420, headers: [{ name: "Unsupported", value: unknown.join(", ") }] };
  }
  // RFC 7866 §6.1.1: without the option tag it is a call, and we are no telephone (RFC 3261
  // §21.4.15 asks for the extension that is missing).
  if (!headerHas(invite, "Require", "siprec")) {
    return { status: 421, headers: [{ name: "Require", value: "siprec" }] };
  }
  const accept = header(invite, "Accept");
  // RFC 3261 §20.1: without Accept, application/sdp is meant.
  if (accept !== null && !/application\/(sdp|\*)|\*\/\*/i.test(accept)) {
    return { status: 406, headers: [] };
  }
  return null;
}

/** Rules broken by an INVITE or UPDATE of a recording session. */
export function requestProblems(request: SipRequest, body: RecordingBody): string[] {
  const problems: string[] = [];
  const contact = headerList(request, "Contact")[0] ?? "";
  // RFC 3840 §9: the feature tag is a parameter of the header, behind the brackets.
  const behind = contact.slice(contact.lastIndexOf(">") + 1);
  if (!/;\s*\+sip\.src\s*(;|$|=\s*"TRUE")/i.test(behind)) {
    problems.push("Contact has no +sip.src (RFC 7866 §6.1.1)");
  }
  const labels = body.sdp === null ? [] : labelsIn(body.sdp);
  const lines = body.sdp?.match(/^m=/gm)?.length ?? 0;
  if (labels.length < lines) problems.push("an m-line has no a=label (RFC 7866 §7.1.1)");
  if (body.metadata === null) return problems;
  const read = readMetadata(body.metadata);
  if (!read.ok) return [...problems, `metadata: ${read.reason}`];
  problems.push(...read.problems.map((problem) => `metadata: ${problem}`));
  problems.push(...metadataProblems(read.metadata, labels).map((text) => `metadata: ${text}`));
  return problems;
}
