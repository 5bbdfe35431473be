import { describe, expect, test } from "bun:test";
import type { TcpConnection } from "../../../edge/runtime/tcp.ts";
import type { UserAgent } from "../../../edge/sip/types.ts";
import { buildRequest, buildResponse } from "../../../protocol/sip/build.ts";
import type { SipRequest } from "../../../protocol/sip/message.ts";
import { collect, heard, type Stage, stage } from "../../support/agents.ts";
import { settled } from "../../support/fake-clock.ts";

const B = "192.0.2.2";

const request = (method: string, callId = "call-1", uri = `sip:b@${B};transport=tcp`): SipRequest =>
  buildRequest({
    method, uri, from: "<sip:a@192.0.2.1>;tag=a", to: `<sip:b@${B}>`, callId, cseq: 1,
  });

/** A peer that is a bare stream: text goes in, text comes out. */
async function bare({ wire }: Stage, localAddress = "192.0.2.9") {
  const got: string[] = [];
  let isClosed = false;
  const tcp: TcpConnection = await wire.connectTcp({
    address: B, port: 5060, localAddress,
    events: () => ({
      onData: (bytes) => got.push(new TextDecoder().decode(bytes)),
      onClose: () => {
        isClosed = true;
      },
    }),
  });
  return {
    got,
    tcp,
    isClosed: () => isClosed,
    async write(...chunks: string[]): Promise<void> {
      for (const chunk of chunks) tcp.write(new TextEncoder().encode(chunk));
      await settled();
    },
  };
}

const raw = (method: string, n: number): string => [
  `${method} sip:b@${B} SIP/2.0`, `Via: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK-${n}`,
  "From: <sip:p@192.0.2.9>;tag=p", `To: <sip:b@${B}>`, `Call-ID: call-${n}`, `CSeq: 1 ${method}`,
  "Content-Length: 0", "", "",
].join("\r\n");

const answerAll = (agent: UserAgent, status: number): void => {
  agent.onRequest = ({ request: asked, transactionId }) => {
    if (transactionId === null) return;
    agent.respond(transactionId, buildResponse(asked, status, null, { toTag: "b" }));
  };
};

