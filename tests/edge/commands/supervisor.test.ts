import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readyTable } from "../../../edge/commands/edge.ts";
import { Supervisor } from "../../../edge/commands/supervisor.ts";
import { parseConfig } from "../../../edge/config/load.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { environment } from "../../../edge/runtime/env.ts";
import type { RunRecord } from "../../../edge/runtime/run-file.ts";
import { isRunning } from "../../../edge/runtime/spawn.ts";
import type { Log, LogFields } from "../../../edge/runtime/types.ts";
import type { Config } from "../../../schemas/config.ts";
import { freePort, hasNatsServer } from "../../support/nats.ts";

interface Modes {
  control?: string;
  media?: string;
}

class Edge {
  readonly events: string[] = [];
  readonly forwarded: string[] = [];
  readonly table: Promise<string>;
  readonly supervisor: Supervisor;
  private readonly waiting: { event: string; resolve: () => void }[] = [];

  constructor(readonly config: Config, modes: Modes = {}, version = "1") {
    let ready: (table: string) => void = () => {};
    this.table = new Promise((resolve) => (ready = resolve));
    const fake = join(import.meta.dir, "..", "..", "support", "fake-process.ts");
    this.supervisor = new Supervisor({
      config, version, configPath: "/nowhere", env: environment(), clock: systemClock,
      log: this.log(),
      sink: { terminal: false, write: (line) => void this.forwarded.push(line), wallMs: () => 0 },
      childCommand: (name, args) => [
        process.execPath, fake, modes[name] ?? "good", join(config.dataDir, `${name}.marker`),
        name, ...args,
      ],
      onReady: (line, pids) => ready(readyTable(config, line, pids, 1)),
    });
  }

  /** Resolves at the next event of that name. */
  next(event: string): Promise<void> {
    return new Promise((resolve) => void this.waiting.push({ event, resolve }));
  }

  record(name: string): RunRecord {
    const path = join(this.config.dataDir, "run", `${name}.json`);
    return JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  }

  private log(): Log {
    const say = (event: string, fields?: LogFields): void => {
      this.events.push([event, fields?.["reason"], fields?.["code"]].filter(Boolean).join(" "));
      for (const wait of this.waiting.splice(0)) {
        if (wait.event === event) wait.resolve();
        else this.waiting.push(wait);
      }
    };
    return { debug() {}, info: say, warn: say, error: say, with: () => this.log() };
  }
}

