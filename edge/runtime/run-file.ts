// What a detached process leaves in data/run/, so that a later supervisor can adopt it.
import { type Static, Type as T } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { readText, removeFile, writeText } from "./files.ts";
import { isRunning } from "./spawn.ts";

export const RunRecord = T.Object({
  pid: T.Integer({ minimum: 1 }),
  start: T.String({ description: "tells it from a later process with the same pid" }),
  version: T.String(),
  startedAt: T.Integer({ description: "epoch ms" }),
  /** Of the settings it was started with: other settings want another process. */
  settings: T.String(),
});
export type RunRecord = Static<typeof RunRecord>;

/** The record of a process that still runs; null when there is none. */
export function livingRecord(path: string): RunRecord | null {
  const text = readText(path);
  if (text === null) return null;
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return null;
  }
  return Value.Check(RunRecord, record) && isRunning(record) ? record : null;
}

export const writeRecord = (path: string, record: RunRecord): void =>
  writeText(path, `${JSON.stringify(record)}\n`);

export const removeRecord = (path: string): void => removeFile(path);
