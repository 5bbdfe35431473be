import { describe, expect, test } from "bun:test";
import { header, tagOf } from "../../../../protocol/sip/header.ts";
import {
  acceptedKey, startAccepted2xx, stepAccepted2xx,
} from "../../../../protocol/sip/transaction/accepted-2xx.ts";
import {
  type InviteServerInput, type InviteServerTransaction, startInviteServer, stepInviteServer,
} from "../../../../protocol/sip/transaction/invite-server.ts";
import {
  type NonInviteServerInput, type NonInviteServerTransaction, startNonInviteServer,
  stepNonInviteServer,
} from "../../../../protocol/sip/transaction/non-invite-server.ts";
import { sampleRequest, sampleResponse } from "../../../support/sip.ts";
import { Timeline } from "../../../support/timeline.ts";

const invite = sampleRequest();
const options = sampleRequest({ method: "OPTIONS" });
const time = { type: "time" } as const;
const again = { type: "request" } as const;
const ack = { type: "ack" } as const;
const respond = (status: number, request = invite) => ({
  type: "respond" as const, response: sampleResponse(request, status),
});

const inviteOver = (reliable: boolean): Timeline<InviteServerTransaction, InviteServerInput> =>
  new Timeline(startInviteServer(invite, reliable, 0), stepInviteServer, time);

const optionsOver = (
  reliable: boolean,
): Timeline<NonInviteServerTransaction, NonInviteServerInput> =>
  new Timeline(startNonInviteServer(options, reliable, 0), stepNonInviteServer, time);

describe("the INVITE server transaction", () => {
  test("RFC 3261 §17.2.1: 100 goes out after 200 ms of silence, without a To tag", () => {
    const { state, out } = stepInviteServer(startInviteServer(invite, false, 0).state, time, 200);
    const [first] = out;
    if (first?.type !== "send" || first.message.kind !== "response") throw new Error("nothing");
    expect(first.message.status).toBe(100);
    expect(tagOf(header(first.message, "To") ?? "")).toBeNull();
    expect(inviteOver(false).until(10_000).events).toEqual(["200 send 100"]);
    expect(state.phase).toBe("proceeding");
  });

  test("no 100 when its user was quicker", () => {
    const line = inviteOver(false).at(50, respond(180)).until(10_000);
    expect(line.events).toEqual(["50 send 180"]);
  });

  test("a retransmission gets the last provisional answer, and silence before any", () => {
    const line = inviteOver(false).at(100, again).at(250, again).at(300, respond(183))
      .at(400, again);
    expect(line.events).toEqual(["200 send 100", "250 send 100", "300 send 183", "400 send 183"]);
  });

  test("timer G repeats a failure up to T2, timer H says that nobody acknowledged it", () => {
    const line = inviteOver(false).at(0, respond(486)).until(60_000);
    expect(line.events).toEqual([
      "0 send 486", "500 send 486", "1500 send 486", "3500 send 486", "7500 send 486",
      "11500 send 486", "15500 send 486", "19500 send 486", "23500 send 486", "27500 send 486",
      "31500 send 486", "32000 timeout",
    ]);
    expect(line.state.phase).toBe("terminated");
  });

  test("over a stream only timer H runs", () => {
    expect(inviteOver(true).at(0, respond(486)).until(60_000).events)
      .toEqual(["0 send 486", "32000 timeout"]);
  });

  test("the ACK ends the repetition; timer I absorbs more of them over UDP only", () => {
    const line = inviteOver(false).at(0, respond(486)).at(700, ack).at(900, ack).at(1000, again);
    expect(line.events).toEqual(["0 send 486", "500 send 486"]);
    expect(line.until(5699).state.phase).toBe("confirmed");
    expect(line.until(5700).state.phase).toBe("terminated");
    expect(inviteOver(true).at(0, respond(486)).at(700, ack).state.phase).toBe("terminated");
  });

  test("a retransmission after the failure gets it again", () => {
    const line = inviteOver(true).at(0, respond(486)).at(100, again);
    expect(line.events).toEqual(["0 send 486", "100 send 486"]);
  });

  test("RFC 6026 §7.1: after a 2xx retransmissions are absorbed until timer L", () => {
    const line = inviteOver(false).at(100, respond(200)).at(1100, again).at(1200, ack);
    expect(line.events).toEqual(["100 send 200"]);
    expect(line.until(32_099).state.phase).toBe("accepted");
    expect(line.until(32_100).state.phase).toBe("terminated");
    expect(line.events).toEqual(["100 send 200"]);
  });

  test("its user may repeat the 2xx, and nothing else after a final answer", () => {
    const line = inviteOver(false).at(0, respond(200)).at(500, respond(200)).at(600, respond(486));
    expect(line.events).toEqual(["0 send 200", "500 send 200"]);
    const failed = inviteOver(true).at(0, respond(486)).at(500, respond(200)).at(600, respond(487));
    expect(failed.events).toEqual(["0 send 486"]);
  });
});

