import { describe, expect, test } from "bun:test";
import { buildRequest, buildResponse } from "../../../protocol/sip/build.ts";
import { header, headersOf, topVia } from "../../../protocol/sip/header.ts";
import type { SipHeader, SipRequest } from "../../../protocol/sip/message.ts";
import { parseMessage } from "../../../protocol/sip/parse.ts";
import { collect, heard, stage } from "../../support/agents.ts";
import type { Datagram } from "../../support/fake-wire.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

const request = (method: string, uri = `sip:b@${B}`, headers: SipHeader[] = []): SipRequest =>
  buildRequest({
    method, uri, from: `<sip:a@${A}>;tag=a`, to: `<sip:b@${B}>`, callId: "call-1", cseq: 1, headers,
  });

const parsed = (datagram: Datagram | undefined) => {
  const result = parseMessage(new TextEncoder().encode(datagram?.text ?? ""));
  if (!result.ok) throw new Error(result.reason);
  return result.message;
};

describe("a request of ours", () => {
  test("RFC 3261 §8.1.1: gets Via with rport, Contact, Max-Forwards and our name", async () => {
    const { wire, clock, agent } = stage();
    const a = await agent(A);
    const owner = { callSid: `CA${"0".repeat(32)}`, siprecSid: null, ordinal: 0 };
    a.send(request("INVITE"), { owner, contact: { user: "+1 5", params: ";+sip.src" } }, () => {});
    await clock.advance(0);
    const sent = parsed(wire.sent[0]);
    expect(wire.sent[0]).toMatchObject({ from: `${A}:5060`, to: `${B}:5060` });
    expect(header(sent, "Via"))
      .toMatch(/^SIP\/2\.0\/UDP 192\.0\.2\.1:5060;rport;branch=z9hG4bK-CA0{32}-[0-9a-f]{16}$/);
    expect(header(sent, "Contact")).toBe("<sip:+1%205@192.0.2.1:5060>;+sip.src");
    expect(header(sent, "Max-Forwards")).toBe("70");
    expect(header(sent, "User-Agent")).toBe("test");
  });

  test("behind NAT, Via and Contact bear the advertised address", async () => {
    const { wire, clock, agent } = stage();
    const a = await agent(A, { advertise: "203.0.113.7" });
    a.send(request("INVITE"), { owner: null, contact: {} }, () => {});
    await clock.advance(0);
    expect(header(parsed(wire.sent[0]), "Contact")).toBe("<sip:203.0.113.7:5060>");
    expect(topVia(parsed(wire.sent[0]))?.host).toBe("203.0.113.7");
  });

  test("what is there already stays", async () => {
    const { wire, clock, agent } = stage();
    const a = await agent(A);
    const own = [{ name: "Contact", value: "<sip:x@y>" }, { name: "User-Agent", value: "other" }];
    a.send(request("INVITE", undefined, own), { owner: null, contact: {} }, () => {});
    await clock.advance(0);
    expect(headersOf(parsed(wire.sent[0]), "Contact")).toEqual(["<sip:x@y>"]);
    expect(headersOf(parsed(wire.sent[0]), "User-Agent")).toEqual(["other"]);
  });

  const ways: [string, SipRequest, string][] = [
    ["the Request-URI", request("OPTIONS", `sip:b@${B}:5070`), `${B}:5070`],
    ["the first Route", request("OPTIONS", `sip:b@${B}`, [
      { name: "Route", value: "<sip:192.0.2.9:5080;lr>, <sip:192.0.2.8;lr>" },
    ]), "192.0.2.9:5080"],
    ["maddr", request("OPTIONS", `sip:b@${B};maddr=192.0.2.7`), "192.0.2.7:5060"],
    ["a name", request("OPTIONS", "sip:b@srs.example"), "192.0.2.6:5060"],
  ];
  for (const [name, each, to] of ways) {
    test(`goes where ${name} says`, async () => {
      const { wire, clock, agent } = stage();
      wire.names.set("srs.example", ["192.0.2.6"]);
      (await agent(A)).send(each, { owner: null }, () => {});
      await clock.advance(0);
      expect(wire.sent[0]?.to).toBe(to);
    });
  }

  test("a target goes before Route, a flow before both", async () => {
    const { wire, clock, agent } = stage();
    const a = await agent(A);
    const target = { transport: null, host: "192.0.2.9", port: 5090 };
    a.send(request("OPTIONS"), { owner: null, target }, () => {});
    const flow = {
      transport: "udp", localAddress: A, localPort: 5060, remoteAddress: "192.0.2.5",
      remotePort: 40_001,
    } as const;
    a.send(request("OPTIONS"), { owner: null, target, flow }, () => {});
    a.sendAck(request("ACK"), { owner: null, flow });
    await clock.advance(0);
    expect(wire.sent.map(({ to }) => to).sort())
      .toEqual(["192.0.2.5:40001", "192.0.2.5:40001", "192.0.2.9:5090"]);
  });

  const nowhere: [string, string][] = [
    ["a name that is unknown", "sip:b@nowhere.example"],
    ["a telephone number", "tel:+15551234"],
    ["a sips address", `sips:b@${B}`],
    ["an unknown transport", `sip:b@${B};transport=sctp`],
    ["nobody who listens", `sip:b@${B};transport=tcp`],
    ["a family that we do not listen on", "sip:b@[2001:db8::1]"],
  ];
  for (const [name, uri] of nowhere) {
    test(`${name} is a transport error, told after send has returned`, async () => {
      const { clock, agent } = stage();
      const { events, listener } = heard();
      const a = await agent(A);
      a.send(request("INVITE", uri), { owner: null }, listener);
      expect(events).toEqual([]);
      await clock.advance(0);
      expect(events).toEqual(["transport-error"]);
      expect(a.stats.clientTransactions).toBe(0);
      expect(clock.pending).toBe(0);
    });
  }

  test("a connection that is not made in time is a transport error", async () => {
    const { clock, wire, agent } = stage();
    wire.blackHoles.add(`${B}:5060`);
    const { events, listener } = heard();
    const options = { owner: null, connectTimeoutMs: 700 };
    (await agent(A)).send(request("INVITE", `sip:b@${B};transport=tcp`), options, listener);
    await clock.advance(699);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(["transport-error"]);
  });

  test("two seconds are enough for a connection when nobody says otherwise", async () => {
    const { clock, wire, agent } = stage();
    wire.blackHoles.add(`${B}:5060`);
    const { events, listener } = heard();
    const invite = request("INVITE", `sip:b@${B};transport=tcp`);
    (await agent(A)).send(invite, { owner: null }, listener);
    await clock.advance(1999);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(["transport-error"]);
  });

  test("all addresses of a name share the time, and the living one is found in it", async () => {
    const { clock, wire, agent } = stage();
    const [a, dead, mixed] = [await agent(A), heard(), heard()];
    for (const host of ["192.0.2.7", "192.0.2.8"]) wire.blackHoles.add(`${host}:5060`);
    wire.names.set("dead.example", ["192.0.2.7", "192.0.2.8"]);
    wire.names.set("mixed.example", ["192.0.2.7", "192.0.2.8", B]);
    const b = await agent(B);
    b.onRequest = ({ request: asked, transactionId }) =>
      void b.respond(transactionId ?? "", buildResponse(asked, 200, null, { toTag: "b" }));
    const options = { owner: null, connectTimeoutMs: 900 };
    a.send(request("OPTIONS", "sip:dead.example;transport=tcp"), options, dead.listener);
    a.send(request("OPTIONS", "sip:mixed.example;transport=tcp"), options, mixed.listener);
    await clock.advance(899);
    expect([dead.events, mixed.events]).toEqual([[], ["200"]]);
    await clock.advance(1);
    expect(dead.events).toEqual(["transport-error"]);
  });

  for (const transport of ["udp", "tcp"]) {
    test(`a name server that is silent is a transport error over ${transport}`, async () => {
      const { clock, wire, agent } = stage();
      wire.lookup = () => new Promise(() => {});
      const { events, listener } = heard();
      const options = { owner: null, connectTimeoutMs: 700 };
      const uri = `sip:b@srs.example;transport=${transport}`;
      (await agent(A)).send(request("OPTIONS", uri), options, listener);
      await clock.advance(699);
      expect(events).toEqual([]);
      await clock.advance(1);
      expect(events).toEqual(["transport-error"]);
      expect(clock.pending).toBe(0);
    });
  }

  test("silence is a timeout after 32 s", async () => {
    const { clock, wire, start, agent } = stage();
    const { events, listener } = heard();
    (await agent(A)).send(request("OPTIONS"), { owner: null }, listener);
    await clock.advance(31_999);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(["timeout"]);
    expect(wire.lines(start).slice(0, 4)).toEqual(
      [0, 500, 1500, 3500].map((at) => `${at} OPTIONS sip:b@${B} SIP/2.0`));
    expect(clock.pending).toBe(0);
  });

  test("above the limit it is refused without being sent", async () => {
    const { clock, wire, agent } = stage();
    const a = await agent(A, { limits: { transactions: 1 } });
    const { events, listener } = heard();
    a.send(request("OPTIONS"), { owner: null }, () => {});
    a.send(request("OPTIONS"), { owner: null }, listener);
    await clock.advance(0);
    expect(events).toEqual(["transport-error"]);
    expect(wire.sent).toHaveLength(1);
    expect(a.stats.overLimit).toBe(1);
  });

  test("a listener that throws harms nobody else", async () => {
    const { clock, agent } = stage();
    const a = await agent(A);
    const { events, listener } = heard();
    a.send(request("OPTIONS"), { owner: null }, () => {
      throw new Error("a fault of the listener");
    });
    a.send(request("OPTIONS"), { owner: null }, listener);
    await clock.advance(40_000);
    expect(events).toEqual(["timeout"]);
  });
});

