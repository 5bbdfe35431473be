// The o= line over the life of a dialog (RFC 3264 §8): the same but for the version, which grows
// by one exactly when anything else of the description changes.

export interface SentSdp {
  version: number;
  text: string;
}

const FIRST_VERSION = 1;

/** `write` gives the description with the version it is told. */
export function nextVersion(last: SentSdp | null, write: (version: number) => string): SentSdp {
  if (last === null) return { version: FIRST_VERSION, text: write(FIRST_VERSION) };
  if (write(last.version) === last.text) return last;
  const version = last.version + 1;
  return { version, text: write(version) };
}

/**
 * A session id for o= out of an identifier of ours: digits, the same each time, so that nothing
 * needs to be stored for it. Below 2^60 (RFC 3264 §5 wants it to fit 63 bits).
 */
export function sdpSessionId(sid: string): string {
  const digits = sid.slice(2).replace(/[^0-9a-f]/gi, "").slice(-15);
  return digits === "" ? "1" : BigInt(`0x${digits}`).toString();
}
