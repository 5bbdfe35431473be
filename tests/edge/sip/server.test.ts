import { describe, expect, test } from "bun:test";
import type { IncomingRequest, UserAgent } from "../../../edge/sip/types.ts";
import { buildResponse } from "../../../protocol/sip/build.ts";
import { header, tagOf } from "../../../protocol/sip/header.ts";
import type { SipResponse } from "../../../protocol/sip/message.ts";
import { parseMessage } from "../../../protocol/sip/parse.ts";
import { collect, stage, type Stage } from "../../support/agents.ts";

const PEER = "192.0.2.9:5060";
const B = "192.0.2.2:5060";

interface RawSpec {
  method?: string;
  branch?: string;
  toTag?: string;
  cseq?: number;
  callId?: string;
  via?: string;
  more?: string[];
}

function raw(spec: RawSpec = {}): string {
  const { method = "INVITE", branch = "z9hG4bK-1", toTag, cseq = 1, callId = "call-1" } = spec;
  return [
    `${method} sip:b@192.0.2.2 SIP/2.0`,
    `Via: ${spec.via ?? `SIP/2.0/UDP 192.0.2.9:5060;rport;branch=${branch}`}`,
    "Max-Forwards: 0", "From: <sip:p@192.0.2.9>;tag=p",
    `To: <sip:b@192.0.2.2>${toTag === undefined ? "" : `;tag=${toTag}`}`,
    `Call-ID: ${callId}`, `CSeq: ${cseq} ${method}`, ...(spec.more ?? []),
    "Content-Length: 0", "", "",
  ].join("\r\n");
}

const ok = (incoming: IncomingRequest | undefined): SipResponse =>
  buildResponse(incoming?.request ?? { method: "", headers: [] }, 200, null, { toTag: "b" });

/** The peer is a script: what it sends is text, what it gets is on the wire's record. */
class Scene {
  readonly got: string[] = [];
  #seen = 0;

  private constructor(readonly stage: Stage, readonly b: UserAgent) {}

  static async open(options: Parameters<Stage["agent"]>[1] = {}): Promise<Scene> {
    const scene = stage();
    return new Scene(scene, await scene.agent("192.0.2.2", options));
  }

  async send(text: string, from = PEER): Promise<void> {
    this.stage.wire.inject(from, B, text);
    await this.stage.clock.advance(1);
  }

  /** What b has sent since the last look: status codes, with the time. */
  timeline(): string[] {
    const { start, wire } = this.stage;
    const mine = wire.sent.filter(({ from }) => from === B);
    const fresh = mine.slice(this.#seen);
    this.#seen = mine.length;
    return fresh.map(({ at, text }) => `${at - start} ${text.slice(8, 11)}`);
  }

  statuses(): string[] {
    return this.timeline().map((line) => line.replace(/^\d+ /, ""));
  }

  lastText(): string {
    return this.stage.wire.sent.findLast(({ from }) => from === B)?.text ?? "";
  }

  last() {
    const result = parseMessage(new TextEncoder().encode(this.lastText()));
    if (!result.ok) throw new Error(result.reason);
    return result.message;
  }
}

describe("requests to us", () => {
  test("RFC 3261 §17.2.1: 100 after 200 ms, retransmissions absorbed and answered", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    await scene.send(raw());
    expect(scene.statuses()).toEqual([]);
    await scene.stage.clock.advance(300);
    expect(scene.timeline()).toEqual(["201 100"]);
    await scene.send(raw());
    expect(scene.timeline()).toEqual(["303 100"]);
    expect(requests).toHaveLength(1);
    expect(scene.b.stats.retransmissions).toBe(2);
    expect(tagOf(header(scene.last(), "To") ?? "")).toBeNull();
  });

  test("RFC 3261 §17.2.1: no 100 when the answer comes sooner", async () => {
    const scene = await Scene.open();
    scene.b.onRequest = ({ request, transactionId }) => scene.stage.clock.after(50, () =>
      scene.b.respond(transactionId ?? "", buildResponse(request, 180, null, { toTag: "b" })));
    await scene.send(raw());
    await scene.stage.clock.advance(1000);
    expect(scene.timeline()).toEqual(["51 180"]);
  });

  test("a failure is repeated until its ACK, which nobody is told of", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    const [first] = requests;
    if (first === undefined) throw new Error("no INVITE");
    scene.b.respond(first.transactionId ?? "",
      buildResponse(first.request, 486, null, { toTag: "b" }));
    await scene.stage.clock.advance(1600);
    expect(scene.timeline()).toEqual(["1 486", "501 486", "1501 486"]);
    await scene.send(raw({ method: "ACK", toTag: "b" }));
    await scene.stage.clock.advance(40_000);
    expect(scene.statuses()).toEqual([]);
    expect(requests).toHaveLength(1);
    expect(scene.b.stats.serverTransactions).toBe(0);
    expect(scene.stage.clock.pending).toBe(0);
  });

