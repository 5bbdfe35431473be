// SIPp as the other side of a call: runs a scenario of tests/interop/sipp, keeps what was said.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ulawEncode } from "../../protocol/rtp/g711.ts";
import type { Sound } from "../../protocol/rtp/wav.ts";
import { eventually } from "./eventually.ts";
import { needs, programPath } from "./needs.ts";
import { freeSipPort } from "./ports.ts";
import { isBound } from "./processes.ts";

const SCENARIOS = join(import.meta.dir, "..", "interop", "sipp");
const GIVE_UP_S = 45;
const ERROR_MAX_CHARS = 6_000;

export interface SippOptions {
  /** A file of tests/interop/sipp, without `.xml`. */
  scenario: string;
  transport: "udp" | "tcp";
  port: number;
  /** Whom it calls; without, it waits to be called. */
  remote?: { port: number; number: string };
  /** Put for `[name]` in the scenario. */
  keys?: Record<string, string>;
  /** How long a plain `<pause/>` is. */
  pauseMs?: number;
  /** What `said.raw` holds. */
  says?: Sound;
  /** Whatever comes out of turn is passed over: for scenarios that race on purpose. */
  isPatient?: boolean;
}

export class Sipp {
  readonly #folder: string;
  readonly #child: ReturnType<typeof Bun.spawn>;
  readonly #end: Promise<number>;

  private constructor(private readonly options: SippOptions, mediaPort: number) {
    this.#folder = mkdtempSync(join(tmpdir(), "siprec-sipp-"));
    const { says, remote, transport, port, pauseMs = 0 } = options;
    writeFileSync(this.#file("scenario.xml"), scenarioText(options));
    // SIPp sends the file as it is: one octet a sample.
    if (says !== undefined) writeFileSync(this.#file("said.raw"), ulawEncode(says.samples));
    const command = [
      programPath("sipp") ?? "sipp",
      ...(remote === undefined ? [] : [`127.0.0.1:${remote.port}`, "-s", remote.number]),
      "-sf", this.#file("scenario.xml"), "-m", "1",
      "-t", transport === "udp" ? "u1" : "t1", "-i", "127.0.0.1", "-p", String(port),
      "-mi", "127.0.0.1", "-mp", String(mediaPort), "-d", String(pauseMs),
      "-nostdin", "-trace_err", "-error_file", this.#file("errors"),
      "-trace_msg", "-message_file", this.#file("messages"),
      "-timeout", `${GIVE_UP_S}s`, "-timeout_error", "-deadcall_wait", "0",
      ...(options.isPatient === true ? ["-default_behaviors", "all,-abortunexp"] : []),
    ];
    this.#child = Bun.spawn(command, {
      cwd: this.#folder, stdin: "ignore", stdout: "ignore", stderr: "ignore",
    });
    this.#end = this.#child.exited;
    running.add(this);
  }

  /** Runs it; one that waits to be called is listening when this resolves. */
  static async start(options: SippOptions): Promise<Sipp> {
    const sipp = new Sipp(options, await freeSipPort() & ~1);
    const { transport, port, remote } = options;
    if (remote === undefined) {
      await eventually("SIPp listens", () => {
        if (sipp.#child.exitCode !== null) throw new Error(sipp.said());
        return isBound(transport, port);
      });
    }
    return sipp;
  }

  /** Resolves when the scenario went as written; rejects with what did not. */
  async done(): Promise<void> {
    const code = await this.#end;
    if (code !== 0) throw new Error(`SIPp ${this.options.scenario} ended ${code}\n${this.said()}`);
  }

  /** Every message it sent or received, as text. */
  get messages(): string {
    return readOr(this.#file("messages"));
  }

  /** How many messages have this in them. */
  count(pattern: RegExp): number {
    return [...this.messages.matchAll(new RegExp(pattern, "gm"))].length;
  }

  said(): string {
    return `${readOr(this.#file("errors"))}\n${this.messages.slice(-ERROR_MAX_CHARS)}`;
  }

  /** Ends it at once, whatever it was doing. */
  async kill(): Promise<void> {
    running.delete(this);
    this.#child.kill("SIGKILL");
    await this.#end;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}

/** SIPp's own keys are not taken everywhere: a status must stand in the file. */
function scenarioText({ scenario, keys = {} }: SippOptions): string {
  const text = readFileSync(join(SCENARIOS, `${scenario}.xml`), "utf8");
  return Object.entries(keys).reduce(
    (filled, [name, value]) => filled.replaceAll(`[${name}]`, value), text);
}

const running = new Set<Sipp>();

/** For `afterEach`: none outlives its test. */
export async function endSipps(): Promise<void> {
  await Promise.all([...running].map((sipp) => sipp.kill()));
}

export const sippTest = needs("nats-server", "sipp");

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
