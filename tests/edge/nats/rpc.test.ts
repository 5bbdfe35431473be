import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Type as T } from "@sinclair/typebox";
import type { NatsLink } from "../../../edge/nats/connect.ts";
import { listen, publish, request, requestPatiently, route, rpcError, serve, serveVerbs }
  from "../../../edge/nats/rpc.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { EdgeError } from "../../../schemas/error.ts";
import { hasNatsServer, startTestNats, type TestNats } from "../../support/nats.ts";

const Question = T.Object({ n: T.Integer() });
const Answer = T.Object({ twice: T.Integer() });

describe.skipIf(!hasNatsServer)("requests over NATS", () => {
  let server: TestNats;
  let asks: NatsLink;
  let answers: NatsLink;

  beforeAll(async () => {
    server = await startTestNats();
    [asks, answers] = await Promise.all([server.link("asks"), server.link("answers")]);
  });
  afterAll(() => server.stop());

  test("a request is answered, with both sides checked by schema", async () => {
    const served = serve(answers, "t.double", route(Question, ({ n }) => ({ twice: 2 * n })));
    await answers.nc.flush();
    expect(await request(asks, "t.double", Answer, { n: 21 }))
      .toEqual({ ok: true, value: { twice: 42 } });
    const refused = await request(asks, "t.double", Answer, { n: "x" });
    expect(refused).toMatchObject({ ok: false, reason: "error", code: 400 });
    served.stop();
  });

  test("an answer that does not fit its schema is a failure, not a value", async () => {
    const served = serve(answers, "t.odd", route(Question, () => ({ thrice: 1 })));
    await answers.nc.flush();
    expect(await request(asks, "t.odd", Answer, { n: 1 }))
      .toMatchObject({ ok: false, reason: "invalid-reply" });
    served.stop();
  });

  test("nobody there, and nobody answering, are told apart", async () => {
    expect(await request(asks, "t.nobody", Answer, { n: 1 }))
      .toMatchObject({ ok: false, reason: "no-responders" });
    const served = serve(answers, "t.mute", route(Question, () => new Promise(() => {})));
    await answers.nc.flush();
    expect(await request(asks, "t.mute", Answer, { n: 1 }, { timeoutMs: 30 }))
      .toMatchObject({ ok: false, reason: "timeout" });
    served.stop();
  });

  test("a patient request finds a subscription that comes a moment later", async () => {
    const waiting = requestPatiently(asks, systemClock, "t.late", Answer, { n: 4 },
      { patienceMs: 3_000 });
    expect(await request(asks, "t.late", Answer, { n: 4 })).toMatchObject({ ok: false });
    const served = serve(answers, "t.late", route(Question, ({ n }) => ({ twice: 2 * n })));
    expect(await waiting).toEqual({ ok: true, value: { twice: 8 } });
    served.stop();
  });

  test("an error of ours keeps its name on the way", async () => {
    const served = serveVerbs(answers, "t.call", {
      start: route(Question, () => Promise.reject(new EdgeError("SLOTS_FULL"))),
      "sip.send": route(Question, (_, subject) => ({ twice: subject.length })),
    });
    await answers.nc.flush();
    const result = await request(asks, "t.call.start", Answer, { n: 1 });
    expect(result.ok).toBe(false);
    if (!result.ok) expect(rpcError(result).error).toBe("SLOTS_FULL");
    expect(await request(asks, "t.call.sip.send", Answer, { n: 1 }))
      .toEqual({ ok: true, value: { twice: "t.call.sip.send".length } });
    expect(await request(asks, "t.call.other", Answer, { n: 1 })).toMatchObject({ code: 404 });
    served.stop();
  });

  test("bytes that are no JSON are answered and do not end the subscription", async () => {
    const served = serve(answers, "t.bytes", route(Question, ({ n }) => ({ twice: 2 * n })));
    await answers.nc.flush();
    for (const bytes of [new Uint8Array([0xff, 0xfe]), new Uint8Array(0), new Uint8Array(5000)]) {
      const reply = await asks.nc.request("t.bytes", bytes, { timeout: 500 });
      expect(reply.headers?.get("Nats-Service-Error-Code")).toBe("400");
    }
    expect(await request(asks, "t.bytes", Answer, { n: 1 })).toMatchObject({ ok: true });
    served.stop();
  });

  test("publications are heard when they fit, and counted when they do not", async () => {
    const invalid: string[] = [];
    const heard = await new Promise<number>((resolve) => {
      listen(answers, "t.hello", Question, ({ n }) => resolve(n), (why) => invalid.push(why));
      void answers.nc.flush().then(() => {
        expect(publish(asks, "t.hello", { n: "no" })).toBe(true);
        publish(asks, "t.hello", { n: 7 });
      });
    });
    expect(heard).toBe(7);
    expect(invalid).toHaveLength(1);
  });
});

describe.skipIf(!hasNatsServer)("a NATS server that goes away", () => {
  test("requests fail at once, publications are dropped, and all is well when it is back",
    async () => {
      const server = await startTestNats();
      const link = await server.link();
      const changes: boolean[] = [];
      const back = new Promise<void>((resolve) => link.onChange((connected) => {
        changes.push(connected);
        if (connected) resolve();
      }));
      const lost = new Promise<void>((resolve) => link.onChange((up) => void (up || resolve())));
      serve(link, "t.double", route(Question, ({ n }) => ({ twice: 2 * n })));
      await server.kill();
      await lost;
      expect(link.isConnected()).toBe(false);
      expect(await request(link, "t.double", Answer, { n: 1 }))
        .toMatchObject({ ok: false, reason: "disconnected" });
      expect(publish(link, "t.hello", {})).toBe(false);
      await server.restart();
      await back;
      expect(await request(link, "t.double", Answer, { n: 1 }))
        .toEqual({ ok: true, value: { twice: 2 } });
      expect(changes).toEqual([false, true]);
      await server.stop();
    });
});