describe("streams", () => {
  test("where neither TCP nor UDP is open a large request fails at once", async () => {
    const { agent, clock, wire } = stage();
    const a = await agent("192.0.2.1");
    wire.closedPorts.add(`${B}:5060`);
    const { events, listener } = heard();
    const large = { ...request("INVITE", "one", `sip:b@${B}`), body: new Uint8Array(2_000) };
    a.send(large, { owner: null }, listener);
    await clock.advance(150);
    expect(events).toEqual(["transport-error"]);
    expect(wire.sent).toEqual([]);
    await a.stop();
  });

  test("requests of one dialog leave in the order they were given", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    const order: string[] = [];
    b.onRequest = ({ request: asked }) => void order.push(asked.method);
    wire.slowPlaces.set(`${B}:5060`, 20);
    // The first goes over TCP for its size, to a place that is slow to take the connection.
    const uri = `sip:b@${B}`;
    const large = { ...request("INFO", "one", uri), body: new Uint8Array(2_000) };
    a.send(large, { owner: null }, () => {});
    a.send(request("MESSAGE", "one", uri), { owner: null }, () => {});
    a.sendAck(request("ACK", "one", uri), { owner: null });
    await clock.advance(50);
    expect(order).toEqual(["INFO", "MESSAGE", "ACK"]);
    await Promise.all([a.stop(), b.stop()]);
  });

  test("RFC 3261 §18: one connection serves all requests to a place", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    answerAll(b, 200);
    const first = heard();
    for (const n of [1, 2, 3]) a.send(request("OPTIONS", `c${n}`), { owner: null }, first.listener);
    await clock.advance(10);
    a.send(request("OPTIONS", "c4"), { owner: null }, first.listener);
    await clock.advance(10);
    expect(first.events).toEqual(["200", "200", "200", "200"]);
    expect(wire.streams).toHaveLength(2);
    expect(a.stats.connections).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test("a request goes on its flow while that is open, then to its target", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    const requests = collect(b);
    a.send(request("OPTIONS"), { owner: null }, () => {});
    await clock.advance(1);
    const flow = requests[0]?.flow ?? null;
    expect(flow?.connection).toBeDefined();
    answerAll(a, 200);
    const back = request("OPTIONS", "back", "sip:a@192.0.2.1:5060;transport=tcp");
    const { events, listener } = heard();
    b.send(back, { owner: null, flow }, listener);
    await clock.advance(1);
    expect(events).toEqual(["200"]);
    expect(wire.streams).toHaveLength(2);
    wire.streams[0]?.close();
    await clock.advance(1);
    b.send({ ...back }, { owner: null, flow }, listener);
    await clock.advance(1);
    expect(events).toEqual(["200", "200"]);
    expect(wire.streams).toHaveLength(4);
  });

  test("RFC 3261 §17.1.4: whoever waits on a connection that closes is told", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    collect(b);
    const [waiting, answered] = [heard(), heard()];
    a.send(request("INVITE", "c1"), { owner: null }, waiting.listener);
    await clock.advance(300);
    answerAll(b, 486);
    a.send(request("INVITE", "c2"), { owner: null }, answered.listener);
    await clock.advance(1);
    wire.streams[0]?.close();
    await clock.advance(1);
    expect(waiting.events).toEqual(["100", "transport-error"]);
    expect(answered.events).toEqual(["486"]);
    expect(a.stats).toMatchObject({ connections: 0, clientTransactions: 0 });
  });

  test("RFC 3261 §18.2.2: an answer whose connection is gone goes to the Via's port", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    const requests = collect(b);
    a.send(request("INVITE"), { owner: null }, () => {});
    await clock.advance(1);
    wire.streams[0]?.close();
    await clock.advance(1);
    const [incoming] = requests;
    if (incoming === undefined) throw new Error("no INVITE");
    b.respond(incoming.transactionId ?? "",
      buildResponse(incoming.request, 486, null, { toTag: "b" }));
    await clock.advance(1);
    expect(wire.sent.at(-1)).toMatchObject({ to: "192.0.2.1:5060" });
    expect(wire.streams).toHaveLength(4);
    expect(a.stats.strayResponses).toBe(1);
  });

  test("RFC 3261 §13.3.1.4: a 2xx is repeated over a stream too", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    answerAll(b, 200);
    const peer = await bare(scene);
    await peer.write(raw("INVITE", 1));
    await scene.clock.advance(32_000);
    expect(peer.got).toHaveLength(11);
    expect(b.stats.noAck).toBe(1);
  });

  test("RFC 3261 §18.3: three in one piece, and one a byte at a time", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    const requests = collect(b);
    const peer = await bare(scene);
    await peer.write(raw("INVITE", 1) + raw("OPTIONS", 2) + raw("INVITE", 3));
    await peer.write(...raw("OPTIONS", 4));
    expect(requests.map(({ request: each }) => each.method))
      .toEqual(["INVITE", "OPTIONS", "INVITE", "OPTIONS"]);
  });

  test("RFC 5626 §3.5.1: a ping between messages is answered, split as it may be", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    const requests = collect(b);
    const peer = await bare(scene);
    await peer.write("\r\n\r\n", "\r\n", "\r", "\n", raw("INVITE", 1));
    expect(peer.got).toEqual(["\r\n", "\r\n"]);
    expect(requests).toHaveLength(1);
  });

  test("RFC 3261 §18.3: a message without a length gets 400, and the stream ends", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    const requests = collect(b);
    const peer = await bare(scene);
    await peer.write(raw("INVITE", 1).replace("Content-Length: 0\r\n", ""));
    expect(peer.got.map((text) => text.slice(0, 11))).toEqual(["SIP/2.0 400"]);
    expect(peer.isClosed()).toBe(true);
    expect(requests).toEqual([]);
    expect(b.stats).toMatchObject({ connections: 0, malformed: 1 });
  });

  test("noise that never ends is cut off", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    const peer = await bare(scene);
    for (let n = 0; n < 100 && !peer.isClosed(); n++) await peer.write("x".repeat(1000));
    expect(peer.isClosed()).toBe(true);
    expect(b.stats.connections).toBe(0);
  });

  test("a stream that brings no message in 32 s is closed, one that did stays", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    collect(b);
    const [silent, dripping, good] = [await bare(scene), await bare(scene), await bare(scene)];
    await dripping.write(raw("OPTIONS", 1).slice(0, 60));
    await good.write(raw("OPTIONS", 2));
    await scene.clock.advance(32_000);
    expect([silent, dripping, good].map((peer) => peer.isClosed())).toEqual([true, true, false]);
  });

  test("half a message holds its place for 32 s, silence between messages for ever", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    collect(b);
    const [stalled, slow, good] = [await bare(scene), await bare(scene), await bare(scene)];
    for (const [n, peer] of [stalled, slow, good].entries()) await peer.write(raw("OPTIONS", n));
    await scene.clock.advance(100_000);
    await stalled.write(raw("OPTIONS", 11).slice(0, 60));
    await slow.write(raw("OPTIONS", 12).slice(0, 60));
    await scene.clock.advance(31_999);
    await slow.write(raw("OPTIONS", 12).slice(60));
    await scene.clock.advance(1);
    expect([stalled, slow, good].map((peer) => peer.isClosed())).toEqual([true, false, false]);
    await scene.clock.advance(100_000);
    expect([slow, good].map((peer) => peer.isClosed())).toEqual([false, false]);
    expect(scene.clock.pending).toBe(0);
  });

  test("a stream on which nothing came while a request timed out is not used again", async () => {
    const { agent, clock, wire } = stage();
    const a = await agent("192.0.2.1");
    const silent = { onData: () => {}, onClose: () => {} };
    await wire.listenTcp({ address: B, port: 5060, onConnection: () => silent });
    const { events, listener } = heard();
    a.send(request("OPTIONS", "c1"), { owner: null }, listener);
    await clock.advance(20_000);
    a.send(request("OPTIONS", "c2"), { owner: null }, listener);
    await clock.advance(12_000);
    expect(events).toEqual(["timeout", "transport-error"]);
    expect(a.stats.connections).toBe(0);
    a.send(request("OPTIONS", "c3"), { owner: null }, listener);
    await clock.advance(1);
    expect(wire.streams).toHaveLength(4);
  });

  test("a stream that lives stays, though a request on it timed out", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    b.onRequest = ({ request: asked, transactionId }) => {
      if (asked.method === "INFO") b.ignore(transactionId ?? "");
      else b.respond(transactionId ?? "", buildResponse(asked, 200, null, { toTag: "b" }));
    };
    const { events, listener } = heard();
    a.send(request("INFO", "c1"), { owner: null }, listener);
    await clock.advance(1000);
    a.send(request("OPTIONS", "c2"), { owner: null }, listener);
    await clock.advance(31_000);
    expect(events).toEqual(["200", "timeout"]);
    expect(a.stats.connections).toBe(1);
    expect(wire.streams).toHaveLength(2);
  });

  test("who joins a connection attempt waits for no longer than it said itself", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    answerAll(b, 200);
    wire.slowPlaces.set(`${B}:5060`, 1500);
    const [patient, hasty] = [heard(), heard()];
    a.send(request("OPTIONS", "c1"), { owner: null, connectTimeoutMs: 3000 }, patient.listener);
    a.send(request("OPTIONS", "c2"), { owner: null, connectTimeoutMs: 500 }, hasty.listener);
    await clock.advance(500);
    expect([patient.events, hasty.events]).toEqual([[], ["transport-error"]]);
    await clock.advance(1000);
    expect(patient.events).toEqual(["200"]);
    expect(a.stats.connections).toBe(1);
  });

  test("a connection that comes when nobody waits any more is closed", async () => {
    const { agent, clock, wire } = stage();
    const [a, b] = [await agent("192.0.2.1"), await agent(B)];
    wire.slowPlaces.set(`${B}:5060`, 1500);
    const { events, listener } = heard();
    a.send(request("OPTIONS"), { owner: null, connectTimeoutMs: 500 }, listener);
    await clock.advance(2000);
    expect(events).toEqual(["transport-error"]);
    expect([a.stats.connections, b.stats.connections]).toEqual([0, 0]);
    expect(clock.pending).toBe(0);
  });

  test("at the limit a new stream is refused unless another has long been idle", async () => {
    const scene = stage();
    const b = await scene.agent(B, { limits: { connections: 2 } });
    collect(b);
    const [first, second] = [await bare(scene), await bare(scene)];
    await first.write(raw("OPTIONS", 1));
    await second.write(raw("OPTIONS", 2));
    const third = await bare(scene);
    await settled();
    expect(third.isClosed()).toBe(true);
    expect(b.stats.overLimit).toBe(1);
    await scene.clock.advance(61_000);
    await second.write(raw("OPTIONS", 3));
    const fourth = await bare(scene);
    await settled();
    expect([first, second, fourth].map((peer) => peer.isClosed())).toEqual([true, false, false]);
    expect(b.stats.connections).toBe(2);
  });

  test("stop closes every stream and leaves no timer", async () => {
    const scene = stage();
    const b = await scene.agent(B);
    const peer = await bare(scene);
    await b.stop();
    await settled();
    expect(peer.isClosed()).toBe(true);
    expect(scene.clock.pending).toBe(0);
  });
});
