import { afterEach, describe, expect, test } from "bun:test";
import { encodeCompound } from "../../../protocol/rtp/rtcp.ts";
import { encodeTelephoneEvent } from "../../../protocol/rtp/telephone-event.ts";
import { aPacket, applied, bridge, callSid, closeRigs, events, forkId, forkTo, LOOPBACK,
  openRig, orderOf, PCMA, type Peer, received, remoteOf, type Rig } from "./rig.ts";

afterEach(closeRigs);

const A = callSid("a");
const B = callSid("b");
const hearing = (sid: string) => ({ kind: "call" as const, callSid: sid });

describe("media plane: relay", () => {
  test("RFC 3550 §7.2: a packet goes to the other party octet by octet, from its own port",
    async () => {
      const rig = openRig();
      const { a, b, portA, portB } = await bridge(rig);
      const packet = { ...aPacket(), marker: true, sequence: 65535, csrcs: [7] };
      a.sendRtp(portA, packet);
      expect(await b.hears(1)).toEqual([packet]);
      expect(b.heard[0]?.port).toBe(portB);
      b.sendRtp(portB, { ssrc: 2 });
      expect((await a.hears(1))[0]).toMatchObject({ ssrc: 2 });
    });

  test("loss, order and duplicates are those of the sender", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    const order = [5, 6, 9, 8, 8, 20];
    for (const sequence of order) a.sendRtp(portA, { sequence });
    expect((await b.hears(order.length)).map(({ sequence }) => sequence)).toEqual(order);
  });

  test("µ-law reaches an A-law leg as A-law, and the sender's fork as µ-law", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig, {}, { receive: [PCMA], send: [PCMA] });
    const srs = await rig.peer();
    await forkA(rig, a, [forkTo(forkId("1", 1), "inbound_track", srs)]);
    a.sendRtp(portA, { payload: Uint8Array.of(0x00, 0xff) });
    expect((await b.hears(1))[0]).toMatchObject({
      payloadType: 8, payload: Uint8Array.of(0x2a, 0xd5),
    });
    expect((await srs.hears(1))[0]).toMatchObject({
      payloadType: 0, payload: Uint8Array.of(0x00, 0xff),
    });
  });

  test("digits go by the other leg's payload type, and are told of", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig, {}, { sendEvents: [events(96)] });
    const payload = encodeTelephoneEvent({ event: 5, end: true, volume: 9, durationTicks: 400 });
    for (let i = 0; i < 3; i += 1) a.sendRtp(portA, { payloadType: 101, sequence: i, payload });
    expect((await b.hears(3)).map(({ payloadType }) => payloadType)).toEqual([96, 96, 96]);
    expect(rig.facts).toEqual([
      { type: "media.digit", callSid: A, at: rig.clock.wallMs(), digit: "5" },
    ]);
  });

  test("what was not negotiated is not relayed, whatever its payload type", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    for (let payloadType = 0; payloadType < 128; payloadType += 1) {
      a.sendRtp(portA, { payloadType, sequence: payloadType });
    }
    a.sendRtp(portA, { sequence: 200 });
    expect((await b.hears(3)).map((p) => p.payloadType)).toEqual([0, 101, 0]);
    // 64 to 95 with a marker would be RTCP; without one they are RTP like the others.
    expect((await received(rig)).dropped).toBe(126);
  });

  test("both old and new payload types are taken for a moment after an answer", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    a.sendRtp(portA, { sequence: 1 });
    await b.hears(1);
    const changed = { remote: remoteOf(a.port, { receive: [PCMA] }), hears: hearing(B) };
    await applied(rig, orderOf(A, 2, changed));
    a.sendRtp(portA, { sequence: 2 });
    a.sendRtp(portA, { sequence: 3, payloadType: 8 });
    await b.hears(3);
    rig.clock.advance(3000);
    a.sendRtp(portA, { sequence: 4 });
    a.sendRtp(portA, { sequence: 5, payloadType: 8 });
    // Between them b heard silence of ours, from another SSRC.
    const relayed = (): number[] =>
      b.packets.filter(({ ssrc }) => ssrc === 0x1111).map(({ sequence }) => sequence);
    while (relayed().length < 4) await b.hears(b.heard.length + 1);
    expect(relayed()).toEqual([1, 2, 3, 5]);
  });

  test("RTCP goes to the other party as it came, from a stranger to nobody", async () => {
    const rig = openRig();
    const [rtcpA, rtcpB, stranger] = [await rig.peer(), await rig.peer(), await rig.peer()];
    const at = ({ port }: Peer) => ({ rtcp: { address: LOOPBACK, port } });
    const { portA } = await bridge(rig, at(rtcpA), at(rtcpB));
    const report = encodeCompound({ ssrc: 5, cname: "a", sender: null, bye: null });
    rtcpA.send(Uint8Array.of(0x80, 200, 0, 9), portA + 1);
    rtcpA.send(report, portA + 1);
    await rtcpB.hears(1);
    expect(rtcpB.heard.map(({ bytes }) => bytes)).toEqual([report]);
    expect(stranger.heard).toEqual([]);
  });

  test("a stranger's packets reach nobody and turn nothing to the stranger", async () => {
    const rig = openRig();
    const { a, b, portA, portB } = await bridge(rig);
    const stranger = await rig.peer();
    a.sendRtp(portA, { sequence: 1 });
    await b.hears(1);
    for (let i = 0; i < 50; i += 1) stranger.sendRtp(portA, { sequence: 100 + i, ssrc: 0x666 });
    a.sendRtp(portA, { sequence: 2 });
    expect((await b.hears(2)).map(({ sequence }) => sequence)).toEqual([1, 2]);
    b.sendRtp(portB, {});
    await a.hears(1);
    expect(stranger.heard).toEqual([]);
    expect((await received(rig)).dropped).toBe(50);
  });

  test("a phone behind NAT is answered where it sends from", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    const { b, portA, portB } = await bridge(rig, { rtp: { address: LOOPBACK, port: 9 } });
    phone.sendRtp(portA, {});
    await b.hears(1);
    b.sendRtp(portB, { sequence: 77 });
    expect((await phone.hears(1))[0]?.sequence).toBe(77);
  });

  test("a flood on one port is cut at a plausible rate, until the next second", async () => {
    const rig = openRig();
    const { a, portA } = await bridge(rig);
    for (let i = 0; i < 700; i += 1) {
      a.sendRtp(portA, { sequence: i, payload: new Uint8Array(1) });
      if (i % 50 === 0) await received(rig, i + 1);
    }
    expect(await received(rig, 700)).toMatchObject({ packets: 500, dropped: 200 });
    rig.clock.advance(1000);
    a.sendRtp(portA, { sequence: 700 });
    expect(await received(rig, 701)).toMatchObject({ packets: 501 });
  });

  test("malformed packets of every kind change nothing", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    for (let first = 0; first < 256; first += 1) {
      const header = first === 0x80 ? 0x9f : first;
      a.send(Uint8Array.of(header, 0, 0, 1), portA);
      a.send(Uint8Array.of(header, 0, 0, 1), portA + 1);
      // The kernel's buffer holds no more than some hundreds.
      if (first % 64 === 63) await received(rig, first);
    }
    a.send(new Uint8Array(0), portA);
    a.sendRtp(portA, { sequence: 4 });
    expect((await b.hears(1)).map(({ sequence }) => sequence)).toEqual([4]);
  });

  test("hold: nothing is sent to 0.0.0.0, nor to a leg that only sends", async () => {
    const rig = openRig();
    const { a, b, portA, portB } = await bridge(rig);
    const c = await rig.peer();
    for (const [i, more] of [{ rtp: null }, { direction: "recvonly" as const },
      { direction: "inactive" as const }].entries()) {
      await applied(rig, orderOf(B, 2 + i, { remote: remoteOf(b.port, more), hears: hearing(A) }));
      a.sendRtp(portA, { sequence: i });
      rig.clock.advance(100);
    }
    await received(rig, 3);
    await applied(rig, orderOf(B, 9, { remote: remoteOf(c.port), hears: hearing(A) }));
    a.sendRtp(portA, { sequence: 50 });
    expect((await c.hears(1))[0]?.sequence).toBe(50);
    expect(b.heard).toEqual([]);
    expect(portB).toBeGreaterThan(0);
  });
});

async function forkA(rig: Rig, a: Peer, forks: ReturnType<typeof forkTo>[], revision = 2) {
  return applied(rig, orderOf(A, revision, {
    remote: remoteOf(a.port), hears: hearing(B),
  }, forks));
}
