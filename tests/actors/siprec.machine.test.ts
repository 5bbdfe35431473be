import { describe, expect, test } from "bun:test";
import type { AnyStateNode } from "xstate";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { header } from "../../protocol/sip/header.ts";
import {
  peerFlow, peerResponse, recorderAnswer, recorderTarget,
} from "../support/machine-samples.ts";
import { LoneSession, outcome, played, type PlayName, PLAYS } from "./siprec.table.ts";

/** How each state is come to. */
const PATHS: Record<string, PlayName[]> = {
  idle: [],
  "inviting.calling": ["ready"],
  "inviting.cancelling": ["ready", "180", "stop"],
  "in-progress.recording": ["ready", "200"],
  "in-progress.updating": ["ready", "200", "parties"],
  "in-progress.waiting": ["ready", "200", "parties", "491"],
  "in-progress.stopping": ["ready", "200", "stop"],
  stopped: ["stop"],
  error: ["no ports"],
};

const TO_NEXT = "inviting.calling: INVITE, is inviting.calling";
const ANSWERED = "in-progress.recording: ACK, forks.open, is in-progress.recording";
const GIVEN_UP = "stopped: forks.close, is stopped";
const CROSSED = "stopped: ACK, BYE, forks.close, is stopped";
const HUNG_UP = "in-progress.stopping: BYE, forks.close, is in-progress.stopping";
const HUNG_UP_BY_SRS = "in-progress.stopping: 200, forks.close, is in-progress.stopping";
const UPDATED = "in-progress.recording: forks.open, is in-progress.recording";

const refused481 = (state: string): Partial<Record<PlayName, string>> => Object.fromEntries(
  (Object.keys(PLAYS) as PlayName[])
    .filter((name) => /^(SRS (?!ACK)|stranger)/.test(name)).map((name) => [name, `${state}: 481`]),
);

const inDialog = (state: string): Partial<Record<PlayName, string>> => ({
  "SRS BYE": HUNG_UP_BY_SRS, "SRS BYE with Reason": HUNG_UP_BY_SRS,
  "SRS OPTIONS": `${state}: 200`, "SRS INFO": `${state}: 405`, "SRS INVITE": `${state}: 200`,
  "SRS wants a snapshot": `${state}: 200`, "stranger's BYE": `${state}: 481`,
});

/** A 2xx to an INVITE that has been answered before: ACK again, and BYE to another's. */
const late = (state: string): Partial<Record<PlayName, string>> => ({
  "200": `${state}: ACK`, "200 without SDP": `${state}: ACK`, "200 refusing": `${state}: ACK`,
});

/** State, event: what comes of it. Whatever is not here leaves the state as it is, and is mute. */
const TABLE: Record<string, Partial<Record<PlayName, string>>> = {
  idle: {
    ready: TO_NEXT, "no ports": "error: forks.close, is error", stop: GIVEN_UP,
  },
  "inviting.calling": {
    "200": ANSWERED, "200 of a fork": ANSWERED,
    "200 without SDP": "inviting.calling: ACK, BYE, INVITE, is inviting.calling",
    "200 refusing": "inviting.calling: ACK, BYE, INVITE, is inviting.calling",
    "481": TO_NEXT, "486": TO_NEXT, "491": TO_NEXT, "no answer": TO_NEXT, unreachable: TO_NEXT,
    deadline: TO_NEXT, restored: TO_NEXT,
    stop: "inviting.cancelling: forks.close, is inviting.cancelling",
    ...refused481("inviting.calling"),
  },
  "inviting.cancelling": {
    "200": CROSSED, "200 of a fork": CROSSED, "200 without SDP": CROSSED, "200 refusing": CROSSED,
    "481": GIVEN_UP, "486": GIVEN_UP, "491": GIVEN_UP, "no answer": GIVEN_UP,
    unreachable: GIVEN_UP, deadline: GIVEN_UP, restored: GIVEN_UP,
    ...refused481("inviting.cancelling"),
  },
  "in-progress.recording": {
    ...late("in-progress.recording"), ...inDialog("in-progress.recording"),
    "200 of a fork": "in-progress.recording: ACK, BYE",
    parties: "in-progress.updating: INVITE, is in-progress.updating",
    "SRS wants a snapshot": "in-progress.updating: 200, INVITE, is in-progress.updating",
    stop: HUNG_UP, "no ports": HUNG_UP,
  },
  "in-progress.updating": {
    ...inDialog("in-progress.updating"),
    "200": ANSWERED, "200 of a fork": ANSWERED, "200 without SDP": ANSWERED,
    "200 refusing": ANSWERED, "486": UPDATED,
    "481": "in-progress.stopping: forks.close, is in-progress.stopping",
    "491": "in-progress.waiting: is in-progress.waiting",
    "no answer": HUNG_UP, unreachable: HUNG_UP, stop: HUNG_UP, "no ports": HUNG_UP,
    "SRS INVITE": "in-progress.updating: 491",
    restored: "in-progress.updating: INVITE, forks.open, is in-progress.recording, " +
      "is in-progress.updating",
  },
  "in-progress.waiting": {
    ...late("in-progress.waiting"), ...inDialog("in-progress.waiting"),
    "200 of a fork": "in-progress.waiting: ACK",
    deadline: "in-progress.updating: INVITE, is in-progress.updating",
    "no answer": HUNG_UP, unreachable: HUNG_UP, stop: HUNG_UP, "no ports": HUNG_UP,
  },
  "in-progress.stopping": {
    ...late("in-progress.stopping"), ...inDialog("in-progress.stopping"),
    "200 of a fork": "in-progress.stopping: ACK, BYE",
    "SRS BYE": "in-progress.stopping: 200", "SRS BYE with Reason": "in-progress.stopping: 200",
    deadline: GIVEN_UP,
  },
  stopped: {},
  error: {},
};

