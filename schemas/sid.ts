// Twilio's identifiers: two letters and 32 hexadecimal digits.

const HEX32 = "[0-9a-f]{32}";
export const CALL_SID = `^CA${HEX32}$`;
export const SIPREC_SID = `^SR${HEX32}$`;
export const ACCOUNT_SID = "^AC[0-9a-fA-F]{32}$";

const callSid = new RegExp(CALL_SID);
const siprecSid = new RegExp(SIPREC_SID);
const accountSid = new RegExp(ACCOUNT_SID);

export const isCallSid = (text: string): boolean => callSid.test(text);
export const isSiprecSid = (text: string): boolean => siprecSid.test(text);
export const isAccountSid = (text: string): boolean => accountSid.test(text);

/** A call's first byte names its edge (the number of the edge in the configuration's table). */
export function callSidOf(edgeNumber: number, random: Uint8Array): string {
  return `CA${hexByte(edgeNumber)}${hexText(random.subarray(0, 15))}`;
}

export function sidOf(prefix: "SR" | "NO", random: Uint8Array): string {
  return prefix + hexText(random.subarray(0, 16));
}

/** The number of the edge that owns this call. */
export const edgeNumberOf = (sid: string): number => Number.parseInt(sid.slice(2, 4), 16);

/** Bytes as lower-case hexadecimal digits, as SIDs, seeds and tags are written. */
export const hexText = (bytes: Uint8Array): string => Array.from(bytes, hexByte).join("");

const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");
