// `npm test`, `npm run demo`, `npm start`: sets up what is missing, then runs the program with Bun.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT, setUp } from "./setup.mjs";
import { runTests } from "./test.mjs";

const SIGNAL_ECHO_MS = 500;
const EXIT_USAGE = 2;

const [what, ...args] = process.argv.slice(2);
if (what === undefined) {
  process.stderr.write("usage: node scripts/run.mjs test|demo|edge|… [arguments]\n");
  process.exit(EXIT_USAGE);
}

try {
  const { bun, env, missing } = await setUp(what);
  if (what === "test") {
    process.exitCode = await runTests({ bun, env, missing, args });
  } else if (missing.length > 0) {
    process.stderr.write(`${what} cannot run without ${missing.join(", ")}\n`);
    process.exitCode = 1;
  } else {
    process.exitCode = await run(bun, [join(ROOT, "edge", "main.ts"), what, ...args], env);
  }
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** Runs the program in the foreground and hands it the signals that only this process gets. */
function run(command, words, env) {
  const child = spawn(command, words, { env, stdio: "inherit" });
  const lastAt = new Map();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // Ctrl-C reaches the whole foreground group: the program has had its own already. npm hands
      // the same signal on once more, and a second one would end the program without draining.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      const now = performance.now();
      if (now - (lastAt.get(signal) ?? -Infinity) < SIGNAL_ECHO_MS) return;
      lastAt.set(signal, now);
      child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}
