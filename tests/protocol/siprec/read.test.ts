import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basicCallMetadata } from "../../../protocol/siprec/call.ts";
import { serializeMetadata } from "../../../protocol/siprec/metadata.ts";
import { readMetadata, readSnapshotRequest } from "../../../protocol/siprec/read.ts";
import { parseTime } from "../../../protocol/siprec/schema.ts";
import { METADATA_MAX_BYTES } from "../../../protocol/siprec/tree.ts";
import { seeded } from "../../support/seeded.ts";
import { CALL, VECTORS } from "./documents.ts";

const NS = "urn:ietf:params:xml:ns:recording:1";
const doc = (body: string, attributes = `xmlns="${NS}"`): string =>
  `<?xml version="1.0"?><recording ${attributes}>${body}</recording>`;

function read(xml: string): { metadata: ReturnType<typeof basicCallMetadata>; problems: string[] } {
  const result = readMetadata(xml);
  if (!result.ok) throw new Error(result.reason);
  return result;
}
const refusal = (xml: string): string => {
  const result = readMetadata(xml);
  return result.ok ? "it was taken" : result.reason;
};

describe("reading a metadata document", () => {
  test("blanks, comments, CDATA, prefixes and foreign elements change nothing", () => {
    const { metadata, problems } = read(`<?xml version="1.0"?>
      <!-- from another client -->
      <r:recording xmlns:r="${NS}" xmlns:x="urn:example:x"><r:datamode>partial</r:datamode>
        <r:session session_id="AAAA"><r:group-ref>BBBB</r:group-ref>
          <x:call id="7"><x:deep/></x:call></r:session>
        <r:participant participant_id="CCCC"><r:nameID aor="sip:a@x"><r:name xml:lang="en"
          ><![CDATA[A & B]]></r:name></r:nameID><r:nameID aor="tel:+1"/></r:participant>
        <r:stream stream_id="DDDD"><r:label> 1 </r:label></r:stream>
        <x:extension/></r:recording>`);
    expect(problems).toEqual([]);
    expect(metadata).toMatchObject({
      dataMode: "partial", sessions: [{ id: "AAAA", groupId: "BBBB", parameters: [] }],
      participants: [{
        id: "CCCC", names: [{ aor: "sip:a@x", name: "A & B" }, { aor: "tel:+1", name: null }],
      }],
      streams: [{ id: "DDDD", sessionId: null, label: "1" }],
    });
  });

  test("complete is the mode of a document that does not say it", () => {
    expect(read(doc("")).metadata.dataMode).toBe("complete");
  });

  test("every fault against the schema is named, and the rest is read", () => {
    const cases: [string, RegExp][] = [
      ["<dataMode>complete</dataMode>", /dataMode.*not known/],
      ["<datamode>whole</datamode>", /complete or partial/],
      ["<datamode>partial</datamode><datamode>partial</datamode>", /more than one/],
      ["<session/>", /no session_id/], ['<session session_id="*"/>', /base64/],
      ['<session session_id="a8098c1a-f86e-11da-bd1a-00112444be1e"/>', /base64/],
      ['<session session_id="AAAA"><start-time>2026-03-02T09:15:04Z</start-time>' +
        "<group-ref>AAAA</group-ref></session>", /group-ref.*too late/],
      ['<session session_id="AAAA"><start-time>2026-03-02 09:15</start-time></session>', /time/],
      ['<session session_id="AAAA"><start-time>2026-03-02T09:15:04</start-time></session>', /zone/],
      ['<session session_id="AAAA"><associate-time/></session>', /not known in <session>/],
      ['<session session_id="AAAA"><reason>x</reason></session>', /no cause/],
      ['<session session_id="AAAA"><reason cause="99999">x</reason></session>', /32767/],
      ['<session session_id="AAAA" id="1"/>', /unknown attribute id/],
      ['<participant participant_id="AAAA"/>', /no <nameID>/],
      ['<participant participant_id="AAAA"><nameID/></participant>', /no aor/],
      ['<stream stream_id="AAAA"/><participant participant_id="AAAA"><nameID aor="x"/>' +
        "</participant>", /<participant> stands too late/],
      ['<participantsessassoc participant_id="AAAA"/>', /participantsessassoc/],
      ['<x:y xmlns:x="urn:x"/><stream stream_id="AAAA"/>', /<stream> stands too late/],
      ['<y xmlns=""/>', /another namespace/],
      ['<participant participant_id="AAAA"><nameID aor="x"><y xmlns="urn:y"/></nameID>' +
        "</participant>", /another namespace/],
    ];
    for (const [body, problem] of cases) {
      expect({ body, problems: read(doc(body)).problems.join("; ") })
        .toEqual({ body, problems: expect.stringMatching(problem) });
    }
  });

  test("a draft's namespace is a fault that does not stop the reading", () => {
    const { metadata, problems } = read(doc(
      '<session session_id="AAAA"/>', 'xmlns="urn:ietf:params:xml:ns:recording"',
    ));
    expect(problems).toHaveLength(1);
    expect(metadata.sessions).toHaveLength(1);
  });

  test("parameters are read from our element only", () => {
    const inside = (namespace: string): unknown => read(doc(
      `<session session_id="AAAA"><parameters xmlns="${namespace}">` +
        '<parameter name="a" value="1"/><parameter/></parameters></session>',
    )).metadata.sessions[0]?.parameters;
    expect(inside("urn:siprec:parameters:1"))
      .toEqual([{ name: "a", value: "1" }, { name: "", value: "" }]);
    expect(inside("urn:other")).toEqual([]);
  });

  test("what is no XML, or no such document, is refused with a reason", () => {
    const cases: [string, RegExp][] = [
      ["", /./], ["hello", /./], ["<recording>", /./], [doc("<a>"), /./], [doc("<a></b>"), /./],
      [`<recording xmlns="${NS}"/><recording xmlns="${NS}"/>`, /./],
      ["<requestsnapshot/>", /root/], [doc("&nbsp;"), /entity/], [doc("&constructor;"), /entity/],
      [`<!DOCTYPE recording [<!ENTITY a "b">]>${doc("&a;")}`, /document type/],
      [doc("x".repeat(METADATA_MAX_BYTES)), /octets/],
      [doc("<a>".repeat(17) + "</a>".repeat(17)), /deeper/], [doc("<a/>".repeat(5000)), /elements/],
      [doc("<x:a/>"), /./], ["\0", /./], [doc("").replace("?>", "?>\u0001"), /./],
    ];
    for (const [xml, reason] of cases) {
      expect(refusal(xml)).toMatch(reason);
      expect(refusal(xml)).not.toBe("it was taken");
    }
  });

  test("entities that multiply are not expanded: a document type is refused outright", () => {
    const bomb = "<!DOCTYPE r [<!ENTITY a0 'ha'>" +
      Array.from({ length: 30 }, (_, index) => `<!ENTITY a${index + 1} '&a${index};&a${index};'>`)
        .join("") + `]><requestsnapshot xmlns="${NS}">&a30;</requestsnapshot>`;
    expect(readSnapshotRequest(bomb)).toMatchObject({ ok: false });
    expect(refusal(bomb)).toContain("document type");
  });

  test("names of Object's own properties are names like others", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      expect(read(doc(`<${name}/>`)).problems).toHaveLength(1);
    }
  });

  test("property: damaged documents give a value, never a throw", () => {
    const good = serializeMetadata(basicCallMetadata(CALL));
    for (let seed = 1; seed <= 1000; seed++) {
      const random = seeded(seed);
      const at = random.below(good.length);
      const xml = good.slice(0, at) + random.pick(["", "<", ">", "&", "\"", "<a>", "😀", "\0"]) +
        good.slice(at + random.below(20));
      const result = readMetadata(xml);
      expect(result.ok ? Array.isArray(result.problems) : result.reason !== "").toBe(true);
    }
  });
});

