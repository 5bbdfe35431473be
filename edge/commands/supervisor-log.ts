// The logs of the processes of an edge, brought together on our standard error.
import { fileSize, readAppended } from "../runtime/files.ts";
import { LOG_LEVELS, type LogLine, readableLine } from "../runtime/log.ts";
import { lines } from "../runtime/spawn.ts";

/** A line of a process's log; null when it is none (a runtime's own words, a stack trace). */
export function parseLogLine(line: string): LogLine | null {
  if (!line.startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(line);
    return isLogLine(value) ? value : null;
  } catch {
    return null;
  }
}

function isLogLine(value: unknown): value is LogLine {
  if (typeof value !== "object" || value === null) return false;
  const { at, level, event } = { at: null, level: null, event: null, ...value };
  return typeof at === "string" && typeof event === "string"
    && LOG_LEVELS.some((known) => known === level);
}

export interface LogSink {
  /** Whether a person reads it. */
  terminal: boolean;
  write: (line: string) => void;
  wallMs: () => number;
}

/** Writes a line of another process as ours are written. */
export function forwardLine(line: string, source: string, sink: LogSink): void {
  const parsed = parseLogLine(line);
  if (sink.terminal) {
    sink.write(parsed === null ? `[${source}] ${line}\n` : `${readableLine(parsed)}\n`);
  } else if (parsed === null) {
    const at = new Date(sink.wallMs()).toISOString();
    const wrapped = { at, level: "warn", event: "output", process: source, text: line };
    sink.write(`${JSON.stringify(wrapped)}\n`);
  } else {
    sink.write(`${line}\n`);
  }
}

/** Follows a log file that a detached process writes. */
export class LogTail {
  private offset: number;
  private readonly take: (chunk: string) => void;

  /** Starts at the file's end. */
  constructor(private readonly path: string, onLine: (line: string) => void) {
    this.offset = fileSize(path);
    this.take = lines(onLine);
  }

  /** Gives what was added since the last time. */
  read(): void {
    for (;;) {
      const { text, offset } = readAppended(this.path, this.offset);
      this.offset = offset;
      if (text === "") return;
      this.take(text);
    }
  }
}
