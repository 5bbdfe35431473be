// What relaying one packet and forking it once costs in CPU: the media plane beside a plain epoll
// relay in C, same sockets, same paced load, turn by turn. Run: bun <this file> [legs] [pps] [s]
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

const LEGS = Number(process.argv[2] ?? 1000);
const PACKETS_PER_S = Number(process.argv[3] ?? LEGS * 50);
const TURN_S = Number(process.argv[4] ?? 3);
const TURNS = 5;
const WARM_UP_S = 8;
const START_MS = 500;

interface Program {
  name: string;
  pid: number;
  ask(line: string): Promise<string>;
  end(): Promise<void>;
}

/** Each relay on one core, the load on another, where the system can: as they would be run. */
function onOneCore(name: string, cmd: string[]): string[] {
  if (Bun.which("taskset") === null || availableParallelism() < 2) return cmd;
  return ["taskset", "-c", name === "load" ? "0" : "1", ...cmd];
}

function start(name: string, cmd: string[]): Program & { say(line: string): void;
  hear(): Promise<string>; } {
  const child = Bun.spawn({
    cmd: onOneCore(name, cmd), stdin: "pipe", stdout: "pipe", stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  const say = (line: string): void => {
    child.stdin.write(`${line}\n`);
    child.stdin.flush();
  };
  const hear = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${name} ended`);
    return line.value;
  };
  return {
    name, pid: child.pid, say, hear,
    ask: (line) => (say(line), hear()),
    async end() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/**
 * User and system time of a process, all its threads, in seconds. Not from /proc/<pid>/stat:
 * that is sampled by the kernel's tick, with which the plane's own 20 ms keep step.
 */
function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const times = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    return Number(times.split(" ")[0]) / 1e9;
  });
  return threads.reduce((sum, seconds) => sum + seconds, 0);
}

function builtRelay(dir: string): string | null {
  const out = join(dir, "relay");
  const source = join(import.meta.dir, "relay.c");
  for (const compiler of ["cc", "gcc", "clang"]) {
    if (Bun.which(compiler) === null) continue;
    const built = Bun.spawnSync([compiler, "-O2", "-o", out, source]);
    if (built.exitCode === 0) return out;
    console.log(built.stderr.toString());
  }
  return null;
}

/** CPU time of one packet, in microseconds. */
async function turn(
  relay: Program, ports: string, load: Program, seconds: number,
): Promise<number> {
  // The other one stands still meanwhile: the plane would send silence to its legs. What it costs
  // to come back to life is not measured.
  process.kill(relay.pid, "SIGCONT");
  const run = (ms: number): Promise<string> => load.ask(`run ${ms} ${PACKETS_PER_S} ${ports}`);
  await run(START_MS);
  const packetsBefore = Number(await relay.ask("count"));
  const before = cpuSeconds(relay.pid);
  const [sent = 0, received = 0] = (await run(seconds * 1000)).split(" ").map(Number);
  const cpuS = cpuSeconds(relay.pid) - before;
  const packets = Number(await relay.ask("count")) - packetsBefore;
  process.kill(relay.pid, "SIGSTOP");
  const lost = 1 - received / (2 * sent);
  if (packets < sent * 0.98 || lost > 0.02) {
    console.log(`  ${relay.name}: of ${sent} packets ${packets} came, ${(lost * 100).toFixed(1)} % `
      + "of the copies were lost: the machine is too busy for this load");
  }
  return (cpuS * 1e6) / packets;
}

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const dir = mkdtempSync(join(tmpdir(), "relay-bench-"));
const programs: Program[] = [];
try {
  const binary = builtRelay(dir);
  if (binary === null) throw new Error("a C compiler is needed: there is no floor to compare with");
  const load = start("load", [binary, "load", String(LEGS)]);
  programs.push(load);
  const ports = (await load.hear()).trim().split(" ");
  const relays = [
    start("C", [binary, "serve", String(LEGS)]),
    start("plane", [process.execPath, join(import.meta.dir, "relay-plane.ts"), String(LEGS)]),
  ];
  programs.push(...relays);
  const legPorts: string[] = [];
  for (const relay of relays) {
    for (let i = 0; i < LEGS; i += 1) relay.say(`${ports[i]} ${ports[LEGS + i]}`);
    legPorts.push(await relay.hear());
  }
  console.log(`${LEGS} legs, ${PACKETS_PER_S} packets/s in, as many relayed and forked; `
    + `${TURNS} turns of ${TURN_S} s each`);
  for (const [i, relay] of relays.entries()) await turn(relay, legPorts[i] ?? "", load, WARM_UP_S);
  const costs: number[][] = [[], []];
  for (let round = 0; round < TURNS; round += 1) {
    for (const [i, relay] of relays.entries()) {
      costs[i]?.push(await turn(relay, legPorts[i] ?? "", load, TURN_S));
    }
  }
  for (const [i, relay] of relays.entries()) {
    const all = (costs[i] ?? []).map((cost) => cost.toFixed(1)).join(" ");
    const middle = median(costs[i] ?? []).toFixed(2);
    console.log(`${relay.name.padEnd(8)} ${middle} µs a packet  (${all})`);
  }
  const ratios = (costs[1] ?? []).map((cost, i) => cost / (costs[0]?.[i] ?? Number.NaN));
  console.log(`ratio    ${median(ratios).toFixed(2)}  (aim: at most 1.6)`);
} finally {
  for (const program of programs) await program.end();
  rmSync(dir, { recursive: true, force: true });
}
