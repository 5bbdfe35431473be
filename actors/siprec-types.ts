// The shapes of a SIPREC session: what it is given, remembers, hears and tells.
import type { InviteClientState } from "../protocol/sip/invite-client.ts";
import type { Dialog } from "../protocol/sip/dialog.ts";
import type { Party } from "../protocol/siprec/party.ts";
import type { RecordingStreamAnswer } from "../protocol/sdp/recording.ts";
import type { SentSdp } from "../protocol/sdp/version.ts";
import type { Codec, MediaPort } from "../schemas/media.ts";
import type { Fault, SiprecRecord, StreamReceipt } from "../schemas/call.ts";
import type { SipCommand, SipFact, SiprecOrder } from "./ports.ts";
import type { Step } from "./step.ts";

/** Who is in the call, as the metadata names them: whoever is on the leg, and whom it talks to. */
export interface Parties {
  inbound: Party;
  outbound: Party;
}

/** A fork stream whose port is lent: what the offer says of it. */
export interface ReadyStream {
  label: string;
  track: "inbound_track" | "outbound_track";
  port: MediaPort;
  /** What this direction of the leg can carry now, payload types as the leg has them. */
  codecs: Codec[];
}

export interface SiprecInput {
  order: SiprecOrder;
  callSid: string;
  accountSid: string;
  parentCallSid: string | null;
  /** Host part of our own From. */
  sipHost: string;
  callStartAt: number;
  parties: Parties;
  at: number;
}

export interface SiprecContext {
  order: SiprecOrder;
  callSid: string;
  accountSid: string;
  parentCallSid: string | null;
  sipHost: string;
  callStartAt: number;
  createdAt: number;
  updatedAt: number;
  parties: Parties;
  streams: ReadyStream[];
  /** Index of the connector's address in use. */
  targetIndex: number;
  /** Counts the dialogs: each INVITE has ids of its own. */
  ordinal: number;
  /** The INVITE that waits for its answer. */
  client: InviteClientState | null;
  /** INVITEs to addresses that were given up: a late 2xx of theirs gets ACK and BYE. */
  abandoned: { id: string; client: InviteClientState }[];
  dialog: Dialog | null;
  /** The description last sent, as text and version (RFC 3264 §8). */
  sdp: SentSdp | null;
  answered: RecordingStreamAnswer[];
  answerDueAt: number;
  inviteAt: number;
  /** CSeq number of our re-INVITE that has no final response yet. */
  updating: number | null;
  /** CSeq number of an INVITE of the recorder's whose 2xx has no ACK yet. */
  unacked: number | null;
  /** The 2xx bears an offer of ours, so that the ACK has to bear the answer. */
  offering: boolean;
  /** The parties changed, or the SRS asked for a snapshot, while an exchange was under way. */
  snapshotDue: boolean;
  startedAt: number | null;
  endedAt: number | null;
  fault: Fault | null;
  /** What must be over before the session is: its BYE, and its forks. */
  byeDone: boolean;
  forksClosed: boolean;
  stopDueAt: number;
  retryAt: number;
  receipt: StreamReceipt[];
}

/** From the call. */
export type CallFact =
  | { type: "streams.ready"; streams: ReadyStream[]; at: number }
  | { type: "streams.failed"; code: number; message: string; at: number }
  | { type: "streams.closed"; receipt: StreamReceipt[]; at: number }
  | { type: "parties.changed"; parties: Parties; at: number }
  | { type: "siprec.stop"; at: number };

/** Between the steps of one transition. */
export type SiprecVerdict =
  | { type: "srs.answered"; at: number }
  | { type: "srs.refused"; fault: Fault; at: number }
  | { type: "srs.gone"; at: number }
  | { type: "srs.lost"; fault: Fault; at: number }
  | { type: "srs.updated"; at: number }
  | { type: "srs.crossed"; at: number }
  | { type: "restored"; at: number };

export type SiprecEvent = CallFact | SipFact | SiprecVerdict | { type: "deadline"; at: number };

/** To the call. */
export type SiprecTold =
  | { type: "siprec.changed"; record: SiprecRecord }
  | {
    type: "forks.open";
    siprecSid: string;
    streams: { label: string; destination: RecordingStreamAnswer | null }[];
  }
  | { type: "forks.close"; siprecSid: string };

export type SiprecOutput = { siprecSid: string; status: "stopped" | "error" };

export type SiprecStep = Step<SiprecContext, SipCommand, SiprecVerdict, SiprecTold>;
