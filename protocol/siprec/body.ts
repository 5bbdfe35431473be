// Bodies of recording sessions: SDP and metadata in one message (RFC 7866 §9.1, RFC 5621), and
// what recorders and other recording clients send, whose labels differ.
import { type MediaType, type MultipartPart, parseMediaType, parseMultipart, serializeMultipart }
  from "../sip/multipart.ts";
import { readSnapshotRequest } from "./read.ts";

/** RFC 9806 §2. Older recorders know it only without "+xml". */
export const METADATA_TYPE = "application/rs-metadata+xml";
export const LEGACY_METADATA_TYPE = "application/rs-metadata";
/** For the Accept header of a recording session. */
export const RECORDING_ACCEPT = `application/sdp, ${METADATA_TYPE}, ${LEGACY_METADATA_TYPE}`;
/** RFC 7866 §11.3. */
export const RECORDING_DISPOSITION = "recording-session";

const SDP_TYPE = "application/sdp";
const METADATA_TYPES: readonly string[] = [
  METADATA_TYPE, LEGACY_METADATA_TYPE, `${LEGACY_METADATA_TYPE}-request`,
];

const DEPTH_MAX = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Both parts, the SDP first: no RFC asks for that order, but recorders do. `boundary` is made by
 * the caller; one that stands in the content is made longer.
 */
export function recordingBody(
  sdp: string, xml: string, boundary: string, options: { mediaType?: string } = {},
): { contentType: string; body: Uint8Array } {
  return serializeMultipart([
    { headers: [{ name: "Content-Type", value: SDP_TYPE }], body: encoder.encode(sdp) },
    {
      headers: [
        { name: "Content-Type", value: options.mediaType ?? METADATA_TYPE },
        { name: "Content-Disposition", value: RECORDING_DISPOSITION },
      ],
      body: encoder.encode(xml),
    },
  ], boundary);
}

export interface RecordingBody {
  sdp: string | null;
  /** The XML of a metadata document. */
  metadata: string | null;
  /** The body asks for a complete snapshot (RFC 7866 §9.2). */
  snapshotRequest: { reason: string | null } | null;
}

export type RecordingBodyResult =
  | { ok: true; body: RecordingBody }
  /** 400: can't be read; 415: a part that must be understood is not (RFC 5621 §7). */
  | { ok: false; status: 400 | 415; reason: string };

/** Reads a body in any order and labelling; `contentType` null means that there is none. */
export function readRecordingBody(
  contentType: string | null, body: Uint8Array, disposition: string | null = null,
): RecordingBodyResult {
  const read: RecordingBody = { sdp: null, metadata: null, snapshotRequest: null };
  if (body.length === 0) return { ok: true, body: read };
  const type = contentType === null ? null : parseMediaType(contentType);
  if (contentType === null || type === null) return unreadable("no usable Content-Type");
  const headers = [{ name: "Content-Type", value: contentType }];
  if (disposition !== null) headers.push({ name: "Content-Disposition", value: disposition });
  return readPart({ headers, body }, read, 0) ?? { ok: true, body: read };
}

const unreadable = (reason: string): RecordingBodyResult => ({ ok: false, status: 400, reason });

function headerOf(part: MultipartPart, name: string): string | null {
  const wanted = name.toLowerCase();
  return part.headers.find((one) => one.name.toLowerCase() === wanted)?.value ?? null;
}

/** RFC 2046 §5.1: a part without a type is text. */
const partType = (part: MultipartPart): MediaType | null =>
  parseMediaType(headerOf(part, "Content-Type") ?? "text/plain");

/** Adds what the part says; a fault, or null. */
function readPart(
  part: MultipartPart, read: RecordingBody, depth: number,
): RecordingBodyResult | null {
  const type = partType(part);
  const disposition = headerOf(part, "Content-Disposition");
  if (type?.type.startsWith("multipart/") === true) return readParts(part, read, depth);
  const text = decoder.decode(part.body);
  if (type?.type === SDP_TYPE && isSession(disposition)) {
    if (read.sdp !== null) return unreadable("two session descriptions");
    read.sdp = text;
  } else if (type !== null && METADATA_TYPES.includes(type.type)) {
    if (read.metadata !== null || read.snapshotRequest !== null) {
      return unreadable("two metadata documents");
    }
    const request = readSnapshotRequest(text);
    if (request.ok) read.snapshotRequest = { reason: request.reason };
    else read.metadata = text;
  } else if (!isOptional(disposition)) {
    return { ok: false, status: 415, reason: `a body part of type ${type?.type ?? "unknown"}` };
  }
  return null;
}

/** RFC 5621 §3.1: multiparts may stand in multiparts. */
function readParts(
  outer: MultipartPart, read: RecordingBody, depth: number,
): RecordingBodyResult | null {
  if (depth === DEPTH_MAX) return unreadable("multiparts are nested too deep");
  const multipart = parseMultipart(headerOf(outer, "Content-Type") ?? "", outer.body);
  if (!multipart.ok) return unreadable(multipart.reason);
  for (const part of multipart.parts) {
    const fault = readPart(part, read, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

/** An early-session (RFC 3959) is another offer than the one that we answer. */
const isSession = (disposition: string | null): boolean =>
  disposition === null || /^\s*(session|recording-session)\s*(;|$)/i.test(disposition);

/** RFC 3261 §20.11: handling is "required" where nothing else is said. */
const isOptional = (disposition: string | null): boolean =>
  /;\s*handling\s*=\s*"?optional"?\s*(;|$)/i.test(disposition ?? "");
