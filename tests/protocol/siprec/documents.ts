// Recording metadata that several tests build on, and the validator that is not ours.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { basicCallMetadata, type CallRecording } from "../../../protocol/siprec/call.ts";
import type { RecordingMetadata } from "../../../protocol/siprec/metadata.ts";
import { applicationId, partyId } from "../../../protocol/siprec/party.ts";
import { programPath } from "../../support/needs.ts";
import type { Seeded } from "../../support/seeded.ts";

export const CALL_SID = `CA03${"0123456789abcdef".repeat(2).slice(0, 30)}`;
export const CHILD_SID = `CA03${"fedcba9876543210".repeat(2).slice(0, 30)}`;
export const CALL_AT = Date.UTC(2026, 2, 2, 9, 15, 4, 120);

export const CALL: CallRecording = {
  callSid: CALL_SID,
  sessionStartAt: CALL_AT,
  recordingStartAt: CALL_AT + 190,
  inbound: { id: partyId(CALL_SID), aor: "sip:+13125550142@pbx.example.net", name: "Dana Ruiz" },
  outbound: { id: applicationId(CALL_SID), aor: "tel:+15551230001", name: null },
  track: "both_tracks",
  parameters: [{ name: "Custom1", value: "Bob" }, { name: "Custom2", value: "" }],
};

/** Kept beside the repository where it is developed; elsewhere tests that need it are skipped. */
export const VECTORS = resolve(import.meta.dir, "../../../../shared/vectors");
export const SCHEMA = `${VECTORS}/rfc7865.xsd`;

/** Why the schema can't be asked, or null. */
export function schemaAbsence(): string | null {
  if (!existsSync(SCHEMA)) return "RFC 7865's schema is not beside the repository";
  return programPath("xmllint") === null ? "xmllint: libxml2-utils" : null;
}

/** Awkward text for names and values: what XML, URIs and logs stumble over. */
export const awkward = (random: Seeded): string =>
  Array.from({ length: random.below(8) }, () => random.pick([
    "a", "B", " ", "&", "<", ">", '"', "'", "\t", "\n", "\r", "\0", "\u0007", "é", "😀", "\ud800",
    "\uffff", "]]>", "<!--", "&amp;", "%", "%41", "#", "[", "]", "\\", "^", "|", ":", "//", ";",
  ])).join("");

export function awkwardCall(random: Seeded): CallRecording {
  const ended = random.chance(4)
    ? { at: CALL_AT + 60_000, reason: { cause: random.below(700), protocol: "SIP", text: "x" } }
    : undefined;
  return {
    ...CALL,
    inbound: {
      ...CALL.inbound, aor: `sip:${awkward(random)}@host`, name: awkward(random),
      sends: !random.chance(4), receives: !random.chance(4),
    },
    outbound: {
      ...CALL.outbound, aor: awkward(random), name: awkward(random),
      joinedAt: CALL_AT + random.below(9000), sends: !random.chance(4),
    },
    track: random.pick(["inbound_track", "outbound_track", "both_tracks"] as const),
    parameters: Array.from({ length: random.below(4) }, () => ({
      name: awkward(random), value: awkward(random),
    })),
    sipSessionIds: random.chance(2) ? [] : [`${"a".repeat(32)};remote=${"b".repeat(32)}`],
    parentCallSid: random.chance(2) ? null : CHILD_SID,
    ...(ended === undefined ? {} : { ended }),
  };
}

export const awkwardMetadata = (random: Seeded): RecordingMetadata =>
  basicCallMetadata(awkwardCall(random));
