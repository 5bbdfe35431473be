// Logs: one event a line on standard error, JSON, or readable when it is a terminal.
import { writeSync } from "node:fs";
import type { Log, LogFields } from "./types.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  json: boolean;
  /** Lines below this level are not written. */
  level: LogLevel;
  /** Gets whole lines, with the newline. */
  write: (line: string) => void;
  /** Epoch ms, for the time of each line. */
  wallMs: () => number;
  /** On every line. */
  fields?: LogFields;
}

/** What a line looks like before it is JSON. */
export interface LogLine extends LogFields {
  at: string;
  level: LogLevel;
  event: string;
}

export function createLog(options: LogOptions): Log {
  const lowest = LOG_LEVELS.indexOf(options.level);
  const bound = options.fields ?? {};
  const say = (level: LogLevel) => (event: string, fields?: LogFields): void => {
    if (LOG_LEVELS.indexOf(level) < lowest) return;
    const at = new Date(options.wallMs()).toISOString();
    // Last, so that no field can pass for the time, the level or the event.
    const line: LogLine = { at, level, event, ...bound, ...fields };
    Object.assign(line, { at, level, event });
    options.write(options.json ? `${JSON.stringify(line)}\n` : `${readableLine(line)}\n`);
  };
  return {
    debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error"),
    with: (fields) => createLog({ ...options, fields: { ...bound, ...fields } }),
  };
}

/** One line for a person: time, level where it matters, event, then the fields. */
export function readableLine(line: LogLine): string {
  const { at, level, event, ...fields } = line;
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${quoted(String(value))}`);
  return [at.slice(11, 23), level.padEnd(5), event, ...rest].join(" ");
}

// A control character in a field must not become a line of its own, or move the cursor.
const quoted = (text: string): string =>
  /^[^\s"=\u0000-\u001f\u007f]+$/.test(text) ? text : JSON.stringify(text).replaceAll("\u007f", "");

/** Standard error; a closed pipe must not end a process that carries calls. */
export function writeStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads our log any more: there is no other place to say so.
  }
}

/** What a command answers, as opposed to what it logs. */
export function writeStandardOutput(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // The reader has gone (`siprec … | head`): that is its right.
  }
}

/** The level of SIPREC_LOG, else info. */
export function logLevelOf(text: string | undefined): LogLevel {
  return LOG_LEVELS.find((level) => level === text?.toLowerCase()) ?? "info";
}

/** Phone numbers (6 digits and more in a row): a long one keeps its start, all their last two. */
export const maskNumber = (text: string): string =>
  text.replace(/\d{6,}/g, (digits) => {
    const shown = digits.length >= 10 ? 4 : 0;
    return digits.slice(0, shown) + "*".repeat(digits.length - shown - 2) + digits.slice(-2);
  });
