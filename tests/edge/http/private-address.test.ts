import { describe, expect, test } from "bun:test";
import { isPrivateAddress } from "../../../edge/http/private-address.ts";

describe("Addresses that a webhook may be refused to", () => {
  for (const address of [
    "0.0.0.0", "10.0.0.0", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fdff::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "2002:c0a8:101::1", "2001:db8::1", "::127.0.0.1", "", "localhost", "1.2.3", "1.2.3.4.5",
  ]) {
    test(`"${address}" is private`, () => {
      expect(isPrivateAddress(address)).toBe(true);
    });
  }

  for (const address of [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
    "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "2606:4700::1111",
    "2a00:1450:4001:80e::200e", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1",
  ]) {
    test(`"${address}" is public`, () => {
      expect(isPrivateAddress(address)).toBe(false);
    });
  }
});
