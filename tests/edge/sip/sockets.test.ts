import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import { isUdpPortClosed } from "../../../edge/runtime/udp.ts";
import type { ClientEvent, ListenAddress, UserAgent } from "../../../edge/sip/types.ts";
import { createUserAgent } from "../../../edge/sip/user-agent.ts";
import { buildRequest, buildResponse } from "../../../protocol/sip/build.ts";
import { ackFor2xx, uacDialog } from "../../../protocol/sip/dialog.ts";
import { header, topVia } from "../../../protocol/sip/header.ts";
import type { SipRequest } from "../../../protocol/sip/message.ts";
import { freePort } from "../../support/nats.ts";
import { quietLog } from "../../support/quiet-log.ts";

const open: UserAgent[] = [];
afterEach(async () => {
  for (const agent of open.splice(0)) await agent.stop();
});

const agentOn = (...transports: ("udp" | "tcp")[]): Promise<UserAgent> =>
  agentAt("127.0.0.1", ...transports);

async function agentAt(address: string, ...transports: ("udp" | "tcp")[]): Promise<UserAgent> {
  const agent = createUserAgent({
    listen: transports.map((transport) => ({ transport, address, port: 0 })),
    clock: systemClock, random: systemRandom, log: quietLog, userAgentName: "test",
  });
  open.push(agent);
  await agent.start();
  return agent;
}

const placeOf = (agent: UserAgent, transport: string): ListenAddress => {
  const place = agent.listening().find((each) => each.transport === transport);
  if (place === undefined) throw new Error(`no ${transport}`);
  return place;
};

const messageTo = (port: number, bodyBytes: number): SipRequest =>
  requestTo("MESSAGE", port, ";transport=tcp", bodyBytes);

const inviteTo = (port: number, parameters = "", bodyBytes = 0): SipRequest =>
  requestTo("INVITE", port, parameters, bodyBytes);

const requestTo = (
  method: string, port: number, parameters: string, bodyBytes: number,
): SipRequest => buildRequest({
  method,
  uri: `sip:b@127.0.0.1:${port}${parameters}`,
  from: "<sip:a@127.0.0.1>;tag=a",
  to: "<sip:b@127.0.0.1>",
  callId: crypto.randomUUID(),
  cseq: 1,
  body: new Uint8Array(bodyBytes).fill(0x61),
  contentType: "text/plain",
});

/** The first event of a type that passes. */
function firstFinal(
  agent: UserAgent, request: SipRequest,
): Promise<ClientEvent> {
  return new Promise((resolve) => {
    agent.send(request, { owner: null, contact: { user: "a" } }, (event) => {
      if (event.type !== "response" || event.response.status >= 200) resolve(event);
    });
  });
}