test("RFC 7865 §7: a request for a snapshot, with and without its reason", () => {
  expect(readSnapshotRequest(
    `<requestsnapshot xmlns="${NS}"><requestreason xml:lang="it">lost</requestreason>` +
      "</requestsnapshot>",
  )).toEqual({ ok: true, reason: "lost" });
  expect(readSnapshotRequest(`<requestsnapshot xmlns="${NS}"/>`))
    .toEqual({ ok: true, reason: null });
  expect(readSnapshotRequest(doc("")).ok).toBe(false);
});

test("RFC 3339 times are read with their zone, everything else is not a time", () => {
  expect(parseTime(" 2026-03-02T09:15:04.120Z ")).toBe(Date.UTC(2026, 2, 2, 9, 15, 4, 120));
  expect(parseTime("2026-03-02T10:15:04+01:00")).toBe(Date.UTC(2026, 2, 2, 9, 15, 4));
  for (const text of ["", "2026-03-02", "2026-03-02T09:15:04", "2026-03-02T09:15:04+0000",
    "2026-03-02t09:15:04z", "2026-13-02T09:15:04Z", "1772442904"]) {
    expect([text, parseTime(text)]).toEqual([text, null]);
  }
});

const there = existsSync(VECTORS);
const vector = there ? test : test.skip;
const because = there ? "" : " [the vectors are not beside the repository]";

describe("documents made for recorders' tests", () => {
  const file = (name: string): string => readFileSync(`${VECTORS}/${name}.xml`, "utf8");

  vector(`valid ones are read without a fault${because}`, () => {
    for (const name of ["complete", "partial-end", "partial-hold", "partial-transfer"]) {
      const { metadata, problems } = read(file(name));
      expect({ name, problems }).toEqual({ name, problems: [] });
      expect(metadata.dataMode).toBe(name === "complete" ? "complete" : "partial");
      // Writing them again keeps all that the model holds.
      expect(read(serializeMetadata(metadata)).metadata).toEqual(metadata);
    }
    expect(readSnapshotRequest(file("requestsnapshot")))
      .toEqual({ ok: true, reason: "state lost after restart" });
  });

  vector(`faulty ones are found to be faulty${because}`, () => {
    for (const name of ["dataMode-case", "interleaved", "time-before-send", "time-offset"]) {
      expect(read(file(`bad-${name}`)).problems).not.toEqual([]);
    }
  });
});
