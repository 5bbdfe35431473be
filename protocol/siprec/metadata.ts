// Recording metadata as data, and as the XML document that goes to the SRS (RFC 7865, RFC 9806).
import type { Parameter } from "../twiml/document.ts";
import { element, serializeXml, type XmlElement, xmlCharacters } from "./xml.ts";

export const METADATA_NAMESPACE = "urn:ietf:params:xml:ns:recording:1";
/** Ours, for <Parameter>: RFC 7865 §9 allows elements of other namespaces as last children. */
export const PARAMETERS_NAMESPACE = "urn:siprec:parameters:1";

/** Times are epoch milliseconds; null where the element is left out. */
export interface RecordingMetadata {
  dataMode: "complete" | "partial";
  groups: MetadataGroup[];
  sessions: MetadataSession[];
  participants: MetadataParticipant[];
  streams: MetadataStream[];
  sessionRecordings: SessionRecording[];
  participantSessions: ParticipantSession[];
  participantStreams: ParticipantStream[];
}

interface Association {
  associatedAt: number | null;
  disassociatedAt: number | null;
}

export interface MetadataGroup extends Association {
  id: string;
}

/** A communication session (RFC 7865 §6.3). */
export interface MetadataSession {
  id: string;
  /** RFC 7989 values of the call's dialogs. */
  sipSessionIds: string[];
  reasons: MetadataReason[];
  groupId: string | null;
  startedAt: number | null;
  stoppedAt: number | null;
  /** The app's own name and value pairs. */
  parameters: Parameter[];
}

export interface MetadataReason {
  cause: number;
  protocol: string;
  text: string;
}

export interface MetadataParticipant {
  id: string;
  /** At least one, also in a partial document. */
  names: ParticipantName[];
}

export interface ParticipantName {
  aor: string;
  name: string | null;
}

export interface MetadataStream {
  id: string;
  sessionId: string | null;
  /** The a=label of the SDP that comes with the document. */
  label: string | null;
}

export interface SessionRecording extends Association {
  sessionId: string;
}

export interface ParticipantSession extends Association {
  participantId: string;
  sessionId: string;
}

export interface ParticipantStream extends Association {
  participantId: string;
  /** Stream ids, not labels. */
  sends: string[];
  receives: string[];
}

/** The document. Children stand in the order of the schema: another order is invalid. */
export function serializeMetadata(metadata: RecordingMetadata): string {
  return serializeXml(element("recording", { xmlns: METADATA_NAMESPACE }, [
    element("datamode", {}, metadata.dataMode),
    ...metadata.groups.map((group) => element("group", { group_id: group.id }, times(group))),
    ...metadata.sessions.map(sessionElement),
    ...metadata.participants.map(participantElement),
    ...metadata.streams.map((stream) =>
      element("stream", { stream_id: stream.id, session_id: stream.sessionId }, [
        stream.label === null ? null : element("label", {}, stream.label),
      ])
    ),
    ...metadata.sessionRecordings.map((one) =>
      element("sessionrecordingassoc", { session_id: one.sessionId }, times(one))
    ),
    ...metadata.participantSessions.map((one) =>
      element("participantsessionassoc", {
        participant_id: one.participantId, session_id: one.sessionId,
      }, times(one))
    ),
    // Here the times come last: unlike those of the other associations.
    ...metadata.participantStreams.map((one) =>
      element("participantstreamassoc", { participant_id: one.participantId }, [
        ...one.sends.map((id) => element("send", {}, id)),
        ...one.receives.map((id) => element("recv", {}, id)),
        ...times(one),
      ])
    ),
  ]));
}

const times = (one: Association): (XmlElement | null)[] => [
  timeElement("associate-time", one.associatedAt),
  timeElement("disassociate-time", one.disassociatedAt),
];

const TIME_MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** RFC 7865 §6.9: RFC 3339, with T and Z. */
function timeElement(name: string, at: number | null): XmlElement | null {
  if (at === null || !(at >= 0 && at <= TIME_MAX_MS)) return null;
  return element(name, {}, new Date(at).toISOString());
}

const sessionElement = (session: MetadataSession): XmlElement =>
  element("session", { session_id: session.id }, [
    ...session.sipSessionIds.map((id) => element("sipSessionID", {}, id)),
    ...session.reasons.map((reason) =>
      element("reason", { cause: String(reason.cause), protocol: reason.protocol }, reason.text)
    ),
    session.groupId === null ? null : element("group-ref", {}, session.groupId),
    timeElement("start-time", session.startedAt),
    timeElement("stop-time", session.stoppedAt),
    parametersElement(session.parameters),
  ]);

const parametersElement = (parameters: readonly Parameter[]): XmlElement | null =>
  parameters.length === 0 ? null : element("parameters", { xmlns: PARAMETERS_NAMESPACE },
    parameters.map(({ name, value }) => element("parameter", { name, value })));

const participantElement = (participant: MetadataParticipant): XmlElement =>
  element("participant", { participant_id: participant.id },
    participant.names.map(({ aor, name }) =>
      element("nameID", { aor: uriText(aor) }, [nameElement(name)])
    ));

function nameElement(name: string | null): XmlElement | null {
  const text = xmlCharacters(name ?? "").trim();
  return text === "" ? null : element("name", {}, text);
}

/**
 * A text as xs:anyURI. What RFC 3986 has no place for in an opaque URI is percent-encoded:
 * brackets and a second # too, which schema validators refuse. Bare addresses become SIP URIs.
 */
export function uriText(text: string): string {
  const uri = xmlCharacters(text).trim()
    .replace(/%(?![0-9A-Fa-f]{2})/g, "%25")
    .replace(/[^A-Za-z0-9._~:/?@!$&'()*+,;=%-]/gu, (character) => encodeURIComponent(character));
  const whole = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri) ? uri : `sip:${uri}`;
  return whole.replace(/^([^:]*):\/\//, "$1:%2F%2F");
}