describe("user agents on real sockets", () => {
  for (const transport of ["udp", "tcp"] as const) {
    test(`a call over ${transport} is answered, acknowledged, ended by the callee`, async () => {
      const [a, b] = [await agentOn("udp", "tcp"), await agentOn("udp", "tcp")];
      const acked = Promise.withResolvers<SipRequest>();
      const ended = Promise.withResolvers<SipRequest>();
      b.onRequest = ({ request, transactionId }) => {
        if (request.method === "ACK") return acked.resolve(request);
        const answer = buildResponse(request, 200, null, { toTag: "b" });
        b.respond(transactionId ?? "", answer, { contact: { user: "b", params: ";+sip.srs" } });
      };
      a.onRequest = ({ request, transactionId }) => {
        ended.resolve(request);
        a.respond(transactionId ?? "", buildResponse(request, 200));
      };
      const request = inviteTo(placeOf(b, transport).port, `;transport=${transport}`);
      const event = await firstFinal(a, request);
      if (event.type !== "response") throw new Error(event.type);
      const contact = header(event.response, "Contact") ?? "";
      const suffix = transport === "tcp" ? ";transport=tcp" : "";
      expect(contact).toBe(
        `<sip:b@127.0.0.1:${placeOf(b, transport).port}${suffix}>;+sip.srs`);
      const dialog = uacDialog(request, event.response, event.flow);
      a.sendAck(ackFor2xx(dialog, 1), { owner: null });
      expect(topVia(await acked.promise)?.transport).toBe(transport.toUpperCase());
      const bye = buildRequest({
        method: "BYE", uri: `sip:a@127.0.0.1:${placeOf(a, transport).port}${suffix}`,
        from: "<sip:b@127.0.0.1>;tag=b", to: "<sip:a@127.0.0.1>;tag=a",
        callId: dialog.callId, cseq: 1,
      });
      const byeAnswer = await firstFinal(b, bye);
      expect(byeAnswer).toMatchObject({ type: "response", response: { status: 200 } });
      expect((await ended.promise).method).toBe("BYE");
      expect(b.stats.noAck).toBe(0);
    });
  }

  test("RFC 3261 §18.1.1: a large request without a transport goes over TCP", async () => {
    const [a, b] = [await agentOn("udp", "tcp"), await agentOn("tcp")];
    b.onRequest = ({ request, transactionId, flow }) => {
      expect(flow.transport).toBe("tcp");
      b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }));
    };
    const event = await firstFinal(a, inviteTo(placeOf(b, "tcp").port, "", 2000));
    expect(event).toMatchObject({ type: "response", response: { status: 486 } });
  });

  test("a large request falls back to UDP where TCP is refused", async () => {
    const [a, b] = [await agentOn("udp", "tcp"), await agentOn("udp")];
    b.onRequest = ({ request, transactionId, flow }) => {
      expect(flow.transport).toBe("udp");
      expect(request.body.length).toBe(2000);
      b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }));
    };
    const event = await firstFinal(a, inviteTo(placeOf(b, "udp").port, "", 2000));
    expect(event).toMatchObject({ type: "response", response: { status: 486 } });
  });

  test("the system says that nothing listens at a port", async () => {
    const port = await freePort();
    // The kernel bounds how many ICMP errors it sends in a second: on a busy machine one may lack.
    let isClosed = false;
    for (let tries = 0; !isClosed && tries < 20; tries++) {
      isClosed = await isUdpPortClosed("127.0.0.1", port, 100);
    }
    expect(isClosed).toBe(true);
    const b = await agentOn("udp");
    expect(await isUdpPortClosed("127.0.0.1", placeOf(b, "udp").port, 20)).toBe(false);
  });

  test("a large request that asks for TCP is not sent by UDP when TCP is refused", async () => {
    const [a, b] = [await agentOn("udp", "tcp"), await agentOn("udp")];
    const request = inviteTo(placeOf(b, "udp").port, ";transport=tcp", 2000);
    expect((await firstFinal(a, request)).type).toBe("transport-error");
    expect(b.stats.received).toBe(0);
  });

  for (const transport of ["udp", "tcp"] as const) {
    test(`IPv6 over ${transport} has its brackets where they belong`, async () => {
      const [a, b] = [await agentAt("::1", "udp", "tcp"), await agentAt("::1", "udp", "tcp")];
      const { port } = placeOf(b, transport);
      b.onRequest = ({ request, transactionId }) =>
        void b.respond(transactionId ?? "", buildResponse(request, 200, null, { toTag: "b" }),
          { contact: { user: "b" } });
      const request = {
        ...inviteTo(port), method: "MESSAGE", uri: `sip:b@[::1]:${port};transport=${transport}`,
        headers: inviteTo(port).headers.map((line) =>
          line.name === "CSeq" ? { name: "CSeq", value: "1 MESSAGE" } : line),
      };
      const event = await firstFinal(a, request);
      if (event.type !== "response") throw new Error(event.type);
      expect(header(event.response, "Contact")).toStartWith(`<sip:b@[::1]:${port}`);
      expect(header(event.response, "Via")).toContain("received=::1");
    });
  }

  test("a host name is looked up", async () => {
    const [a, b] = [await agentOn("udp"), await agentOn("udp")];
    b.onRequest = ({ request, transactionId }) =>
      void b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }));
    const { port } = placeOf(b, "udp");
    const event = await firstFinal(a, { ...inviteTo(port), uri: `sip:b@localhost:${port}` });
    expect(event).toMatchObject({ type: "response", response: { status: 486 } });
  });

  test("on all addresses Contact names one that the peer can use", async () => {
    const [a, b] = [await agentOn("udp"), await agentAt("0.0.0.0", "udp")];
    b.onRequest = ({ request, transactionId }) =>
      void b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }),
        { contact: {} });
    const { port } = placeOf(b, "udp");
    const event = await firstFinal(a, inviteTo(port));
    if (event.type !== "response") throw new Error(event.type);
    expect(header(event.response, "Contact")).toBe(`<sip:127.0.0.1:${port}>`);
  });

  test("a taken port is named", async () => {
    for (const transport of ["udp", "tcp"] as const) {
      const { port } = placeOf(await agentOn(transport), transport);
      const second = createUserAgent({
        listen: [{ transport, address: "127.0.0.1", port }],
        clock: systemClock, random: systemRandom, log: quietLog, userAgentName: "test",
      });
      expect(second.start()).rejects.toThrow(`${transport}:127.0.0.1:${port}: the port is taken`);
    }
  });
});

