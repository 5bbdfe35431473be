// Supervises one edge: nats-server and media processes, detached, and control, a child. Starts
// them at the same moment, starts again what ends, and ends them in order.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Config } from "../../schemas/config.ts";
import { type NatsServer, startNatsServer } from "../nats/server.ts";
import { type Environment, ownPid } from "../runtime/env.ts";
import { ensureFolder } from "../runtime/files.ts";
import type { LogLine } from "../runtime/log.ts";
import { livingRecord, removeRecord, writeRecord } from "../runtime/run-file.ts";
import { type Child, endProcess, type ExitStatus, processStart, spawnChild }
  from "../runtime/spawn.ts";
import type { Clock, Log } from "../runtime/types.ts";
import { BackOff } from "./back-off.ts";
import { EXIT_FAILED, EXIT_FINE, EXIT_USAGE } from "./configured.ts";
import { forwardLine, type LogSink, parseLogLine } from "./supervisor-log.ts";
import { MediaSupervisor } from "./supervisor-media.ts";

const TICK_MS = 250;
/** After `drain` control has this long to give everything back. */
const DRAIN_GRACE_MS = 10_000;
const KILL_TIMEOUT_MS = 1_000;

export interface SupervisorOptions {
  config: Config;
  configPath: string;
  version: string;
  env: Environment;
  clock: Clock;
  log: Log;
  /** Where the log lines of the others go. */
  sink: LogSink;
  /** The command line of a child. */
  childCommand(name: "control" | "media", args: string[]): string[];
  /** The line with which control says that it is ready; the first one. */
  onReady(line: LogLine, pids: { nats: number | null; media: number[] }): void;
  onMediaEnded?(): void;
}

export class Supervisor {
  private readonly media: MediaSupervisor;
  private readonly runFile: string;
  private readonly backOff: BackOff;
  private nats: NatsServer | null = null;
  private natsStarting = false;
  private control: Child | null = null;
  private ready = false;
  private stopping = false;
  private killed = false;
  /** Settled when all three have been started, or have failed to. */
  private starting: Promise<unknown> = Promise.resolve();
  /** Control has ended for good: nothing is started again. */
  private over = false;
  private resolveEnd: (code: number) => void = () => {};
  private readonly end = new Promise<number>((resolve) => (this.resolveEnd = resolve));

  constructor(private readonly options: SupervisorOptions) {
    const { config, clock } = options;
    this.runFile = join(config.dataDir, "run", "edge.json");
    this.backOff = new BackOff(clock);
    this.media = new MediaSupervisor({
      ...options, onMediaEnded: () => this.failBeforeReady("media"),
    }, settingsOf(config));
  }

  /** Runs the edge; resolves with the exit code when all of it has ended. */
  async run(): Promise<number> {
    const { config, log, clock, version } = this.options;
    const other = livingRecord(this.runFile);
    if (other !== null) {
      log.error("edge.folder-in-use", { data: config.dataDir, pid: other.pid });
      return EXIT_FAILED;
    }
    ensureFolder(join(config.dataDir, "run"));
    const pid = ownPid();
    writeRecord(this.runFile, {
      pid, start: processStart(pid) ?? "", version, settings: "", startedAt: clock.wallMs(),
    });
    const starting = Promise.allSettled([
      this.startNats(), this.media.start(), this.startControl(),
    ]);
    this.starting = starting;
    for (const start of await starting) {
      if (start.status === "rejected") this.fail(start.reason);
    }
    this.tick();
    const code = await this.end;
    removeRecord(this.runFile);
    return code;
  }

  /** Drains: control first, then media, NATS last. */
  async drain(): Promise<void> {
    if (!this.stopping) await this.stopAll(EXIT_FINE, this.options.config.drainMs + DRAIN_GRACE_MS);
  }

  /** Ends everything at once. */
  async kill(): Promise<void> {
    this.stopping = true;
    this.over = true;
    this.killed = true;
    this.options.log.warn("edge.killed");
    this.control?.kill("SIGKILL");
    this.media.kill();
    // It may not have been ready yet: only its file knows it then.
    const nats = livingRecord(join(this.options.config.dataDir, "run", "nats.json"));
    if (nats !== null && this.options.config.nats.embedded) {
      await endProcess(nats, KILL_TIMEOUT_MS, this.options.clock);
    }
    this.resolveEnd(EXIT_FAILED);
  }

