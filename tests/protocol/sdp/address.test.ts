import { describe, expect, test } from "bun:test";
import { addressFamily, isUnicast, isUnspecified } from "../../../protocol/sdp/address.ts";

describe("SDP addresses", () => {
  test("literals have a family, everything else has none", () => {
    for (const text of ["0.0.0.0", "192.0.2.1", "255.255.255.255"]) {
      expect([text, addressFamily(text)]).toEqual([text, 4]);
    }
    for (const text of ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1",
      "1:2:3:4:5:6:192.0.2.1", "1::8", "FE80::A"]) {
      expect([text, addressFamily(text)]).toEqual([text, 6]);
    }
    for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "host.example", "1:2",
      ":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:9", "fe80::1%eth0", "[::1]",
      "12345::", "192.0.2.1:1::", "1:2:3:4:5:6:7:", ":1", " 1.2.3.4", "-1.2.3.4"]) {
      expect([text, addressFamily(text)]).toEqual([text, null]);
    }
  });

  test("hold addresses are the unspecified ones", () => {
    expect(["0.0.0.0", "::", "0:0:0:0:0:0:0:0"].map(isUnspecified)).toEqual([true, true, true]);
    expect(["0.0.0.1", "::1", "x"].map(isUnspecified)).toEqual([false, false, false]);
  });

  test("groups, broadcast, reserved and unspecified addresses are nobody to send to", () => {
    for (const text of ["224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "0.1.2.3",
      "ff02::1", "FF0E::1", "::", "::ffff:224.0.0.1", "x"]) {
      expect([text, isUnicast(text)]).toEqual([text, false]);
    }
    for (const text of ["127.0.0.1", "10.0.0.1", "223.255.255.255", "::1", "2001:db8::1"]) {
      expect([text, isUnicast(text)]).toEqual([text, true]);
    }
  });
});