  test("RFC 3261 §13.3.1.4: a 2xx is repeated until its ACK, which is told", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    const [first] = requests;
    if (first === undefined) throw new Error("no INVITE");
    scene.b.respond(first.transactionId ?? "",
      buildResponse(first.request, 200, null, { toTag: "b" }), { contact: { user: "b" } });
    await scene.stage.clock.advance(600);
    await scene.send(raw());
    expect(scene.timeline()).toEqual(["1 200", "501 200"]);
    expect(header(scene.last(), "Contact")).toBe("<sip:b@192.0.2.2:5060>");
    expect(header(scene.last(), "Server")).toBe("test");
    await scene.send(raw({ method: "ACK", toTag: "b", branch: "z9hG4bK-2" }));
    await scene.send(raw({ method: "ACK", toTag: "b", branch: "z9hG4bK-2" }));
    await scene.stage.clock.advance(40_000);
    expect(scene.statuses()).toEqual([]);
    expect(requests.map(({ request, transactionId }) => [request.method, transactionId === null]))
      .toEqual([["INVITE", false], ["ACK", true], ["ACK", true]]);
    expect(scene.b.stats.noAck).toBe(0);
  });

  test("an ACK to a 2xx that reuses the INVITE's branch counts all the same", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    const id = requests[0]?.transactionId ?? "";
    scene.b.respond(id, ok(requests[0]));
    await scene.send(raw({ method: "ACK", toTag: "b" }));
    await scene.stage.clock.advance(40_000);
    expect(scene.statuses()).toEqual(["200"]);
    expect(requests).toHaveLength(2);
  });

  test("RFC 3261 §13.3.1.4: a 2xx without an ACK is reported after 32 s", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    const unacknowledged: string[] = [];
    scene.b.onNoAck = (id) => unacknowledged.push(id);
    await scene.send(raw());
    const id = requests[0]?.transactionId ?? "";
    scene.b.respond(id, ok(requests[0]));
    await scene.stage.clock.advance(31_999);
    expect(unacknowledged).toEqual([]);
    await scene.stage.clock.advance(1);
    expect(unacknowledged).toEqual([id]);
    expect(scene.statuses()).toHaveLength(11);
    expect(scene.b.stats.noAck).toBe(1);
    expect(scene.stage.clock.pending).toBe(0);
  });

  test("RFC 3261 §8.2.2.2: the same request by another path is answered 482", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    await scene.send(raw({ branch: "z9hG4bK-2" }));
    expect(scene.statuses()).toEqual(["482"]);
    expect(tagOf(header(scene.last(), "To") ?? "")).not.toBeNull();
    expect(requests).toHaveLength(1);
    await scene.send(raw({ branch: "z9hG4bK-3", cseq: 2 }));
    expect(requests).toHaveLength(2);
  });

  test("RFC 4320: a request that is never answered gets a late 100 and no 408", async () => {
    const scene = await Scene.open();
    collect(scene.b);
    await scene.send(raw({ method: "OPTIONS" }));
    await scene.stage.clock.advance(40_000);
    expect(scene.timeline()).toEqual(["3501 100"]);
    expect(scene.b.stats.serverTransactions).toBe(0);
  });

  test("RFC 3261 §8.2.6.2: answers without a To tag get one, all the same one", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw());
    await scene.send(raw({ branch: "z9hG4bK-2", callId: "call-2" }));
    const answer = (n: number, status: number, toTag?: string): string | null => {
      const request = requests[n]?.request ?? { method: "", headers: [] };
      const spec = toTag === undefined ? {} : { toTag };
      scene.b.respond(requests[n]?.transactionId ?? "", buildResponse(request, status, null, spec));
      return tagOf(header(scene.last(), "To") ?? "");
    };
    const tag = answer(0, 180);
    expect(tag).toMatch(/^[0-9a-f]{16}$/);
    expect(answer(0, 486)).toBe(tag);
    expect([answer(1, 180, "own"), answer(1, 486)]).toEqual(["own", "own"]);
  });

  test("an answer to a transaction that is gone is refused", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    await scene.send(raw({ method: "OPTIONS" }));
    const [first] = requests;
    if (first === undefined) throw new Error("no OPTIONS");
    const response = buildResponse(first.request, 200, null, { toTag: "b" });
    expect(scene.b.respond(first.transactionId ?? "", response)).toBe(true);
    expect(scene.b.respond(first.transactionId ?? "", response)).toBe(false);
    expect(scene.b.respond("unknown", response)).toBe(false);
    expect(scene.statuses()).toEqual(["200"]);
  });

  test("one that is ignored gets nothing, not even 100, and may come again", async () => {
    const scene = await Scene.open();
    let count = 0;
    scene.b.onRequest = ({ transactionId }) => {
      count++;
      scene.b.ignore(transactionId ?? "");
    };
    await scene.send(raw());
    await scene.send(raw());
    await scene.stage.clock.advance(1000);
    expect(scene.statuses()).toEqual([]);
    expect(count).toBe(2);
    expect(scene.stage.clock.pending).toBe(0);
  });

  test("a user that throws costs that request a 500, and no other", async () => {
    const scene = await Scene.open();
    scene.b.onRequest = () => {
      throw new Error("a fault of the user");
    };
    await scene.send(raw({ method: "OPTIONS" }));
    expect(scene.statuses()).toEqual(["500"]);
    collect(scene.b);
    await scene.send(raw({ method: "OPTIONS", branch: "z9hG4bK-2", cseq: 2 }));
    expect(scene.statuses()).toEqual([]);
  });
});

