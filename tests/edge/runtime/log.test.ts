import { describe, expect, test } from "bun:test";
import { createLog, logLevelOf, maskNumber, readableLine } from "../../../edge/runtime/log.ts";

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function capture(json: boolean) {
  const lines: string[] = [];
  const log = createLog({
    json, level: "info", write: (line) => void lines.push(line), wallMs: () => AT,
    fields: { edge: "ashburn" },
  });
  return { lines, log };
}

describe("the log", () => {
  test("is one JSON object a line, with the fields of the log that wrote it", () => {
    const { lines, log } = capture(true);
    log.with({ call_sid: "CA1" }).warn("call.ended", { status: 486, level: "fake", at: "never" });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith("}\n")).toBe(true);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      at: "2026-01-02T03:04:05.678Z", level: "warn", event: "call.ended", edge: "ashburn",
      call_sid: "CA1", status: 486,
    });
  });

  test("leaves out what is below its level", () => {
    const { lines, log } = capture(true);
    log.debug("packet");
    expect(lines).toEqual([]);
    expect(logLevelOf("DEBUG")).toBe("debug");
    expect(logLevelOf("loud")).toBe("info");
  });

  test("is readable on a terminal, and no field makes a line of its own", () => {
    const { lines, log } = capture(false);
    log.info("ready", { text: "a\nb \u001b[2J", none: null, port: 5060 });
    expect(lines).toEqual([
      '03:04:05.678 info  ready edge=ashburn text="a\\nb \\u001b[2J" port=5060\n']);
    expect(readableLine({ at: "x", level: "info", event: "e" })).toContain("e");
  });

  test("phone numbers are masked, sids are told apart by who calls it", () => {
    expect(maskNumber("+15551230001")).toBe("+1555*****01");
    expect(maskNumber("sip:555123@192.0.2.1:5060")).toBe("sip:****23@192.0.2.1:5060");
    expect(maskNumber("alice")).toBe("alice");
  });
});
