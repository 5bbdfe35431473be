import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Type as T } from "@sinclair/typebox";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../../edge/config/load.ts";
import { connectNats, type NatsLink } from "../../../edge/nats/connect.ts";
import { requestPatiently, route, serve } from "../../../edge/nats/rpc.ts";
import { type NatsServer, startNatsServer } from "../../../edge/nats/server.ts";
import { openStore, type Store } from "../../../edge/nats/store.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { environment } from "../../../edge/runtime/env.ts";
import { freePort, hasNatsServer, quietLog } from "../../support/nats.ts";

const EDGES = ["dublin", "umatilla", "ashburn"];
const Row = T.Object({ n: T.Integer() });
const START_TIMEOUT_MS = 30_000;

interface Site {
  server: NatsServer;
  link: NatsLink;
  store: Store;
}

describe.skipIf(!hasNatsServer)("three edges in one NATS cluster", () => {
  const sites = new Map<string, Site>();
  const folders: string[] = [];

  beforeAll(async () => {
    const routes = await Promise.all(EDGES.map(() => freePort()));
    const clients = await Promise.all(EDGES.map(() => freePort()));
    await Promise.all(EDGES.map(async (edge, at) => {
      const dataDir = mkdtempSync(join(tmpdir(), `siprec-${edge}-`));
      folders.push(dataDir);
      const result = parseConfig(`edge = "${edge}"\n[nats]\nsecret_env = "S"
        listen = "127.0.0.1:${clients[at]}"
        cluster = { listen = "127.0.0.1:${routes[at]}",
          routes = [${routes.map((port) => `"127.0.0.1:${port}"`).join(",")}] }`
        .replace(/,\n\s+routes/, ", routes"), { S: "us er:p@ss" });
      if (!result.ok) throw new Error(JSON.stringify(result.problems));
      const { nats } = result.config;
      const tools = { clock: systemClock, log: quietLog };
      const server = await startNatsServer({ edge, dataDir, nats, env: environment(), ...tools });
      const link = await connectNats({
        servers: nats.servers, name: edge, credentials: nats.credentials, ...tools,
      });
      const store = await openStore({ link, edge, historyMs: 60_000, ...tools });
      sites.set(edge, { server, link, store });
    }));
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await Promise.all([...sites.values()].map(async ({ link, server }) => {
      await link.close();
      await server.stop();
    }));
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }, START_TIMEOUT_MS);

  const site = (edge: string): Site => {
    const found = sites.get(edge);
    if (found === undefined) throw new Error(`no ${edge}`);
    return found;
  };

  test("a request finds its owner at another edge", async () => {
    const served = serve(site("dublin").link, "t.owner", route(Row, ({ n }) => ({ n: n + 1 })));
    const reply = await requestPatiently(site("ashburn").link, systemClock, "t.owner", Row,
      { n: 1 }, { patienceMs: 5_000 });
    expect(reply).toEqual({ ok: true, value: { n: 2 } });
    served.stop();
  });

  test("each edge keeps its own, and goes on alone when the others are gone", async () => {
    for (const edge of EDGES) {
      site(edge).store.records.put("CA1", { n: EDGES.indexOf(edge) });
      await site(edge).store.records.flushed("CA1");
    }
    await Promise.all(["dublin", "umatilla"].map(async (edge) => {
      await site(edge).link.nc.close();
      await site(edge).server.stop();
    }));
    const { records } = site("ashburn").store;
    expect(await records.read("CA1", Row)).toEqual({ n: 2 });
    records.put("CA2", { n: 9 });
    await records.flushed("CA2");
    records.remove("CA1");
    await records.flushed("CA1");
    // Not the keys: without a leader of the cluster the removal leaves a marker.
    expect((await records.entries()).map(({ key }) => key)).toEqual(["CA2"]);
  }, START_TIMEOUT_MS);
});
