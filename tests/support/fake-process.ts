// Stands in for control and media under a supervisor: says what it was told to, waits for its end.
//   bun fake-process.ts <mode> <name> --config … ; modes: good, crash-once, fail, usage, stubborn
import { existsSync, writeFileSync } from "node:fs";

const [mode = "", marker = "", name = ""] = process.argv.slice(2);

const say = (event: string, fields: Record<string, unknown> = {}): void => {
  const line = { at: new Date().toISOString(), level: "info", event, ...fields };
  process.stderr.write(`${JSON.stringify(line)}\n`);
};

if (mode === "fail") process.exit(1);
if (mode === "usage") process.exit(2);
if (mode !== "stubborn") {
  process.on("SIGTERM", () => {
    say("fake.ended");
    process.exit(0);
  });
} else {
  process.on("SIGTERM", () => {});
}
if (name === "control") {
  process.stdin.on("end", () => process.exit(3));
  process.stdin.resume();
  say("ready", { http: "http://127.0.0.1:1", supervised: process.env["SIPREC_SUPERVISED"] });
}
if (mode === "crash-once" && !existsSync(marker)) {
  writeFileSync(marker, "");
  setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);
}
setInterval(() => {}, 1_000);