describe("CANCEL to us", () => {
  test("RFC 3261 §9.2: without a transaction it is answered 481", async () => {
    const scene = await Scene.open();
    await scene.send(raw({ method: "CANCEL" }));
    expect(scene.statuses()).toEqual(["481"]);
  });

  test("RFC 3261 §9.2: a second one is absorbed, one after the 200 changes nothing", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    let cancels = 0;
    scene.b.onCancel = () => cancels++;
    await scene.send(raw());
    scene.b.respond(requests[0]?.transactionId ?? "", ok(requests[0]));
    await scene.send(raw({ method: "CANCEL" }));
    await scene.send(raw({ method: "CANCEL" }));
    expect(cancels).toBe(0);
    expect(scene.statuses()).toEqual(["200", "200", "200"]);
    expect(header(scene.last(), "CSeq")).toBe("1 CANCEL");
    expect(tagOf(header(scene.last(), "To") ?? "")).toBe("b");
  });

  test("both answers bear one tag when the user answers at once", async () => {
    const scene = await Scene.open();
    const requests = collect(scene.b);
    scene.b.onCancel = (id) => scene.b.respond(id, buildResponse(
      requests[0]?.request ?? { method: "", headers: [] }, 487, null, { toTag: "us" }));
    await scene.send(raw());
    await scene.send(raw({ method: "CANCEL" }));
    expect(scene.statuses()).toEqual(["487", "200"]);
    expect(tagOf(header(scene.last(), "To") ?? "")).toBe("us");
  });
});

describe("where answers go", () => {
  const rows: [string, string, string, string][] = [
    ["RFC 3581: to the port it came from", "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK-1",
      "198.51.100.1:40000", "198.51.100.1:40000"],
    ["RFC 3261 §18.2.2: to the port of Via without rport",
      "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK-1", "198.51.100.1:40000", "198.51.100.1:5070"],
    ["to 5060 without a port", "SIP/2.0/UDP pc.example;branch=z9hG4bK-1",
      "198.51.100.1:40000", "198.51.100.1:5060"],
    ["to maddr", "SIP/2.0/UDP pc.example;maddr=192.0.2.77;branch=z9hG4bK-1",
      "198.51.100.1:40000", "192.0.2.77:5060"],
    ["never to a group", "SIP/2.0/UDP pc.example;maddr=224.0.1.75;branch=z9hG4bK-1",
      "198.51.100.1:40000", "198.51.100.1:5060"],
    ["never to where the peer claims to be",
      "SIP/2.0/UDP 10.0.0.1;received=203.0.113.99;rport=9;branch=z9hG4bK-1",
      "198.51.100.1:40000", "198.51.100.1:40000"],
  ];
  for (const [name, via, from, to] of rows) {
    test(name, async () => {
      const scene = await Scene.open();
      await scene.send(raw({ method: "CANCEL", via }), from);
      expect(scene.stage.wire.sent.findLast((each) => each.from === B)?.to).toBe(to);
    });
  }
});

