// `bun run bench [name …]`: runs every *.bench.ts of this folder, or those whose names are given;
// `--list` names them. Each runs in a process of its own: one must not warm up the other.
import { readdirSync } from "node:fs";
import { join } from "node:path";

const SUFFIX = ".bench.ts";
const all = readdirSync(import.meta.dir).filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length)).toSorted();
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => name !== "--list" && !all.includes(name));

if (asked.includes("--list") || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no such benchmark: ${unknown.join(", ")}; there are:`);
  console.log(all.join("\n"));
  process.exit(unknown.length > 0 ? 2 : 0);
}

let failed = 0;
for (const name of asked.length > 0 ? asked : all) {
  console.log(`== ${name}`);
  const child = Bun.spawn({
    cmd: [process.execPath, join(import.meta.dir, name + SUFFIX)], stdout: "inherit",
    stderr: "inherit",
  });
  if (await child.exited !== 0) failed += 1;
}
process.exit(failed > 0 ? 1 : 0);
