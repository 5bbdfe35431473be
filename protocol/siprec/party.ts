// Who takes part in a call, as metadata names them (RFC 7865 §6.5): address-of-record and name.
import { parseNameAddr } from "../sip/header.ts";
import { parseUri, serializeUri } from "../sip/uri.ts";
import { nameBasedId } from "./identifier.ts";

export interface Party {
  /** `partyId` or `applicationId`: the same party has the same id in every document. */
  id: string;
  aor: string;
  name: string | null;
  /** When it joined the call; the call's start when it is not said. */
  joinedAt?: number;
  /** false while it is held or muted by signalling (RFC 7865 §6.8.1). */
  sends?: boolean;
  receives?: boolean;
}

const NAME_MAX_CHARS = 256;
/** RFC 3323 §4.1.1.3. */
const ANONYMOUS = { aor: "sip:anonymous@anonymous.invalid", name: null } as const;

/** The far end of a leg, the same whichever call's recording tells of it. */
export const partyId = (callSid: string): string => nameBasedId(callSid, "party");

/** What the leg is connected to before it is bridged: the app behind the called number. */
export const applicationId = (callSid: string): string => nameBasedId(callSid, "application");

/**
 * Address and name out of a From or To value, a URI, or a bare number. Parameters and passwords are
 * no part of an address-of-record; who withholds the identity is anonymous, without the name that
 * may still stand beside it.
 */
export function partyAddress(value: string): { aor: string; name: string | null } {
  const text = value.trim();
  if (/^\+?[0-9]{1,32}$/.test(text)) return { aor: `tel:${text}`, name: null };
  const parsed = parseNameAddr(text);
  const uri = parseUri(parsed.ok ? parsed.uri : text);
  if (!uri.ok) return { ...ANONYMOUS };
  const { scheme, user, host, params } = uri.uri;
  if (user?.toLowerCase() === "anonymous" || host.toLowerCase() === "anonymous.invalid") {
    return { ...ANONYMOUS };
  }
  // RFC 3966 §5.1.5: a local number means nothing without its context.
  const kept = scheme === "tel" ? params.filter(([name]) => name === "phone-context") : [];
  const aor = serializeUri({ ...uri.uri, password: null, params: kept, headers: "" });
  const name = parsed.ok ? parsed.display?.trim().slice(0, NAME_MAX_CHARS) : undefined;
  return { aor, name: name === undefined || name === "" ? null : name };
}
