// Fork streams that reach nobody: the call's owner hears of each, once.
import { afterEach, describe, expect, test } from "bun:test";
import { applied, callSid, closeRigs, forkId, forkTo, openRig, orderOf, PCMU, remoteOf }
  from "./rig.ts";

afterEach(closeRigs);

describe("media plane: dead forks", () => {
  test("a fork that can't be connected to its recorder has stalled after 5 s", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    const id = forkId("b", 1);
    // No socket of the loopback of IPv4 reaches it.
    const place = { address: "2001:db8::1", port: 6000 };
    await applied(rig, orderOf(callSid("a"), 1, { remote: remoteOf(phone.port) }, [
      { id, track: "inbound_track", destination: { rtp: place, rtcp: place, codecs: [PCMU] } },
    ]));
    rig.clock.advance(4_000);
    expect(rig.facts).toEqual([]);
    rig.clock.advance(20_000);
    expect(rig.facts).toMatchObject([{ type: "media.fork.stalled", callSid: callSid("a"), id }]);
  });

  test("a fork that waits for its recorder has not", async () => {
    const rig = openRig();
    const phone = await rig.peer();
    await applied(rig, orderOf(callSid("a"), 1, { remote: remoteOf(phone.port) }, [
      forkTo(forkId("b", 1), "inbound_track", null),
    ]));
    rig.clock.advance(20_000);
    expect(rig.facts).toEqual([]);
  });
});
