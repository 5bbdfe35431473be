// Type check, then every test; ends with one plain line `N passed, N failed[, N skipped]`.
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "./setup.mjs";

/** Bun's own summary, one count a line: " 12 pass". */
const SUMMARY = /^ (\d+) (pass|fail|skip|todo|errors?)$/;
const COLOUR = /\u001b\[[0-9;]*m/g;

/** Gives the exit code. `args` go to `bun test` (paths, -t pattern). */
export async function runTests({ bun, env, missing, args }) {
  const typed = checkTypes(bun, env);
  const counts = await runBunTest(bun, env, args);
  const failed = counts.failed + (typed ? 0 : 1);
  const passed = counts.passed + (typed ? 1 : 0);
  // Bun prints them twice: where they are, and once more at the end.
  if (counts.skips.size > 0) {
    say(`\nskipped${missing.length > 0 ? ` (not installed: ${missing.join(", ")})` : ""}:`);
    for (const name of counts.skips) say(`  ${name}`);
  }
  if (!typed) say("\nthe type check failed: see above");
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  say(`\n${passed} passed, ${failed} failed${skipped}`);
  return failed === 0 && passed > 1 ? 0 : 1;
}

/** The whole tree by tsc; counts as one test. */
function checkTypes(bun, env) {
  say("type check (tsc --noEmit)");
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  const done = spawnSync(bun, [tsc, "--noEmit"], { cwd: ROOT, env, stdio: "inherit" });
  return done.status === 0;
}

async function runBunTest(bun, env, args) {
  const words = ["test", "--conditions=development", ...args];
  const child = spawn(bun, words, {
    cwd: ROOT, env: { ...env, FORCE_COLOR: "0" }, stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = (signal) => child.kill(signal);
  process.on("SIGINT", stop).on("SIGTERM", stop);

  const counts = { passed: 0, failed: 0, skipped: 0, skips: new Set(), summed: false };
  const readers = [child.stdout, child.stderr].map((stream) => readLines(stream, counts));
  const ended = new Promise((resolve) => {
    child.on("error", () => resolve(1));
    child.on("exit", (code) => resolve(code ?? 1));
  });
  const code = await ended;
  await Promise.all(readers);
  process.off("SIGINT", stop).off("SIGTERM", stop);
  // A run that crashed before its summary, or failed for another reason than a test, is a failure.
  if (!counts.summed || (code !== 0 && counts.failed === 0)) counts.failed += 1;
  return counts;
}

async function readLines(stream, counts) {
  for await (const line of createInterface({ input: stream })) {
    process.stdout.write(`${line}\n`);
    const text = line.replace(COLOUR, "");
    if (text.startsWith("(skip) ") || text.startsWith("(todo) ")) counts.skips.add(text.slice(7));
    const [, number, kind] = SUMMARY.exec(text) ?? [];
    if (kind === undefined) continue;
    counts.summed = true;
    if (kind === "pass") counts.passed += Number(number);
    else if (kind === "skip" || kind === "todo") counts.skipped += Number(number);
    else if (kind === "fail") counts.failed += Number(number);
    // "1 error" repeats a failed file, except when the file failed outside of any test: there Bun
    // counts it as a failure too, and its exit code says so if not.
  }
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
