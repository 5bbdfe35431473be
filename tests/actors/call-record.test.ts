import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { initialCall, recordAfter, statusOf, withoutEntry } from "../../actors/call-record.ts";
import { initialContext, recordOf } from "../../actors/siprec-record.ts";
import type { CallContext } from "../../actors/call-types.ts";
import { CallRecord, type SiprecRecord } from "../../schemas/call.ts";
import {
  ACCOUNT_SID, CALL_SID, inboundCall, siprecOrder, siprecSid, STARTED_AT,
} from "../support/machine-samples.ts";

const party = { id: "p", aor: "sip:ann@192.0.2.7", name: null };

const session = (ordinal: number, state: string, spec: Partial<SiprecRecord> = {}) => ({
  ...recordOf(initialContext({
    order: siprecOrder(ordinal), callSid: CALL_SID, accountSid: ACCOUNT_SID, parentCallSid: null,
    sipHost: "h", callStartAt: STARTED_AT, parties: { inbound: party, outbound: party },
    at: STARTED_AT,
  }), state),
  ...spec,
});

const call = (...sessions: SiprecRecord[]): CallContext => ({
  ...initialCall(inboundCall(null)), sessions,
});

const idsOf = (record: CallRecord): string[] => record.outbox.map(({ id }) => id.slice(35));

describe("the record of a call", () => {
  test("is what its schema says", () => {
    const record = recordAfter(null, call(session(1, "idle")), "ringing.waiting");
    expect([...Value.Errors(CallRecord, record)]).toEqual([]);
  });

  test("the status is the state's first word; an end counts from when it is decided", () => {
    expect(statusOf(call(), "in-progress.talking")).toBe("in-progress");
    expect(statusOf({ ...call(), endStatus: "busy" }, "ringing.closing")).toBe("busy");
  });

  test("stopping shows as stopped, idle and inviting as in-progress", () => {
    const states = [
      "idle", "inviting.calling", "in-progress.recording", "in-progress.updating",
      "in-progress.waiting", "inviting.cancelling", "in-progress.stopping", "stopped", "error",
    ];
    expect<string[]>(states.map((state) => session(1, state).status)).toEqual([
      ...states.slice(0, 5).map(() => "in-progress"), ...states.slice(5).map(() => "stopped"),
    ]);
  });
});

describe("the outbox of a call", () => {
  const startedAt = STARTED_AT + 5;

  test("tells the start once, and the end once, in their order", () => {
    const recording = session(1, "in-progress.recording", { startedAt });
    const first = recordAfter(null, call(recording), "in-progress.talking");
    expect(idsOf(first)).toEqual(["siprec-started"]);
    const again = recordAfter(first, call({ ...recording, state: "in-progress.updating" }), "x");
    expect(idsOf(again)).toEqual(["siprec-started"]);
    const ended = { ...recording, state: "stopped", endedAt: startedAt + 9 };
    const last = recordAfter(withoutEntry(again, again.outbox[0]?.id ?? ""), call(ended), "x");
    expect(idsOf(last)).toEqual(["siprec-stopped"]);
    expect(idsOf(recordAfter(last, call(ended), "x"))).toEqual(["siprec-stopped"]);
    expect(last.told).toEqual([
      `${siprecSid(1)}:siprec-started`, `${siprecSid(1)}:siprec-stopped`,
    ]);
  });

  test("a failure is told with its number, and without a start that never was", () => {
    const fault = { code: 32011, message: "no answer" };
    const failed = session(1, "error", { fault, endedAt: startedAt });
    const record = recordAfter(null, call(failed), "in-progress.talking");
    expect(idsOf(record)).toEqual(["siprec-error"]);
    expect(record.outbox[0]?.createdAt).toBe(startedAt);
    expect(Object.values(record.outbox[0]?.params ?? {})).toContain("32011");
  });

  test("who asked for no callback gets none", () => {
    const silent = session(1, "stopped", { statusCallback: null, startedAt });
    expect(recordAfter(null, call(silent), "x")).toMatchObject({ outbox: [], told: [] });
  });

  test("stopping tells nothing yet: the end comes after BYE", () => {
    const stopping = session(1, "in-progress.stopping", { startedAt, endedAt: startedAt + 1 });
    expect(idsOf(recordAfter(null, call(stopping), "x"))).toEqual(["siprec-started"]);
  });
});
