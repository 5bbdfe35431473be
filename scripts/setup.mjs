// Sets up what is missing on a bare machine: Bun, the packages of bun.lock, Debian packages.
// Plain Node without dependencies, because nothing is installed when it runs.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const CACHE = join(ROOT, ".cache");
const LOCK_WAIT_MS = 600_000;
const LOCK_STEP_MS = 200;

/** The Debian package that brings each program. */
const PACKAGES = {
  "nats-server": "nats-server",
  sipp: "sip-tester",
  tshark: "tshark",
  xmllint: "libxml2-utils",
};

/** Programs that each kind of run wants, besides Bun. */
const WANTED = {
  demo: ["nats-server"],
  edge: ["nats-server"],
  test: ["nats-server", "sipp", "tshark", "xmllint"],
};

/**
 * Installs what `what` needs and lacks. Gives Bun's path, the environment for its children, and
 * the programs that could not be installed. Throws only when nothing can run without the rest.
 */
export async function setUp(what) {
  const env = childEnvironment();
  const release = await takeLock();
  try {
    const bun = await installScriptPackages(env);
    const missing = await installPrograms(WANTED[what] ?? [], env);
    return { bun, env, missing };
  } finally {
    release();
  }
}

// Debian keeps nats-server in /usr/sbin, which is not in the PATH of ordinary users; installers
// need a writable home for their caches, which a build machine may not have.
function childEnvironment() {
  const env = { ...process.env };
  const path = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    if (!path.includes(folder)) path.push(folder);
  }
  env.PATH = path.join(delimiter);
  if (!isWritableFolder(env.HOME ?? "")) {
    env.HOME = join(CACHE, "home");
    mkdirSync(env.HOME, { recursive: true });
  }
  return env;
}

function isWritableFolder(path) {
  try {
    accessSync(path, constants.W_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

// --- Bun and the packages of the lock file ---

async function installScriptPackages(env) {
  const manifest = readFileSync(join(ROOT, "package.json"));
  const version = JSON.parse(manifest.toString()).dependencies.bun;
  const local = join(ROOT, "node_modules", ".bin", "bun");
  const stamp = join(ROOT, "node_modules", ".installed");
  const wanted = createHash("sha256").update(manifest)
    .update(readFileSync(join(ROOT, "bun.lock"))).digest("hex");
  const installed = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (installed === wanted && isBun(local, version, env)) return local;

  const bun = await findBun(local, version, env);
  await step("installing the packages of bun.lock", bun, ["install", "--frozen-lockfile"], env);
  if (!isBun(local, version, env)) {
    // An npm or Bun that may not run install scripts leaves a stub: the script mends it.
    const script = join(ROOT, "node_modules", "bun", "install.js");
    await step(`unpacking bun ${version}`, process.execPath, [script], env);
  }
  if (!isBun(local, version, env)) throw new Error(`${local} does not start`);
  writeFileSync(stamp, wanted);
  return local;
}

/** Any Bun of the pinned version: the project's, the user's, or one fetched for this purpose. */
async function findBun(local, version, env) {
  const own = join(CACHE, "bun", "node_modules", ".bin", "bun");
  for (const candidate of [local, "bun", own]) {
    if (isBun(candidate, version, env)) return candidate;
  }
  const folder = join(CACHE, "bun");
  mkdirSync(folder, { recursive: true });
  const flags = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const args = ["install", "--prefix", folder, ...flags, `bun@${version}`];
  await step(`fetching bun ${version}`, "npm", args, { ...env, npm_config_global: "false" });
  if (!isBun(own, version, env)) {
    const script = join(folder, "node_modules", "bun", "install.js");
    await step(`unpacking bun ${version}`, process.execPath, [script], env);
  }
  if (!isBun(own, version, env)) throw new Error(`bun ${version} was fetched but does not start`);
  return own;
}

function isBun(path, version, env) {
  const run = spawnSync(path, ["--version"], { env, encoding: "utf8" });
  return run.status === 0 && run.stdout.trim() === version;
}

// --- Debian packages ---

async function installPrograms(programs, env) {
  const absent = programs.filter((program) => !isOnPath(program, env));
  if (absent.length === 0) return [];
  const packages = absent.map((program) => PACKAGES[program]);
  const hint = `apt-get install ${packages.join(" ")}`;
  const root = rootPrefix(env);
  if (root === null) {
    say(`cannot install ${absent.join(", ")} without root or sudo; run: ${hint}`);
    return absent;
  }
  try {
    await installPackages(packages, root, env);
  } catch (error) {
    say(`${error.message}; install by hand: ${hint}`);
  }
  return absent.filter((program) => !isOnPath(program, env));
}

async function installPackages(packages, root, env) {
  const [command, ...prefix] = [...root, "env", "DEBIAN_FRONTEND=noninteractive"];
  const apt = [...prefix, "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"];
  await step("apt-get update", command, [...apt, "update"], env);
  const args = ["install", "--no-install-recommends", ...packages];
  // nats-server's package starts a service on the port that an edge wants: only the program is
  // wanted here, so service starts are refused during the install and the unit is left disabled.
  const script = [
    "policy=/usr/sbin/policy-rc.d",
    "if [ ! -e $policy ]; then",
    "  printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod 755 $policy",
    "  trap 'rm -f $policy' EXIT",
    "fi",
    '"$@" </dev/null || exit 1',
    'case " $* " in *" nats-server "*)',
    "  if [ -d /run/systemd/system ]; then systemctl disable nats-server || true; fi;;",
    "esac",
  ].join("\n");
  const shell = ["sh", "-c", script, "sh", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  const flags = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", ...args];
  const [first, ...rest] = [...root, ...shell, ...flags];
  await step(`apt-get install ${packages.join(" ")}`, first, rest, env);
}

/** The words before a command that needs root; null when it can't be had without a question. */
function rootPrefix(env) {
  if (!isOnPath("apt-get", env)) return null;
  if (process.getuid?.() === 0) return [];
  if (!isOnPath("sudo", env)) return null;
  return spawnSync("sudo", ["-n", "true"], { env }).status === 0 ? ["sudo", "-n"] : null;
}

export function isOnPath(program, env) {
  return (env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// --- running and telling ---

/** Runs one command, showing its name and time; its output is shown only when it fails. */
function step(title, command, args, env) {
  say(`${title} ...`);
  const startedAt = performance.now();
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`${title}: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) {
        say(`${title}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
        resolve();
      } else {
        process.stderr.write(Buffer.concat(output));
        reject(new Error(`${title} failed (exit code ${code})`));
      }
    });
  });
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Two runs in one work tree must not install at once; a lock whose owner is gone is taken over. */
async function takeLock() {
  mkdirSync(CACHE, { recursive: true });
  const path = join(CACHE, "setup.lock");
  const until = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!isOwned(path)) rmSync(path, { force: true });
    else if (Date.now() > until) throw new Error(`another setup holds ${path}`);
    await new Promise((resolve) => setTimeout(resolve, LOCK_STEP_MS));
  }
}

function isOwned(path) {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    if (!Number.isInteger(pid)) return Date.now() - statSync(path).mtimeMs < LOCK_STEP_MS;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
