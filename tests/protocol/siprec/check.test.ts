import { describe, expect, test } from "bun:test";
import { basicCallMetadata } from "../../../protocol/siprec/call.ts";
import { metadataProblems } from "../../../protocol/siprec/check.ts";
import type { RecordingMetadata } from "../../../protocol/siprec/metadata.ts";
import { nameBasedId } from "../../../protocol/siprec/identifier.ts";
import { CALL, CALL_SID } from "./documents.ts";

const OTHER = nameBasedId(CALL_SID, "other");

/** The basic document after one change: what is then found. */
function after(change: (metadata: RecordingMetadata) => void, labels = ["1", "2"]): string {
  const metadata = structuredClone(basicCallMetadata(CALL));
  change(metadata);
  return metadataProblems(metadata, labels).join("; ");
}
function the<T>(items: T[], index = 0): T {
  const item = items[index];
  if (item === undefined) throw new Error("not there");
  return item;
}

describe("the semantic check of metadata", () => {
  test("finds nothing in a call as it is", () => {
    expect(after(() => {})).toBe("");
  });

  test("RFC 7866 §7.1.1: labels are those of the SDP, each once", () => {
    expect(after(() => {}, ["1"])).toMatch(/label 2 is not in the SDP/);
    expect(after(() => {}, ["1", "2", "2"])).toMatch(/label 2 stands twice/);
    expect(after(({ streams }) => void (the(streams).label = "2"))).toMatch(/names two streams/);
  });

  test("every reference is to an element of the document", () => {
    expect(after((m) => void (the(m.sessions).groupId = OTHER))).toMatch(/group .* is not in/);
    expect(after((m) => void (the(m.streams).sessionId = OTHER))).toMatch(/session .* is not in/);
    expect(after((m) => void (the(m.sessionRecordings).sessionId = OTHER))).toMatch(/session/);
    expect(after((m) => void (the(m.participantSessions).participantId = OTHER)))
      .toMatch(/participant .* is not in/);
    expect(after((m) => void (the(m.participantStreams).sends = [OTHER])))
      .toMatch(/stream .* is not in/);
    expect(after((m) => void m.participants.pop())).toMatch(/participant .* is not in/);
  });

  test("RFC 7865 §6.10: one id names one element, and is a UUID", () => {
    expect(after((m) => void (the(m.participants).id = the(m.participants, 1).id)))
      .toMatch(/names two elements/);
    expect(after((m) => void (the(m.groups).id = "AAAA"))).toMatch(/not 16 octets/);
    expect(after((m) => void (the(m.participants).names = []))).toMatch(/no address/);
  });

  test("a stream that somebody hears has a sender, and nobody hears himself", () => {
    expect(after((m) => void (the(m.participantStreams).sends = []))).toMatch(/no sender/);
    expect(after((m) => {
      const own = the(m.participantStreams);
      own.receives = own.sends;
    })).toMatch(/sends and receives/);
    expect(after((m) => void m.participantStreams.push(the(m.participantStreams))))
      .toMatch(/two stream associations/);
  });

  test("every association has its time, and ends after it began", () => {
    expect(after((m) => void (the(m.participantSessions).associatedAt = null))).toMatch(/time/);
    expect(after((m) => void (the(m.sessionRecordings).disassociatedAt = 1))).toMatch(/before/);
  });

  test("of a partial document only the labels are looked at: the rest was said before", () => {
    const partial = (m: RecordingMetadata): void => {
      m.dataMode = "partial";
      m.participants = [];
    };
    expect(after(partial)).toBe("");
    expect(after(partial, [])).toMatch(/label 1 is not in the SDP/);
  });
});
