import { describe, expect, test } from "bun:test";
import { packSnapshot, unpackSnapshot } from "../../actors/restore.ts";
import { settled } from "../support/fake-clock.ts";
import {
  appliedFact, callerRequest, dialledCall, inboundCall, peerFlow, phoneSdp, siprecOrder,
  STARTED_AT,
} from "../support/machine-samples.ts";
import { MachineWorld } from "../support/machine-world.ts";

const DIAL = "<Response><Stop><Siprec name=\"x\"/></Stop><Dial>+15550077</Dial></Response>";

/** Through JSON and into another process. */
function moved(world: MachineWorld): MachineWorld {
  const { stored, document } = packSnapshot(world.persisted(), world.at);
  const read: { stored: unknown; document: unknown } = JSON.parse(
    JSON.stringify({ stored, document }),
  );
  const unpacked = unpackSnapshot(read.stored, read.document);
  if (!unpacked.ok) throw new Error(unpacked.reason);
  world.restore(unpacked.snapshot, false);
  return world;
}

const applied = (world: MachineWorld): void => {
  const order = world.orders.at(-1);
  if (order !== undefined) world.actor.send(appliedFact(order, world.tick()));
};

function talking(twiml = DIAL): MachineWorld {
  const world = new MachineWorld(inboundCall(twiml));
  applied(world);
  return world;
}

describe("a stored snapshot", () => {
  test("has the document beside it, once, and gets it back", () => {
    const world = talking();
    const { stored, document } = packSnapshot(world.persisted(), STARTED_AT);
    expect(document?.verbs.map(({ kind }) => kind)).toEqual(["stop", "dial"]);
    expect(JSON.stringify(stored)).not.toContain('"kind":"dial"');
    const unpacked = unpackSnapshot(stored, document);
    expect(unpacked.ok && Bun.deepEquals(unpacked.snapshot, world.persisted())).toBe(true);
  });

  test("does not change the snapshot that it was made from", () => {
    const persisted = talking().persisted();
    const before = JSON.stringify(persisted);
    packSnapshot(persisted, STARTED_AT);
    expect(JSON.stringify(persisted)).toBe(before);
  });

  test("a call whose document is being fetched, or has no verbs, needs none", () => {
    const fetching = new MachineWorld({
      ...inboundCall(null),
      document: { kind: "url", url: "https://app.example.net/voice", method: "POST" },
    });
    expect(moved(fetching).state).toBe("ringing.waiting");
    expect(moved(new MachineWorld(inboundCall("<Response/>"))).state).toBe("ringing.waiting");
    expect(moved(new MachineWorld(dialledCall())).state).toBe("queued.opening");
  });

  const { stored, document } = packSnapshot(talking().persisted(), STARTED_AT);
  const rows: [string, unknown, unknown, string][] = [
    ["nothing", null, null, "not the snapshot"], ["text", "x", null, "not the snapshot"],
    ["of another machine", { ...stored, machine: "siprec" }, document, "not the snapshot"],
    ["without a state", { ...stored, state: null }, document, "not the snapshot"],
    ["of a version to come", { ...stored, version: 99 }, document, "unknown version 99"],
    ["without its document", stored, null, "document is missing"],
    ["with an odd document", stored, { verbs: 7 }, "document is missing"],
  ];
  for (const [name, one, beside, reason] of rows) {
    test(`${name} is not restored, and says why`, () => {
      expect(unpackSnapshot(one, beside)).toEqual({
        ok: false, reason: expect.stringContaining(reason),
      });
    });
  }
});

describe("a call that was taken over", () => {
  test("goes on in the state it was in, and tells the media process whom it answers to", () => {
    const world = moved(talking());
    expect(world.state).toBe("in-progress.talking");
    const orders = world.orders.length;
    world.actor.send({ type: "restored", at: world.tick() });
    expect(world.orders.length).toBe(orders + 1);
    expect(world.context.revision).toBe(world.orders.at(-1)?.revision ?? -1);
  });

  test("its document goes on where it was", async () => {
    const world = moved(talking("<Response><Pause length=\"0\"/><Hangup/></Response>"));
    applied(world);
    await settled();
    expect([...world.deadlines].map(({ at }) => at)).toEqual([STARTED_AT]);
    [...world.deadlines][0]?.fire();
    expect(world.state).toBe("in-progress.closing");
  });

  test("one that rang is given up: what became of the INVITE is unknown", () => {
    const inbound = moved(new MachineWorld(inboundCall(null)));
    inbound.actor.send({ type: "restored", at: inbound.tick() });
    expect(inbound.state).toBe("ringing.closing");
    const placed = new MachineWorld(dialledCall());
    applied(placed);
    expect(placed.state).toBe("queued.calling");
    moved(placed).actor.send({ type: "restored", at: placed.tick() });
    applied(placed);
    expect(placed.actor.getSnapshot().value).toBe("failed");
    expect(placed.sent("leg", "send.request").length).toBe(1);
  });

  test("one that was ending sends its BYE again: the first one's answer is lost", () => {
    const world = talking();
    world.actor.send({
      type: "sip.request", flow: peerFlow, transactionId: null, at: world.tick(),
      request: callerRequest({ method: "ACK", cseq: 1, body: phoneSdp() }),
    });
    world.actor.send({ type: "call.hangup", reason: "stop", at: world.tick() });
    moved(world).actor.send({ type: "restored", at: world.tick() });
    const byes = world.sent("leg", "send.request").map(({ request }) => request);
    expect(byes.map(({ method }) => method)).toEqual(["BYE", "BYE"]);
    expect(byes.map(({ headers }) => headers.find(({ name }) => name === "CSeq")?.value))
      .toEqual(["1 BYE", "2 BYE"]);
  });

  test("a session that waited for its recorder starts a new dialog", () => {
    const world = talking();
    world.actor.send({ type: "siprec.start", order: siprecOrder(1), at: world.tick() });
    applied(world);
    const [sid = ""] = [...world.sessions().keys()];
    const before = world.sent(sid, "send.request").length;
    moved(world).actor.send({ type: "restored", at: world.tick() });
    const invites = world.sent(sid, "send.request").map(({ request }) => request);
    expect(invites.length).toBe(before + 1);
    const callIds = invites.map(({ headers }) =>
      headers.find(({ name }) => name === "Call-ID")?.value
    );
    expect(new Set(callIds).size).toBe(2);
  });
});
