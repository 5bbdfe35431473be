// What a schema can't see: whether the metadata fits itself and the SDP that it travels with
// (RFC 7866 §7.1.1, RFC 7865 §6). Looked at before a document is sent.
import type { MetadataStream, ParticipantStream, RecordingMetadata } from "./metadata.ts";

/**
 * Every fault, in a sentence; empty when there is none. `labels` are the a=label values of the
 * session description in the same message. A partial document refers to what earlier ones said, so
 * only its labels are looked at.
 */
export function metadataProblems(
  metadata: RecordingMetadata, labels: readonly string[],
): string[] {
  const problems = labelProblems(metadata.streams, labels);
  if (metadata.dataMode === "partial") return problems;
  return [
    ...problems,
    ...identityProblems(metadata),
    ...referenceProblems(metadata),
    ...timeProblems(metadata),
    ...senderProblems(metadata),
  ];
}

function labelProblems(streams: readonly MetadataStream[], labels: readonly string[]): string[] {
  const named = streams.flatMap(({ label }) => label === null ? [] : [label]);
  return [
    ...named.filter((label) => !labels.includes(label))
      .map((label) => `label ${label} is not in the SDP`),
    ...repeated(named).map((label) => `label ${label} names two streams`),
    ...repeated(labels).map((label) => `label ${label} stands twice in the SDP`),
  ];
}

const repeated = (texts: readonly string[]): string[] =>
  [...new Set(texts.filter((text, index) => texts.indexOf(text) !== index))];

/** RFC 7865 §6.10: no id names two elements. */
function identityProblems(metadata: RecordingMetadata): string[] {
  const { groups, sessions, participants, streams } = metadata;
  const ids = [...groups, ...sessions, ...participants, ...streams].map(({ id }) => id);
  return [
    ...repeated(ids).map((id) => `id ${id} names two elements`),
    ...ids.filter((id) => Buffer.from(id, "base64").length !== 16 || id.length !== 24)
      .map((id) => `id ${id} is not 16 octets in base64`),
    ...participants.filter(({ names }) => names.length === 0)
      .map(({ id }) => `participant ${id} has no address`),
  ];
}

function referenceProblems(metadata: RecordingMetadata): string[] {
  const known = (elements: readonly { id: string }[]): Set<string> =>
    new Set(elements.map(({ id }) => id));
  const groups = known(metadata.groups);
  const sessions = known(metadata.sessions);
  const participants = known(metadata.participants);
  const streams = known(metadata.streams);
  const missing = (what: string, ids: readonly string[], among: Set<string>): string[] =>
    ids.filter((id) => !among.has(id)).map((id) => `${what} ${id} is not in the document`);
  const { participantSessions, participantStreams, sessionRecordings } = metadata;
  return [
    ...missing("group", metadata.sessions.flatMap(({ groupId }) => groupId ?? []), groups),
    ...missing("session", [
      ...metadata.streams.flatMap(({ sessionId }) => sessionId ?? []),
      ...[...sessionRecordings, ...participantSessions].map(({ sessionId }) => sessionId),
    ], sessions),
    ...missing("participant", [...participantSessions, ...participantStreams]
      .map(({ participantId }) => participantId), participants),
    ...missing("stream", participantStreams.flatMap((one) => [...one.sends, ...one.receives]),
      streams),
    ...repeated(participantStreams.map(({ participantId }) => participantId))
      .map((id) => `participant ${id} has two stream associations`),
    ...crossed(participantStreams),
  ];
}

/** Nobody hears on a stream what he says on it: that is how swapped labels first show. */
const crossed = (associations: readonly ParticipantStream[]): string[] =>
  associations.flatMap(({ participantId, sends, receives }) =>
    sends.filter((id) => receives.includes(id))
      .map((id) => `participant ${participantId} sends and receives stream ${id}`)
  );

/** RFC 7865 §6.9: every association of a complete document says since when. */
function timeProblems(metadata: RecordingMetadata): string[] {
  const associations = [
    ...metadata.sessionRecordings, ...metadata.participantSessions, ...metadata.participantStreams,
  ];
  return associations.flatMap(({ associatedAt, disassociatedAt }) => {
    if (associatedAt === null) return ["an association without its time"];
    return disassociatedAt !== null && disassociatedAt < associatedAt
      ? ["an association that ends before it begins"] : [];
  });
}

/** RFC 7865 §6.8: what is heard is said by somebody. While one is held neither stands. */
function senderProblems({ streams, participantStreams }: RecordingMetadata): string[] {
  const isHeard = (id: string): boolean =>
    participantStreams.some(({ receives }) => receives.includes(id));
  const isSent = (id: string): boolean =>
    participantStreams.some(({ sends }) => sends.includes(id));
  return streams.filter(({ id }) => isHeard(id) && !isSent(id))
    .map(({ id }) => `stream ${id} has no sender`);
}
