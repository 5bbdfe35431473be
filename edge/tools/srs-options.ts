// How a session recording server is set up, and how it can be told to misbehave for tests.
import type { MediaSockets } from "../runtime/media-socket.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import type { ListenAddress, SipNetwork } from "../sip/types.ts";

export interface SrsBehaviour {
  /** The final status of every INVITE that begins a recording; null: 200. */
  answer: number | null;
  /** No answer at all to what begins a recording. */
  silent: boolean;
  /** Answers "inactive": the recording is up, no audio is wanted yet (RFC 7866 §7.2). */
  inactive: boolean;
  /** After this long in a recording it asks for a snapshot of the metadata (RFC 7866 §9.2). */
  snapshotAfterMs: number | null;
  /** After this long in a recording it hangs up. */
  byeAfterMs: number | null;
}

export const GOOD_BEHAVIOUR: SrsBehaviour = {
  answer: null, silent: false, inactive: false, snapshotAfterMs: null, byeAfterMs: null,
};

export interface SrsOptions {
  listen: ListenAddress[];
  clock: Clock;
  random: Random;
  log: Log;
  /** A folder a recording is made in here; null: nothing is written. */
  out: string | null;
  /** Where audio is received; the first listening address without it. */
  mediaAddress?: string;
  /** Names as `media.codecs` has them. */
  codecs?: readonly string[];
  behaviour?: Partial<SrsBehaviour>;
  network?: SipNetwork;
  sockets?: MediaSockets;
}
