// What all sections need while the file becomes the configuration: where mistakes go, and how
// texts, paths and secrets are read.
import type { TlsFiles } from "../../schemas/connector.ts";
import type { Environment } from "../runtime/env.ts";
import { absolutePath, readText } from "../runtime/files.ts";
import { type Findings, shownValue } from "./problem.ts";
import { isHttpUrl, isIpAddress, parseDuration, parseNetwork } from "./text.ts";

const VARIABLE_NAME = /^[A-Z_][A-Z0-9_]{0,63}$/;

export class ConfigReader {
  constructor(readonly env: Environment, readonly found: Findings) {}

  /** A mistake that needs a sentence. */
  problem(key: string, came: string, expected: string): void {
    this.found.problems.push({ key, came, expected });
  }

  /** A value that does not fit. Not for secrets. */
  wrong(key: string, value: string, expected: string): void {
    this.problem(key, shownValue(value), expected);
  }

  warning(key: string, came: string, expected: string): void {
    this.found.warnings.push({ key, came, expected });
  }

  duration(key: string, text: string): number {
    const ms = parseDuration(text);
    if (ms === null) this.wrong(key, text, 'a duration such as "500ms", "5s", "7d"');
    return ms ?? 0;
  }

  /** null: not given. */
  ip(key: string, text: string): string | null {
    if (text === "") return null;
    if (!isIpAddress(text)) this.wrong(key, text, "an IP address");
    return text;
  }

  url(key: string, text: string): string | null {
    if (text === "") return null;
    if (!isHttpUrl(text)) this.wrong(key, text, "an absolute http: or https: URL");
    return text;
  }

  networks(key: string, texts: string[]): string[] {
    return texts.flatMap((text, at) => {
      const network = parseNetwork(text);
      if (network === null) {
        this.wrong(`${key}[${at}]`, text, 'a network such as "192.0.2.0/24", or an IP address');
      }
      return network ?? [];
    });
  }

  /** Names that must differ; the second of a pair is the mistake. */
  unique(items: { key: string; name: string }[]): void {
    const seen = new Map<string, string>();
    for (const { key, name } of items) {
      const first = seen.get(name);
      if (first === undefined) seen.set(name, key);
      else this.wrong(key, name, `a name of its own (${first} has this one)`);
    }
  }

  tls(key: string, given: Record<string, string>): TlsFiles {
    const path = (name: string): string | null => {
      const text = given[name] ?? "";
      if (text === "") return null;
      if (readText(text) === null) this.wrong(`${key}.${name}`, text, "a file that can be read");
      return absolutePath(text);
    };
    const files = { cert: path("cert"), key: path("key"), ca: path("ca") };
    if ((files.cert === null) !== (files.key === null)) {
      this.problem(key, "only one of cert and key is given", "both, or neither");
    }
    return { ...files, serverName: given["server_name"] || null };
  }

  /** The variable's value; null when none is named. An unset one is a mistake. */
  fromEnv(key: string, name: string): string | null {
    if (name === "") return null;
    this.found.warnings = this.found.warnings.filter((warning) => warning.key !== name);
    const value = this.env[name] ?? "";
    if (value === "") {
      // Somebody may have put the secret itself here.
      const shown = VARIABLE_NAME.test(name) ? JSON.stringify(name) : "what is given";
      this.problem(key, `${shown} is not set in the environment`,
        "the name of an environment variable that is set");
    }
    return value === "" ? null : value;
  }

  /** A secret that may stand in the file, in a variable or in a file of its own: one of them. */
  secret(table: string, name: string, given: { [key: string]: unknown }): string | null {
    const [plain, env, file] = ["", "_env", "_file"].map((suffix) => {
      const value = given[name + suffix];
      return typeof value === "string" ? value : "";
    });
    const ways = [plain, env, file].filter((way) => way !== "" && way !== undefined);
    if (ways.length > 1) {
      this.problem(`${table}.${name}`, "it is given in more than one way",
        `one of ${name}, ${name}_env${file === "" ? "" : `, ${name}_file`}`);
    }
    if (plain) return plain;
    if (env) return this.fromEnv(`${table}.${name}_env`, env);
    if (!file) return null;
    const text = readText(file);
    if (text === null) this.wrong(`${table}.${name}_file`, file, "a file that can be read");
    return text?.trim() ?? null;
  }
}
