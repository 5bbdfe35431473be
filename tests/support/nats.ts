// A nats-server of a test's own: a random port, its store in a folder that goes with it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats, type NatsLink } from "../../edge/nats/connect.ts";
import { systemClock } from "../../edge/runtime/clock.ts";
import type { Log } from "../../edge/runtime/types.ts";

export const hasNatsServer = spawnSync("nats-server", ["--version"]).status === 0;

export const quietLog: Log = {
  debug() {}, info() {}, warn() {}, error() {}, with: () => quietLog,
};

export interface TestNats {
  url: string;
  port: number;
  pid: number;
  link(name?: string): Promise<NatsLink>;
  /** Kills the server (SIGKILL) and leaves its store. */
  kill(): Promise<void>;
  /** Starts it again on the same port and store. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

export async function startTestNats(extra = ""): Promise<TestNats> {
  const dir = mkdtempSync(join(tmpdir(), "siprec-nats-"));
  const port = await freePort();
  const file = join(dir, "nats.conf");
  writeFileSync(file, `listen: "127.0.0.1:${port}"\nserver_name: "test"\n`
    + `jetstream { store_dir: "${dir}", max_memory_store: 64MB, max_file_store: 256MB }\n${extra}`);
  const links: NatsLink[] = [];
  const url = `nats://127.0.0.1:${port}`;
  const start = async () => {
    const child = spawn("nats-server", ["-c", file], { stdio: "ignore" });
    const gone = new Promise<void>((resolve) => void child.on("exit", () => resolve()));
    await portOpen(port);
    return { child, gone };
  };
  let running = await start();
  const kill = async (): Promise<void> => {
    running.child.kill("SIGKILL");
    await running.gone;
  };
  return {
    url, port, pid: running.child.pid ?? 0, kill,
    async link(name = "test") {
      const link = await connectNats({ servers: [url], name, log: quietLog, clock: systemClock });
      links.push(link);
      return link;
    },
    async restart() {
      running = await start();
    },
    async stop() {
      await Promise.all(links.map((link) => link.nc.close()));
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Resolves when something accepts on the port. */
export async function portOpen(port: number, host = "127.0.0.1"): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connectTcp(port, host);
      socket.on("connect", () => (socket.destroy(), resolve(true)));
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    await Bun.sleep(10);
  }
  throw new Error(`nothing listens on ${host}:${port}`);
}
