// Messages that tests start from.
import { buildRequest, buildResponse } from "../../protocol/sip/build.ts";
import { prependHeader } from "../../protocol/sip/header.ts";
import type {
  SipFlow, SipHeader, SipRequest, SipResponse,
} from "../../protocol/sip/message.ts";

export interface SampleSpec {
  method?: string;
  uri?: string;
  branch?: string;
  fromTag?: string;
  toTag?: string;
  callId?: string;
  cseq?: number;
  headers?: SipHeader[];
}

/** From sip:a@192.0.2.1 to sip:b@192.0.2.2, with the Via of a. */
export function sampleRequest(spec: SampleSpec = {}): SipRequest {
  const { method = "INVITE", branch = "z9hG4bK-1", fromTag = "a", cseq = 1 } = spec;
  const request = buildRequest({
    method,
    uri: spec.uri ?? "sip:b@192.0.2.2",
    from: `"Ann" <sip:a@192.0.2.1>;tag=${fromTag}`,
    to: spec.toTag === undefined ? "<sip:b@192.0.2.2>" : `<sip:b@192.0.2.2>;tag=${spec.toTag}`,
    callId: spec.callId ?? "call-1",
    cseq,
    headers: spec.headers ?? [],
  });
  return prependHeader(request, "Via", `SIP/2.0/UDP 192.0.2.1:5060;branch=${branch}`);
}

export const sampleResponse = (
  request: SipRequest, status: number, toTag = "b", headers: SipHeader[] = [],
): SipResponse => buildResponse(request, status, null, { toTag, headers });

export const sampleFlow: SipFlow = {
  transport: "udp", localAddress: "192.0.2.1", localPort: 5060, remoteAddress: "192.0.2.2",
  remotePort: 5060,
};
