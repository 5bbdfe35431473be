import { describe, expect, test } from "bun:test";
import {
  ackFor2xx, confirmDialog, type Dialog, matchesDialog, nextHopFlow, receiveRequest,
  receiveResponse, requestInDialog, uacDialog, uasDialog,
} from "../../../protocol/sip/dialog.ts";
import { header, headersOf } from "../../../protocol/sip/header.ts";
import type { SipFlow, SipHeader } from "../../../protocol/sip/message.ts";
import { sampleFlow, sampleRequest, sampleResponse } from "../../support/sip.ts";

const contact = (uri: string): SipHeader => ({ name: "Contact", value: `<${uri}>;+sip.srs` });
const recordRoute = (...values: string[]): SipHeader[] =>
  values.map((value) => ({ name: "Record-Route", value }));

const uac = (headers: SipHeader[] = [], status = 200): Dialog => {
  const invite = sampleRequest({ cseq: 7 });
  return uacDialog(invite, sampleResponse(invite, status, "b", headers), sampleFlow);
};

const uas = (headers: SipHeader[] = []): Dialog =>
  uasDialog(sampleRequest({ cseq: 7, headers }), "us", sampleFlow);

describe("a dialog's identity", () => {
  test("the caller's: Call-ID, its own tag, the tag of the answer", () => {
    expect(uac()).toMatchObject({
      callId: "call-1", localTag: "a", remoteTag: "b", role: "uac", state: "confirmed",
      localUri: '"Ann" <sip:a@192.0.2.1>', remoteUri: "<sip:b@192.0.2.2>", localSeq: 7,
      remoteSeq: null,
    });
  });

  test("the callee's: the tags are the other way round", () => {
    expect(uas()).toMatchObject({
      callId: "call-1", localTag: "us", remoteTag: "a", role: "uas", state: "early",
      localUri: "<sip:b@192.0.2.2>", remoteUri: '"Ann" <sip:a@192.0.2.1>', remoteSeq: 7,
    });
  });

  test("it is plain data", () => {
    for (const dialog of [uac(), uas()]) {
      const copy: unknown = JSON.parse(JSON.stringify(dialog));
      expect(copy).toEqual(dialog);
    }
  });

  test("RFC 3261 §12.1.1: an answer without a tag is tolerated", () => {
    const invite = sampleRequest();
    const response = sampleResponse(invite, 200);
    const untagged = {
      ...response,
      headers: response.headers.map((line) =>
        line.name === "To" ? { name: "To", value: "<sip:b@192.0.2.2>" } : line),
    };
    const dialog = uacDialog(invite, untagged, sampleFlow);
    expect(dialog.remoteTag).toBe("");
    expect(header(requestInDialog(dialog, "BYE").request, "To")).toBe("<sip:b@192.0.2.2>");
  });

  test("a message belongs to it by Call-ID and both tags", () => {
    const dialog = uac();
    const bye = { method: "BYE", fromTag: "b", toTag: "a" };
    expect(matchesDialog(dialog, sampleRequest(bye))).toBe(true);
    expect(matchesDialog(dialog, sampleRequest({ ...bye, callId: "call-2" }))).toBe(false);
    expect(matchesDialog(dialog, sampleRequest({ ...bye, fromTag: "c" }))).toBe(false);
    expect(matchesDialog(dialog, sampleRequest({ ...bye, toTag: "c" }))).toBe(false);
    expect(matchesDialog(dialog, sampleRequest({ method: "BYE", fromTag: "b" }))).toBe(false);
    expect(matchesDialog(dialog, sampleResponse(sampleRequest(), 200))).toBe(true);
    expect(matchesDialog(dialog, sampleResponse(sampleRequest(), 200, "c"))).toBe(false);
  });
});

