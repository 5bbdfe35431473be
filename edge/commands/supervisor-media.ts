// The media processes of an edge: started detached, recorded in data/run/, adopted while they
// are of this version and these settings; others keep their calls beside the new ones.
import { join } from "node:path";
import { namesIn, rotateFile } from "../runtime/files.ts";
import { livingRecord, removeRecord, type RunRecord, writeRecord } from "../runtime/run-file.ts";
import { endProcess, isRunning, processStart, sendSignal, spawnDetached }
  from "../runtime/spawn.ts";
import type { SupervisorOptions } from "./supervisor.ts";
import { forwardLine, LogTail } from "./supervisor-log.ts";
import { BackOff } from "./back-off.ts";

const STOP_TIMEOUT_MS = 5_000;
const LOG_MAX_BYTES = 10_000_000;
const RUN_FILE = /^media-(\d{1,4})\.json$/;

interface MediaProcess {
  id: number;
  /** null: being started. */
  record: RunRecord | null;
  tail: LogTail;
  backOff: BackOff;
  /** Of another version or other settings: it is not started again. */
  old: boolean;
  restartAtMs: number;
}

export class MediaSupervisor {
  private processes: MediaProcess[] = [];
  private readonly runDir: string;
  private stopped = false;

  /** `settings`: of those that a media process is started with. */
  constructor(private readonly options: SupervisorOptions, private readonly settings: string) {
    this.runDir = join(options.config.dataDir, "run");
  }

  /** Adopts what runs, starts what is missing. */
  async start(): Promise<void> {
    const wanted = this.options.config.media.processes;
    for (const name of namesIn(this.runDir)) {
      const id = Number(RUN_FILE.exec(name)?.[1] ?? Number.NaN);
      if (!Number.isNaN(id)) this.find(id, wanted);
    }
    const fitting = this.processes.filter(({ old }) => !old).map(({ id }) => id % wanted);
    const slots = Array.from({ length: wanted }, (_, slot) => slot);
    const missing = slots.filter((slot) => !fitting.includes(slot));
    await Promise.all(missing.map((slot) => {
      // An old process keeps its id, and with it its subjects.
      let id = slot;
      while (this.processes.some((one) => one.id === id)) id += wanted;
      const process = this.fresh(id, null, false);
      this.processes.push(process);
      return this.spawn(process);
    }));
  }

  pids(): number[] {
    return this.processes.flatMap(({ record }) => (record === null ? [] : [record.pid]));
  }

  /** Called a few times a second: forwards logs, starts again what has ended. */
  tick(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const process of [...this.processes]) {
      process.tail.read();
      if (process.record !== null && !isRunning(process.record)) this.ended(process, nowMs);
      if (process.record === null && process.restartAtMs <= nowMs && !this.stopped) {
        process.restartAtMs = Number.POSITIVE_INFINITY;
        void this.spawn(process);
      }
    }
  }

  /** Each gives everything back and ends. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.processes.map(async ({ id, record, tail }) => {
      if (record !== null) await endProcess(record, STOP_TIMEOUT_MS, this.options.clock);
      tail.read();
      removeRecord(this.runFile(id));
    }));
  }

  kill(): void {
    this.stopped = true;
    for (const { id, record } of this.processes) {
      if (record !== null && isRunning(record)) sendSignal(record.pid, "SIGKILL");
      removeRecord(this.runFile(id));
    }
  }

  private find(id: number, wanted: number): void {
    const { log, version } = this.options;
    const record = livingRecord(this.runFile(id));
    if (record === null) {
      removeRecord(this.runFile(id));
      return;
    }
    const fits = record.version === version && record.settings === this.settings;
    const taken = this.processes.some((one) => !one.old && one.id % wanted === id % wanted);
    const old = !fits || wanted === 0 || taken;
    this.processes.push(this.fresh(id, record, old));
    log.info(old ? "media.left-to-end" : "media.adopted", { id, pid: record.pid });
  }

  private fresh(id: number, record: RunRecord | null, old: boolean): MediaProcess {
    const { sink, clock } = this.options;
    const tail = new LogTail(this.logFile(id),
      (line) => forwardLine(line, `media ${id}`, sink));
    return {
      id, record, tail, old, backOff: new BackOff(clock), restartAtMs: Number.POSITIVE_INFINITY,
    };
  }

  private ended(process: MediaProcess, nowMs: number): void {
    const { log } = this.options;
    removeRecord(this.runFile(process.id));
    process.record = null;
    if (process.old) {
      log.info("media.ended", { id: process.id });
      this.processes = this.processes.filter((one) => one !== process);
      return;
    }
    if (this.stopped) return;
    const delayMs = process.backOff.next();
    log.error("media.ended", { id: process.id, restart_ms: delayMs });
    process.restartAtMs = nowMs + delayMs;
    this.options.onMediaEnded?.();
  }

  private async spawn(process: MediaProcess): Promise<void> {
    const { childCommand, configPath, env, clock, version } = this.options;
    const { id } = process;
    const logPath = this.logFile(id);
    rotateFile(logPath, LOG_MAX_BYTES);
    const command = childCommand("media", ["--config", configPath, "--id", String(id)]);
    const child = await spawnDetached(command, { env, logPath, append: true });
    const start = processStart(child.pid) ?? "";
    process.record = {
      pid: child.pid, start, version, settings: this.settings, startedAt: clock.wallMs(),
    };
    process.backOff.started();
    writeRecord(this.runFile(id), process.record);
    // Stopped while it was being started.
    if (this.stopped) await endProcess(process.record, STOP_TIMEOUT_MS, clock);
  }

  private runFile(id: number): string {
    return join(this.runDir, `media-${id}.json`);
  }

  private logFile(id: number): string {
    return join(this.runDir, `media-${id}.log`);
  }
}
