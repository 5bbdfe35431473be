// SIPREC_<SECTION>_<KEY> in the environment wins over the file. Scalars are written plainly,
// lists and tables as JSON or TOML.
import { KindGuard, type TSchema } from "@sinclair/typebox";
import { parse as parseToml } from "smol-toml";
import type { Environment } from "../runtime/env.ts";
import { type Findings, nearestWord } from "./problem.ts";

const PREFIX = "SIPREC_";
/** Read by the program itself, and no part of the configuration. */
const OTHER_NAMES = ["SIPREC_LOG", "SIPREC_SUPERVISED"];

type Table = Record<string, unknown>;

interface Place {
  path: string[];
  schema: TSchema;
}

/** Puts the overrides into `file`, which is changed. */
export function applyOverrides(
  file: Table, schema: TSchema, env: Environment, found: Findings,
): void {
  const places = new Map<string, Place>();
  collectPlaces(schema, [], places);
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || value === undefined || OTHER_NAMES.includes(name)) continue;
    const place = places.get(name) ?? recordPlace(name, schema);
    if (place !== null) {
      setAt(file, place.path, readValue(value, place.schema));
      continue;
    }
    // It may be a name that a key such as secret_env gives: a warning, and not for those.
    const near = nearestWord(name, [...places.keys()]);
    found.warnings.push({
      key: name, came: "there is no such key",
      expected: near === null ? "SIPREC_<SECTION>_<KEY>" : `a known key, perhaps ${near}`,
    });
  }
}

function collectPlaces(schema: TSchema, path: string[], places: Map<string, Place>): void {
  if (path.length > 0) places.set(nameOf(path), { path, schema });
  if (!KindGuard.IsObject(schema)) return;
  for (const [key, inner] of Object.entries(schema.properties)) {
    collectPlaces(inner, [...path, key], places);
  }
}

/** SIPREC_EDGES_DUBLIN: the keys of [edges] are the user's own. */
function recordPlace(name: string, schema: TSchema): Place | null {
  const start = `${PREFIX}EDGES_`;
  if (!name.startsWith(start) || !KindGuard.IsObject(schema)) return null;
  const edge = name.slice(start.length).toLowerCase().replaceAll("_", "-");
  const edges = schema.properties["edges"];
  const number: unknown = Object.values(edges?.["patternProperties"] ?? {})[0];
  if (edge === "" || !KindGuard.IsInteger(number)) return null;
  return { path: ["edges", edge], schema: number };
}

const nameOf = (path: string[]): string =>
  PREFIX + path.join("_").toUpperCase().replaceAll("-", "_");

/** What does not read as wanted stays text, and the schema's check names it. */
function readValue(text: string, schema: TSchema): unknown {
  if (KindGuard.IsString(schema) || schema["type"] === "string") return text;
  if (KindGuard.IsBoolean(schema)) {
    return text === "true" ? true : text === "false" ? false : text;
  }
  if (KindGuard.IsInteger(schema) || KindGuard.IsNumber(schema)) {
    return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return readStructure(text);
}

function readStructure(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: TOML, or a plain text.
  }
  try {
    return parseToml(`value = ${text}`)["value"];
  } catch {
    return text;
  }
}

function setAt(file: Table, path: string[], value: unknown): void {
  let table = file;
  for (const key of path.slice(0, -1)) {
    const inner = table[key];
    const next: Table = isTable(inner) ? inner : {};
    table[key] = next;
    table = next;
  }
  const last = path.at(-1);
  if (last !== undefined) table[last] = value;
}

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value);
