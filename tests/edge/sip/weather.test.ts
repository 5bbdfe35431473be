// Two user agents and a network that loses, repeats and reorders: calls begin and end all the same.
import { expect, test } from "bun:test";
import type { UserAgent } from "../../../edge/sip/types.ts";
import { buildRequest, buildResponse } from "../../../protocol/sip/build.ts";
import { type Dialog, nextHopFlow, requestInDialog } from "../../../protocol/sip/dialog.ts";
import { inviteClient, stepInviteClient } from "../../../protocol/sip/invite-client.ts";
import { collect, stage } from "../../support/agents.ts";
import { seeded } from "../../support/seeded.ts";

const CALLS = 20;

interface Caller {
  answered: number;
  ended: number;
  failed: string[];
}

/** Calls, and hangs up one second after the answer. */
function call(agent: UserAgent, n: number, caller: Caller, after: (run: () => void) => void): void {
  const invite = buildRequest({
    method: "INVITE", uri: "sip:b@192.0.2.2", from: `<sip:a@192.0.2.1>;tag=a${n}`,
    to: "<sip:b@192.0.2.2>", callId: `call-${n}`, cseq: 1,
  });
  let state = inviteClient(invite);
  const hangUp = (dialog: Dialog): void => {
    agent.send(requestInDialog(dialog, "BYE").request,
      { owner: null, flow: nextHopFlow(dialog) }, (event) => {
        if (event.type === "response" && event.response.status === 200) caller.ended++;
        else caller.failed.push(`BYE: ${event.type}`);
      });
  };
  agent.send(invite, { owner: null, contact: { user: "a" } }, (event) => {
    const step = stepInviteClient(state, event);
    state = step.state;
    for (const out of step.out) {
      if (out.type === "send-ack") agent.sendAck(out.request, { owner: null, flow: out.flow });
      if (out.type === "send-bye") caller.failed.push("a second answer");
      if (out.type === "failed") caller.failed.push(`INVITE: ${out.reason}`);
      if (out.type === "answered") {
        caller.answered++;
        after(() => hangUp(out.dialog));
      }
    }
  });
}

for (const seed of [1, 2, 3]) {
  test(`${CALLS} calls survive loss, repetition and disorder (seed ${seed})`, async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent("192.0.2.2")];
    const random = seeded(seed);
    // Never more than three of a kind in a row: then no timer has run out.
    const losses = new Map<string, number>();
    wire.weather = ({ text, to }) => {
      const what = `${to} ${text.slice(0, 12)} ${/call-\d+/.exec(text)?.[0] ?? ""}`;
      const lost = losses.get(what) ?? 0;
      if (lost < 3 && random.chance(3)) {
        losses.set(what, lost + 1);
        return [];
      }
      losses.set(what, 0);
      const copies = random.chance(3) ? 2 : 1;
      return Array.from({ length: copies }, () => 1 + random.below(300));
    };
    const requests = collect(b);
    const unacknowledged: string[] = [];
    b.onNoAck = (id) => unacknowledged.push(id);
    const pushed = b.onRequest;
    b.onRequest = (incoming) => {
      pushed(incoming);
      const { request, transactionId } = incoming;
      if (transactionId === null) return;
      const answer = (): void => void b.respond(transactionId,
        buildResponse(request, 200, null, { toTag: "b" }), { contact: { user: "b" } });
      if (request.method === "INVITE") clock.after(150, answer);
      else answer();
    };
    const caller: Caller = { answered: 0, ended: 0, failed: [] };
    for (let n = 0; n < CALLS; n++) call(a, n, caller, (run) => void clock.after(1000, run));
    await clock.advance(200_000);
    expect(caller).toEqual({ answered: CALLS, ended: CALLS, failed: [] });
    expect(unacknowledged).toEqual([]);
    expect(b.stats.retransmissions).toBeGreaterThan(0);
    expect(requests.filter(({ request }) => request.method === "INVITE")).toHaveLength(CALLS);
    expect(requests.filter(({ request }) => request.method === "BYE")).toHaveLength(CALLS);
    expect(a.stats.clientTransactions + b.stats.serverTransactions).toBe(0);
    expect(clock.pending).toBe(0);
  });
}
