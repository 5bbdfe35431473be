// What comes from outside every dialog, before a call is made of it.
import { expect, test } from "bun:test";
import { Inbound } from "../../../edge/ports/inbound.ts";
import { TrunkSources } from "../../../edge/ports/routes.ts";
import { TrunkLimits } from "../../../edge/ports/trunk-limits.ts";
import type { SipFlow } from "../../../protocol/sip/message.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { callerRequest, peerFlow } from "../../support/machine-samples.ts";
import { quietLog } from "../../support/quiet-log.ts";

test("one who may not call and calls again and again is a line in the log, not thousands", () => {
  const clock = new FakeClock();
  const said: unknown[] = [];
  const ignored: string[] = [];
  const inbound = new Inbound({
    clock, random: (length) => new Uint8Array(length), edgeNumber: 3, sipHost: "192.0.2.1",
    log: { ...quietLog, warn: (event, fields) => void said.push([event, fields]) },
    codecs: ["PCMU"], mediaTimeoutMs: 0, sources: new TrunkSources([]),
    limits: new TrunkLimits(clock), numbers: [], isReady: () => true, mediaProcess: () => "0",
    start: () => {}, respond: () => {}, ignore: (id) => void ignored.push(id),
  });
  const call = (remoteAddress: string, transactionId: string): void => {
    const flow: SipFlow = { ...peerFlow, remoteAddress };
    inbound.receive({ request: callerRequest({ method: "INVITE", cseq: 1 }), flow, transactionId });
  };
  for (let i = 0; i < 500; i += 1) call("203.0.113.5", `t${i}`);
  call("203.0.113.6", "other");
  const line = (from: string, count: number) =>
    ["sip.stranger", { from, method: "INVITE", count }];
  expect(said).toEqual([line("203.0.113.5", 1), line("203.0.113.6", 1)]);
  expect(ignored).toHaveLength(501);
});
