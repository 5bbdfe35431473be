import { describe, expect, test } from "bun:test";
import { header } from "../../../protocol/sip/header.ts";
import {
  inviteClient, type InviteClientInput, type InviteClientOut, type InviteClientState,
  stepInviteClient,
} from "../../../protocol/sip/invite-client.ts";
import { sampleFlow, sampleRequest, sampleResponse } from "../../support/sip.ts";

const invite = sampleRequest({ cseq: 5 });

const answer = (status: number, tag = "b"): InviteClientInput => ({
  type: "response",
  response: sampleResponse(invite, status, tag, [
    { name: "Contact", value: `<sip:${tag}@192.0.2.2>` },
  ]),
  flow: sampleFlow,
});
const cancel: InviteClientInput = { type: "cancel" };

const nameOf = (out: InviteClientOut): string => {
  switch (out.type) {
    case "progress":
      return `progress ${out.status} ${out.dialog?.remoteTag ?? "-"}`;
    case "answered":
      return `answered ${out.dialog.remoteTag}`;
    case "failed":
      return `failed ${out.status}`;
    case "send-cancel":
      return "CANCEL";
    case "send-ack":
    case "send-bye":
      return `${header(out.request, "CSeq")} ${out.request.uri}`;
  }
};

function run(...inputs: InviteClientInput[]): { state: InviteClientState; told: string[][] } {
  let state = inviteClient(invite);
  const told: string[][] = [];
  for (const input of inputs) {
    const step = stepInviteClient(state, input);
    state = step.state;
    told.push(step.out.map(nameOf));
  }
  return { state, told };
}

describe("an INVITE of ours", () => {
  test("rings, is answered, and is acknowledged", () => {
    const { state, told } = run(answer(100), answer(180), answer(200));
    expect(told).toEqual([
      [], ["progress 180 b"], ["5 ACK sip:b@192.0.2.2", "answered b"],
    ]);
    expect(state.confirmed).toMatchObject({ remoteTag: "b", state: "confirmed", localSeq: 5 });
    expect(state.early).toEqual([]);
  });

  test("its state is plain data", () => {
    const { state } = run(answer(180), answer(200));
    const copy: unknown = JSON.parse(JSON.stringify(state));
    expect(copy).toEqual(state);
  });

  test("each retransmission of the 2xx gets the ACK again, and is told once", () => {
    const { told } = run(answer(200), answer(200), answer(200));
    expect(told.slice(1)).toEqual([["5 ACK sip:b@192.0.2.2"], ["5 ACK sip:b@192.0.2.2"]]);
  });

  test("each fork has an early dialog of its own; the first to answer wins", () => {
    const { state, told } = run(
      answer(180, "x"), answer(183, "y"), answer(180, "x"), answer(200, "y"),
    );
    expect(told).toEqual([
      ["progress 180 x"], ["progress 183 y"], ["progress 180 x"],
      ["5 ACK sip:y@192.0.2.2", "answered y"],
    ]);
    expect(state.confirmed?.remoteTag).toBe("y");
  });

  test("RFC 3261 §13.2.2.4: a second answer is acknowledged and ended, once", () => {
    const { state, told } = run(
      answer(200, "x"), answer(200, "y"), answer(200, "y"), answer(200, "x"),
    );
    expect(told.slice(1)).toEqual([
      ["5 ACK sip:y@192.0.2.2", "6 BYE sip:y@192.0.2.2"],
      ["5 ACK sip:y@192.0.2.2"],
      ["5 ACK sip:x@192.0.2.2"],
    ]);
    expect(state.confirmed?.remoteTag).toBe("x");
  });

  test("a hundred answers leave a bounded state", () => {
    const { state } = run(...Array.from({ length: 100 }, (_, n) => answer(180, `e${n}`)));
    expect(state.early).toHaveLength(16);
    const late = run(answer(200), ...Array.from({ length: 100 }, (_, n) => answer(200, `t${n}`)));
    expect(late.state.unwanted).toHaveLength(16);
  });

  const failures: [string, InviteClientInput, string][] = [
    ["a refusal", answer(486), "failed 486"],
    ["silence", { type: "timeout" }, "failed 408"],
    ["a broken way", { type: "transport-error", reason: "refused" }, "failed 503"],
  ];
  for (const [name, input, expected] of failures) {
    test(`${name} is told once, and what comes later is not`, () => {
      const { state, told } = run(answer(180), input, answer(180), { type: "timeout" });
      expect(told.slice(1)).toEqual([[expected], [], []]);
      expect(state).toMatchObject({ early: [], done: true, confirmed: null });
    });

    test(`an answer after ${name} is acknowledged and ended`, () => {
      expect(run(input, answer(200)).told[1]).toEqual([
        "5 ACK sip:b@192.0.2.2", "6 BYE sip:b@192.0.2.2",
      ]);
    });
  }

  test("RFC 3261 §9.1: CANCEL waits for a 1xx, and goes out once", () => {
    expect(run(cancel, answer(100), answer(180), cancel, answer(487)).told).toEqual([
      [], ["CANCEL"], [], [], ["failed 487"],
    ]);
    expect(run(answer(180), cancel, cancel).told).toEqual([["progress 180 b"], ["CANCEL"], []]);
  });

  test("CANCEL after the final answer is nothing", () => {
    expect(run(answer(200), cancel).told[1]).toEqual([]);
    expect(run(answer(486), cancel).told[1]).toEqual([]);
  });

  test("RFC 3261 §15: a 200 that crosses CANCEL gets one ACK and one BYE", () => {
    expect(run(answer(180), cancel, answer(200), answer(200)).told.slice(2)).toEqual([
      ["5 ACK sip:b@192.0.2.2", "6 BYE sip:b@192.0.2.2", "failed 487"],
      ["5 ACK sip:b@192.0.2.2"],
    ]);
  });

  test("a 200 that comes before the CANCEL could go out is ended too", () => {
    expect(run(cancel, answer(200)).told[1]).toEqual([
      "5 ACK sip:b@192.0.2.2", "6 BYE sip:b@192.0.2.2", "failed 487",
    ]);
  });

  test("a cancelled INVITE that is never answered fails all the same", () => {
    expect(run(answer(180), cancel, { type: "timeout" }).told[2]).toEqual(["failed 408"]);
  });
});
