import { afterEach, describe, expect, test } from "bun:test";
import { decodeRtcp, RTCP_BYE, RTCP_RR, RTCP_SDES, RTCP_SR } from "../../../protocol/rtp/rtcp.ts";
import type { ForkOrder, MediaRemote } from "../../../schemas/media.ts";
import { applied, bridge, callSid, closeRigs, CN, forkId, forkTo, openRig, orderOf, PCMA, PCMU,
  type Peer, remoteOf, type Rig } from "./rig.ts";

afterEach(closeRigs);

const A = callSid("a");
const B = callSid("b");
const FORK = forkId("1", 1);

async function forkLeg(rig: Rig, sid: string, phone: Peer, revision: number, forks: ForkOrder[],
  remote: Partial<MediaRemote> = {}) {
  return applied(rig, orderOf(sid, revision, {
    remote: remoteOf(phone.port, remote),
    hears: { kind: "call", callSid: sid === A ? B : A },
  }, forks));
}

function reportsOf(control: Peer): { types: number[]; bytes: Uint8Array }[] {
  return control.heard.map(({ bytes }) => {
    const decoded = decodeRtcp(bytes);
    return { types: decoded.ok ? decoded.packets.map(({ type }) => type) : [], bytes };
  });
}
const uint32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);

describe("fork stream", () => {
  test("inbound is what the leg says, outbound what it hears; each with its own SSRC", async () => {
    const rig = openRig();
    const { a, b, portA, portB } = await bridge(rig);
    const [inbound, outbound] = [await rig.peer(), await rig.peer()];
    await forkLeg(rig, A, a, 2, [
      forkTo(FORK, "inbound_track", inbound), forkTo(forkId("1", 2), "outbound_track", outbound),
    ]);
    a.sendRtp(portA, { payload: new Uint8Array(160).fill(1) });
    b.sendRtp(portB, { payload: new Uint8Array(160).fill(2), ssrc: 2 });
    const [said] = await inbound.hears(1);
    const [heard] = await outbound.hears(1);
    expect([said?.payload[0], heard?.payload[0]]).toEqual([1, 2]);
    expect(new Set([said?.ssrc, heard?.ssrc, 0x1111, 2]).size).toBe(4);
    expect(said?.sequence).toBeLessThan(0x8000);
  });

  test("RFC 4961: it leaves from the port that the answer named, header parts of the call left out",
    async () => {
      const rig = openRig();
      const { a, portA } = await bridge(rig);
      const srs = await rig.peer();
      const reply = await forkLeg(rig, A, a, 2, [forkTo(FORK, "inbound_track", srs)]);
      a.send(Uint8Array.of(0xb1, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 1,
        1, 1, 1, 1, 7, 7, 0, 2), portA);
      expect((await srs.hears(1))[0]).toMatchObject({ csrcs: [], payload: Uint8Array.of(7, 7) });
      expect(srs.heard[0]?.bytes.length).toBe(14);
      expect(srs.heard[0]?.port).toBe(reply.forks[0]?.port.rtpPort ?? 0);
    });

  test("digits and comfort noise do not reach the recorder and look like no loss", async () => {
    const rig = openRig();
    const { a, portA } = await bridge(rig, { receive: [PCMU, CN] });
    const srs = await rig.peer();
    await forkLeg(rig, A, a, 2, [forkTo(FORK, "inbound_track", srs)], { receive: [PCMU, CN] });
    for (const [i, payloadType] of [0, 101, 101, 13, 77, 0].entries()) {
      a.sendRtp(portA, { sequence: i, timestamp: 160 * i, payloadType });
    }
    const [first, second] = await srs.hears(2);
    expect((second?.sequence ?? 0) - (first?.sequence ?? 0)).toBe(1);
    expect(((second?.timestamp ?? 0) - (first?.timestamp ?? 0)) >>> 0).toBe(800);
    expect(second?.marker).toBe(true);
    expect(srs.heard).toHaveLength(2);
  });

  test("only payload types of the recorder's answer leave, by its numbers and in its law",
    async () => {
      const rig = openRig();
      const remote = { receive: [PCMU, PCMA] };
      const { a, portA } = await bridge(rig, remote);
      const srs = await rig.peer();
      const codecs = [{ ...PCMA, payloadType: 97 }];
      await forkLeg(rig, A, a, 2, [forkTo(FORK, "inbound_track", srs, codecs)], remote);
      a.sendRtp(portA, { sequence: 1, payload: Uint8Array.of(0xff) });
      a.sendRtp(portA, { sequence: 2, payloadType: 8, payload: Uint8Array.of(0x11) });
      expect((await srs.hears(2)).map((p) => [p.payloadType, p.payload[0]])).toEqual([
        [97, 0xd5], [97, 0x11],
      ]);
    });

  test("ringback and silence are the outbound track, spliced with the bridge's audio", async () => {
    const rig = openRig();
    const { a, b, portB } = await bridge(rig);
    const srs = await rig.peer();
    await forkLeg(rig, A, a, 2, [forkTo(FORK, "outbound_track", srs)]);
    rig.clock.advance(60);
    await srs.hears(3);
    rig.clock.advance(7);
    b.sendRtp(portB, { sequence: 9000, timestamp: 1, ssrc: 5 });
    const heard = await srs.hears(4);
    expect(new Set(heard.map(({ ssrc }) => ssrc)).size).toBe(1);
    expect(heard.map(({ sequence }) => sequence - (heard[0]?.sequence ?? 0))).toEqual([0, 1, 2, 3]);
    expect(((heard[3]?.timestamp ?? 0) - (heard[2]?.timestamp ?? 0)) >>> 0).toBe(160);
  });

  test("the outbound track holds nothing that the leg's codecs keep from it", async () => {
    const rig = openRig();
    const opus = { name: "OPUS", payloadType: 96, clockRate: 48_000, channels: 2 };
    const sender = { receive: [PCMU, opus] };
    const { a, b, portA } = await bridge(rig, sender);
    const srs = await rig.peer();
    await forkLeg(rig, B, b, 2, [forkTo(FORK, "outbound_track", srs, [PCMU, opus])]);
    a.sendRtp(portA, { sequence: 1, payloadType: 96 });
    a.sendRtp(portA, { sequence: 2 });
    expect((await srs.hears(1)).map(({ payloadType }) => payloadType)).toEqual([0]);
  });

  test("paused it sends nothing, keeps its port, and goes on without a gap", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    const [srs, control] = [await rig.peer(), await rig.peer()];
    const fork = (to: Peer | null) => [forkTo(FORK, "inbound_track", to, [PCMU], control)];
    const first = await forkLeg(rig, A, a, 2, fork(srs));
    a.sendRtp(portA, { sequence: 1, timestamp: 0 });
    await srs.hears(1);
    const paused = await forkLeg(rig, A, a, 3, fork(null));
    a.sendRtp(portA, { sequence: 2, timestamp: 160 });
    await b.hears(2);
    rig.clock.advance(30_000);
    expect(control.heard).toEqual([]);
    const resumed = await forkLeg(rig, A, a, 4, fork(srs));
    a.sendRtp(portA, { sequence: 1500, timestamp: 240_000 });
    const [before, after] = await srs.hears(2);
    expect((after?.sequence ?? 0) - (before?.sequence ?? 0)).toBe(1);
    expect(((after?.timestamp ?? 0) - (before?.timestamp ?? 0)) >>> 0).toBe(240_000);
    expect(after?.marker).toBe(true);
    expect([paused, resumed].map(({ forks }) => forks[0]?.port)).toEqual([
      first.forks[0]?.port, first.forks[0]?.port,
    ]);
  });

  test("another destination gets the same stream", async () => {
    const rig = openRig();
    const { a, portA } = await bridge(rig);
    const [one, two] = [await rig.peer(), await rig.peer()];
    await forkLeg(rig, A, a, 2, [forkTo(FORK, "inbound_track", one)]);
    a.sendRtp(portA, { sequence: 1 });
    const [before] = await one.hears(1);
    await forkLeg(rig, A, a, 3, [forkTo(FORK, "inbound_track", two)]);
    a.sendRtp(portA, { sequence: 2, timestamp: 320 });
    expect((await two.hears(1))[0]).toMatchObject({
      ssrc: before?.ssrc ?? 0, sequence: (before?.sequence ?? 0) + 1,
    });
  });

  test("a recorder that is not there harms nothing, is counted, and told of", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    const gone = await rig.peer();
    const order = [forkTo(FORK, "inbound_track", gone)];
    gone.close();
    await forkLeg(rig, A, a, 2, order);
    for (let second = 0; second < 7; second += 1) {
      for (let i = 0; i < 3; i += 1) {
        a.sendRtp(portA, { sequence: 10 * second + i });
        await b.hears(b.heard.length + 1);
      }
      rig.clock.advance(900);
      a.sendRtp(portA, { sequence: 10 * second + 5 });
      await b.hears(b.heard.length + 1);
      // The answer of the kernel comes by the loop.
      await new Promise((resolve) => setImmediate(resolve));
      rig.clock.advance(100);
    }
    expect(rig.facts).toEqual([expect.objectContaining({ type: "media.fork.stalled", id: FORK })]);
    const reply = await applied(rig, orderOf(A, 3, null));
    expect(reply.ended?.[0]?.errors).toBeGreaterThan(5);
  });

  test("what the recorder sends us by RTP is dropped and counted", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    const srs = await rig.peer();
    const reply = await forkLeg(rig, A, a, 2, [forkTo(FORK, "inbound_track", srs)]);
    srs.sendRtp(reply.forks[0]?.port.rtpPort ?? 0, { ssrc: 0x666 });
    a.sendRtp(portA, {});
    await srs.hears(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(b.packets.map(({ ssrc }) => ssrc)).toEqual([0x1111]);
    const report = rig.plane.report(A);
    expect(report?.ok === true && report.forks[0]?.counters.dropped).toBe(1);
  });
});

