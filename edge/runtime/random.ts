import type { Random } from "./types.ts";

/** Cryptographically strong bytes: tags, SIDs and SSRCs must not be guessable. */
export const systemRandom: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
