import { describe, expect, test } from "bun:test";
import {
  LEGACY_METADATA_TYPE, METADATA_TYPE, readRecordingBody, recordingBody, type RecordingBodyResult,
} from "../../../protocol/siprec/body.ts";
import { basicCallMetadata, labelsOf } from "../../../protocol/siprec/call.ts";
import { serializeMetadata } from "../../../protocol/siprec/metadata.ts";
import { codecsNamed } from "../../../protocol/sdp/codec.ts";
import { labelsIn, offerRecording } from "../../../protocol/sdp/recording.ts";
import { seeded } from "../../support/seeded.ts";
import { CALL } from "./documents.ts";

const SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
const XML = serializeMetadata(basicCallMetadata({
  ...CALL, inbound: { ...CALL.inbound, name: "Žižek 😀" },
}));
const REQUEST = '<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1"/>';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (body: Uint8Array): string => new TextDecoder().decode(body);

/** A multipart as others write it. */
const mixed = (...parts: string[]): RecordingBodyResult =>
  readRecordingBody("multipart/mixed;boundary=b", bytes(
    `${parts.map((part) => `--b\r\n${part}`).join("\r\n")}\r\n--b--\r\n`,
  ));
const part = (type: string, content: string, disposition?: string): string =>
  `Content-Type: ${type}\r\n` +
  `${disposition === undefined ? "" : `Content-Disposition: ${disposition}\r\n`}\r\n${content}`;

describe("the body of a recording session", () => {
  test("RFC 7866 §9.1: SDP, then metadata as recording-session, framed by CRLF", () => {
    const { contentType, body } = recordingBody(SDP, XML, "abc123");
    expect(contentType).toBe("multipart/mixed;boundary=abc123");
    expect(textOf(body)).toBe(
      `--abc123\r\nContent-Type: application/sdp\r\n\r\n${SDP}\r\n--abc123\r\n` +
        "Content-Type: application/rs-metadata+xml\r\n" +
        `Content-Disposition: recording-session\r\n\r\n${XML}\r\n--abc123--\r\n`,
    );
    expect(body.length).toBe(Buffer.byteLength(textOf(body)));
  });

  test("RFC 9806: a recorder that knows only the older media type can be given it", () => {
    const { body } = recordingBody(SDP, XML, "b", { mediaType: LEGACY_METADATA_TYPE });
    expect(textOf(body)).toContain("\r\nContent-Type: application/rs-metadata\r\n");
  });

  test("what is written is read back, also when the boundary stands in the metadata", () => {
    for (const boundary of ["b", "abc", "recording", "x-1"]) {
      const xml = XML.replace("Bob", `--${boundary}`);
      const { contentType, body } = recordingBody(SDP, xml, boundary);
      expect(readRecordingBody(contentType, body))
        .toEqual({ ok: true, body: { sdp: SDP, metadata: xml, snapshotRequest: null } });
    }
  });

  test("RFC 7866 §9.1: every label of the metadata is in the SDP of the same body", () => {
    for (const track of ["both_tracks", "inbound_track", "outbound_track"] as const) {
      const sdp = offerRecording({
        address: "192.0.2.1", sessionId: "1", version: 1,
        streams: labelsOf(track).map((label, index) => ({
          label, rtpPort: 40000 + 2 * index, rtcpPort: 40001 + 2 * index,
          codecs: codecsNamed(["PCMU"]), direction: "sendonly" as const,
        })),
      });
      const labels = basicCallMetadata({ ...CALL, track }).streams.map(({ label }) => label);
      expect(labelsIn(sdp)).toEqual(labels.map(String));
    }
  });
});