describe("fork stream: RTCP", () => {
  async function recorded(rig: Rig) {
    const { a, b, portA } = await bridge(rig);
    const [srs, control] = [await rig.peer(), await rig.peer()];
    const fork = forkTo(FORK, "inbound_track", srs, [PCMU], control);
    const reply = await forkLeg(rig, A, a, 2, [fork]);
    const rtcpPort = reply.forks[0]?.port.rtcpPort ?? 0;
    return { a, b, portA, srs, control, fork, rtcpPort };
  }

  test("SR and SDES after 1 to 3 s, with the timestamp of that instant, counts of what was sent",
    async () => {
      const rig = openRig();
      const { a, portA, srs, control } = await recorded(rig);
      a.sendRtp(portA, { sequence: 1 });
      a.sendRtp(portA, { sequence: 2, timestamp: 320, payloadType: 101 });
      const [packet] = await srs.hears(1);
      const startedAtMs = rig.clock.nowMs;
      rig.clock.advance(1000);
      expect(control.heard).toEqual([]);
      rig.clock.advance(2200);
      await control.hears(1);
      const [report] = reportsOf(control);
      expect(report?.types).toEqual([RTCP_SR, RTCP_SDES]);
      const bytes = report?.bytes ?? new Uint8Array();
      expect([uint32(bytes, 4), uint32(bytes, 20), uint32(bytes, 24)]).toEqual([
        packet?.ssrc ?? 0, 1, 160,
      ]);
      const passedMs = (uint32(bytes, 8) - 2208988800) * 1000
        + (uint32(bytes, 12) * 1000) / 2 ** 32 - (1_700_000_000_000 + startedAtMs);
      const ticks = (uint32(bytes, 16) - (packet?.timestamp ?? 0)) >>> 0;
      expect(Math.abs(ticks - passedMs * 8)).toBeLessThan(2);
    });

  test("RFC 3550 §6.4: an empty RR when nothing is sent", async () => {
    const rig = openRig();
    const { control } = await recorded(rig);
    rig.clock.advance(3200);
    await control.hears(1);
    expect(reportsOf(control)[0]?.types).toEqual([RTCP_RR, RTCP_SDES]);
  });

  test("BYE at its end", async () => {
    const rig = openRig();
    const { a, portA, srs, control } = await recorded(rig);
    a.sendRtp(portA, {});
    await srs.hears(1);
    await forkLeg(rig, A, a, 3, []);
    await control.hears(1);
    expect(reportsOf(control)[0]?.types).toEqual([RTCP_SR, RTCP_SDES, RTCP_BYE]);
  });

  test("RFC 3550 §6.3.7: no BYE from a stream that never said anything", async () => {
    const rig = openRig();
    const { a, b, control, fork, portA } = await recorded(rig);
    await forkLeg(rig, A, a, 3, []);
    // Another stream's BYE on the same sockets shows that the first one's did not come.
    await forkLeg(rig, A, a, 4, [{ ...fork, id: forkId("2", 1) }]);
    a.sendRtp(portA, {});
    await b.hears(1);
    await forkLeg(rig, A, a, 5, []);
    await control.hears(1);
    expect(reportsOf(control).map(({ types }) => types)).toEqual([
      [RTCP_SR, RTCP_SDES, RTCP_BYE],
    ]);
  });

  const receiverReport = (ssrc: number): Uint8Array => {
    const bytes = new Uint8Array(32);
    bytes.set([0x81, 201, 0, 7, 0, 0, 0, 99]);
    new DataView(bytes.buffer).setUint32(8, ssrc);
    bytes.set([64, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 80], 12);
    return bytes;
  };
  const remoteReport = async (rig: Rig, isThere: boolean) => {
    for (let turn = 0; ; turn += 1) {
      const reply = rig.plane.report(A);
      const remote = reply?.ok === true ? reply.forks[0]?.remote ?? null : null;
      if ((remote !== null) === isThere && (isThere || turn > 20)) return remote;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  test("the recorder's receiver report is read; one from elsewhere is not", async () => {
    const rig = openRig();
    const { a, portA, srs, control, rtcpPort } = await recorded(rig);
    a.sendRtp(portA, {});
    const ssrc = (await srs.hears(1))[0]?.ssrc ?? 0;
    (await rig.peer()).send(receiverReport(ssrc), rtcpPort);
    expect(await remoteReport(rig, false)).toBeNull();
    control.send(receiverReport(ssrc), rtcpPort);
    expect(await remoteReport(rig, true)).toEqual({
      fractionLost: 0.25, cumulativeLost: 5, jitterMs: 10, roundTripMs: null,
    });
  });

  test("RFC 3550 §8.2: a recorder that uses our SSRC makes us say BYE and take another, once",
    async () => {
      const rig = openRig();
      const { a, portA, srs, control, rtcpPort } = await recorded(rig);
      a.sendRtp(portA, { sequence: 1 });
      const ssrc = (await srs.hears(1))[0]?.ssrc ?? 0;
      const collision = (own: number): Uint8Array => {
        const bytes = Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 0);
        new DataView(bytes.buffer).setUint32(4, own);
        return bytes;
      };
      control.send(collision(ssrc), rtcpPort);
      await control.hears(1);
      expect(reportsOf(control)[0]?.types).toContain(RTCP_BYE);
      a.sendRtp(portA, { sequence: 2 });
      const renewed = (await srs.hears(2))[1]?.ssrc ?? 0;
      expect(renewed).not.toBe(ssrc);
      control.send(collision(renewed), rtcpPort);
      control.send(receiverReport(renewed), rtcpPort);
      await remoteReport(rig, true);
      a.sendRtp(portA, { sequence: 3 });
      expect((await srs.hears(3))[2]?.ssrc).toBe(renewed);
    });

  test("no two streams share an SSRC or a CNAME", async () => {
    const rig = openRig();
    const { a } = await bridge(rig);
    const peers = await Promise.all([1, 2, 3, 4].map(() => rig.peer()));
    await forkLeg(rig, A, a, 2, peers.map((peer, i) =>
      forkTo(forkId("1", i + 1), "inbound_track", peer)));
    rig.clock.advance(3200);
    const cnames = await Promise.all(peers.map(async (peer) => {
      await peer.hears(1);
      const bytes = peer.heard[0]?.bytes ?? new Uint8Array();
      return new TextDecoder().decode(bytes.subarray(18, 18 + (bytes[17] ?? 0)));
    }));
    expect(new Set(cnames).size).toBe(4);
    for (const cname of cnames) expect(cname).toMatch(/^[A-Za-z0-9+/]{16}$/);
    expect(new Set(peers.map((peer) => uint32(peer.heard[0]?.bytes ?? new Uint8Array(8), 4))).size)
      .toBe(4);
  });
});
