// What peers say to each other, in a form that tests can look at.
import type { SipRequest, SipResponse } from "../../../protocol/sip/message.ts";

/** What became of a request that a peer sent. */
export interface Exchange {
  request: SipRequest;
  responses: SipResponse[];
  /** "timeout" or "transport-error". */
  failure: string | null;
}

export const statusesOf = ({ responses }: { responses: SipResponse[] }): number[] =>
  responses.map(({ status }) => status);

export const textBody = (text: string, contentType = "application/sdp") =>
  ({ body: new TextEncoder().encode(text), contentType });
