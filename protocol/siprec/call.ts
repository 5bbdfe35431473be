// The metadata of one call's recording session: what RFC 8068 §3.2.1 shows for a basic call.
import type { Parameter, Track } from "../twiml/document.ts";
import { nameBasedId } from "./identifier.ts";
import type { MetadataReason, ParticipantStream, RecordingMetadata } from "./metadata.ts";
import type { Party } from "./party.ts";

/** Label 1 is always what comes from the leg: recorders take it for the caller's side. */
export const INBOUND_LABEL = "1";
export const OUTBOUND_LABEL = "2";

export interface CallRecording {
  callSid: string;
  /** When the call began. */
  sessionStartAt: number;
  /** When this recording session began to be set up. */
  recordingStartAt: number;
  /** The leg's party. */
  inbound: Party;
  /** Whom it is connected to: the application, or the far party once bridged. */
  outbound: Party;
  track: Track;
  parameters: readonly Parameter[];
  /** RFC 7989 Session-IDs of the call's dialogs, where there are any. */
  sipSessionIds?: readonly string[];
  /** The call that this one was dialled from: both belong to one group. */
  parentCallSid?: string | null;
  /** The call is over: the last document of its recording session. */
  ended?: { at: number; reason: MetadataReason | null };
}

export const labelsOf = (track: Track): string[] => {
  if (track === "both_tracks") return [INBOUND_LABEL, OUTBOUND_LABEL];
  return [track === "inbound_track" ? INBOUND_LABEL : OUTBOUND_LABEL];
};

/** Ids hang on the call alone, so that several recorders of one call tell of the same elements. */
export const sessionIdOf = (callSid: string): string => nameBasedId(callSid, "session");
export const streamIdOf = (callSid: string, label: string): string =>
  nameBasedId(callSid, `stream-${label}`);

/**
 * A complete snapshot of a call as it is now. A party that has left is not in it: recorders count
 * participants and take the first two for the parties, RFC 8068 §3.2.3 also lists only who stays,
 * and that its send and recv are gone says that it left (RFC 7865 §6.8.1). When it left is the
 * associate-time of the one who took its place. Both parties are listed when only one track is
 * recorded too (RFC 7865 §6.3.2).
 */
export function basicCallMetadata(call: CallRecording): RecordingMetadata {
  const { callSid, inbound, outbound, sessionStartAt } = call;
  const endedAt = call.ended?.at ?? null;
  const sessionId = sessionIdOf(callSid);
  const groupId = nameBasedId(call.parentCallSid ?? callSid, "group");
  const labels = labelsOf(call.track);
  const parties = [inbound, outbound];
  return {
    dataMode: "complete",
    groups: [{ id: groupId, associatedAt: sessionStartAt, disassociatedAt: endedAt }],
    sessions: [{
      id: sessionId,
      sipSessionIds: [...call.sipSessionIds ?? []],
      reasons: call.ended === undefined || call.ended.reason === null ? [] : [call.ended.reason],
      groupId,
      startedAt: sessionStartAt,
      stoppedAt: endedAt,
      parameters: [...call.parameters],
    }],
    participants: parties.map(({ id, aor, name }) => ({ id, names: [{ aor, name }] })),
    streams: labels.map((label) => ({ id: streamIdOf(callSid, label), sessionId, label })),
    sessionRecordings: [
      { sessionId, associatedAt: call.recordingStartAt, disassociatedAt: endedAt },
    ],
    participantSessions: parties.map((party) => ({
      participantId: party.id, sessionId,
      associatedAt: party.joinedAt ?? sessionStartAt, disassociatedAt: endedAt,
    })),
    participantStreams: [
      streamsOf(call, { party: inbound, label: INBOUND_LABEL },
        { party: outbound, label: OUTBOUND_LABEL }),
      streamsOf(call, { party: outbound, label: OUTBOUND_LABEL },
        { party: inbound, label: INBOUND_LABEL }),
    ],
  };
}

interface Side {
  party: Party;
  /** Of the stream that it sends. */
  label: string;
}

/** What of the recorded streams a party sends and hears; neither when the call is over. */
function streamsOf(call: CallRecording, own: Side, other: Side): ParticipantStream {
  const recorded = labelsOf(call.track);
  const live = (side: Side, hearing: boolean): string[] =>
    recorded.includes(side.label) && call.ended === undefined && hearing &&
      side.party.sends !== false ? [streamIdOf(call.callSid, side.label)] : [];
  const joinedAt = own.party.joinedAt ?? call.sessionStartAt;
  return {
    participantId: own.party.id,
    sends: live(own, true),
    receives: live(other, own.party.receives !== false),
    // A party contributes to a recorded stream from the later of the two on.
    associatedAt: Math.max(joinedAt, call.recordingStartAt),
    disassociatedAt: call.ended?.at ?? null,
  };
}