describe("answers to our requests", () => {
  test("RFC 3261 §18.1.2: those that are not ours are dropped and counted", async () => {
    const { clock, wire, agent } = stage();
    const a = await agent(A);
    const { events, listener } = heard();
    a.send(request("OPTIONS"), { owner: null }, listener);
    await clock.advance(0);
    const sent = parsed(wire.sent[0]);
    if (sent.kind !== "request") throw new Error("no request");
    const via = header(sent, "Via") ?? "";
    const lines = (viaLines: string[], cseq = "1 OPTIONS") => [
      "SIP/2.0 200 OK", ...viaLines.map((each) => `Via: ${each}`), "From: <sip:a@h>;tag=a",
      "To: <sip:b@h>;tag=b", "Call-ID: call-1", `CSeq: ${cseq}`, "Content-Length: 0", "", "",
    ].join("\r\n");
    const answers = [
      lines([via.replace("z9hG4bK", "z9hG4bK-x")]),
      lines([via.replace("192.0.2.1:5060", "192.0.2.1:5061")]),
      lines([via.replace("192.0.2.1:5060", "192.0.2.3:5060")]),
      lines([via, "SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-up"]),
      lines([`${via}, SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-up`]),
      lines([via], "1 INVITE"),
    ];
    for (const answer of answers) wire.inject(`${B}:5060`, `${A}:5060`, answer);
    await clock.advance(1);
    expect(events).toEqual([]);
    expect(a.stats.strayResponses).toBe(answers.length);
    wire.inject(`${B}:5060`, `${A}:5060`, lines([via]));
    await clock.advance(1);
    expect(events).toEqual(["200"]);
  });

  test("RFC 6026 §7.2: each 2xx reaches the listener, a failure does once", async () => {
    const { clock, agent } = stage();
    const [a, b] = [await agent(A), await agent(B)];
    const requests = collect(b);
    const { events, listener } = heard();
    a.send(request("INVITE"), { owner: null }, listener);
    await clock.advance(10);
    const [first] = requests;
    if (first === undefined) throw new Error("no INVITE");
    b.respond(first.transactionId ?? "", buildResponse(first.request, 200, null, { toTag: "b" }));
    await clock.advance(4000);
    expect(events).toEqual(["200", "200", "200", "200"]);
  });
});

