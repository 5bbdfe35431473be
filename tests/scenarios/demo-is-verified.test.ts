// The demo as a user runs it: real processes, real audio, an exit code that can be believed.
import { afterEach, beforeEach, describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needs } from "../support/needs.ts";

const MAIN = join(import.meta.dir, "../../edge/main.ts");
const DEMO_MAX_MS = 60_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "demo-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const start = () => Bun.spawn([process.execPath, "run", MAIN, "demo", "--out", "kept"], {
  cwd: folder, stdout: "pipe", stderr: "pipe", stdin: "ignore",
  env: { ...process.env, TMPDIR: folder, PATH: `${process.env.PATH ?? ""}:/usr/sbin` },
});

/** Processes whose command line has this test's folder in it: the edge's, all of them. */
function edgeProcesses(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return line.includes(folder) ? [line] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

describe("the demo", () => {
  needs("nats-server")("records a call, verifies it by the audio, and leaves nothing running",
    async () => {
      const demo = start();
      const text = await new Response(demo.stdout).text();
      expect(text).toContain("Verified: each recorded stream is the right party's voice.");
      expect(text).not.toContain("WRONG");
      expect(await demo.exited).toBe(0);
      const [recording = ""] = readdirSync(join(folder, "kept", "recorded"));
      const files = readdirSync(join(folder, "kept", "recorded", recording));
      expect(files).toContain("1.wav");
      expect(files).toContain("2.wav");
      expect(files).toContain("metadata-2.xml");
      expect(existsSync(join(folder, "kept", "heard-by-bob.wav"))).toBe(true);
      expect(readdirSync(folder)).toEqual(["kept"]);
      expect(edgeProcesses()).toEqual([]);
    }, DEMO_MAX_MS);

  needs("nats-server")("that is interrupted fails, and leaves nothing running either", async () => {
    const demo = start();
    const reader = demo.stdout.getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (!text.includes("takes the recording")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`it ended early:\n${text}`);
      text += decoder.decode(value, { stream: true });
    }
    expect(edgeProcesses().length).toBeGreaterThan(2);
    demo.kill("SIGINT");
    expect(await demo.exited).toBe(1);
    expect(readdirSync(folder)).toEqual(["kept"]);
    expect(edgeProcesses()).toEqual([]);
  }, DEMO_MAX_MS);
});
