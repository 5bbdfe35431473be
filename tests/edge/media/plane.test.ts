import { afterEach, describe, expect, test } from "bun:test";
import {
  applied, bridge, callSid, closeRigs, forkId, forkTo, LOOPBACK, openRig, openSmallRig, orderOf,
  received, remoteOf,
} from "./rig.ts";

afterEach(closeRigs);

const A = callSid("a");
const B = callSid("b");
const hearing = (sid: string) => ({ kind: "call" as const, callSid: sid });
const ENOUGH_S = 10;

describe("media plane: orders", () => {
  test("the same order again changes nothing, not even the ports", async () => {
    const rig = openRig();
    const { a } = await bridge(rig);
    const srs = await rig.peer();
    const order = orderOf(A, 2, { remote: remoteOf(a.port), hears: hearing(B) },
      [forkTo(forkId("1", 1), "inbound_track", srs)]);
    const first = await applied(rig, order);
    const free = rig.ports.free;
    expect(await applied(rig, order)).toEqual(first);
    expect(rig.ports.free).toBe(free);
  });

  test("an older epoch or an older revision is refused and changes nothing", async () => {
    const rig = openRig();
    await applied(rig, { ...orderOf(A, 5, {}), epoch: 7 });
    const refused = async (epoch: number, revision: number, sid = A, edge = "ashburn") => {
      const reply = await rig.plane.apply({ ...orderOf(sid, revision, {}), epoch, edge });
      return reply.ok ? "ok" : reply.code;
    };
    expect(await refused(6, 9)).toBe("STALE_EPOCH");
    expect(await refused(6, 1, B)).toBe("STALE_EPOCH");
    expect(await refused(7, 4)).toBe("STALE_REVISION");
    expect(await refused(7, 5)).toBe("ok");
    expect(await refused(8, 1)).toBe("ok");
    expect(await refused(1, 1, B, "dublin")).toBe("ok");
  });

  test("release gives every port back and says what there was; a late order is refused",
    async () => {
      const rig = openRig();
      const { a, portA } = await bridge(rig);
      const srs = await rig.peer();
      await applied(rig, orderOf(A, 2, { remote: remoteOf(a.port), hears: hearing(B) },
        [forkTo(forkId("1", 1), "inbound_track", srs)]));
      a.sendRtp(portA, {});
      await srs.hears(1);
      const reply = await applied(rig, orderOf(A, 3, null));
      expect(reply).toMatchObject({
        revision: 3, endpoint: { received: { packets: 1 } }, forks: [],
        ended: [{ id: forkId("1", 1), counters: { packets: 1, bytes: 160, lost: 0 } }],
      });
      expect(rig.ports.free).toBe(rig.ports.all - 1);
      const late = await rig.plane.apply(orderOf(A, 2, {}));
      expect(late).toMatchObject({ ok: false, code: "STALE_REVISION" });
      expect(rig.plane.callCount).toBe(1);
    });

  test("without enough ports the order is refused whole, and what was there stays", async () => {
    const rig = await openSmallRig(3);
    const { a, b, portA } = await bridge(rig);
    const two = [1, 2].map((label) => forkTo(forkId("1", label), "inbound_track", null));
    const reply = await rig.plane.apply(orderOf(A, 2, { remote: remoteOf(a.port),
      hears: hearing(B) }, two));
    expect(reply).toMatchObject({ ok: false, code: "PORTS_EXHAUSTED" });
    expect(rig.ports.free).toBe(1);
    a.sendRtp(portA, {});
    await b.hears(1);
  });

  test("a port that another program holds is left out", async () => {
    const rig = await openSmallRig(2);
    const reply = await applied(rig, orderOf(A, 1, {}));
    const own = reply.endpoint?.port.rtpPort ?? 0;
    const port = own === rig.firstPort ? own + 2 : rig.firstPort;
    const other = await Bun.udpSocket({ hostname: LOOPBACK, port });
    const taken = await rig.plane.apply(orderOf(B, 1, {}));
    other.close();
    expect(taken).toMatchObject({ ok: false, code: "PORTS_EXHAUSTED" });
    expect(rig.ports.free).toBe(1);
    await applied(rig, orderOf(B, 2, {}));
  });

  test.each([
    ["a group", { rtp: { address: "224.0.0.9", port: 9 } }],
    ["an IPv6 group", { rtp: { address: "ff02::1", port: 9 } }],
    ["nowhere", { rtp: { address: "0.0.0.0", port: 9 } }],
    ["a name", { rtcp: { address: "example.com", port: 9 } }],
    ["unreadable networks", { allow: ["10.0.0.0/64"] }],
  ])("an order that sends audio to %s is refused", async (_, more) => {
    const rig = openRig();
    const order = orderOf(A, 1, { remote: remoteOf(9, more) });
    expect(await rig.plane.apply(order)).toMatchObject({ ok: false, code: "INVALID_ORDER" });
    expect(rig.ports.free).toBe(rig.ports.all);
  });

  test("two forks with one id are refused", async () => {
    const rig = openRig();
    const fork = forkTo(forkId("1", 1), "inbound_track", null);
    expect(await rig.plane.apply(orderOf(A, 1, {}, [fork, fork]))).toMatchObject({
      ok: false, code: "INVALID_ORDER",
    });
  });

  test("a leg that falls silent where audio is due is told of, again after as long", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    const order = (direction: "sendrecv" | "recvonly", revision: number) => orderOf(A, revision, {
      remote: remoteOf(phone.port, { direction }), timeoutMs: ENOUGH_S * 1000,
    });
    const reply = await applied(rig, order("sendrecv", 1));
    rig.clock.advance(ENOUGH_S * 1000 - 2000);
    phone.sendRtp(reply.endpoint?.port.rtpPort ?? 0, {});
    await received(rig, 1);
    rig.clock.advance(ENOUGH_S * 1000 - 2000);
    expect(rig.facts).toEqual([]);
    rig.clock.advance(3000);
    expect(rig.facts.map(({ type }) => type)).toEqual(["media.timeout"]);
    rig.clock.advance(ENOUGH_S * 1000 + 1000);
    expect(rig.facts).toHaveLength(2);
    await applied(rig, order("recvonly", 2));
    rig.clock.advance(3 * ENOUGH_S * 1000);
    expect(rig.facts).toHaveLength(2);
  });

  test("a call without RTP is released when control has been away for a minute", async () => {
    const rig = openRig();
    await bridge(rig);
    rig.clock.advance(59_000);
    rig.plane.noteControl();
    rig.clock.advance(59_000);
    expect(rig.plane.callCount).toBe(2);
    rig.clock.advance(2000);
    expect([rig.plane.callCount, rig.ports.free, rig.clock.pending]).toEqual([
      0, rig.ports.all, 0,
    ]);
  });

  test("a call that talks is kept although control is away", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    for (let i = 1; i <= 4; i += 1) {
      rig.clock.advance(30_000);
      b.heard.length = 0;
      a.sendRtp(portA, { sequence: i });
      await received(rig, i);
    }
    expect(rig.plane.calls().map((call) => call.callSid)).toEqual([A]);
  });
});
