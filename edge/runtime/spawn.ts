// Other processes: children whose log lines we read, detached ones that outlive us, and the
// identity (pid and time of start) by which a later process finds them again.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { type Environment } from "./env.ts";
import type { Clock } from "./types.ts";

export interface ExitStatus {
  /** null: ended by a signal. */
  code: number | null;
  signal: string | null;
}

export interface Child {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void;
}

const GONE_POLL_MS = 20;
const LINE_MAX_CHARS = 65_536;

/** Starts a child in a group of its own (a terminal's Ctrl-C is ours to pass on) and gives its
 *  standard error line by line. Its standard input ends when we do. */
export function spawnChild(
  command: string[],
  options: { env: Environment; onLine: (line: string) => void; stdout?: "inherit" | "ignore" },
): Promise<Child> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    stdio: ["pipe", options.stdout ?? "inherit", "pipe"], detached: true, env: { ...options.env },
  });
  const stderr = child.stderr;
  if (stderr !== null) {
    stderr.setEncoding("utf8");
    stderr.on("data", lines(options.onLine));
  }
  // It may end while its input is still open: that is reported by its exit.
  child.stdin?.on("error", () => {});
  return started(child);
}

/** Starts a process that lives on when we end; what it writes goes to the file. */
export function spawnDetached(
  command: string[], options: { env: Environment; logPath: string; append: boolean },
): Promise<Child> {
  const [file = "", ...args] = command;
  const log = openSync(options.logPath, options.append ? "a" : "w", 0o600);
  try {
    const child = spawn(file, args, {
      stdio: ["ignore", log, log], detached: true, env: { ...options.env },
    });
    child.unref();
    return started(child);
  } finally {
    closeSync(log);
  }
}

/** Rejects (ENOENT) when there is no such program. */
function started(child: ChildProcess): Promise<Child> {
  const exited = new Promise<ExitStatus>((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("spawn", () => resolve({
      pid: child.pid ?? 0, exited, kill: (signal) => void child.kill(signal),
    }));
  });
}

/** Cuts chunks into lines; one that never ends is cut too. */
export function lines(onLine: (line: string) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > LINE_MAX_CHARS) {
      parts.push(rest);
      rest = "";
    }
    for (const line of parts) if (line !== "") onLine(line);
  };
}

/** What tells a process from a later one with the same pid; null: it does not run. */
export function processStart(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return processStartWithoutProc(pid);
  }
  // The name in brackets may hold anything: the fields are counted behind it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" ? null : fields[19] ?? null;
}

// Not Linux: a process that answers to signal 0 is taken for the same.
function processStartWithoutProc(pid: number): string | null {
  if (process.platform === "linux") return null;
  try {
    process.kill(pid, 0);
    return "unknown";
  } catch {
    return null;
  }
}

/** False when there is no such process. */
export function sendSignal(pid: number, signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** A process by pid and start, ours or found. */
export interface ProcessIdentity {
  pid: number;
  start: string;
}

export const isRunning = ({ pid, start }: ProcessIdentity): boolean => processStart(pid) === start;

/** False when it still runs after that time. */
export async function waitGone(
  identity: ProcessIdentity, timeoutMs: number, clock: Clock,
): Promise<boolean> {
  const endsAt = clock.monotonicMs() + timeoutMs;
  while (isRunning(identity)) {
    if (clock.monotonicMs() >= endsAt) return false;
    await new Promise<void>((resolve) => void clock.after(GONE_POLL_MS, resolve));
  }
  return true;
}

/** SIGTERM, and SIGKILL when it has not ended by then. */
export async function endProcess(
  identity: ProcessIdentity, timeoutMs: number, clock: Clock,
): Promise<void> {
  if (!isRunning(identity)) return;
  sendSignal(identity.pid, "SIGTERM");
  if (await waitGone(identity, timeoutMs, clock)) return;
  sendSignal(identity.pid, "SIGKILL");
  await waitGone(identity, timeoutMs, clock);
}
