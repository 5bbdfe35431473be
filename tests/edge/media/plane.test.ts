import { afterEach, describe, expect, test } from "bun:test";
import { aPacket, applied, bridge, callSid, closeRigs, forkId, forkTo, openRig, orderOf, PCMU,
  remoteOf } from "./rig.ts";

afterEach(closeRigs);

describe("media plane: relay", () => {
  test("a packet goes to the other party octet by octet, from the port in the SDP", async () => {
    const rig = openRig();
    const { a, b, portA, portB } = await bridge(rig);
    const packet = { ...aPacket(), marker: true, sequence: 65535, csrcs: [7] };
    a.sendRtp(portA, packet);
    expect(await b.hears(1)).toEqual([packet]);
    expect(b.heard[0]?.port).toBe(portB);
    b.sendRtp(portB, { ssrc: 2 });
    expect((await a.hears(1))[0]).toMatchObject({ ssrc: 2 });
  });

  test("a fork gets the inbound track with numbers of its own", async () => {
    const rig = openRig();
    const { a, b, portA } = await bridge(rig);
    const srs = await rig.peer();
    await applied(rig, orderOf(callSid("a"), 2, {
      remote: remoteOf(a.port), hears: { kind: "call", callSid: callSid("b") },
    }, [forkTo(forkId("1", 1), "inbound_track", srs)]));
    for (let i = 0; i < 3; i += 1) a.sendRtp(portA, { sequence: 9 + i, timestamp: 160 * i });
    await b.hears(3);
    const heard = await srs.hears(3);
    expect(heard.map((p) => p.ssrc !== 0x1111)).toEqual([true, true, true]);
    expect(heard.map((p) => p.marker)).toEqual([true, false, false]);
    expect(PCMU.payloadType).toBe(0);
  });
});
