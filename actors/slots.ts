// The four places a call has for forked streams, and the names of its sessions.
import type { ErrorName } from "../schemas/error.ts";
import type { SiprecRecord, SiprecTrack } from "../schemas/call.ts";

/** Twilio: "a maximum of four forked streams allowed per call". */
export const FORK_SLOTS = 4;

/** A session that is stopping has given its slots back, and still has a machine of its own. */
export const SESSIONS_UNDER_WAY_MAX = 16;
/** Older ones that are over are forgotten; what is to be told of them is in the outbox. */
export const SESSIONS_OVER_MAX = 20;

const isOver = ({ state }: SiprecRecord): boolean => state === "stopped" || state === "error";

/** A call may start and stop without end: of what is over the newest are kept. */
export function keptSessions(sessions: readonly SiprecRecord[]): SiprecRecord[] {
  let spare = sessions.filter(isOver).length - SESSIONS_OVER_MAX;
  return sessions.filter((session) => !isOver(session) || spare-- <= 0);
}

/** A session holds its slots and its name until its forks are closed and BYE or CANCEL is sent. */
export const holdsSlots = (session: SiprecRecord): boolean => session.status === "in-progress";

export const slotsOf = (track: SiprecTrack): number => (track === "both_tracks" ? 2 : 1);

export function slotsInUse(sessions: readonly SiprecRecord[]): number {
  return sessions.filter(holdsSlots).reduce((sum, session) => sum + slotsOf(session.track), 0);
}

/** Whether one more session may start: null, or why it may not. */
export function refusalOf(
  sessions: readonly SiprecRecord[],
  start: { name: string | null; track: SiprecTrack },
): ErrorName | null {
  const taken = sessions.some((s) => holdsSlots(s) && start.name !== null && s.name === start.name);
  if (taken) return "CONFLICT";
  if (slotsInUse(sessions) + slotsOf(start.track) > FORK_SLOTS) return "SLOTS_FULL";
  const underWay = sessions.filter((session) => !isOver(session)).length;
  return underWay >= SESSIONS_UNDER_WAY_MAX ? "TOO_MANY_REQUESTS" : null;
}

/** The session that a SID or a name means: a live one first, then the newest that ended. */
export function findSession(
  sessions: readonly SiprecRecord[],
  candidates: readonly string[],
): SiprecRecord | null {
  for (const wanted of candidates) {
    const named = sessions.filter((s) => s.sid === wanted || s.name === wanted);
    const found = named.find((s) => s.sid === wanted) ?? named.find(holdsSlots) ?? named.at(-1);
    if (found !== undefined) return found;
  }
  return null;
}
