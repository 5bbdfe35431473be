import { describe, expect, test } from "bun:test";
import { header, headersOf, topVia } from "../../../../protocol/sip/header.ts";
import { cancelOf } from "../../../../protocol/sip/transaction/derived.ts";
import {
  type InviteClientTransaction, type InviteClientTransactionInput, startInviteClient,
  stepInviteClientTransaction,
} from "../../../../protocol/sip/transaction/invite-client.ts";
import {
  type NonInviteClientInput, type NonInviteClientTransaction, startNonInviteClient,
  stepNonInviteClient,
} from "../../../../protocol/sip/transaction/non-invite-client.ts";
import { sampleRequest, sampleResponse } from "../../../support/sip.ts";
import { Timeline } from "../../../support/timeline.ts";

const invite = sampleRequest({
  headers: [
    { name: "Route", value: "<sip:p1;lr>" }, { name: "Route", value: "<sip:p2;lr>" },
    { name: "Require", value: "siprec" },
  ],
});
const options = sampleRequest({ method: "OPTIONS" });
const time = { type: "time" } as const;
const answer = (status: number, request = invite, tag = "b") => ({
  type: "response" as const, response: sampleResponse(request, status, tag),
});

const inviteOver = (reliable: boolean): Timeline<
  InviteClientTransaction, InviteClientTransactionInput
> => new Timeline(startInviteClient(invite, reliable, 0), stepInviteClientTransaction, time);

const optionsOver = (
  reliable: boolean,
): Timeline<NonInviteClientTransaction, NonInviteClientInput> =>
  new Timeline(startNonInviteClient(options, reliable, 0), stepNonInviteClient, time);

describe("the INVITE client transaction", () => {
  test("RFC 3261 §17.1.1.2: timer A doubles without a cap until timer B ends it", () => {
    const line = inviteOver(false).until(60_000);
    expect(line.events).toEqual([
      "0 send INVITE", "500 send INVITE", "1500 send INVITE", "3500 send INVITE",
      "7500 send INVITE", "15500 send INVITE", "31500 send INVITE", "32000 timeout",
    ]);
    expect(line.state.phase).toBe("terminated");
  });

  test("nothing is repeated over a stream, where timer B runs all the same", () => {
    expect(inviteOver(true).until(60_000).events).toEqual(["0 send INVITE", "32000 timeout"]);
  });

  test("a 1xx ends timers A and B: the callee may ring for as long as it likes", () => {
    const line = inviteOver(false).at(700, answer(100)).at(800, answer(180)).until(300_000);
    expect(line.events).toEqual([
      "0 send INVITE", "500 send INVITE", "700 tell 100", "800 tell 180",
    ]);
  });

  test("RFC 6026 §7.2: each 2xx is told, of each branch, until timer M", () => {
    const line = inviteOver(false).at(100, answer(200)).at(600, answer(200))
      .at(900, answer(200, invite, "c")).at(1000, answer(180)).at(1100, answer(486));
    expect(line.events).toEqual([
      "0 send INVITE", "100 tell 200", "600 tell 200", "900 tell 200",
    ]);
    expect(line.until(32_099).state.phase).toBe("accepted");
    expect(line.until(32_100).state.phase).toBe("terminated");
  });

  test("a failure is told once and acknowledged as often as it comes, for 32 s", () => {
    const line = inviteOver(false).at(100, answer(486)).at(600, answer(486))
      .at(1600, answer(180)).at(32_000, answer(486));
    expect(line.events).toEqual([
      "0 send INVITE", "100 send ACK", "100 tell 486", "600 send ACK", "32000 send ACK",
    ]);
    expect(line.until(32_100).state.phase).toBe("terminated");
    expect(line.at(32_200, answer(486)).events.at(-1)).toBe("32000 send ACK");
  });

  test("timer D is nothing over a stream", () => {
    const line = inviteOver(true).at(100, answer(486));
    expect(line.events).toEqual(["0 send INVITE", "100 send ACK", "100 tell 486"]);
    expect(line.state.phase).toBe("terminated");
  });

  test("RFC 3261 §17.1.1.3: the ACK to a failure is the INVITE's with the answer's To", () => {
    const { out } = stepInviteClientTransaction(
      startInviteClient(invite, false, 0).state, answer(486), 0);
    const [first] = out;
    if (first?.type !== "send" || first.message.kind !== "request") throw new Error("no ACK");
    const ack = first.message;
    expect(ack.uri).toBe(invite.uri);
    expect(headersOf(ack, "Via")).toEqual([header(invite, "Via") ?? ""]);
    expect(headersOf(ack, "Route")).toEqual(["<sip:p1;lr>", "<sip:p2;lr>"]);
    expect(header(ack, "From")).toBe(header(invite, "From"));
    expect(header(ack, "To")).toBe("<sip:b@192.0.2.2>;tag=b");
    expect(header(ack, "CSeq")).toBe("1 ACK");
    expect(header(ack, "Require")).toBeNull();
  });

  test("RFC 3261 §9.1: a CANCEL bears the INVITE's branch, route, number, no Require", () => {
    const cancel = cancelOf(invite);
    expect(topVia(cancel)?.branch).toBe("z9hG4bK-1");
    expect(headersOf(cancel, "Route")).toEqual(["<sip:p1;lr>", "<sip:p2;lr>"]);
    expect(header(cancel, "To")).toBe("<sip:b@192.0.2.2>");
    expect(header(cancel, "CSeq")).toBe("1 CANCEL");
    expect(header(cancel, "Require")).toBeNull();
  });

  test("RFC 3261 §9.1: after CANCEL the final answer is waited for 64*T1", () => {
    const line = inviteOver(false).at(100, answer(180)).at(1000, { type: "cancelled" });
    line.at(5000, answer(183));
    expect(line.until(32_999).state.phase).toBe("proceeding");
    expect(line.until(33_000).events.at(-1)).toBe("33000 timeout");
  });

  test("a transport error ends it before the final answer only", () => {
    const error = { type: "transport-error", reason: "gone" } as const;
    expect(inviteOver(true).at(5, error).events.at(-1)).toBe("5 transport-error");
    expect(inviteOver(true).at(5, answer(180)).at(9, error).events.at(-1))
      .toBe("9 transport-error");
    expect(inviteOver(true).at(5, answer(200)).at(9, error).state.phase).toBe("accepted");
    expect(inviteOver(false).at(5, answer(486)).at(9, error).state.phase).toBe("completed");
  });
});

