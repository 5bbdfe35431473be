import { describe, expect, test } from "bun:test";
import { offerLeg } from "../../../protocol/sdp/leg.ts";
import { nextVersion, sdpSessionId, type SentSdp } from "../../../protocol/sdp/version.ts";
import type { Direction } from "../../../protocol/sdp/description.ts";
import { callSidOf, sidOf } from "../../../schemas/sid.ts";
import { seeded } from "../../support/seeded.ts";

const write = (direction: Direction, rtpPort = 40000) => (version: number): string =>
  offerLeg({
    address: "192.0.2.1", rtpPort, rtcpPort: rtpPort + 1, codecs: ["PCMU"], sessionId: "5",
    version, direction,
  });
const originOf = (text: string): string => text.split("\r\n")[1] ?? "";

describe("the o= line over a dialog", () => {
  test("RFC 3264 §8: the version grows by one exactly when the description changes", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seeded(seed);
      let last: SentSdp | null = null;
      for (let step = 0; step < 20; step++) {
        const next = nextVersion(last, write(
          random.pick(["sendrecv", "sendonly"] as const), random.pick([40000, 40002]),
        ));
        expect(originOf(next.text)).toBe(`o=- 5 ${next.version} IN IP4 192.0.2.1`);
        if (last !== null) {
          const rest = (sent: SentSdp): string => sent.text.replace(/^o=.*$/m, "");
          const changed = rest(next) !== rest(last);
          expect(next.version - last.version).toBe(changed ? 1 : 0);
          if (!changed) expect(next.text).toBe(last.text);
        }
        last = next;
      }
    }
  });

  test("a session id is digits below 2^63, the same for one identifier, not for another", () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 200; seed++) {
      const bytes = seeded(seed).bytes(16);
      for (const sid of [callSidOf(3, bytes), sidOf("SR", bytes.reverse())]) {
        const id = sdpSessionId(sid);
        expect(id).toMatch(/^[0-9]{1,19}$/);
        expect(BigInt(id) < 2n ** 63n).toBe(true);
        expect(sdpSessionId(sid)).toBe(id);
        seen.add(id);
      }
    }
    expect(seen.size).toBe(400);
    expect(sdpSessionId("")).toBe("1");
  });
});
