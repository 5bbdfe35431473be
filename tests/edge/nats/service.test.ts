import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Type as T } from "@sinclair/typebox";
import type { NatsLink } from "../../../edge/nats/connect.ts";
import { request, route, serveVerbs } from "../../../edge/nats/rpc.ts";
import { openService } from "../../../edge/nats/service.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { hasNatsServer, startTestNats, type TestNats } from "../../support/nats.ts";

const Empty = T.Object({});

describe.skipIf(!hasNatsServer)("a service of the NATS micro protocol", () => {
  let server: TestNats;
  let link: NatsLink;
  beforeAll(async () => {
    server = await startTestNats();
    link = await server.link();
  });
  afterAll(() => server.stop());

  const open = (id: string) => openService(link, {
    name: "siprec-media", version: "0.1.0", description: "media", id, clock: systemClock,
    metadata: { edge: "ashburn" },
  });
  const ask = async (subject: string) =>
    (await link.nc.request(subject, "", { timeout: 500 })).json<Record<string, unknown>>();

  test("PING and INFO name the service and its endpoints", async () => {
    const service = await open("a0");
    service.serve("hello", "t.hello", route(Empty, () => ({})));
    for (const subject of ["$SRV.PING", "$SRV.PING.siprec-media", "$SRV.PING.siprec-media.a0"]) {
      expect(await ask(subject)).toEqual({
        name: "siprec-media", id: "a0", version: "0.1.0", metadata: { edge: "ashburn" },
        type: "io.nats.micro.v1.ping_response",
      });
    }
    expect(await ask("$SRV.INFO.siprec-media")).toMatchObject({
      type: "io.nats.micro.v1.info_response", description: "media",
      endpoints: [{ name: "hello", subject: "t.hello" }],
    });
    service.stop();
  });

  test("STATS count requests and errors, also of subscriptions that come and go", async () => {
    const service = await open("a1");
    // Asked for with each call: it stays one endpoint.
    const shared = () => service.shared("call", "siprec.v1.call.*.>");
    const verbs = {
      good: route(Empty, () => ({})),
      bad: route(Empty, () => { throw new Error("broken"); }),
    };
    const calls = ["one", "two"].map((call) => serveVerbs(link, `t.call.${call}`, verbs, shared()));
    for (const subject of ["t.call.one.good", "t.call.two.good", "t.call.two.bad"]) {
      await request(link, subject, Empty, {});
    }
    for (const call of calls) call.stop();
    const stats = await ask("$SRV.STATS.siprec-media.a1");
    expect(stats).toMatchObject({
      type: "io.nats.micro.v1.stats_response",
      endpoints: [{ name: "call", num_requests: 3, num_errors: 1, last_error: "500:broken" }],
    });
    expect(Date.parse(String(stats["started"]))).toBeGreaterThan(0);
    service.stop();
  });

  test("a stopped service is not found any more", async () => {
    const service = await open("a2");
    service.serve("hello", "t.gone", route(Empty, () => ({})));
    await link.nc.flush();
    service.stop();
    await link.nc.flush();
    expect(await request(link, "t.gone", Empty, {}))
      .toMatchObject({ reason: "no-responders" });
    expect(await request(link, "$SRV.PING.siprec-media.a2", Empty, {}))
      .toMatchObject({ reason: "no-responders" });
  });
});
