import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../../edge/config/load.ts";
import { connectNats } from "../../../edge/nats/connect.ts";
import { type NatsServer, startNatsServer } from "../../../edge/nats/server.ts";
import { openStore } from "../../../edge/nats/store.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { environment } from "../../../edge/runtime/env.ts";
import { endProcess, processStart } from "../../../edge/runtime/spawn.ts";
import type { Config } from "../../../schemas/config.ts";
import { freePort, hasNatsServer, quietLog } from "../../support/nats.ts";

function nats(text: string, env: Record<string, string> = {}): Config["nats"] {
  const result = parseConfig(text, env);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config.nats;
}

describe.skipIf(!hasNatsServer)("the embedded nats-server", () => {
  const started: NatsServer[] = [];
  const folders: string[] = [];

  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), "siprec-data-"));
    folders.push(path);
    return path;
  };

  async function start(dataDir: string, config: Config["nats"], edge = "ashburn") {
    const server = await startNatsServer({
      edge, dataDir, nats: config, env: environment(), clock: systemClock, log: quietLog,
    });
    started.push(server);
    return server;
  }

  test("is ready soon, keeps what is stored, and is adopted by the next supervisor", async () => {
    const dataDir = folder();
    const config = nats(`[nats]\nlisten = "127.0.0.1:${await freePort()}"`);
    const before = performance.now();
    const first = await start(dataDir, config);
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(first.adopted).toBe(false);
    const second = await start(dataDir, config);
    expect(second).toMatchObject({ adopted: true, pid: first.pid });
    const link = await connectNats({
      servers: config.servers, name: "test", log: quietLog, clock: systemClock,
    });
    const { records } = await openStore({
      link, edge: "ashburn", clock: systemClock, log: quietLog, historyMs: 60_000,
    });
    records.put("CA1", { n: 1 });
    await records.flushed("CA1");
    await link.close();
    await second.stop();
    expect(first.isRunning()).toBe(false);
    const third = await start(dataDir, config);
    expect(third.adopted).toBe(false);
    const again = await connectNats({
      servers: config.servers, name: "test", log: quietLog, clock: systemClock,
    });
    const store = await openStore({
      link: again, edge: "ashburn", clock: systemClock, log: quietLog, historyMs: 60_000,
    });
    expect(await store.records.keys()).toEqual(["CA1"]);
    await again.close();
  });

  test("with other settings it is started anew", async () => {
    const dataDir = folder();
    const [one, two] = [await freePort(), await freePort()];
    const first = await start(dataDir, nats(`[nats]\nlisten = "127.0.0.1:${one}"`));
    const second = await start(dataDir, nats(`[nats]\nlisten = "127.0.0.1:${two}"`));
    expect(second.adopted).toBe(false);
    expect(first.isRunning()).toBe(false);
  });

  test("asks for the secret, and keeps it in a private file", async () => {
    const dataDir = folder();
    const config = nats(`[nats]\nlisten = "127.0.0.1:${await freePort()}"\nsecret_env = "X"`,
      { X: 'user:pass"word' });
    await start(dataDir, config);
    expect(statSync(join(dataDir, "run", "nats.conf")).mode & 0o777).toBe(0o600);
    const open = (credentials: Config["nats"]["credentials"]) => connectNats({
      servers: config.servers, name: "test", log: quietLog, clock: systemClock, credentials,
    });
    const link = await open(config.credentials);
    await link.close();
    await expect(open(null)).rejects.toThrow(/authorization/i);
    await expect(open({ user: "user", password: "wrong" })).rejects.toThrow(/authorization/i);
  });

  test("a port that is taken, by whomever, is said in a sentence", async () => {
    const port = await freePort();
    const other = createServer((socket) => socket.end("220 hello\r\n"));
    await new Promise<void>((resolve) => void other.listen(port, "127.0.0.1", resolve));
    const config = nats(`[nats]\nlisten = "127.0.0.1:${port}"`);
    await expect(start(folder(), config)).rejects.toThrow(`127.0.0.1:${port} is taken`);
    await new Promise((resolve) => other.close(resolve));
    await start(folder(), config, "dublin");
    await expect(start(folder(), config)).rejects.toThrow("is taken");
  });

  test("a missing program and a configuration it refuses are said too", async () => {
    const config = nats(`[nats]\nlisten = "127.0.0.1:${await freePort()}"`);
    await expect(startNatsServer({
      edge: "ashburn", dataDir: folder(), nats: config, env: { PATH: "/nowhere" },
      clock: systemClock, log: quietLog,
    })).rejects.toThrow("install it");
    const dataDir = folder();
    writeFileSync(join(dataDir, "nats"), "a file where a folder should be");
    await expect(start(dataDir, config)).rejects.toThrow();
    const cluster = { listen: { host: "127.0.0.1", port: await freePort() }, routes: [] };
    await expect(start(folder(), { ...config, cluster })).rejects.toThrow(/ended.*route/s);
  });

  test("a record of a process that is gone, or of another one, is not adopted", async () => {
    const dataDir = folder();
    const config = nats(`[nats]\nlisten = "127.0.0.1:${await freePort()}"`);
    const first = await start(dataDir, config);
    const runFile = join(dataDir, "run", "nats.json");
    const record = JSON.parse(readFileSync(runFile, "utf8")) as { pid: number; start: string };
    await endProcess({ pid: first.pid, start: record.start }, 5_000, systemClock);
    // The pid is in use again, by a process that started at another time: this one.
    writeFileSync(runFile, JSON.stringify({ ...record, pid: process.pid }));
    expect(processStart(process.pid)).not.toBeNull();
    const second = await start(dataDir, config);
    expect(second.adopted).toBe(false);
    expect(processStart(process.pid)).not.toBeNull();
  });
});