describe("the non-INVITE client transaction", () => {
  test("RFC 3261 §17.1.2.2: timer E doubles up to T2 until timer F", () => {
    expect(optionsOver(false).until(60_000).events).toEqual([
      "0 send OPTIONS", "500 send OPTIONS", "1500 send OPTIONS", "3500 send OPTIONS",
      "7500 send OPTIONS", "11500 send OPTIONS", "15500 send OPTIONS", "19500 send OPTIONS",
      "23500 send OPTIONS", "27500 send OPTIONS", "31500 send OPTIONS", "32000 timeout",
    ]);
  });

  test("nothing is repeated over a stream, where timer F runs all the same", () => {
    expect(optionsOver(true).until(60_000).events).toEqual(["0 send OPTIONS", "32000 timeout"]);
  });

  test("after a 1xx it repeats at T2, and timer F still ends it", () => {
    const line = optionsOver(false).at(200, answer(100, options)).until(60_000);
    expect(line.events.slice(0, 5)).toEqual([
      "0 send OPTIONS", "200 tell 100", "500 send OPTIONS", "4500 send OPTIONS",
      "8500 send OPTIONS",
    ]);
    expect(line.events.at(-1)).toBe("32000 timeout");
  });

  test("the final answer is told once; timer K absorbs the rest over UDP", () => {
    const line = optionsOver(false).at(200, answer(200, options)).at(700, answer(200, options));
    expect(line.events).toEqual(["0 send OPTIONS", "200 tell 200"]);
    expect(line.until(5199).state.phase).toBe("completed");
    expect(line.until(5200).state.phase).toBe("terminated");
    expect(line.events).toHaveLength(2);
    expect(optionsOver(true).at(200, answer(200, options)).state.phase).toBe("terminated");
  });

  test("a transport error is told, and not after the final answer", () => {
    const error = { type: "transport-error", reason: "gone" } as const;
    expect(optionsOver(true).at(5, error).events.at(-1)).toBe("5 transport-error");
    const line = optionsOver(false).at(5, answer(200, options)).at(9, error);
    expect(line.events.at(-1)).toBe("5 tell 200");
  });
});