describe("the route of a dialog's requests", () => {
  const twoProxies = recordRoute("<sip:p1;lr>, <sip:p2;lr>", "<sip:p3;lr>");

  test("RFC 3261 §12.1: the caller takes Record-Route in reverse, the callee in order", () => {
    expect(uac(twoProxies).routeSet).toEqual(["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
    expect(uas(twoProxies).routeSet).toEqual(["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]);
  });

  test("loose routing: to the remote target, by way of all", () => {
    const { request } = requestInDialog(uac([...twoProxies, contact("sip:b@h")]), "BYE");
    expect(request.uri).toBe("sip:b@h");
    expect(headersOf(request, "Route")).toEqual(["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
  });

  test("strict routing: to the first proxy, the remote target last", () => {
    const routes = recordRoute("<sip:p1;lr>", "<sip:p2;method=INVITE;x=1?Subject=s>");
    const { request } = requestInDialog(uac([...routes, contact("sip:b@h")]), "BYE");
    expect(request.uri).toBe("sip:p2;x=1");
    expect(headersOf(request, "Route")).toEqual(["<sip:p1;lr>", "<sip:b@h>"]);
  });

  test("RFC 3261 §13.2.2.4: the 2xx computes it anew, then it is frozen", () => {
    const early = uac(recordRoute("<sip:old;lr>"), 180);
    const ok = sampleResponse(sampleRequest(), 200, "b", [...twoProxies, contact("sip:b@new")]);
    const confirmed = confirmDialog(early, ok, sampleFlow);
    expect(confirmed).toMatchObject({ state: "confirmed", remoteTarget: "sip:b@new" });
    expect(confirmed.routeSet).toEqual(["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
    const other = sampleResponse(sampleRequest(), 200, "b", recordRoute("<sip:other;lr>"));
    expect(confirmDialog(confirmed, other, sampleFlow)).toBe(confirmed);
  });
});

describe("requests of ours", () => {
  test("RFC 3261 §12.2.1.1: the number goes up by one, the tags are the dialog's", () => {
    const first = requestInDialog(uac(), "INFO", {
      headers: [{ name: "X-Test", value: "1" }], body: new Uint8Array(2), contentType: "text/plain",
    });
    const second = requestInDialog(first.dialog, "BYE");
    expect(header(first.request, "CSeq")).toBe("8 INFO");
    expect(header(first.request, "X-Test")).toBe("1");
    expect(header(first.request, "Content-Type")).toBe("text/plain");
    expect(header(second.request, "CSeq")).toBe("9 BYE");
    expect(header(second.request, "From")).toBe('"Ann" <sip:a@192.0.2.1>;tag=a');
    expect(header(second.request, "To")).toBe("<sip:b@192.0.2.2>;tag=b");
    expect(header(second.request, "Call-ID")).toBe("call-1");
  });

  test("RFC 3261 §13.2.2.4: the ACK to a 2xx bears the INVITE's number", () => {
    expect(header(ackFor2xx(uac(), 7), "CSeq")).toBe("7 ACK");
  });

  test("a callee counts from one", () => {
    expect(header(requestInDialog(uas(), "BYE").request, "CSeq")).toBe("1 BYE");
  });

  for (const status of [481, 408]) {
    test(`RFC 3261 §12.2.1.2: ${status} to any of them ends the dialog`, () => {
      const response = sampleResponse(sampleRequest(), status);
      expect(receiveResponse(uac(), "UPDATE", response).state).toBe("terminated");
    });
  }

  test("other failures leave it as it is, and any final answer to BYE ends it", () => {
    const response = sampleResponse(sampleRequest(), 488, "b", [contact("sip:x@y")]);
    expect(receiveResponse(uac(), "INVITE", response)).toEqual(uac());
    expect(receiveResponse(uac(), "BYE", response).state).toBe("terminated");
    expect(receiveResponse(uac(), "BYE", sampleResponse(sampleRequest(), 100)).state)
      .toBe("confirmed");
  });

  test("RFC 3261 §12.2.1.2: the Contact of a 2xx to INVITE or UPDATE is the new target", () => {
    const moved = sampleResponse(sampleRequest(), 200, "b", [contact("sip:b@moved")]);
    expect(receiveResponse(uac(), "INVITE", moved).remoteTarget).toBe("sip:b@moved");
    expect(receiveResponse(uac(), "UPDATE", moved).remoteTarget).toBe("sip:b@moved");
    expect(receiveResponse(uac(), "INFO", moved).remoteTarget).toBe("sip:b@192.0.2.2");
  });
});

describe("requests of the peer", () => {
  const from = (method: string, cseq: number, headers: SipHeader[] = []) =>
    sampleRequest({ method, cseq, fromTag: "a", toTag: "us", headers });
  const elsewhere: SipFlow = { ...sampleFlow, remotePort: 6060 };

  test("RFC 3261 §12.2.2: a lower number is answered 500 and changes nothing", () => {
    const { dialog, verdict } = receiveRequest(uas(), from("INFO", 6), elsewhere);
    expect(verdict).toEqual({ ok: false, status: 500, headers: [] });
    expect(dialog).toEqual(uas());
  });

  test("gaps are fine; the flow is where it was last heard", () => {
    const { dialog, verdict } = receiveRequest(uas(), from("INFO", 12), elsewhere);
    expect(verdict.ok).toBe(true);
    expect(dialog).toMatchObject({ remoteSeq: 12, flow: { remotePort: 6060 } });
  });

  test("an ACK counts nothing and moves the flow", () => {
    const { dialog, verdict } = receiveRequest(uas(), from("ACK", 7), elsewhere);
    expect(verdict.ok).toBe(true);
    expect(dialog).toEqual({ ...uas(), flow: elsewhere });
  });

  test("a target refresh moves the target, another request does not", () => {
    const moved = [contact("sip:a@moved")];
    expect(receiveRequest(uas(), from("INVITE", 8, moved), sampleFlow).dialog.remoteTarget)
      .toBe("sip:a@moved");
    expect(receiveRequest(uas(), from("INFO", 8, moved), sampleFlow).dialog.remoteTarget)
      .toBe("sip:b@192.0.2.2");
  });

  test("BYE ends it; after that all is answered 481", () => {
    const { dialog } = receiveRequest(uas(), from("BYE", 8), sampleFlow);
    expect(dialog.state).toBe("terminated");
    expect(receiveRequest(dialog, from("INFO", 9), sampleFlow).verdict)
      .toMatchObject({ ok: false, status: 481 });
  });
});

describe("the flow of a dialog's requests", () => {
  const tcp: SipFlow = { ...sampleFlow, transport: "tcp", connection: "c1" };
  const rows: [string, Partial<Dialog>, "flow" | "target"][] = [
    ["a phone behind NAT that called", { role: "uas", remoteTarget: "sip:a@10.0.0.9" }, "flow"],
    ["a phone with a name that called", { role: "uas", remoteTarget: "sip:a@pc.local" }, "flow"],
    ["a phone whose port NAT moved",
      { role: "uas", remoteTarget: "sip:a@192.0.2.2:40000" }, "flow"],
    ["a caller that names another machine",
      { role: "uas", remoteTarget: "sip:a@192.0.2.9" }, "target"],
    ["a caller behind proxies", { role: "uas", routeSet: ["<sip:p;lr>"] }, "target"],
    ["a caller behind proxies, on their stream",
      { role: "uas", routeSet: ["<sip:p;lr>"], flow: tcp }, "flow"],
    ["a phone behind NAT that we called", { remoteTarget: "sip:b@192.168.1.5" }, "flow"],
    ["a private network on both sides",
      { remoteTarget: "sip:b@10.0.0.5", flow: { ...sampleFlow, remoteAddress: "10.0.0.9" } },
      "target"],
    ["a callee that answers from its Contact", { remoteTarget: "sip:b@192.0.2.2:5060" }, "target"],
    ["a callee at another port", { remoteTarget: "sip:b@192.0.2.2:5070" }, "target"],
    ["a callee at another machine", { remoteTarget: "sip:b@192.0.2.9" }, "target"],
    ["a callee with a name", { remoteTarget: "sip:b@srs.example.com" }, "target"],
    ["a callee that forgot transport=tcp", { remoteTarget: "sip:b@192.0.2.2", flow: tcp }, "flow"],
    ["a callee that moved, over TCP", { remoteTarget: "sip:b@192.0.2.9", flow: tcp }, "target"],
    ["a callee with a name and no transport",
      { remoteTarget: "sip:b@srs.example", flow: tcp }, "flow"],
    ["a callee with a name and its transport",
      { remoteTarget: "sip:b@srs.example;transport=tcp", flow: tcp }, "target"],
    ["a callee that has sent requests",
      { remoteTarget: "sip:b@192.0.2.2:7000", remoteSeq: 3 }, "flow"],
    ["a callee behind a proxy", { routeSet: ["<sip:p;lr>"], flow: tcp }, "target"],
    ["a target that is no URI", { remoteTarget: "nonsense" }, "flow"],
  ];
  for (const [name, change, expected] of rows) {
    test(`${name}: ${expected}`, () => {
      const dialog = { ...uac(), ...change };
      expect(nextHopFlow(dialog)).toEqual(expected === "flow" ? dialog.flow : null);
    });
  }

  test("without a flow there is only the target", () => {
    expect(nextHopFlow({ ...uac(), flow: null })).toBeNull();
  });
});
