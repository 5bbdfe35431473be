import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { environment } from "../../../edge/runtime/env.ts";
import { livingRecord, writeRecord } from "../../../edge/runtime/run-file.ts";
import {
  endProcess, isRunning, lines, processStart, spawnChild, spawnDetached, waitGone,
} from "../../../edge/runtime/spawn.ts";

const env = environment();
const SPAWN = join(import.meta.dir, "..", "..", "..", "edge", "runtime", "spawn.ts");

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "siprec-spawn-"));
  await use(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
}

describe("another process", () => {
  test("a child's standard error is given line by line, its end with the code", async () => {
    const heard: string[] = [];
    const child = await spawnChild(["sh", "-c", "printf 'one\\ntw' >&2; printf 'o\\n' >&2; exit 7"],
      { env, onLine: (line) => void heard.push(line) });
    expect(await child.exited).toEqual({ code: 7, signal: null });
    while (heard.length < 2) await Bun.sleep(1);
    expect(heard).toEqual(["one", "two"]);
  });

  test("a program that is not there is an error, not a silent end", async () => {
    await expect(spawnChild(["/nowhere/program"], { env, onLine: () => {} })).rejects.toThrow();
  });

  test("a child hears of its starter's end, also by SIGKILL", () => inFolder(async (folder) => {
    const script = join(folder, "starter.ts");
    writeFileSync(script, `
      import { spawnChild } from ${JSON.stringify(SPAWN)};
      const child = await spawnChild(["sh", "-c", "cat; echo gone >${folder}/gone"],
        { env: process.env, onLine: () => {} });
      console.log(child.pid);
      setInterval(() => {}, 1000);
    `);
    const starter = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "ignore" });
    const { value } = await starter.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    const start = processStart(pid) ?? "";
    expect(isRunning({ pid, start })).toBe(true);
    starter.kill("SIGKILL");
    await starter.exited;
    expect(await waitGone({ pid, start }, 3_000, systemClock)).toBe(true);
    expect(readFileSync(join(folder, "gone"), "utf8")).toBe("gone\n");
  }));

  test("a detached one writes to its file and is found by its record", () => inFolder(
    async (folder) => {
      const logPath = join(folder, "log");
      const child = await spawnDetached(["sh", "-c", "echo hello; exec sleep 60"],
        { env, logPath, append: false });
      const identity = { pid: child.pid, start: processStart(child.pid) ?? "" };
      while (!readFileSync(logPath, "utf8").includes("hello")) await Bun.sleep(1);
      const path = join(folder, "run", "x.json");
      const record = { ...identity, version: "1", settings: "", startedAt: 0 };
      writeRecord(path, record);
      expect(livingRecord(path)).toEqual(record);
      writeRecord(path, { ...record, start: "1" });
      expect(livingRecord(path)).toBeNull();
      for (const text of ["", "{", "null", '{"pid":0}', '{"pid":"x","start":"y"}']) {
        writeFileSync(path, text);
        expect(livingRecord(path)).toBeNull();
      }
      await endProcess(identity, 2_000, systemClock);
      expect(isRunning(identity)).toBe(false);
    }));

  test("one that ignores SIGTERM is killed", async () => {
    let up: () => void = () => {};
    const isUp = new Promise<void>((resolve) => (up = resolve));
    const script = "trap '' TERM; echo up >&2; while :; do sleep 0.05; done";
    const child = await spawnChild(["sh", "-c", script], { env, onLine: () => up() });
    await isUp;
    const identity = { pid: child.pid, start: processStart(child.pid) ?? "" };
    await endProcess(identity, 100, systemClock);
    expect(await child.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("lines are the same however the text is cut, and one without end is cut", () => {
    const text = "a\nbb\n\nccc\n";
    for (let at = 0; at <= text.length; at++) {
      const heard: string[] = [];
      const take = lines((line) => void heard.push(line));
      take(text.slice(0, at));
      take(text.slice(at));
      expect(heard).toEqual(["a", "bb", "ccc"]);
    }
    const heard: number[] = [];
    lines((line) => void heard.push(line.length))("x".repeat(100_000));
    expect(heard).toEqual([100_000]);
  });
});
