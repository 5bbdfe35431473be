// Looking at processes from outside, as an operator would (proc(5)).
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isRunning, processStart, type ProcessIdentity, sendSignal }
  from "../../edge/runtime/spawn.ts";

/** Tells a process from a later one with its pid; null: it does not run. */
export function identityOf(pid: number): ProcessIdentity | null {
  const start = processStart(pid);
  return start === null ? null : { pid, start };
}

export function childrenOf(parent: number): number[] {
  return readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
      } catch {
        return false; // It has just ended.
      }
    });
}

/** Resident memory. */
export function memoryMb(pid: number): number {
  const line = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

export interface OpenFiles {
  sockets: number;
  all: number;
}

export function openFiles(pid: number): OpenFiles {
  const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // Closed while it was looked at.
    }
  }).filter((target) => target !== "");
  return {
    sockets: targets.filter((target) => target.startsWith("socket:")).length, all: targets.length,
  };
}

/** The end of last resort, by pid and start. */
export function killNow(identities: readonly ProcessIdentity[]): void {
  for (const one of identities) if (isRunning(one)) sendSignal(one.pid, "SIGKILL");
}

const TCP_LISTEN = "0A";

/** Local ports that are bound, from the kernel's own table, without touching them. */
export function boundPorts(kind: "udp" | "tcp"): Set<number> {
  const rows = readFileSync(`/proc/net/${kind}`, "utf8").split("\n").slice(1);
  return new Set(rows.flatMap((row) => {
    const [, local = "", , state] = row.trim().split(/\s+/);
    const isOpen = local !== "" && (kind === "udp" || state === TCP_LISTEN);
    return isOpen ? [Number.parseInt(local.slice(local.indexOf(":") + 1), 16)] : [];
  }));
}

export const isBound = (kind: "udp" | "tcp", port: number): boolean => boundPorts(kind).has(port);