  /** Files are read again by those who hold them. */
  reload(): void {
    this.control?.kill("SIGHUP");
  }

  private async startNats(): Promise<void> {
    const { config, env, clock, log } = this.options;
    if (!config.nats.embedded) return;
    this.natsStarting = true;
    try {
      this.nats = await startNatsServer({
        edge: config.edge, dataDir: config.dataDir, nats: config.nats, env, clock, log,
      });
    } finally {
      this.natsStarting = false;
    }
  }

  private async startControl(): Promise<void> {
    const { childCommand, configPath, env, sink } = this.options;
    const control = await spawnChild(childCommand("control", ["--config", configPath]), {
      env: { ...env, SIPREC_SUPERVISED: "1" },
      onLine: (line) => {
        forwardLine(line, "control", sink);
        if (!this.ready && line.includes('"ready"')) this.readReady(line);
      },
    });
    this.control = control;
    this.backOff.started();
    void control.exited.then((status) => this.controlEnded(status));
    // Stopped while it was being started.
    if (this.stopping) control.kill("SIGTERM");
  }

  private readReady(text: string): void {
    const line = parseLogLine(text);
    if (line?.event !== "ready") return;
    this.ready = true;
    this.options.onReady(line, { nats: this.nats?.pid ?? null, media: this.media.pids() });
  }

  private controlEnded(status: ExitStatus): void {
    const { log, clock } = this.options;
    this.control = null;
    if (this.stopping) return;
    const fields = { code: status.code, signal: status.signal };
    if (status.code === EXIT_USAGE || !this.ready) {
      log.error("control.ended", { ...fields, reason: "it was not ready yet" });
      void this.stopAll(status.code === EXIT_USAGE ? EXIT_USAGE : EXIT_FAILED, DRAIN_GRACE_MS);
      return;
    }
    const delayMs = this.backOff.next();
    log.error("control.ended", { ...fields, restart_ms: delayMs });
    clock.after(delayMs, () => {
      if (!this.stopping) this.startControl().catch((error: unknown) => this.fail(error));
    });
  }

  /** Before the edge was ready once, nothing is tried again: the operator is still there. */
  private failBeforeReady(name: string): void {
    if (!this.ready && !this.stopping) this.fail(new Error(`${name} ended before it was ready`));
  }

  private fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.options.log.error("edge.failed", { reason });
    if (!this.stopping) void this.stopAll(EXIT_FAILED, DRAIN_GRACE_MS);
  }

  private tick(): void {
    if (this.over) return;
    this.media.tick();
    this.watchNats();
    this.options.clock.after(TICK_MS, () => this.tick());
  }

  private watchNats(): void {
    if (this.nats === null || this.natsStarting || this.nats.isRunning()) return;
    const { log } = this.options;
    log.error("nats.ended", { pid: this.nats.pid });
    this.startNats().catch((error: unknown) => {
      // Tried again at the next tick: calls go on without it meanwhile.
      const reason = error instanceof Error ? error.message : String(error);
      log.error("nats.failed", { reason });
    });
  }

  private async stopAll(code: number, controlMs: number): Promise<void> {
    const { log, clock } = this.options;
    this.stopping = true;
    log.info("edge.stopping");
    await this.starting;
    const control = this.control;
    if (control !== null) {
      control.kill("SIGTERM");
      const timer = clock.after(controlMs, () => control.kill("SIGKILL"));
      await control.exited;
      timer.cancel();
    }
    this.over = true;
    await this.media.stop();
    await this.nats?.stop();
    log.info("edge.stopped", { code });
    this.resolveEnd(this.killed ? EXIT_FAILED : code);
  }
}

/** Of the settings that a running media process cannot change. */
const settingsOf = ({ edge, media, nats, networks }: Config): string =>
  createHash("sha256").update(JSON.stringify([edge, media, nats.servers, networks])).digest("hex");
