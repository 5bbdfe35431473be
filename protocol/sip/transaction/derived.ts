// Requests that belong to an INVITE and bear its branch: the ACK to a failure (RFC 3261
// §17.1.1.3) and CANCEL (§9.1).

import { MAX_FORWARDS } from "../build.ts";
import { header, parseCseq } from "../header.ts";
import { NO_BODY } from "../message.ts";
import type { SipHeader, SipRequest, SipResponse } from "../message.ts";
import { splitList } from "../grammar.ts";

/** To comes from the response, so that it bears the callee's tag. */
export function ackForFailure(invite: SipRequest, response: SipResponse): SipRequest {
  return derived(invite, "ACK", header(response, "To") ?? header(invite, "To") ?? "");
}

/** To as in the INVITE; no Require and no Proxy-Require. */
export function cancelOf(invite: SipRequest): SipRequest {
  return derived(invite, "CANCEL", header(invite, "To") ?? "");
}

function derived(invite: SipRequest, method: string, to: string): SipRequest {
  const [via = ""] = splitList(header(invite, "Via") ?? "");
  const headers: SipHeader[] = [
    { name: "Via", value: via },
    { name: "Max-Forwards", value: String(MAX_FORWARDS) },
    ...invite.headers.filter(({ name }) => name === "Route"),
    { name: "From", value: header(invite, "From") ?? "" },
    { name: "To", value: to },
    { name: "Call-ID", value: header(invite, "Call-ID") ?? "" },
    { name: "CSeq", value: `${parseCseq(invite)?.number ?? 1} ${method}` },
  ];
  return { kind: "request", method, uri: invite.uri, headers, body: NO_BODY };
}
