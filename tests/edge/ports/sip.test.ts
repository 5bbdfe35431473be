// The `sip` port: answers that wait to be stored.
import { expect, test } from "bun:test";
import { createActor } from "xstate";
import { type SipPortOptions, sipOf, STORE_WAIT_MS } from "../../../edge/ports/sip.ts";
import { buildResponse } from "../../../protocol/sip/build.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { ACCOUNT_SID, CALL_SID, callerRequest } from "../../support/machine-samples.ts";
import { quietLog } from "../../support/quiet-log.ts";

/** A port, and the statuses that went out, by the time at which they did. */
function open(stored: () => Promise<void>) {
  const clock = new FakeClock();
  const sent: [status: number, afterMs: number][] = [];
  const startedAt = clock.monotonicMs();
  const sender: SipPortOptions["sender"] = {
    send: () => "t1", cancel: () => {}, sendAck: () => {}, revive: () => {},
    respond: (_id, { status }) => {
      sent.push([status, clock.monotonicMs() - startedAt]);
      return true;
    },
  };
  const actor = createActor(
    sipOf({ sender, clock, log: quietLog, stored, credentials: () => null }),
    {
      input: {
        callSid: CALL_SID, siprecSid: null, connectorName: null, accountSid: ACCOUNT_SID,
      },
    },
  );
  actor.start();
  const respond = (status: number, durable: boolean): void => {
    const request = callerRequest({ method: "BYE", cseq: 2 });
    actor.send({
      type: "send.response", transactionId: "t", contactParams: "", durable,
      response: buildResponse(request, status, null),
    });
  };
  return { clock, sent, respond };
}

test("an answer to be stored goes out when it is, and those after it in order", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { clock, sent, respond } = open(() => promise);
  respond(180, true);
  respond(200, false);
  await clock.advance(50);
  expect(sent).toEqual([]);
  resolve();
  await clock.advance(0);
  expect(sent).toEqual([[180, 50], [200, 50]]);
  expect(clock.pending).toBe(0);
});

test("a peer does not wait for a write that takes long, or fails", async () => {
  const slow = open(() => new Promise(() => {}));
  slow.respond(200, true);
  await slow.clock.advance(STORE_WAIT_MS - 1);
  expect(slow.sent).toEqual([]);
  await slow.clock.advance(1);
  expect(slow.sent).toEqual([[200, STORE_WAIT_MS]]);
  const failing = open(() => Promise.reject(new Error("away")));
  failing.respond(200, true);
  await failing.clock.advance(0);
  expect([failing.sent, failing.clock.pending]).toEqual([[[200, 0]], 0]);
});
