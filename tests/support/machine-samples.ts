// Inputs and messages that the machines' tests start from.
import type { CallInput } from "../../actors/call-types.ts";
import type { MediaCommand, MediaEvent, SiprecOrder } from "../../actors/ports.ts";
import { offerLeg } from "../../protocol/sdp/leg.ts";
import { acceptRecording } from "../../protocol/sdp/recording-answer.ts";
import { buildRequest, buildResponse } from "../../protocol/sip/build.ts";
import { uasDialog } from "../../protocol/sip/dialog.ts";
import { header, prependHeader } from "../../protocol/sip/header.ts";
import type { SipFlow, SipHeader, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import { readRecordingBody } from "../../protocol/siprec/body.ts";
import type { StreamCounters } from "../../schemas/media.ts";

export const CALL_SID = `CA03${"0".repeat(29)}1`;
export const CHILD_SID = `CA03${"0".repeat(29)}2`;
export const PARENT_SID = `CA03${"0".repeat(29)}3`;
export const ACCOUNT_SID = `AC${"a".repeat(32)}`;
export const STARTED_AT = 1_700_000_000_000;
export const LOCAL_TAG = `${CALL_SID}-0123456789abcdef`;

export const siprecSid = (ordinal: number): string =>
  `SR${ordinal.toString(16).padStart(32, "0")}`;

export const peerFlow: SipFlow = {
  transport: "udp", localAddress: "192.0.2.1", localPort: 5060, remoteAddress: "192.0.2.7",
  remotePort: 5060,
};

const encoder = new TextEncoder();
const bodyOf = (text: string, contentType = "application/sdp") => ({
  body: encoder.encode(text), contentType,
});

/** What a phone offers or answers. */
export const phoneSdp = (version = 1, direction: "sendrecv" | "sendonly" = "sendrecv"): string =>
  offerLeg({
    address: "192.0.2.7", rtpPort: 30_000, rtcpPort: 30_001, codecs: ["PCMU", "PCMA"],
    sessionId: "77", version, direction,
  });

export interface PeerRequestSpec {
  method: string;
  cseq: number;
  body?: string | null;
  /** SDP where nothing else is said. */
  contentType?: string;
  headers?: SipHeader[];
  isInDialog?: boolean;
}

/** The caller of an inbound call says something. */
export function callerRequest(spec: PeerRequestSpec): SipRequest {
  const request = buildRequest({
    method: spec.method, uri: "sip:+15550001@192.0.2.1", cseq: spec.cseq, callId: "caller-1",
    from: '"Ann" <sip:+15550042@192.0.2.7>;tag=caller',
    to: `<sip:+15550001@192.0.2.1>${spec.isInDialog === false ? "" : `;tag=${LOCAL_TAG}`}`,
    headers: [{ name: "Contact", value: "<sip:ann@192.0.2.7>" }, ...spec.headers ?? []],
    ...(spec.body === undefined || spec.body === null ? {}
      : bodyOf(spec.body, spec.contentType)),
  });
  return prependHeader(request, "Via", `SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-${spec.cseq}`);
}

const common = {
  callSid: CALL_SID, accountSid: ACCOUNT_SID, from: "+15550042", to: "+15550001",
  callerName: "Ann", at: STARTED_AT, sipHost: "edge.example.net", seed: "5e".repeat(16),
  codecs: ["PCMU", "PCMA"], mediaTimeoutMs: 60_000, mediaProcess: "0", maxForwards: 60,
  params: {},
};

/** A call that came in; without a document it rings for ever. */
export function inboundCall(twiml: string | null, offer: string | null = phoneSdp()): CallInput {
  const invite = callerRequest({ method: "INVITE", cseq: 1, body: offer, isInDialog: false });
  const { method, uri, headers } = invite;
  return {
    ...common, parentCallSid: null, direction: "inbound", ringTimeoutMs: 0,
    leg: {
      role: "uas", invite: { method, uri, headers }, transactionId: "tx-invite",
      dialog: uasDialog(invite, LOCAL_TAG, peerFlow), offer, allow: [],
    },
    document: twiml === null ? null : { kind: "inline", twiml },
  };
}

/** A call that another one dialled. */
export const dialledCall = (): CallInput => ({
  ...common, parentCallSid: PARENT_SID, direction: "outbound-dial", callerName: null,
  from: "+15550042", to: "+15550077", ringTimeoutMs: 30_000, document: null,
  leg: {
    role: "uac", from: "<sip:+15550042@edge.example.net>", headers: [], allow: [],
    route: {
      requestUri: "sip:+15550077@192.0.2.7",
      target: { transport: "udp", host: "192.0.2.7", port: 5060 },
    },
  },
});

export const siprecOrder = (ordinal: number, spec: Partial<SiprecOrder> = {}): SiprecOrder => ({
  siprecSid: siprecSid(ordinal),
  name: null,
  connectorName: "Recorder",
  track: "both_tracks",
  statusCallback: "https://app.example.net/status",
  statusCallbackMethod: "POST",
  parameters: [],
  parameterPlace: "metadata",
  targets: [recorderTarget("a")],
  answerTimeoutMs: 5_000,
  connectTimeoutMs: 2_000,
  seed: ordinal.toString(16).padStart(32, "0"),
  fault: null,
  ...spec,
});

export const recorderTarget = (host: string): SiprecOrder["targets"][number] => ({
  requestUri: `sip:srs@${host}.example.net`, secure: false, edge: null,
  target: { transport: "udp", host: `${host}.example.net`, port: 5060 },
});

const COUNTERS: StreamCounters = {
  packets: 50, bytes: 8600, lost: 0, late: 0, dropped: 0, firstAt: STARTED_AT, lastAt: STARTED_AT,
};

/** The media process has done what was asked. */
export function appliedFact(
  order: MediaCommand["order"], at: number, ended: string[] = [],
): Extract<MediaEvent, { type: "media.applied" }> {
  const reportOf = (id: string, index: number) => ({
    id, ssrc: index + 1, counters: COUNTERS, errors: 0, remote: null,
    port: { address: "192.0.2.1", rtpPort: 40_010 + 2 * index, rtcpPort: 40_011 + 2 * index },
  });
  return {
    type: "media.applied", at,
    reply: {
      ok: true, revision: order.revision,
      endpoint: order.endpoint === null ? null : {
        port: { address: "192.0.2.1", rtpPort: 40_000, rtcpPort: 40_001 },
        received: COUNTERS, sent: COUNTERS,
      },
      forks: order.forks.map(({ id }, index) => reportOf(id, index)),
      ended: ended.map(reportOf),
    },
  };
}

const CONTACT: SipHeader = { name: "Contact", value: "<sip:peer@192.0.2.7>" };

/** A peer's response, with our description's answer where it is a 2xx. */
export const peerResponse = (
  request: SipRequest, status: number, toTag = "peer", body: string | null = null,
  headers: SipHeader[] = [],
): SipResponse =>
  buildResponse(request, status, null, {
    toTag, headers: [CONTACT, ...headers], ...(body === null ? {} : bodyOf(body)),
  });

/** What a recorder answers to an INVITE; `taken` says which m-lines it takes. */
export function recorderAnswer(
  invite: SipRequest, taken: readonly boolean[] = [true, true],
): string {
  const body = readRecordingBody(header(invite, "Content-Type"), invite.body);
  const offer = body.ok ? body.body.sdp ?? "" : "";
  const lines = offer.split("\r\n").filter((line) => line.startsWith("m=")).length;
  const answer = acceptRecording(offer, {
    address: "192.0.2.9", sessionId: "99", version: 1, codecs: ["PCMU", "PCMA"],
    direction: "recvonly",
    streams: Array.from({ length: lines }, (_, index) =>
      taken[index] === false ? null
        : { rtpPort: 50_000 + 2 * index, rtcpPort: 50_001 + 2 * index }),
  });
  return answer.ok ? answer.text : "";
}

/** A request of the recorder in the dialog that the INVITE of ours opened. */
export function recorderRequest(
  invite: SipRequest, toTag: string, spec: PeerRequestSpec,
): SipRequest {
  const request = buildRequest({
    method: spec.method, uri: "sip:siprec@192.0.2.1", cseq: spec.cseq,
    callId: header(invite, "Call-ID") ?? "",
    from: `${header(invite, "To") ?? ""};tag=${toTag}`, to: header(invite, "From") ?? "",
    headers: [CONTACT, ...spec.headers ?? []],
    ...(spec.body === undefined || spec.body === null ? {}
      : bodyOf(spec.body, spec.contentType)),
  });
  return prependHeader(request, "Via", `SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-r${spec.cseq}`);
}