describe("the siprec machine, state by event", () => {
  for (const [state, path] of Object.entries(PATHS)) {
    test(`${state} is come to`, () => {
      expect(played(path).state).toBe(state);
    });

    for (const event of Object.keys(PLAYS) as PlayName[]) {
      const expected = TABLE[state]?.[event] ?? "";
      test(`${state}, ${event}: ${expected === "" ? "nothing" : expected}`, () => {
        expect(outcome(path, event)).toBe(expected);
      });
    }
  }

  test("the table has every state that holds no other", () => {
    const leaves = (node: AnyStateNode): string[] => {
      const inner = Object.values(node.states);
      return inner.length === 0 ? [node.path.join(".")] : inner.flatMap(leaves);
    };
    expect(Object.keys(PATHS).sort()).toEqual(leaves(siprecMachine.root).sort());
  });
});

describe("the end of a session", () => {
  test("stopping ends when BYE is answered and the forks are closed, in either order", () => {
    for (const last of [["BYE answered", "closed"], ["closed", "BYE unanswered"]] as const) {
      const session = played(["ready", "200", "stop", last[0]]);
      expect(session.state).toBe("in-progress.stopping");
      PLAYS[last[1]](session);
      expect(session.state).toBe("stopped");
      expect(session.actor.getSnapshot().output).toEqual({
        siprecSid: session.context.order.siprecSid, status: "stopped",
      });
    }
  });

  test("the BYE of an answer too many is not the session's own", () => {
    const session = played(["ready", "200", "200 of a fork", "stop", "closed"]);
    const [unwanted] = session.requests("BYE");
    session.tell({
      type: "sip.failed", id: unwanted?.id ?? "", reason: "timeout", message: "x", at: session.at,
    });
    expect(session.state).toBe("in-progress.stopping");
    PLAYS["BYE answered"](session);
    expect(session.state).toBe("stopped");
  });

  test("a Reason of failure in the recorder's BYE is the session's fault", () => {
    const session = played(["ready", "200", "SRS BYE with Reason", "closed"]);
    expect(session.state).toBe("error");
    expect(session.context.fault?.message).toContain("cause=503");
  });

  test("without another address a refusal is an error, with the status in its words", () => {
    const session = played(["ready", "486", "486"]);
    expect(session.state).toBe("error");
    expect(session.context.fault).toEqual({ code: 32011, message: expect.stringContaining("486") });
    expect(session.actor.getSnapshot().output?.status).toBe("error");
  });

  test("a fault in the order ends it in error before anything is sent", () => {
    const session = new LoneSession({ fault: { code: 31940, message: "no such connector" } });
    expect(session.state).toBe("error");
    expect(session.sent).toEqual([]);
    expect(session.context.endedAt).toBe(session.context.createdAt);
  });
});

describe("the addresses of a connector", () => {
  test("each INVITE has ids of its own; the last address has no answer clock but Timer B", () => {
    const session = played(["ready", "486"], { targets: ["a", "b"].map(recorderTarget) });
    const [first, second] = session.requests("INVITE").map(({ request }) => request);
    expect(first?.uri).toBe("sip:srs@a.example.net");
    expect(second?.uri).toBe("sip:srs@b.example.net");
    for (const name of ["Call-ID", "From"]) {
      expect(first && header(first, name)).not.toBe(second && header(second, name));
    }
    expect(session.deadlines.map(({ at }) => at > 8e15)).toEqual([false, true]);
  });

  test("any 1xx stops the answer clock", () => {
    for (const provisional of ["100", "180"] as const) {
      expect(played(["ready", provisional, "deadline"]).requests("INVITE").length).toBe(1);
    }
  });

  test("a late answer of an address that was given up gets ACK and BYE, nothing else", () => {
    const session = played(["ready", "deadline"]);
    const [first] = session.requests("INVITE");
    if (first === undefined) throw new Error("no INVITE");
    session.tell({
      type: "sip.response", id: first.id, flow: peerFlow, at: session.at,
      response: peerResponse(first.request, 200, "late", recorderAnswer(first.request)),
    });
    expect(session.news()).toEqual(["ACK", "BYE"]);
    expect(session.state).toBe("inviting.calling");
    PLAYS["200"](session);
    expect(session.context.dialog?.remoteTag).toBe("peer");
  });

  test("CANCEL waits for a 1xx, and goes out once", () => {
    const session = played(["ready", "stop"]);
    expect(session.sent.filter(({ type }) => type === "send.cancel")).toEqual([]);
    PLAYS["100"](session);
    PLAYS["180"](session);
    expect(session.sent.filter(({ type }) => type === "send.cancel").length).toBe(1);
  });
});
