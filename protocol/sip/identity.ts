// Tags, Call-IDs and branches that we mint name the actor that owns them, besides 64 random bits:
// an in-dialog request finds its actor from its own text. The name is a hint, never a proof.

export interface Owner {
  callSid: string;
  siprecSid: string | null;
  /** Counts the dialogs of a SIPREC session; 0 for a call's own leg, which does not write it. */
  ordinal: number;
}

/** RFC 3261 §8.1.1.7. */
export const BRANCH_COOKIE = "z9hG4bK";

export const IDENTITY_RANDOM_BYTES = 8;

/** For a tag or a Call-ID. `random` gives its first eight bytes. */
export function mintIdentity(owner: Owner, random: Uint8Array): string {
  const siprec = owner.siprecSid === null ? "" : `-${owner.siprecSid}-${owner.ordinal}`;
  return `${owner.callSid}${siprec}-${randomText(random)}`;
}

/** Without an owner: for requests that belong to no call. */
export function mintBranch(owner: Owner | null, random: Uint8Array): string {
  return `${BRANCH_COOKIE}-${owner === null ? randomText(random) : mintIdentity(owner, random)}`;
}

const IDENTITY =
  /^(?:z9hG4bK-)?(CA[0-9a-f]{32})(?:-(SR[0-9a-f]{32})-(0|[1-9][0-9]{0,8}))?-[0-9a-f]{16}$/;

/** The owner in a text of exactly the minted form, branch or not; null for any other text. */
export function parseIdentity(text: string): Owner | null {
  const match = IDENTITY.exec(text);
  if (match === null || match[1] === undefined) return null;
  return { callSid: match[1], siprecSid: match[2] ?? null, ordinal: Number(match[3] ?? 0) };
}

function randomText(random: Uint8Array): string {
  let text = "";
  for (let i = 0; i < IDENTITY_RANDOM_BYTES; i++) {
    text += (random[i] ?? 0).toString(16).padStart(2, "0");
  }
  return text;
}
