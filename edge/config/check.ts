// The file against its schema: every key that is unknown, missing or of the wrong kind.
import { KindGuard, type TSchema } from "@sinclair/typebox";
import { Value, type ValueError, ValueErrorType } from "@sinclair/typebox/value";
import { nearestWord, type Problem, shownValue } from "./problem.ts";

export const PROBLEMS_MAX = 200;

/** Tables of the file that are something else: filling in the defaults would hide them. */
export function tableProblems(schema: TSchema, value: unknown, key = ""): Problem[] {
  if (value === undefined) return [];
  const isObject = KindGuard.IsObject(schema);
  if (!isObject && !KindGuard.IsRecord(schema)) return [];
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [{ key, came: shownValue(value), expected: "a table" }];
  }
  if (!isObject) return [];
  const inner = new Map(Object.entries(value));
  return Object.entries(schema.properties).flatMap(([name, one]) =>
    tableProblems(one, inner.get(name), key === "" ? name : `${key}.${name}`));
}

/** All mistakes of a value whose defaults are filled in, one for each place. */
export function schemaProblems(schema: TSchema, value: unknown): Problem[] {
  const found = new Map<string, Problem>();
  for (const error of Value.Errors(schema, value)) {
    const key = keyOf(error.path);
    if (!found.has(key)) found.set(key, problemOf(error, key));
    if (found.size >= PROBLEMS_MAX) break;
  }
  return [...found.values()];
}

function problemOf(error: ValueError, key: string): Problem {
  if (error.type === ValueErrorType.ObjectAdditionalProperties) {
    return unknownKey(key, Object.keys(error.schema["properties"] ?? {}));
  }
  const expected: unknown = error.schema["expected"];
  const secret = error.schema["secret"] === true;
  return {
    key, came: shownValue(error.value, secret),
    expected: typeof expected === "string" ? expected : error.message.toLowerCase(),
  };
}

/** `known`: the keys that stand in the same table. */
export function unknownKey(key: string, known: readonly string[]): Problem {
  const word = key.slice(key.lastIndexOf(".") + 1);
  const near = nearestWord(word, known);
  const all = known.length > 0 ? `one of ${known.join(", ")}` : "no key here";
  return {
    key, came: "there is no such key",
    expected: near === null ? all : `a known key, perhaps ${near}`,
  };
}

/** `/trunks/0/uri` as `trunks[0].uri`. */
export function keyOf(pointer: string): string {
  return pointer.split("/").slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join("").replace(/^\./, "");
}