describe("bad input", () => {
  const answered: [string, string, string][] = [
    ["a broken CSeq", raw().replace("CSeq: 1 INVITE", "CSeq: x INVITE"), "400"],
    ["another version", raw().replace("b@192.0.2.2 SIP/2.0", "b@192.0.2.2 SIP/7.0"), "505"],
    ["a body that is cut", raw().replace("Content-Length: 0", "Content-Length: 10"), "400"],
    ["a method that differs", raw().replace("1 INVITE", "1 BYE"), "400"],
  ];
  for (const [name, text, expected] of answered) {
    test(`${name} is answered, the same each time, and reaches nobody`, async () => {
      const scene = await Scene.open();
      const requests = collect(scene.b);
      await scene.send(text);
      expect(scene.statuses()).toEqual([expected]);
      const first = scene.lastText();
      expect(first).toMatch(/\r\nTo: <sip:b@192\.0\.2\.2>;tag=[0-9a-f]{16}\r\n/);
      expect(first).toInclude(
        "\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport=5060;branch=z9hG4bK-1;received=192.0.2.9\r\n");
      await scene.send(text);
      expect(scene.lastText()).toBe(first);
      expect(requests).toEqual([]);
      expect(scene.b.stats.malformed).toBe(2);
      expect(scene.b.stats.serverTransactions).toBe(0);
    });
  }

  const dropped: [string, string, number][] = [
    ["nothing", "", 0], ["line ends", "\r\n\r\n", 0], ["NULs", "\0\0\0\0", 0],
    ["a STUN request", "\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa", 1],
    ["words", "hello there", 1], ["HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1],
    ["a request without Via", raw().replace(/Via: .*\r\n/, ""), 1],
    ["a broken ACK", raw({ method: "ACK" }).replace("CSeq: 1 ACK", "CSeq: x ACK"), 1],
    ["a broken response", "SIP/2.0 99999 Huh\r\n\r\n", 1],
  ];
  for (const [name, text, malformed] of dropped) {
    test(`${name}: silence`, async () => {
      const scene = await Scene.open();
      const requests = collect(scene.b);
      await scene.send(text);
      expect(scene.statuses()).toEqual([]);
      expect(requests).toEqual([]);
      expect(scene.b.stats.malformed).toBe(malformed);
    });
  }

  test("any bytes leave the user agent alive and empty", async () => {
    const scene = await Scene.open();
    scene.b.onRequest = ({ request, transactionId }) => {
      scene.b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }));
    };
    const good = raw();
    for (let round = 0; round < 500; round++) {
      const at = (round * 7919) % good.length;
      const change = String.fromCharCode((round * 31) % 256);
      const text = good.slice(0, at) + change + (round % 3 === 0 ? "" : good.slice(at + 1));
      scene.stage.wire.inject(PEER, B, text);
    }
    await scene.stage.clock.advance(100_000);
    expect(scene.b.stats.serverTransactions).toBe(0);
    expect(scene.stage.clock.pending).toBe(0);
    await scene.send(raw({ method: "CANCEL", branch: "z9hG4bK-after" }));
    expect(scene.statuses().at(-1)).toBe("481");
  });

  test("above the limit new requests get 503, what belongs to a call gets in", async () => {
    const scene = await Scene.open({ limits: { transactions: 2 } });
    const requests = collect(scene.b);
    for (const n of [1, 2, 3]) {
      await scene.send(raw({ branch: `z9hG4bK-${n}`, callId: `call-${n}` }));
    }
    expect(scene.statuses()).toEqual(["503"]);
    expect(header(scene.last(), "Retry-After")).toBe("5");
    await scene.send(raw({ method: "BYE", branch: "z9hG4bK-4", toTag: "b" }));
    await scene.send(raw({ method: "CANCEL", branch: "z9hG4bK-1" }));
    expect(requests.map(({ request }) => request.method)).toEqual(["INVITE", "INVITE", "BYE"]);
    expect(scene.b.stats.overLimit).toBe(1);
  });
});

test("after stop nothing runs and nothing is told", async () => {
  const scene = await Scene.open();
  const requests = collect(scene.b);
  await scene.send(raw());
  await scene.b.stop();
  expect(scene.stage.clock.pending).toBe(0);
  await scene.send(raw({ branch: "z9hG4bK-2", callId: "call-2" }));
  await scene.stage.clock.advance(1000);
  expect(requests).toHaveLength(1);
  expect(scene.statuses()).toEqual([]);
  expect(scene.b.listening()).toEqual([]);
});
