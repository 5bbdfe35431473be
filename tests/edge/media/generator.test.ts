import { afterEach, describe, expect, test } from "bun:test";
import { applied, bridge, callSid, closeRigs, CN, openRig, orderOf, PCMA, PCMU, remoteOf }
  from "./rig.ts";

afterEach(closeRigs);

const A = callSid("a");
const B = callSid("b");
const hearing = (sid: string) => ({ kind: "call" as const, callSid: sid });

describe("media plane: what a leg hears while nobody speaks to it", () => {
  test("ringback, 20 ms each, with one SSRC and no gap; then silence", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    const remote = remoteOf(phone.port);
    await applied(rig, orderOf(A, 1, { remote, hears: { kind: "ringback" } }));
    rig.clock.advance(100);
    const ringing = await phone.hears(5);
    expect(ringing.map(({ marker }) => marker)).toEqual([true, false, false, false, false]);
    expect(ringing.map((p) => (p.sequence - (ringing[0]?.sequence ?? 0)) & 0xffff)).toEqual([
      0, 1, 2, 3, 4,
    ]);
    expect(ringing.map((p) => (p.timestamp - (ringing[0]?.timestamp ?? 0)) >>> 0)).toEqual([
      0, 160, 320, 480, 640,
    ]);
    expect(new Set(ringing.map(({ ssrc }) => ssrc)).size).toBe(1);
    expect(ringing[0]?.payload.some((octet) => octet < 0xf0)).toBe(true);
    await applied(rig, orderOf(A, 2, { remote, hears: { kind: "silence" } }));
    rig.clock.advance(20);
    expect((await phone.hears(6))[5]?.payload).toEqual(new Uint8Array(160).fill(0xff));
  });

  test("a leg that hears a call that is not here hears silence in its own law", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    await applied(rig, orderOf(A, 1, {
      remote: remoteOf(phone.port, { send: [PCMA] }), hears: hearing(B),
    }));
    rig.clock.advance(20);
    expect((await phone.hears(1))[0]).toMatchObject({
      payloadType: 8, payload: new Uint8Array(160).fill(0xd5),
    });
  });

  test("a bridged leg hears nothing of ours while the other speaks, and silence when it stops",
    async () => {
      const rig = openRig();
      const { a, b, portA } = await bridge(rig);
      a.sendRtp(portA, { sequence: 1 });
      await b.hears(1);
      rig.clock.advance(900);
      a.sendRtp(portA, { sequence: 2 });
      expect((await b.hears(2)).map(({ sequence }) => sequence)).toEqual([1, 2]);
      rig.clock.advance(2200);
      const filled = (await b.hears(12)).slice(2);
      expect(filled.every(({ ssrc }) => ssrc !== 0x1111)).toBe(true);
    });

  test("nothing is put into a silence that the sender announced by comfort noise", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig, { receive: [PCMU, CN] }, { send: [PCMU, CN] });
    a.sendRtp(portA, { payloadType: 13, payload: Uint8Array.of(40) });
    await b.hears(1);
    rig.clock.advance(20_000);
    expect(b.heard).toHaveLength(1);
  });

  test("nothing before SDP, and nothing to a leg without G.711", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    const opus = { name: "OPUS", payloadType: 96, clockRate: 48_000, channels: 2 };
    await applied(rig, orderOf(A, 1, { hears: { kind: "silence" } }));
    await applied(rig, orderOf(B, 1, {
      remote: remoteOf(phone.port, { send: [opus] }), hears: { kind: "ringback" },
    }));
    rig.clock.advance(200);
    await applied(rig, orderOf(B, 2, {
      remote: remoteOf(phone.port), hears: { kind: "ringback" },
    }));
    rig.clock.advance(20);
    expect((await phone.hears(1)).map(({ payloadType }) => payloadType)).toEqual([0]);
  });

  test("after a stall of the process time is skipped, not sent in a burst", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    await applied(rig, orderOf(A, 1, { remote: remoteOf(phone.port), hears: { kind: "silence" } }));
    rig.clock.advance(20);
    rig.clock.nowMs += 10_000;
    rig.clock.advance(20);
    const heard = await phone.hears(2);
    expect(heard.length).toBeLessThan(4);
    expect(((heard[1]?.timestamp ?? 0) - (heard[0]?.timestamp ?? 0)) >>> 0).toBeGreaterThan(79_000);
  });
});
