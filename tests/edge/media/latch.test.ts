import { describe, expect, test } from "bun:test";
import { type Candidate, Latch, LATCH_SILENCE_MS, parseNetworks }
  from "../../../edge/media/latch.ts";

const SIGNALLED = { address: "192.0.2.1", port: 4000 };
const NAT = { address: "203.0.113.9", port: 61_000 };
const STRANGER = { address: "198.51.100.66", port: 4000 };

function openLatch(allow: string[] = []): Latch {
  const latch = new Latch();
  latch.open(SIGNALLED, allow, 0);
  return latch;
}

const from = (source: { address: string; port: number }, more: Partial<Candidate> = {}) =>
  ({ ...source, ssrc: 1, lastSsrc: 1, lastAtMs: 1000, nowMs: 1020, ...more });
const target = ({ address, port }: Latch) => ({ address, port });

describe("latch", () => {
  test("before anything is heard audio goes where SDP says", () => {
    expect(target(openLatch())).toEqual(SIGNALLED);
  });

  test("the first packet sets the address, and then everybody else is a stranger", () => {
    const latch = openLatch();
    expect(latch.admit(from(NAT))).toBe(true);
    expect(target(latch)).toEqual(NAT);
    expect(latch.admit(from(STRANGER))).toBe(false);
    expect(latch.admit(from({ ...NAT, port: 61_001 }))).toBe(false);
    expect(target(latch)).toEqual(NAT);
  });

  test("the signalled address takes back what a stranger got first", () => {
    const latch = openLatch();
    latch.admit(from(STRANGER));
    expect(latch.admit(from(SIGNALLED))).toBe(true);
    expect(target(latch)).toEqual(SIGNALLED);
    expect(latch.admit(from(STRANGER))).toBe(false);
  });

  test("only allowed networks and the signalled address can latch", () => {
    const latch = openLatch(["203.0.113.0/24", "2001:db8::/32"]);
    expect(latch.admit(from(STRANGER))).toBe(false);
    expect(latch.admit(from(NAT))).toBe(true);
    expect(latch.admit(from(SIGNALLED))).toBe(true);
    const other = openLatch(["2001:db8::/32"]);
    expect(other.admit(from({ address: "2001:db8::7", port: 9 }))).toBe(true);
  });

  test("after 2 s of silence the same SSRC or the same IP may come from elsewhere", () => {
    const nowMs = 1001 + LATCH_SILENCE_MS;
    const latched = (): Latch => {
      const latch = openLatch();
      latch.admit(from(NAT));
      return latch;
    };
    const moved = { address: "203.0.113.77", port: 5 };
    expect(latched().admit(from(moved, { nowMs: nowMs - 1 }))).toBe(false);
    expect(latched().admit(from(moved, { nowMs }))).toBe(true);
    expect(latched().admit(from(moved, { nowMs, ssrc: 2 }))).toBe(false);
    expect(latched().admit(from({ ...NAT, port: 9 }, { nowMs, ssrc: 2 }))).toBe(true);
  });

  test("a new SDP with another address opens it; what is still under way does not lock it", () => {
    const latch = openLatch();
    latch.admit(from(NAT));
    const moved = { address: "192.0.2.50", port: 7000 };
    latch.open(moved, [], 1000);
    expect(target(latch)).toEqual(moved);
    expect(latch.admit(from(NAT))).toBe(true);
    expect(target(latch)).toEqual(moved);
    const behindNat = { address: "203.0.113.200", port: 1 };
    expect(latch.admit(from(behindNat, { ssrc: 2 }))).toBe(true);
    expect(target(latch)).toEqual(behindNat);
    expect(latch.admit(from(NAT, { nowMs: 1040 }))).toBe(false);
  });

  test("a phone that says it moved, and did not, is heard from its old place again", () => {
    const latch = openLatch();
    latch.admit(from(NAT));
    latch.open({ address: "192.0.2.50", port: 7000 }, [], 1000);
    expect(latch.admit(from(NAT, { nowMs: 1000 + LATCH_SILENCE_MS }))).toBe(true);
    expect(target(latch)).toEqual(NAT);
  });

  test("a new SDP with the same address opens it for the next packet and keeps the target", () => {
    const latch = openLatch();
    latch.admit(from(NAT));
    latch.open(SIGNALLED, [], 1000);
    expect(target(latch)).toEqual(NAT);
    expect(latch.admit(from(STRANGER))).toBe(true);
  });

  test("hold by 0.0.0.0 leaves nowhere to send to", () => {
    const latch = openLatch();
    latch.admit(from(NAT));
    latch.open(null, [], 1000);
    expect(latch.port).toBe(0);
  });

  test("RTCP comes from where audio comes from, or where SDP says", () => {
    const latch = openLatch();
    latch.admit(from(NAT));
    expect([NAT, SIGNALLED, STRANGER].map(({ address }) =>
      latch.admitsControl(address, SIGNALLED.address))).toEqual([true, true, false]);
    expect(latch.admitsControl(SIGNALLED.address, null)).toBe(false);
  });

  test("networks that can't be read are said to be so", () => {
    expect(parseNetworks(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])).not.toBeNull();
    for (const bad of ["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/x"]) {
      expect(parseNetworks([bad])).toBeNull();
    }
  });
});
