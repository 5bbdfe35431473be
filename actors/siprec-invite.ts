// What we say to a recorder: the INVITE of a recording session and the snapshots that follow it
// (RFC 7866 §6.1.1, §9.1). Pure: everything comes from the session's context.
import { buildRequest } from "../protocol/sip/build.ts";
import { type Dialog, requestInDialog } from "../protocol/sip/dialog.ts";
import { mintIdentity } from "../protocol/sip/identity.ts";
import type { SipHeader, SipRequest } from "../protocol/sip/message.ts";
import { offerRecording, type RecordingOffer } from "../protocol/sdp/recording.ts";
import { nextVersion, type SentSdp, sdpSessionId } from "../protocol/sdp/version.ts";
import { recordingBody, RECORDING_ACCEPT } from "../protocol/siprec/body.ts";
import { basicCallMetadata, type CallRecording } from "../protocol/siprec/call.ts";
import { serializeMetadata } from "../protocol/siprec/metadata.ts";
import { hexText } from "../schemas/sid.ts";
import type { RecorderTarget } from "./ports.ts";
import { derive } from "./seed.ts";
import type { SiprecContext } from "./siprec-types.ts";

/** RFC 7866 §6.1.1: in the Contact of every request and response of a recording session. */
export const SRC_CONTACT = ";+sip.src";
/** RFC 3311 §4: without UPDATE in Allow an SRS may not ask for snapshots. */
export const SRC_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";

const ALLOW: SipHeader = { name: "Allow", value: SRC_ALLOW };
const REQUIRE: SipHeader = { name: "Require", value: "siprec" };
const ACCEPT: SipHeader = { name: "Accept", value: RECORDING_ACCEPT };

export function targetOf(context: SiprecContext): RecorderTarget {
  const target = context.order.targets[context.targetIndex];
  if (target === undefined) throw new Error("A session without fault has an address in use");
  return target;
}

/** Our side of the recording session's media, as it stands now. */
export function offerOf(context: SiprecContext, version: number): RecordingOffer {
  return {
    address: context.streams[0]?.port.address ?? "0.0.0.0",
    sessionId: sdpSessionId(context.order.siprecSid),
    version,
    streams: context.streams.map((stream) => ({
      label: stream.label,
      rtpPort: stream.port.rtpPort,
      rtcpPort: stream.port.rtcpPort,
      codecs: stream.codecs,
      direction: "sendonly",
    })),
  };
}

export const currentSdp = (context: SiprecContext): SentSdp =>
  nextVersion(context.sdp, (version) => offerRecording(offerOf(context, version)));

function metadataOf(context: SiprecContext): string {
  const { order, callSid, parties } = context;
  const recording: CallRecording = {
    callSid,
    parentCallSid: context.parentCallSid,
    sessionStartAt: context.callStartAt,
    recordingStartAt: context.inviteAt,
    inbound: parties.inbound,
    outbound: parties.outbound,
    track: order.track,
    parameters: order.parameterPlace === "headers" ? [] : order.parameters,
  };
  return serializeMetadata(basicCallMetadata(recording));
}

/** SDP and a complete snapshot: every label of the one is in the other (RFC 7866 §9.1). */
function snapshotBody(context: SiprecContext, sdp: SentSdp) {
  const random = derive(context.order.seed, `boundary-${sdp.version}`, 12);
  const boundary = `siprec-${hexText(random)}`;
  return recordingBody(sdp.text, metadataOf(context), boundary);
}

/** The INVITE to the connector's address in use, and the description in it. */
export function recordingInvite(context: SiprecContext): { request: SipRequest; sdp: SentSdp } {
  const { order, callSid, accountSid, sipHost, ordinal } = context;
  const target = targetOf(context);
  const owner = { callSid, siprecSid: order.siprecSid, ordinal };
  const mint = (purpose: string) =>
    mintIdentity(owner, derive(order.seed, `${purpose}-${ordinal}`, 8));
  const sdp = currentSdp(context);
  const request = buildRequest({
    method: "INVITE",
    uri: target.requestUri,
    from: `<sip:siprec@${sipHost}>;tag=${mint("tag")}`,
    to: `<${target.requestUri}>`,
    callId: mint("call-id"),
    cseq: 1,
    headers: [
      REQUIRE, ACCEPT, ALLOW,
      { name: "X-Twilio-AccountSid", value: accountSid },
      { name: "X-Twilio-CallSid", value: callSid },
      { name: "X-Twilio-SiprecSid", value: order.siprecSid },
      ...parameterHeaders(context),
    ],
    ...snapshotBody(context, sdp),
  });
  return { request, sdp };
}

/** RFC 3261 §7.3.1: a token names a header; ours and the protocol's own are not given away. */
const HEADER_NAME = /^[A-Za-z0-9!%*_+`'~.-]{1,64}$/;
const RESERVED = new Set([
  "via", "from", "to", "call-id", "cseq", "contact", "content-length", "content-type",
  "max-forwards", "require", "supported", "allow", "accept", "route", "record-route", "v", "f",
  "t", "i", "m", "l", "c", "k", "x-twilio-accountsid", "x-twilio-callsid", "x-twilio-siprecsid",
  "authorization", "proxy-authorization", "content-disposition", "content-encoding", "e",
  "mime-version", "proxy-require", "session-expires", "x", "min-se",
]);

/**
 * `<Parameter>`s as headers: `Call-Info` and `X-…` keep their names, any other name gets `X-`
 * before it, so that no header of the protocol is set by accident.
 */
function parameterHeaders(context: SiprecContext): SipHeader[] {
  if (context.order.parameterPlace === "metadata") return [];
  return context.order.parameters.flatMap(({ name, value }) => {
    if (!HEADER_NAME.test(name) || RESERVED.has(name.toLowerCase())) return [];
    const known = /^x-/i.test(name) || name.toLowerCase() === "call-info";
    return [{ name: known ? name : `X-${name}`, value: value.replace(/[\p{Cc}]+/gu, " ") }];
  });
}

/** A re-INVITE with the description as it is now and a complete snapshot. */
export function recordingUpdate(
  context: SiprecContext, dialog: Dialog,
): { dialog: Dialog; request: SipRequest; sdp: SentSdp } {
  const sdp = currentSdp(context);
  const made = requestInDialog(dialog, "INVITE", {
    headers: [REQUIRE, ACCEPT, ALLOW],
    ...snapshotBody(context, sdp),
  });
  return { ...made, sdp };
}
