import { describe, expect, test } from "bun:test";
import { header, withHeader } from "../../../../protocol/sip/header.ts";
import type { SipRequest } from "../../../../protocol/sip/message.ts";
import {
  clientKey, mergeKey, serverKey, withSource,
} from "../../../../protocol/sip/transaction/match.ts";
import { sampleRequest, sampleResponse } from "../../../support/sip.ts";

const withVia = (request: SipRequest, value: string): SipRequest =>
  withHeader(request, "Via", value);

describe("matching", () => {
  test("RFC 3261 §17.1.3: the answer to CANCEL is not taken for one to INVITE", () => {
    const [invite, cancel] = [sampleRequest(), sampleRequest({ method: "CANCEL" })];
    expect(clientKey(sampleResponse(invite, 200))).toBe(clientKey(invite));
    expect(clientKey(sampleResponse(cancel, 200))).toBe(clientKey(cancel));
    expect(clientKey(invite)).not.toBe(clientKey(cancel));
  });

  test("RFC 3261 §17.2.3: branch, sent-by and method make a server transaction", () => {
    const key = serverKey(sampleRequest());
    expect(serverKey(withVia(sampleRequest(), "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1"))).toBe(key);
    expect(serverKey(withVia(sampleRequest(), "SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1")))
      .not.toBe(key);
    expect(serverKey(sampleRequest({ branch: "z9hG4bK-2" }))).not.toBe(key);
    expect(serverKey(sampleRequest({ method: "CANCEL" }))).not.toBe(key);
    expect(serverKey(sampleRequest({ method: "CANCEL" }), "INVITE")).toBe(key);
    expect(serverKey(withVia(sampleRequest(), "SIP/2.0/UDP HOST.example;branch=z9hG4bK-1")))
      .toBe(serverKey(withVia(sampleRequest(), "SIP/2.0/UDP host.example;branch=z9hG4bK-1")));
  });

  test("a peer of RFC 2543 is matched by what else its request says", () => {
    for (const branch of ["old", "z9hG4bK"]) {
      const key = serverKey(sampleRequest({ branch }));
      expect(serverKey(sampleRequest({ branch, method: "ACK", toTag: "b" }), "INVITE")).toBe(key);
      expect(serverKey(sampleRequest({ branch, cseq: 2 }))).not.toBe(key);
      expect(serverKey(sampleRequest({ branch, callId: "call-2" }))).not.toBe(key);
      expect(serverKey(sampleRequest({ branch, fromTag: "c" }))).not.toBe(key);
    }
  });

  test("RFC 3261 §8.2.2.2: a request by two paths is one, but for those inside a dialog", () => {
    const key = mergeKey(sampleRequest());
    expect(mergeKey(sampleRequest({ branch: "z9hG4bK-2" }))).toBe(key);
    expect(mergeKey(sampleRequest({ cseq: 2 }))).not.toBe(key);
    expect(mergeKey(sampleRequest({ method: "OPTIONS" }))).not.toBe(key);
    expect(mergeKey(sampleRequest({ toTag: "b" }))).toBeNull();
  });

  const sources: [string, string, string][] = [
    ["the same address without rport stays", "192.0.2.1:5060;branch=b", "192.0.2.1:5060;branch=b"],
    ["RFC 3581 §4: rport brings received always", "192.0.2.1:5060;rport;branch=b",
      "192.0.2.1:5060;rport=7000;branch=b;received=192.0.2.1"],
    ["another address is noted", "10.0.0.1;branch=b", "10.0.0.1;branch=b;received=192.0.2.1"],
    ["a name is not an address", "pc.example;branch=b", "pc.example;branch=b;received=192.0.2.1"],
    ["what the peer claims is not believed", "192.0.2.1;received=198.51.100.9;rport=1;branch=b",
      "192.0.2.1;rport=7000;branch=b;received=192.0.2.1"],
    ["a claim without rport goes too", "192.0.2.1;received=198.51.100.9;branch=b",
      "192.0.2.1;branch=b"],
  ];
  for (const [name, via, expected] of sources) {
    test(`the source of a request: ${name}`, () => {
      const request = withVia(sampleRequest(), `SIP/2.0/UDP ${via}`);
      expect(header(withSource(request, "192.0.2.1", 7000), "Via"))
        .toBe(`SIP/2.0/UDP ${expected}`);
    });
  }
});