describe("the non-INVITE server transaction", () => {
  test("RFC 4320 §4.1: no 100 before timer E of the client reaches T2, then one", () => {
    expect(optionsOver(false).until(31_999).events).toEqual(["3500 send 100"]);
  });

  test("RFC 4320 §4.2: no 408, not even when it is never answered", () => {
    const line = optionsOver(false).until(40_000).at(41_000, respond(200, options));
    expect(line.events).toEqual(["3500 send 100"]);
    expect(line.state.phase).toBe("terminated");
  });

  test("retransmissions wait in silence for the answer, then get it until timer J", () => {
    const line = optionsOver(false).at(10, again).at(20, respond(200, options)).at(500, again)
      .at(600, respond(404, options)).at(32_019, again);
    expect(line.events).toEqual(["20 send 200", "500 send 200", "32019 send 200"]);
    expect(line.until(32_020).state.phase).toBe("terminated");
    expect(line.at(32_100, again).events).toHaveLength(3);
  });

  test("timer J is nothing over a stream", () => {
    expect(optionsOver(true).at(20, respond(200, options)).state.phase).toBe("terminated");
  });
});

describe("the 2xx to INVITE", () => {
  test("RFC 3261 §13.3.1.4: it is repeated at T1 up to T2 for 64*T1 on any transport", () => {
    const events: string[] = [];
    let step = startAccepted2xx(sampleResponse(invite, 200), 0);
    while (step.deadlineAt !== null) {
      const now = step.deadlineAt;
      step = stepAccepted2xx(step.state, now);
      events.push(`${now} ${step.out}`);
    }
    expect(events).toEqual([
      "500 send", "1500 send", "3500 send", "7500 send", "11500 send", "15500 send",
      "19500 send", "23500 send", "27500 send", "31500 send", "32000 no-ack",
    ]);
  });

  test("called too early it waits on", () => {
    const { state } = startAccepted2xx(sampleResponse(invite, 200), 0);
    expect(stepAccepted2xx(state, 499)).toMatchObject({ out: "nothing", deadlineAt: 500 });
  });

  test("its ACK is known by Call-ID, both tags and number, not by its branch", () => {
    const key = acceptedKey(sampleResponse(invite, 200));
    const spec = { method: "ACK", toTag: "b", branch: "z9hG4bK-other" };
    expect(acceptedKey(sampleRequest(spec))).toBe(key);
    expect(acceptedKey(sampleRequest({ ...spec, toTag: "c" }))).not.toBe(key);
    expect(acceptedKey(sampleRequest({ ...spec, fromTag: "c" }))).not.toBe(key);
    expect(acceptedKey(sampleRequest({ ...spec, cseq: 2 }))).not.toBe(key);
    expect(acceptedKey(sampleRequest({ ...spec, callId: "call-2" }))).not.toBe(key);
  });
});
