// What an edge costs from outside: time to ready with its nats-server, INVITE to 200 OK with
// inline TwiML, CPU and memory of control per call. A real edge in processes of its own; phones
// in this one. Run: bun run bench edge
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../edge/runtime/clock.ts";
import { systemRandom } from "../../edge/runtime/random.ts";
import { Phone } from "../../edge/tools/phone.ts";
import { freePort } from "../support/nats.ts";
import { quietLog } from "../support/quiet-log.ts";

const STARTS = 5;
const CALLS = 200;
const STANDING = 200;
const MAIN = join(import.meta.dir, "..", "..", "edge", "main.ts");
const SID = `AC${"1".repeat(32)}`;

const folder = mkdtempSync(join(tmpdir(), "siprec-bench-"));
const ports = { http: await freePort(), sip: await freePort(), nats: await freePort() };
const config = join(folder, "siprec.toml");
await Bun.write(config, `
edge = "ashburn"
data = "${folder}/data"
drain = "1s"
[edges]
ashburn = 3
[http]
listen = "127.0.0.1:${ports.http}"
[sip]
listen = ["udp:127.0.0.1:${ports.sip}"]
[media]
ports = [30000, 38999]
[nats]
listen = "127.0.0.1:${ports.nats}"
[[accounts]]
sid = "${SID}"
auth_token = "${"2".repeat(32)}"
[[trunks]]
name = "bench"
uri = "sip:127.0.0.1:9"
allow = ["127.0.0.0/8"]
numbers = ["*"]
[[numbers]]
match = "*"
account = "${SID}"
twiml = "<Response><Stop><Siprec name=\\"none\\"/></Stop><Pause length=\\"600\\"/></Response>"
`);

const percentile = (sorted: number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);

function report(name: string, values: number[], unit: string): void {
  const sorted = values.toSorted((a, b) => a - b);
  console.log(`${name.padEnd(34)} p50 ${percentile(sorted, 0.5)} ${unit}, ` +
    `p95 ${percentile(sorted, 0.95)}, p99 ${percentile(sorted, 0.99)}, n ${values.length}`);
}

async function startEdge(): Promise<{ edge: Bun.Subprocess; readyMs: number }> {
  const from = performance.now();
  const edge = Bun.spawn([process.execPath, "run", MAIN, "edge", "--config", config], {
    stdout: "ignore", stderr: "ignore",
  });
  while (true) {
    const status = await fetch(`http://127.0.0.1:${ports.http}/readyz`)
      .then((response) => response.status, () => 0);
    if (status === 200) return { edge, readyMs: performance.now() - from };
    if (edge.exitCode !== null) throw new Error(`the edge ended with ${edge.exitCode}`);
    await Bun.sleep(2);
  }
}

async function stopEdge(edge: Bun.Subprocess): Promise<void> {
  edge.kill("SIGTERM");
  await edge.exited;
}

/** CPU milliseconds and resident kilobytes of the control process, from /proc. */
function controlUsage(): { cpuMs: number; kB: number } {
  const found = Bun.spawnSync(["pgrep", "-f", `main.ts control --config ${config}`]);
  const pid = found.stdout.toString().trim().split("\n")[0] ?? "";
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuMs: (Number(stat[11]) + Number(stat[12])) * 10,
    kB: Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1] ?? 0),
  };
}

const starts: number[] = [];
for (let round = 0; round < STARTS; round += 1) {
  const { edge, readyMs } = await startEdge();
  starts.push(readyMs);
  await stopEdge(edge);
}
report("edge ready, with its nats-server", starts, "ms");

const { edge } = await startEdge();
const phone = new Phone({
  listen: [{ transport: "udp", address: "127.0.0.1", port: 0 }], user: "bench",
  clock: systemClock, random: systemRandom, log: quietLog,
});
await phone.start();
const to = `sip:+15550001@127.0.0.1:${ports.sip}`;

async function oneCall() {
  const from = performance.now();
  const call = await phone.call(to);
  if (!await call.answered) throw new Error(`the call was refused: ${call.statuses.join(" ")}`);
  return { call, ms: performance.now() - from };
}

for (let warm = 0; warm < 20; warm += 1) await (await oneCall()).call.hangUp();
const before = controlUsage();
const answers: number[] = [];
for (let count = 0; count < CALLS; count += 1) {
  const { call, ms } = await oneCall();
  answers.push(ms);
  await call.hangUp();
}
const after = controlUsage();
report("INVITE to 200 OK, inline TwiML", answers, "ms");
const perCall = (after.cpuMs - before.cpuMs) / CALLS;
console.log(`control's CPU for a call, all of it    ${perCall.toFixed(2)} ms`);

const standing = [];
const empty = controlUsage();
for (let count = 0; count < STANDING; count += 1) standing.push((await oneCall()).call);
const full = controlUsage();
const growth = (full.kB - empty.kB) / STANDING;
console.log(`control's memory for a standing call   ${growth.toFixed(1)} kB (resident, coarse)`);
await Promise.all(standing.map((call) => call.hangUp()));
await phone.stop();
await stopEdge(edge);
rmSync(folder, { recursive: true, force: true });
