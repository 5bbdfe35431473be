import { afterEach, describe, expect, test } from "bun:test";
import { applied, callSid, closeRigs, forkId, forkTo, openRig, orderOf, remoteOf } from "./rig.ts";

afterEach(closeRigs);

describe("media plane: release", () => {
  test("an order for a call that is gone is answered by number, with the counters", async () => {
    const rig = openRig();
    const [phone, srs] = [await rig.peer(), await rig.peer()];
    const leg = { remote: remoteOf(phone.port), hears: { kind: "silence" as const } };
    const fork = forkTo(forkId("1", 1), "inbound_track", srs);
    const { endpoint } = await applied(rig, orderOf(callSid("a"), 1, leg, [fork]));
    phone.sendRtp(endpoint?.port.rtpPort ?? 0, {});
    await srs.hears(1);

    const released = await applied(rig, orderOf(callSid("a"), 2, null));
    const again = await applied(rig, orderOf(callSid("a"), 3, null));
    expect([released.revision, again.revision]).toEqual([2, 3]);
    expect(again.ended?.map(({ id, counters }) => [id, counters.packets]))
      .toEqual([[fork.id, 1]]);
    // What was applied last counts: an older one is refused.
    expect(await rig.plane.apply(orderOf(callSid("a"), 2, null)))
      .toMatchObject({ ok: false, code: "STALE_REVISION" });
    expect(rig.ports.free).toBe(rig.ports.all);
  });

  test("a release of what was never there is answered by its own number", async () => {
    const rig = openRig();
    expect(await applied(rig, orderOf(callSid("a"), 7, null)))
      .toEqual({ ok: true, revision: 7, endpoint: null, forks: [] });
  });
});
