// The ids of metadata elements (RFC 7865 §6.10): 16 octets of a UUID, in base64.
import { createHash } from "node:crypto";

/** A namespace of our own (RFC 4122 §4.3), so that nobody can try out names against our ids. */
const NAMESPACE = Buffer.from("ee184b32055f4f658705dc8a455c2863", "hex");
const UUID_BYTES = 16;

/** A random id (RFC 4122 §4.4) from 16 random octets. */
export const metadataId = (random: Uint8Array): string => uuidText(random, 4);

/**
 * An id that stays the same for one purpose of one SID (RFC 4122 §4.3): over snapshots, restarts,
 * and the recording sessions of one call, without being stored. SIDs are random, so nothing
 * personal goes in (RFC 7865 §6.10).
 */
export const nameBasedId = (sid: string, purpose: string): string =>
  uuidText(createHash("sha1").update(NAMESPACE).update(`${sid}:${purpose}`).digest(), 5);

function uuidText(source: Uint8Array, version: 4 | 5): string {
  const bytes = Buffer.alloc(UUID_BYTES);
  bytes.set(source.subarray(0, UUID_BYTES));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("base64");
}