describe.skipIf(!hasNatsServer)("the supervisor of an edge", () => {
  const folders: string[] = [];
  const edges: { edge: Edge; end: Promise<number> }[] = [];

  afterEach(async () => {
    for (const { edge, end } of edges.splice(0)) {
      await edge.supervisor.kill();
      await end;
    }
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  async function configOf(more = ""): Promise<Config> {
    const data = mkdtempSync(join(tmpdir(), "siprec-edge-"));
    folders.push(data);
    const port = await freePort();
    const result = parseConfig(
      `data = "${data}"\ndrain = "0s"\n[nats]\nlisten = "127.0.0.1:${port}"\n${more}`, {});
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    return result.config;
  }

  function start(config: Config, modes: Modes = {}, version = "1") {
    const edge = new Edge(config, modes, version);
    const end = edge.supervisor.run();
    edges.push({ edge, end });
    return { edge, end };
  }

  test("starts all three, says what listens, and ends them in order", async () => {
    const { edge, end } = start(await configOf("[media]\nprocesses = 2"));
    const table = await edge.table;
    expect(table).toContain("edge ashburn is ready");
    expect(table).toContain("http://127.0.0.1:1");
    const names = ["nats", "media-0", "media-1", "edge"];
    const records = names.map((name) => edge.record(name));
    expect(records.map(isRunning)).toEqual([true, true, true, true]);
    await edge.supervisor.drain();
    expect(await end).toBe(0);
    // What media says last is heard too, though it writes into a file.
    expect(edge.forwarded.filter((line) => line.includes("fake.ended"))).toHaveLength(3);
    expect(records.slice(0, 3).map(isRunning)).toEqual([false, false, false]);
    expect(edge.events.at(-1)).toStartWith("edge.stopped");
  });

  test("a control process that crashes is started again; media lives on", async () => {
    const { edge } = start(await configOf(), { control: "crash-once" });
    await edge.table;
    const media = edge.record("media-0");
    await edge.next("control.ended");
    expect(isRunning(media)).toBe(true);
    expect(edge.record("media-0").pid).toBe(media.pid);
  });

  test("a media process that crashes is started again", async () => {
    const { edge } = start(await configOf(), { media: "crash-once" });
    await edge.table;
    const before = edge.record("media-0").pid;
    await edge.next("media.ended");
    let after = before;
    while (after === before) {
      await Bun.sleep(20);
      try {
        after = edge.record("media-0").pid;
      } catch {
        // It has no file between its end and its start.
      }
    }
    expect(isRunning(edge.record("media-0"))).toBe(true);
  });

  test("a nats-server that was killed is started again", async () => {
    const { edge } = start(await configOf());
    await edge.next("nats.started");
    const before = edge.record("nats").pid;
    const again = edge.next("nats.started");
    process.kill(before, "SIGKILL");
    await again;
    expect(edge.record("nats").pid).not.toBe(before);
    expect(isRunning(edge.record("nats"))).toBe(true);
  });

  test("what a dead supervisor left running is adopted; another version lives beside", async () => {
    const config = await configOf();
    const one = start(config);
    await one.edge.table;
    const [nats, media] = [one.edge.record("nats"), one.edge.record("media-0")];
    // As after SIGKILL of the supervisor: nobody tidied up, and its record is of a dead process.
    rmSync(join(config.dataDir, "run", "edge.json"));
    const two = start(config);
    await two.edge.table;
    expect(two.edge.record("nats").pid).toBe(nats.pid);
    expect(two.edge.record("media-0").pid).toBe(media.pid);
    rmSync(join(config.dataDir, "run", "edge.json"));
    const three = start(config, {}, "2");
    await three.edge.table;
    expect(isRunning(media)).toBe(true);
    expect(three.edge.record("media-1").version).toBe("2");
    await three.edge.supervisor.drain();
    expect(isRunning(media)).toBe(false);
  });

  test("a second supervisor of the same folder is refused", async () => {
    const config = await configOf();
    const one = start(config);
    await one.edge.table;
    const two = start(config);
    expect(await two.end).toBe(1);
    expect(two.edge.events).toEqual(["edge.folder-in-use"]);
  });

  test.each([["fail", 1], ["usage", 2]])(
    "a control process that ends with %s before it is ready ends the edge with %d",
    async (mode, code) => {
      const { edge, end } = start(await configOf(), { control: mode });
      expect(await end).toBe(code);
      expect(edge.events.some((event) => event.startsWith("control.ended"))).toBe(true);
    });

  test("a nats-server that cannot start ends the edge, with the reason", async () => {
    const config = await configOf();
    const blocked = { ...config, nats: { ...config.nats, listen: { host: "127.0.0.1", port: 1 } } };
    const before = process.getuid?.() === 0 ? { ...blocked.nats.listen, host: "192.0.2.1" } : null;
    if (before !== null) blocked.nats.listen = before;
    const { edge, end } = start(blocked);
    expect(await end).toBe(1);
    expect(edge.events.find((event) => event.startsWith("edge.failed"))).toContain("nats-server");
  });

  test("the second signal ends at once what does not want to end", async () => {
    const { edge, end } = start(await configOf(), { control: "stubborn", media: "stubborn" });
    await edge.table;
    const records = ["nats", "media-0"].map((name) => edge.record(name));
    void edge.supervisor.drain();
    await edge.supervisor.kill();
    expect(await end).toBe(1);
    while (records.some(isRunning)) await Bun.sleep(10);
  });
});
