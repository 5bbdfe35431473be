import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../edge/main.ts";

const MAIN = join(import.meta.dir, "..", "..", "edge", "main.ts");

async function siprec(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, "run", MAIN, ...args],
    { stdout: "pipe", stderr: "pipe", env: { ...process.env, ...env } });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited,
  ]);
  return { out, err, code };
}

describe("the command line", () => {
  test("help names every command and is no failure; anything unknown is usage", async () => {
    const help = await siprec(["--help"]);
    expect(help.code).toBe(0);
    for (const name of COMMANDS.keys()) expect(help.out).toContain(`  ${name}`);
    const results = await Promise.all([siprec([]), siprec(["fly"]), siprec(["edge", "--wings"])]);
    expect(results.map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(results[1]?.err).toContain('no such command: "fly"');
  });

  test("a configuration with mistakes ends with 2, and each is named", async () => {
    const folder = mkdtempSync(join(tmpdir(), "siprec-main-"));
    const path = join(folder, "siprec.toml");
    writeFileSync(path, 'edgee = "x"\n[http]\nlisten = 5\n');
    const { code, err } = await siprec(["edge", "--config", path]);
    expect(code).toBe(2);
    const problems = err.trim().split("\n").map((line) => JSON.parse(line) as { key: string });
    expect(problems.map(({ key }) => key)).toEqual(["edgee", "http.listen"]);
    expect(existsSync(join(folder, "data"))).toBe(false);
    rmSync(folder, { recursive: true, force: true });
  });

  test("a missing configuration is written before anything else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "siprec-main-"));
    const path = join(folder, "siprec.toml");
    // An override that is wrong: it ends there.
    const { code, out } = await siprec(["edge", "--config", path], { SIPREC_HTTP_LISTEN: "x" });
    expect(code).toBe(2);
    expect(out).toContain(path);
    expect(existsSync(path)).toBe(true);
    rmSync(folder, { recursive: true, force: true });
  });
});
