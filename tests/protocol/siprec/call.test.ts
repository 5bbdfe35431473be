import { describe, expect, test } from "bun:test";
import {
  basicCallMetadata, type CallRecording, labelsOf, sessionIdOf, streamIdOf,
} from "../../../protocol/siprec/call.ts";
import { metadataProblems } from "../../../protocol/siprec/check.ts";
import { partyId } from "../../../protocol/siprec/party.ts";
import { seeded } from "../../support/seeded.ts";
import { awkwardCall, CALL, CALL_AT, CALL_SID, CHILD_SID } from "./documents.ts";

const ONE = streamIdOf(CALL_SID, "1");
const TWO = streamIdOf(CALL_SID, "2");
const FAR = { id: partyId(CHILD_SID), aor: "sip:4410@pbx.example.net", name: "Desk" };

/** Who sends and hears what, by participant. */
const flows = (call: CallRecording): [string, string[], string[]][] =>
  basicCallMetadata(call).participantStreams.map(({ participantId, sends, receives }) =>
    [participantId, sends, receives]);

describe("the metadata of a call", () => {
  test("RFC 8068 §3.2.1: each party sends its own stream and hears the other's", () => {
    expect(basicCallMetadata(CALL).streams).toEqual([
      { id: ONE, sessionId: sessionIdOf(CALL_SID), label: "1" },
      { id: TWO, sessionId: sessionIdOf(CALL_SID), label: "2" },
    ]);
    expect(flows(CALL)).toEqual([
      [CALL.inbound.id, [ONE], [TWO]], [CALL.outbound.id, [TWO], [ONE]],
    ]);
  });

  test("label 1 is the inbound track, 2 the outbound one, also when it is alone", () => {
    expect(labelsOf("both_tracks")).toEqual(["1", "2"]);
    expect(labelsOf("inbound_track")).toEqual(["1"]);
    expect(labelsOf("outbound_track")).toEqual(["2"]);
  });

  test("RFC 7865 §6.3.2: one track lists both parties, one sends it, one hears it", () => {
    expect(flows({ ...CALL, track: "inbound_track" })).toEqual([
      [CALL.inbound.id, [ONE], []], [CALL.outbound.id, [], [ONE]],
    ]);
    expect(flows({ ...CALL, track: "outbound_track" })).toEqual([
      [CALL.inbound.id, [], [TWO]], [CALL.outbound.id, [TWO], []],
    ]);
    expect(basicCallMetadata({ ...CALL, track: "inbound_track" }).participants).toHaveLength(2);
  });

  test("when it is bridged the far party takes the application's place; all other ids stay", () => {
    const before = basicCallMetadata(CALL);
    const bridgedAt = CALL_AT + 4000;
    const after = basicCallMetadata({ ...CALL, outbound: { ...FAR, joinedAt: bridgedAt } });
    expect(after.participants.map(({ id }) => id)).toEqual([CALL.inbound.id, FAR.id]);
    expect(after.sessions).toEqual(before.sessions);
    expect(after.groups).toEqual(before.groups);
    expect(after.streams).toEqual(before.streams);
    expect(after.participantSessions.map(({ associatedAt }) => associatedAt))
      .toEqual([CALL_AT, bridgedAt]);
    expect(after.participantStreams.map(({ associatedAt }) => associatedAt))
      .toEqual([CALL.recordingStartAt, bridgedAt]);
  });

  test("RFC 7865 §6.8.1: who is held sends nothing, and nobody hears it", () => {
    expect(flows({ ...CALL, inbound: { ...CALL.inbound, sends: false } })).toEqual([
      [CALL.inbound.id, [], [TWO]], [CALL.outbound.id, [TWO], []],
    ]);
    expect(flows({ ...CALL, inbound: { ...CALL.inbound, sends: false, receives: false } }))
      .toEqual([[CALL.inbound.id, [], []], [CALL.outbound.id, [TWO], []]]);
  });

  test("at the end everything has its end, and the reason stands in the session", () => {
    const at = CALL_AT + 60_000;
    const reason = { cause: 16, protocol: "Q.850", text: "Normal call clearing" };
    const metadata = basicCallMetadata({ ...CALL, ended: { at, reason } });
    expect(metadata.sessions[0]).toMatchObject({ stoppedAt: at, reasons: [reason] });
    expect([
      ...metadata.groups, ...metadata.sessionRecordings, ...metadata.participantSessions,
      ...metadata.participantStreams,
    ].every(({ disassociatedAt }) => disassociatedAt === at)).toBe(true);
    expect(metadata.participantStreams.flatMap(({ sends, receives }) => [...sends, ...receives]))
      .toEqual([]);
  });

  test("a dialled call is in the group of the call that dialled it", () => {
    const parent = basicCallMetadata(CALL);
    const child = basicCallMetadata({ ...CALL, callSid: CHILD_SID, parentCallSid: CALL_SID });
    expect(child.groups[0]?.id).toBe(parent.groups[0]?.id ?? "");
    expect(child.sessions[0]?.id).not.toBe(parent.sessions[0]?.id ?? "");
    expect(child.sessions[0]?.groupId).toBe(parent.groups[0]?.id ?? "");
  });

  test("property: what we say of a call always fits itself and its SDP", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const call = awkwardCall(seeded(seed));
      const problems = metadataProblems(basicCallMetadata(call), labelsOf(call.track));
      expect({ seed, problems }).toEqual({ seed, problems: [] });
    }
  });
});
