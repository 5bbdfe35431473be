import { describe, expect, test } from "bun:test";
import {
  alertSubjects, callPrefix, callSubject, edgeSubject, eventSubject, isSubjectToken,
  mediaHelloSubject, mediaSubject,
} from "../../../edge/nats/subjects.ts";

describe("subjects", () => {
  test("are those of the architecture", () => {
    expect(callPrefix("CA1")).toBe("siprec.v1.call.CA1");
    expect(callSubject("CA1", "start")).toBe("siprec.v1.call.CA1.start");
    expect(edgeSubject("ashburn", "sip.send")).toBe("siprec.v1.edge.ashburn.sip.send");
    expect(mediaSubject("ashburn", "0", "apply")).toBe("siprec.v1.media.ashburn.0.apply");
    expect(mediaHelloSubject("ashburn")).toBe("siprec.v1.media.ashburn.hello");
    expect(eventSubject("ashburn", "AC1", "CA1", "siprec", "SR1"))
      .toBe("siprec.v1.event.ashburn.AC1.CA1.siprec.SR1");
    expect(alertSubjects("ashburn")).toBe("siprec.v1.alert.ashburn.*");
  });

  test.each(["", "*", ">", "a.b", "a b", "a\r\nPUB x", "x".repeat(65)])(
    "a name %j never becomes part of one", (name) => {
      expect(isSubjectToken(name)).toBe(false);
      expect(() => callPrefix(name)).toThrow();
      expect(() => mediaSubject("ashburn", name, "apply")).toThrow();
    });
});
