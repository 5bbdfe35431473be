import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { basicCallMetadata } from "../../../protocol/siprec/call.ts";
import { serializeMetadata, uriText } from "../../../protocol/siprec/metadata.ts";
import { readMetadata } from "../../../protocol/siprec/read.ts";
import { programPath } from "../../support/needs.ts";
import { seeded } from "../../support/seeded.ts";
import {
  awkwardMetadata, CALL, CALL_AT, SCHEMA, schemaAbsence, VECTORS,
} from "./documents.ts";

const EMPTY = {
  dataMode: "complete" as const, groups: [], sessions: [], participants: [], streams: [],
  sessionRecordings: [], participantSessions: [], participantStreams: [],
};

describe("the metadata document", () => {
  const xml = serializeMetadata(basicCallMetadata(CALL));

  test("starts with its declaration, and is in RFC 7865's namespace without a prefix", () => {
    expect(xml.startsWith(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<recording xmlns="urn:ietf:params:xml:ns:recording:1">\n' +
        "  <datamode>complete</datamode>\n",
    )).toBe(true);
    expect(xml.match(/<recording[ >]/g)).toHaveLength(1);
  });

  test("RFC 7865 §11: elements of one kind stand together, in the order of the schema", () => {
    const names = [...xml.matchAll(/^ {2}<([a-z]+)/gm)].map(([, name]) => name);
    expect(names).toEqual([
      "datamode", "group", "session", "participant", "participant", "stream", "stream",
      "sessionrecordingassoc", "participantsessionassoc", "participantsessionassoc",
      "participantstreamassoc", "participantstreamassoc",
    ]);
    expect(xml).toMatch(/<group-ref>.*\n.*<start-time>.*\n.*<parameters/);
    expect(xml).toMatch(/<send>.*\n.*<recv>.*\n.*<associate-time>.*\n.*<\/participantstreamassoc>/);
  });

  test("RFC 7865 §6.9: every time has T and Z", () => {
    const times = [...xml.matchAll(/<[a-z-]+-time>([^<]*)</g)].map(([, time]) => time);
    expect(times).toHaveLength(7);
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("a time that no calendar has is left out, not written wrong", () => {
    for (const at of [Number.NaN, Infinity, -1, 253_402_300_800_000]) {
      const text = serializeMetadata({
        ...EMPTY, groups: [{ id: "AAAA", associatedAt: at, disassociatedAt: null }],
      });
      expect(text).toContain('<group group_id="AAAA"/>');
    }
  });

  test("parameters are a foreign element, the last of the session, if there are any", () => {
    expect(xml).toContain(
      '    <parameters xmlns="urn:siprec:parameters:1">\n' +
        '      <parameter name="Custom1" value="Bob"/>\n' +
        '      <parameter name="Custom2" value=""/>\n    </parameters>\n  </session>',
    );
    expect(serializeMetadata(basicCallMetadata({ ...CALL, parameters: [] })))
      .not.toContain("parameters");
  });

  test("what XML can't hold is left out, what it reserves is escaped", () => {
    const text = serializeMetadata(basicCallMetadata({
      ...CALL, inbound: { ...CALL.inbound, name: "A&B <\"x\"> '\u0007\ud800😀\uffff" },
    }));
    expect(text).toContain("<name>A&amp;B &lt;&quot;x&quot;&gt; &apos;\ufffd😀</name>");
  });

  test("blanks of every kind in a parameter come back as they were", () => {
    const parameters = [{ name: "a\tb", value: " line 1\r\nline 2\n \"q\" <&> " }];
    const read = readMetadata(serializeMetadata(basicCallMetadata({ ...CALL, parameters })));
    expect(read.ok && read.metadata.sessions[0]?.parameters).toEqual(parameters);
  });

  test("an address is a URI that schema validators take", () => {
    const cases = [
      ["sip:a b&c@x", "sip:a%20b&c@x"], ["sip:a%zz@x", "sip:a%25zz@x"],
      ["sip:%41@x", "sip:%41@x"], ["+1555", "sip:+1555"], ["", "sip:"],
      ["sip:a@[2001:db8::1]", "sip:a@%5B2001:db8::1%5D"], ["sip:é#1@x", "sip:%C3%A9%231@x"],
      ["sip://a:b:c", "sip:%2F%2Fa:b:c"], ["tel:+1;phone-context=x", "tel:+1;phone-context=x"],
    ];
    for (const [text, uri] of cases) expect(uriText(text ?? "")).toBe(uri ?? "");
  });

  test("a recording session without a communication session is a valid document too", () => {
    const read = readMetadata(serializeMetadata(EMPTY));
    expect(read).toEqual({ ok: true, metadata: EMPTY, problems: [] });
  });

  test("property: every document is read back without a fault, and says the same", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const text = serializeMetadata(awkwardMetadata(seeded(seed)));
      const read = readMetadata(text);
      if (!read.ok) throw new Error(`seed ${seed}: ${read.reason}`);
      expect({ seed, problems: read.problems }).toEqual({ seed, problems: [] });
      // Names lose what XML can't hold, so the second writing is compared.
      const again = readMetadata(serializeMetadata(read.metadata));
      expect({ seed, metadata: again.ok && again.metadata }).toEqual({
        seed, metadata: read.metadata,
      });
    }
  });

  test("ids, times, labels and plain texts come back as they were", () => {
    const metadata = basicCallMetadata({
      ...CALL, sipSessionIds: [`${"a".repeat(32)};remote=${"b".repeat(32)}`],
      ended: { at: CALL_AT + 5000, reason: { cause: 16, protocol: "Q.850", text: "Normal" } },
    });
    expect(readMetadata(serializeMetadata(metadata)))
      .toEqual({ ok: true, metadata, problems: [] });
  });
});

const absence = schemaAbsence();
const lint = absence === null ? test : test.skip;
const because = absence === null ? "" : ` [${absence}]`;

describe("RFC 7865's own schema", () => {
  function validate(files: string[]): string {
    const run = Bun.spawnSync([
      programPath("xmllint") ?? "xmllint", "--noout", "--nonet", "--schema", SCHEMA, ...files,
    ]);
    return run.stderr.toString();
  }

  lint(`takes every document that we write${because}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "metadata-"));
    try {
      const files = Array.from({ length: 150 }, (_, seed) => {
        const file = join(folder, `${seed + 1}.xml`);
        writeFileSync(file, serializeMetadata(awkwardMetadata(seeded(seed + 1))));
        return file;
      });
      const verdicts = validate(files).trim().split("\n");
      expect(verdicts.filter((line) => !line.endsWith(" validates"))).toEqual([]);
      expect(verdicts).toHaveLength(files.length);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  lint(`refuses the documents that we call faulty${because}`, () => {
    for (const name of ["dataMode-case", "interleaved", "time-before-send", "time-offset"]) {
      expect(validate([`${VECTORS}/bad-${name}.xml`])).toContain("fails to validate");
    }
  });
});
