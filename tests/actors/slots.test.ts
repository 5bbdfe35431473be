import { describe, expect, test } from "bun:test";
import { findSession, FORK_SLOTS, refusalOf, slotsInUse } from "../../actors/slots.ts";
import type { SiprecRecord, SiprecTrack } from "../../schemas/call.ts";
import { ACCOUNT_SID, CALL_SID, siprecSid, STARTED_AT } from "../support/machine-samples.ts";

const session = (
  ordinal: number, track: SiprecTrack, status: SiprecRecord["status"] = "in-progress",
  name: string | null = null,
): SiprecRecord => ({
  sid: siprecSid(ordinal), callSid: CALL_SID, accountSid: ACCOUNT_SID, name, track, status,
  connectorName: "Recorder", state: status === "stopped" ? "stopped" : "idle",
  createdAt: STARTED_AT, updatedAt: STARTED_AT, startedAt: null, endedAt: null, fault: null,
  statusCallback: null, statusCallbackMethod: "POST", receipt: [],
});

describe("fork slots", () => {
  test("both tracks take two, one track takes one, what is stopped takes none", () => {
    expect(slotsInUse([])).toBe(0);
    expect(slotsInUse([
      session(1, "both_tracks"), session(2, "inbound_track"), session(3, "both_tracks", "stopped"),
    ])).toBe(3);
  });

  const rows: [SiprecTrack[], SiprecTrack, boolean][] = [
    [[], "both_tracks", true],
    [["both_tracks"], "both_tracks", true],
    [["both_tracks", "both_tracks"], "inbound_track", false],
    [["both_tracks", "inbound_track"], "both_tracks", false],
    [["both_tracks", "inbound_track"], "outbound_track", true],
    [["inbound_track", "inbound_track", "inbound_track"], "inbound_track", true],
    [["inbound_track", "inbound_track", "inbound_track"], "both_tracks", false],
  ];
  for (const [taken, wanted, fits] of rows) {
    test(`${wanted} ${fits ? "fits" : "does not fit"} beside [${taken.join(" ")}]`, () => {
      const sessions = taken.map((track, at) => session(at, track));
      expect(refusalOf(sessions, { name: null, track: wanted })).toBe(fits ? null : "SLOTS_FULL");
      expect(slotsInUse(sessions)).toBeLessThanOrEqual(FORK_SLOTS);
    });
  }

  test("a name is taken while its session is live, and free as soon as it stops", () => {
    const wanted = { name: "a", track: "inbound_track" as const };
    expect(refusalOf([session(1, "inbound_track", "in-progress", "a")], wanted)).toBe("CONFLICT");
    expect(refusalOf([session(1, "inbound_track", "stopped", "a")], wanted)).toBeNull();
  });

  test("sessions without a name never collide", () => {
    const wanted = { name: null, track: "inbound_track" as const };
    expect(refusalOf([session(1, "inbound_track")], wanted)).toBeNull();
  });
});

describe("the session that a candidate means", () => {
  const old = session(1, "inbound_track", "stopped", "a");
  const live = session(2, "inbound_track", "in-progress", "a");
  const newer = session(3, "inbound_track", "stopped", "b");
  const newest = session(4, "inbound_track", "stopped", "b");
  const odd = session(5, "inbound_track", "in-progress", siprecSid(1));
  const all = [old, live, newer, newest, odd];

  test("a SID is one session, also when another bears it as its name", () => {
    expect(findSession(all, [siprecSid(1)])).toBe(old);
  });

  test("a name is the live one, else the last that ended", () => {
    expect(findSession(all, ["a"])).toBe(live);
    expect(findSession(all, ["b"])).toBe(newest);
  });

  test("candidates are tried in their order; none is none", () => {
    expect(findSession(all, ["c", "b", "a"])).toBe(newest);
    expect(findSession(all, ["c"])).toBeNull();
    expect(findSession([], [])).toBeNull();
  });
});