describe("real sockets against bad luck", () => {
  test("a dead port does not cost the next datagram to a living one", async () => {
    const [a, b] = [await agentOn("udp"), await agentOn("udp")];
    const probe = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
    const deadPort = probe.port;
    probe.close();
    b.onRequest = ({ request, transactionId }) =>
      void b.respond(transactionId ?? "", buildResponse(request, 486, null, { toTag: "b" }));
    for (let round = 0; round < 20; round++) {
      a.sendAck(inviteTo(deadPort), { owner: null });
      const event = await firstFinal(a, inviteTo(placeOf(b, "udp").port));
      expect(event).toMatchObject({ type: "response", response: { status: 486 } });
    }
    expect(a.stats.sendFailures).toBe(0);
  });

  test("a stream that talks nonsense gets its 400 before it is closed", async () => {
    const b = await agentOn("tcp");
    const got: string[] = [];
    const closed = Promise.withResolvers<void>();
    const { port } = placeOf(b, "tcp");
    await Bun.connect({
      hostname: "127.0.0.1", port,
      socket: {
        open: (socket) => void socket.write([
          "INVITE sip:b@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-1",
          "From: <sip:a@h>;tag=a", "To: <sip:b@h>", "Call-ID: x", "CSeq: 1 INVITE",
          "Content-Length: -1", "", "",
        ].join("\r\n")),
        data: (_socket, bytes) => void got.push(new TextDecoder().decode(bytes)),
        close: () => closed.resolve(),
      },
    });
    await closed.promise;
    expect(got.join("").slice(0, 11)).toBe("SIP/2.0 400");
  });

  test("messages of 60 kB arrive whole over a stream, many at once", async () => {
    const [a, b] = [await agentOn("tcp"), await agentOn("tcp")];
    let bytes = 0;
    b.onRequest = ({ request, transactionId }) => {
      bytes += request.body.length;
      b.respond(transactionId ?? "", buildResponse(request, 200, null, {
        toTag: "b", body: request.body, contentType: "text/plain",
      }));
    };
    const asked = Array.from({ length: 20 }, () =>
      firstFinal(a, messageTo(placeOf(b, "tcp").port, 60_000)));
    const answers = await Promise.all(asked.map(async (each) => {
      const event = await each;
      return event.type === "response" ? event.response.body.length : event.type;
    }));
    expect(answers).toEqual(Array.from({ length: 20 }, () => 60_000));
    expect(bytes).toBe(20 * 60_000);
  });

  test("a datagram that is too large for UDP is a transport error", async () => {
    const a = await agentOn("udp");
    const event = await firstFinal(a, inviteTo(9, ";transport=udp", 65_530));
    expect(event.type).toBe("transport-error");
  });

  test("when the peer goes, whoever waits for its answer is told", async () => {
    const [a, b] = [await agentOn("udp", "tcp"), await agentOn("tcp")];
    b.onRequest = () => void b.stop();
    const event = await firstFinal(a, inviteTo(placeOf(b, "tcp").port, ";transport=tcp"));
    expect(event.type).toBe("transport-error");
  });
});
