// Ids that must be the same after a restart derive from one random seed kept in the snapshot.
import { createHash } from "node:crypto";

/** `size` bytes (at most 32) that only the holder of the seed can know. */
export function derive(seed: string, purpose: string, size: number): Uint8Array {
  const digest = createHash("sha256").update(`${seed}\0${purpose}`).digest();
  return new Uint8Array(digest.subarray(0, size));
}

/** A decimal number below 2^53, for SDP's session id (RFC 8866 §5.2). */
export function deriveNumber(seed: string, purpose: string): string {
  const bytes = derive(seed, purpose, 6);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0).toString();
}
