import { describe, expect, test } from "bun:test";
import { parseConnectorAddress } from "../../../protocol/siprec/connector-address.ts";

const base = { transport: null, secure: false, edge: null, port: null };

describe("the address of a connector", () => {
  test.each([
    ["sip:srs@foo.com:5060;edge=dublin",
      { ...base, uri: "sip:srs@foo.com:5060", edge: "dublin", host: "foo.com", port: 5060 }],
    ["sip:your-domain.com;secure=true&edge=ashburn",
      { ...base, uri: "sip:your-domain.com", host: "your-domain.com", transport: "tls",
        secure: true, edge: "ashburn" }],
    ["sip:+15550001111@216.239.36.145:5672;transport=tls;secure=true;edge=umatilla",
      { uri: "sip:+15550001111@216.239.36.145:5672;transport=tls", transport: "tls", secure: true,
        edge: "umatilla", host: "216.239.36.145", port: 5672 }],
    ["SIP:rec@[2001:db8::1]:5070;Transport=TCP;SECURE=True",
      { ...base, uri: "sip:rec@[2001:db8::1]:5070;Transport=TCP", host: "2001:db8::1", port: 5070,
        transport: "tcp", secure: true }],
    ["sips:rec.example.com", { ...base, uri: "sips:rec.example.com", host: "rec.example.com",
      transport: "tls" }],
    ["sips:rec.example.com;transport=tcp", { ...base, host: "rec.example.com", transport: "tls",
      uri: "sips:rec.example.com;transport=tcp" }],
    ["sip:a&b;c=1:pw@h;lr;x-y=z", { ...base, uri: "sip:a&b;c=1:pw@h;lr;x-y=z", host: "h" }],
    ["sip:127.0.0.1:5090;", { ...base, uri: "sip:127.0.0.1:5090", host: "127.0.0.1", port: 5090 }],
  ])("%s is read", (text, expected) => {
    expect(parseConnectorAddress(text)).toEqual({ ok: true, address: expected } as never);
  });

  test.each([
    ["", "sip: or sips:"],
    ["http://rec.example.com", "sip: or sips:"],
    ["sip:", "host"],
    ["sip:@host", "before @"],
    ["sip:host:0", "port"],
    ["sip:host:70000", "port"],
    ["sip:host:5060x", "port"],
    ["sip:ho st", "host"],
    ["sip:-bad-.example.com", "host"],
    ["sip:[::1", "host"],
    ["sip:host;edge=", "edge="],
    ["sip:host;edge=../x", "edge="],
    ["sip:host;secure=yes", "secure="],
    ["sip:host;secure", "secure="],
    ["sip:host;transport=sctp", "transport="],
    ["sips:host;transport=udp", "sips:"],
    ["sip:host;edge=a&EDGE=b", "twice"],
    ["sip:host;a=b\r\nX: y", "not allowed"],
    ["sip:u\r\n@host", "before @"],
    ["sip:host?Subject=x", "headers"],
    [`sip:${"a".repeat(2000)}`, "longer"],
  ])("%j is refused, with the reason", (text, reason) => {
    const result = parseConnectorAddress(text);
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.reason).toContain(reason);
  });

  test("any text gives a value, never a throw", () => {
    const alphabet = "sip:@;&=?[]%.a1\r\n\0é ";
    for (let n = 0, seed = 1; n < 2_000; n++) {
      let text = "sip:";
      for (let i = 0; i < n % 17; i++) {
        seed = (seed * 48_271) % 2_147_483_647;
        text += alphabet[seed % alphabet.length] ?? "";
      }
      const result = parseConnectorAddress(text);
      if (result.ok) expect(result.address.uri).not.toMatch(/[\r\n\0 ]/);
    }
  });
});
