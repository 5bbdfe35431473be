// From a TOML file and the environment to the configuration, or to the list of all its mistakes.
import { Value } from "@sinclair/typebox/value";
import { parse as parseToml, TomlError } from "smol-toml";
import { type Config, ConfigFile } from "../../schemas/config.ts";
import type { Environment } from "../runtime/env.ts";
import { absolutePath, readText } from "../runtime/files.ts";
import { schemaProblems, tableProblems } from "./check.ts";
import { applyOverrides } from "./override.ts";
import type { Findings, Problem } from "./problem.ts";
import { ConfigReader } from "./reader.ts";
import { readEdge, readHttp, readMedia, readNats, readSecurity, readSip } from "./sections.ts";
import { readAccounts, readConnectors, readNumbers, readPhones, readTrunks } from "./tables.ts";

export const CONFIG_MAX_CHARS = 4_000_000;

export type ConfigResult =
  | { ok: true; config: Config; warnings: Problem[] }
  | { ok: false; problems: Problem[]; warnings: Problem[] };

/** Reads the file; relative paths in it start from the working directory. */
export function loadConfig(path: string, env: Environment): ConfigResult {
  const text = readText(path);
  if (text !== null) return parseConfig(text, env);
  const problem = { key: path, came: "it cannot be read", expected: "a TOML file" };
  return { ok: false, problems: [problem], warnings: [] };
}

export function parseConfig(text: string, env: Environment): ConfigResult {
  const found: Findings = { problems: [], warnings: [] };
  const file = readToml(text, found);
  if (file === null) return { ok: false, ...found };
  applyOverrides(file, ConfigFile, env, found);
  found.problems.push(...tableProblems(ConfigFile, file));
  const filled = Value.Default(ConfigFile, file);
  const named = new Set(found.problems.map(({ key }) => key));
  found.problems.push(...schemaProblems(ConfigFile, filled).filter(({ key }) => !named.has(key)));
  if (found.problems.length > 0) {
    found.problems.push(...furtherProblems(filled, env, found.problems));
    return { ok: false, ...found };
  }
  // No problem of the schema: it is of its type.
  const config = convert(new ConfigReader(env, found), filled as ConfigFile);
  return found.problems.length > 0 ? { ok: false, ...found } : { ok: true, config, ...found };
}

/**
 * What else is wrong where the schema fits: nobody likes to be told of a second mistake after
 * mending the first. A key with a mistake is left alone, and where accounts or edges have one, so
 * is everything that refers to them.
 */
function furtherProblems(filled: unknown, env: Environment, known: Problem[]): Problem[] {
  const sectionOf = ({ key }: Problem): string => key.split(/[.[]/)[0] ?? key;
  const sections = new Set(known.map(sectionOf));
  const isReferred = sections.has("accounts") || sections.has("edges");
  const isKnown = ({ key }: Problem): boolean =>
    known.some((one) => key.startsWith(one.key) || one.key.startsWith(key));
  const further: Findings = { problems: [], warnings: [] };
  convert(new ConfigReader(env, further), Value.Cast(ConfigFile, filled));
  return further.problems.filter((problem) =>
    !isKnown(problem) && !(isReferred && REFERRING.includes(sectionOf(problem)))
  );
}

const REFERRING = ["edge", "numbers", "trunks", "phones", "connectors"];

function readToml(text: string, found: Findings): Record<string, unknown> | null {
  const expected = "TOML";
  if (text.length > CONFIG_MAX_CHARS) {
    found.problems.push({ key: "the file", came: "it is too large", expected });
    return null;
  }
  try {
    return parseToml(text);
  } catch (error) {
    // The rest of the error's text quotes the file, and so perhaps a secret.
    const came = error instanceof Error ? error.message.split("\n")[0] ?? "" : String(error);
    const key = error instanceof TomlError ? `line ${error.line}, column ${error.column}` : "file";
    found.problems.push({ key, came: came.replace("Invalid TOML document: ", ""), expected });
    return null;
  }
}

function convert(reader: ConfigReader, file: ConfigFile): Config {
  const accounts = readAccounts(reader, file);
  return {
    edge: file.edge, edgeNumber: readEdge(reader, file), dataDir: absolutePath(file.data),
    historyMs: reader.duration("history", file.history),
    drainMs: reader.duration("drain", file.drain),
    security: readSecurity(reader, file), http: readHttp(reader, file),
    sip: readSip(reader, file), media: readMedia(reader, file), nats: readNats(reader, file),
    networks: file.networks.map(({ to, sip, media }, at) => ({
      to: reader.networks(`networks[${at}].to`, [to])[0] ?? "",
      sip: reader.ip(`networks[${at}].sip`, sip),
      media: reader.ip(`networks[${at}].media`, media),
    })),
    edges: file.edges, accounts,
    trunks: readTrunks(reader, file, accounts), phones: readPhones(reader, file, accounts),
    numbers: readNumbers(reader, file, accounts),
    connectors: readConnectors(reader, file, accounts),
    webhooks: { allowPrivate: file.webhooks.allow_private },
  };
}