describe("CANCEL", () => {
  const scene = async () => {
    const { clock, wire, agent, start } = stage();
    const [a, b] = [await agent(A), await agent(B)];
    const requests = collect(b);
    const cancelled: string[] = [];
    b.onCancel = (id) => cancelled.push(id);
    const { events, listener } = heard();
    const id = a.send(request("INVITE"), { owner: null }, listener);
    await clock.advance(10);
    const incoming = requests[0];
    if (incoming === undefined) throw new Error("no INVITE");
    const respond = (status: number) => b.respond(
      incoming.transactionId ?? "", buildResponse(incoming.request, status, null, { toTag: "b" }));
    const firstLines = () => wire.lines(start).map((line) => line.replace(/^\d+ /, ""));
    return { a, b, id, clock, cancelled, events, incoming, respond, firstLines, requests };
  };

  test("RFC 3261 §9.1: waits for a 1xx; 200 to it, 487 to the INVITE, one ACK", async () => {
    const { a, id, clock, cancelled, incoming, respond, events, firstLines } = await scene();
    a.cancel(id);
    a.cancel(id);
    await clock.advance(10);
    expect(firstLines()).toEqual([`INVITE sip:b@${B} SIP/2.0`]);
    respond(180);
    await clock.advance(10);
    expect(cancelled).toEqual([incoming.transactionId ?? ""]);
    respond(487);
    await clock.advance(10);
    expect(events).toEqual(["180", "487"]);
    expect(firstLines()).toEqual([
      `INVITE sip:b@${B} SIP/2.0`, "SIP/2.0 180 Ringing", `CANCEL sip:b@${B} SIP/2.0`,
      "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated", `ACK sip:b@${B} SIP/2.0`,
    ]);
    await clock.advance(40_000);
    expect(clock.pending).toBe(0);
  });

  test("RFC 3261 §9.1: after the final answer none is sent", async () => {
    const { a, id, clock, respond, events, firstLines } = await scene();
    respond(180);
    respond(200);
    await clock.advance(10);
    a.cancel(id);
    await clock.advance(10);
    expect(events).toEqual(["180", "200"]);
    expect(firstLines().filter((line) => line.startsWith("CANCEL"))).toEqual([]);
  });

  test("a CANCEL that crosses the 200 is answered 200 and reported to nobody", async () => {
    const { a, id, clock, cancelled, respond, firstLines } = await scene();
    respond(180);
    await clock.advance(10);
    respond(200);
    a.cancel(id);
    await clock.advance(10);
    expect(cancelled).toEqual([]);
    expect(firstLines().slice(1, 5)).toEqual([
      "SIP/2.0 180 Ringing", "SIP/2.0 200 OK", `CANCEL sip:b@${B} SIP/2.0`, "SIP/2.0 200 OK",
    ]);
  });

  test("RFC 3261 §9.1: without a final answer the INVITE ends 64*T1 later", async () => {
    const { a, id, clock, respond, events } = await scene();
    respond(180);
    await clock.advance(10);
    a.cancel(id);
    await clock.advance(31_999);
    expect(events).toEqual(["180"]);
    await clock.advance(1);
    expect(events).toEqual(["180", "timeout"]);
  });

  test("what was never sent needs none", async () => {
    const { clock, wire, agent } = stage();
    wire.blackHoles.add(`${B}:5060`);
    const a = await agent(A);
    const { events, listener } = heard();
    a.cancel(a.send(request("INVITE", `sip:b@${B};transport=tcp`), { owner: null }, listener));
    await clock.advance(10_000);
    expect(events).toEqual(["transport-error"]);
    expect(wire.sent).toEqual([]);
  });
});
