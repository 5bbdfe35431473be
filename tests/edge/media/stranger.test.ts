import { afterEach, describe, expect, test } from "bun:test";
import { RTCP_PACKETS_PER_S_MAX } from "../../../edge/media/endpoint.ts";
import { encodeCompound } from "../../../protocol/rtp/rtcp.ts";
import { bridge, callSid, closeRigs, LOOPBACK, openRig, Peer } from "./rig.ts";

afterEach(closeRigs);

describe("media plane: strangers", () => {
  test("a flood of RTCP from another host leaves the peer's own reports their way", async () => {
    const rig = openRig();
    const control = await rig.peer();
    const { a, b, portA } = await bridge(rig, {}, {
      rtcp: { address: LOOPBACK, port: control.port },
    });
    a.sendRtp(portA, {});
    await b.hears(1);
    const stranger = await Peer.open(0, "127.0.0.2");
    const report = (cname: string) => encodeCompound({ ssrc: 7, cname, sender: null, bye: null });
    for (let i = 0; i < 2 * RTCP_PACKETS_PER_S_MAX; i += 1) {
      stranger.send(report("mallory"), portA + 1);
    }
    a.send(report("alice"), portA + 1);
    await control.hears(1);
    stranger.close();
    expect(control.heard.map(({ bytes }) => new TextDecoder("latin1").decode(bytes)))
      .toEqual([expect.stringContaining("alice")]);
    const state = rig.plane.report(callSid("a"));
    expect(state?.ok === true ? state.endpoint?.received.dropped : null)
      .toBe(2 * RTCP_PACKETS_PER_S_MAX);
  });
});