describe("reading the body of a recording session", () => {
  test("either order, any of the three media types, any case", () => {
    for (const type of [METADATA_TYPE, LEGACY_METADATA_TYPE, "application/rs-metadata-request",
      "Application/RS-Metadata+XML;charset=utf-8"]) {
      const expected = { ok: true, body: { sdp: SDP, metadata: XML, snapshotRequest: null } };
      const sdp = part("application/SDP", SDP, "session; handling=required");
      const xml = part(type, XML, "recording-session");
      expect(mixed(sdp, xml)).toMatchObject(expected);
      expect(mixed(xml, sdp)).toMatchObject(expected);
    }
  });

  test("SDP alone, metadata alone, a request for a snapshot, nothing", () => {
    expect(readRecordingBody("application/sdp", bytes(SDP)))
      .toMatchObject({ ok: true, body: { sdp: SDP, metadata: null } });
    expect(readRecordingBody(METADATA_TYPE, bytes(XML), "recording-session"))
      .toMatchObject({ ok: true, body: { sdp: null, metadata: XML } });
    for (const type of [METADATA_TYPE, LEGACY_METADATA_TYPE, "application/rs-metadata-request"]) {
      expect(readRecordingBody(type, bytes(REQUEST), "recording-session")).toEqual({
        ok: true, body: { sdp: null, metadata: null, snapshotRequest: { reason: null } },
      });
    }
    expect(readRecordingBody(null, bytes("")))
      .toEqual({ ok: true, body: { sdp: null, metadata: null, snapshotRequest: null } });
  });

  test("RFC 5621: a part that is not understood is 415, unless it is optional", () => {
    const sdp = part("application/sdp", SDP);
    expect(mixed(sdp, part("application/isup", "x"))).toMatchObject({ ok: false, status: 415 });
    expect(mixed(sdp, "\r\nplain")).toMatchObject({ ok: false, status: 415 });
    for (const disposition of ["signal;handling=optional", 'signal; Handling = "OPTIONAL" ;x=1']) {
      expect(mixed(sdp, part("application/isup", "x", disposition)))
        .toMatchObject({ ok: true, body: { sdp: SDP } });
    }
    expect(mixed(part("application/sdp", SDP, "foo"))).toMatchObject({ ok: false, status: 415 });
    expect(mixed(sdp, part("application/sdp", SDP, "early-session;handling=optional")))
      .toMatchObject({ ok: true, body: { sdp: SDP } });
    expect(readRecordingBody("text/plain", bytes("x"))).toMatchObject({ ok: false, status: 415 });
    expect(readRecordingBody("text/plain", bytes("x"), "x;handling=optional"))
      .toMatchObject({ ok: true });
  });

  test("multiparts in multiparts are read, down to a limit", () => {
    const inner = "Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n" +
      `${part("application/sdp", SDP)}\r\n--c--\r\n`;
    expect(mixed(inner, part(METADATA_TYPE, XML)))
      .toMatchObject({ ok: true, body: { sdp: SDP, metadata: XML } });
    let deep = part("application/sdp", SDP);
    for (const boundary of ["p", "q", "r", "s"]) {
      deep = `Content-Type: multipart/mixed;boundary=${boundary}\r\n\r\n--${boundary}\r\n${deep}` +
        `\r\n--${boundary}--\r\n`;
    }
    expect(mixed(deep)).toMatchObject({ ok: false, status: 400 });
  });

  test("what can't be read is 400, with a reason", () => {
    for (const result of [
      readRecordingBody(null, bytes("x")), readRecordingBody("nonsense", bytes("x")),
      readRecordingBody("multipart/mixed", bytes("x")),
      readRecordingBody("multipart/mixed;boundary=b", bytes("x")),
      mixed(part("application/sdp", SDP), part("application/sdp", SDP)),
      mixed(part(METADATA_TYPE, XML), part(METADATA_TYPE, REQUEST)),
    ]) expect(result).toMatchObject({ ok: false, status: 400 });
  });

  test("property: any octets give a value, never a throw", () => {
    const { contentType, body } = recordingBody(SDP, XML, "b");
    for (let seed = 1; seed <= 500; seed++) {
      const random = seeded(seed);
      const damaged = Uint8Array.from(body);
      for (let edits = random.below(20); edits >= 0; edits--) {
        damaged[random.below(damaged.length)] = random.below(256);
      }
      const result = readRecordingBody(contentType, damaged.subarray(random.below(40)));
      expect(result.ok || result.reason !== "").toBe(true);
    }
  });
});
