// Files of this host, small ones: configuration, what a process leaves for the next one.
import {
  appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync,
  readSync, renameSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";

/** Only the owner may read it. */
export const PRIVATE_MODE = 0o600;

export const absolutePath = (path: string): string => resolve(path);
export const fileExists = (path: string): boolean => existsSync(path);
export const ensureFolder = (path: string): void => void mkdirSync(path, { recursive: true });
export const removeFile = (path: string): void => rmSync(path, { force: true });

/** null: there is no such file, or we may not read it. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** null: there is no such file, or we may not read it. */
export function readBytes(path: string): Uint8Array | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** Whoever reads meanwhile sees the old file or the new one, whole. */
export function writeText(path: string, text: string, mode = 0o644): void {
  ensureFolder(dirname(path));
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode });
  renameSync(fresh, path);
}

/** Writes the file only when it is not there yet; false when it is. */
export function createText(path: string, text: string, mode = 0o644): boolean {
  ensureFolder(dirname(path));
  try {
    writeFileSync(path, text, { mode, flag: "wx" });
    return true;
  } catch (error) {
    if (existsSync(path)) return false;
    throw error;
  }
}

export const appendText = (path: string, text: string): void => appendFileSync(path, text);

/** Moves a file that has grown over the limit aside, to `<path>.1`. */
export function rotateFile(path: string, limitBytes: number): void {
  const size = existsSync(path) ? statSync(path).size : 0;
  if (size > limitBytes) renameSync(path, `${path}.1`);
}

export const fileSize = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

const READ_MAX_BYTES = 65_536;

/** What was added to a file since `offset`, and where to go on; from the start when it shrank. */
export function readAppended(path: string, offset: number): { text: string; offset: number } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return { text: "", offset: 0 };
  }
  try {
    const from = fstatSync(file).size < offset ? 0 : offset;
    const bytes = new Uint8Array(READ_MAX_BYTES);
    const count = readSync(file, bytes, 0, READ_MAX_BYTES, from);
    return { text: Buffer.from(bytes.subarray(0, count)).toString("utf8"), offset: from + count };
  } finally {
    closeSync(file);
  }
}

/** Names in a folder; none when it is not there. */
export function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** For what nobody reads before it is whole: recordings. */
export function writeBytes(path: string, bytes: Uint8Array): void {
  ensureFolder(dirname(path));
  writeFileSync(path, bytes);
}
