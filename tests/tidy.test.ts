// The rules that the code keeps about itself (docs/ARCHITECTURE.md, "The tree"): who may import
// whom, what pure layers may not touch, and how long things may get.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import type { AnyStateNode } from "xstate";
import { callMachine } from "../actors/call.machine.ts";
import { callbackMachine } from "../actors/callback.machine.ts";
import { siprecMachine } from "../actors/siprec.machine.ts";
import { twimlMachine } from "../actors/twiml.machine.ts";
import { ERRORS } from "../schemas/error.ts";
import { codeOnly, functionsOf, importsOf } from "./support/source-text.ts";

const ROOT = resolve(import.meta.dir, "..");
const LINE_MAX_CHARS = 100;
const FUNCTION_MAX_LINES = 70;
const FILE_MAX_LINES = 400;

interface Source {
  path: string;
  text: string;
  code: string;
  imports: string[];
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesIn(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const SOURCES: Source[] = ["schemas", "protocol", "actors", "edge", "tests"].flatMap(filesIn)
  .map((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return { path, text, code: codeOnly(text), imports: importsOf(text) };
  });

const inFolder = (...folders: string[]): Source[] =>
  SOURCES.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)));

/** The lines of some files that a rule forbids, as `path:line: text`. */
const offences = (sources: Source[], forbidden: RegExp, read = (one: Source) => one.code) =>
  sources.flatMap((source) => read(source).split("\n").flatMap((line, index) =>
    forbidden.test(line) ? [`${source.path}:${index + 1}: ${line.trim()}`] : []
  ));

/** In the order of the arrows: each may import itself and those before it. */
const LAYERS = ["schemas", "protocol", "actors", "edge", "tests"];

/**
 * Inside edge. Adapters do not know each other. The configuration is an adapter (of a file), and
 * the phone and recorder of edge/tools are built on the SIP and media adapters: one storey up.
 */
const STOREYS: Record<string, number> = {
  runtime: 0, sip: 1, media: 1, nats: 1, http: 1, console: 1, config: 1, tools: 2, ports: 2,
  commands: 3, "main.ts": 4,
};
const TOOLS_MAY_IMPORT = ["runtime", "sip", "media"];

const layerOf = (path: string): string => path.split("/")[0] ?? "";
const partOf = (path: string): string => path.split("/")[1] ?? "";

const targetsOf = ({ path, imports }: Source): string[] =>
  imports.filter((from) => from.startsWith("."))
    .map((from) => posix.normalize(`${posix.dirname(path)}/${from}`));

function isUpward(from: string, to: string): boolean {
  if (layerOf(from) !== "edge" || layerOf(to) !== "edge") {
    return LAYERS.indexOf(layerOf(to)) > LAYERS.indexOf(layerOf(from));
  }
  const [own, other] = [partOf(from), partOf(to)];
  if (own === other) return false;
  if (own === "tools") return !TOOLS_MAY_IMPORT.includes(other);
  return (STOREYS[other] ?? 9) >= (STOREYS[own] ?? 9);
}

describe("imports", () => {
  test("go one way: schemas, protocol, actors, edge, tests; and inside edge", () => {
    const upward = SOURCES.flatMap((source) =>
      targetsOf(source).filter((to) => isUpward(source.path, to))
        .map((to) => `${source.path} imports ${to}`)
    );
    expect(upward).toEqual([]);
  });

  test("every folder of edge has its storey", () => {
    expect(readdirSync(join(ROOT, "edge")).filter((name) => STOREYS[name] === undefined))
      .toEqual([]);
  });

  test("name files of this tree, with their ending", () => {
    const paths = new Set(SOURCES.map(({ path }) => path));
    const odd = SOURCES.flatMap((source) => targetsOf(source)
      .filter((to) => !paths.has(to) && !/\.(json|mjs|txt|toml)$/.test(to))
      .map((to) => `${source.path} imports ${to}`));
    expect(odd).toEqual([]);
  });

  test("pure layers import only what is pure", () => {
    const pure = /^(\.|xstate|@sinclair\/typebox|saxes$|sdp-transform$|node:crypto$)/;
    const odd = inFolder("schemas", "protocol", "actors").flatMap(({ path, imports }) =>
      imports.filter((from) => !pure.test(from)).map((from) => `${path} imports ${from}`)
    );
    expect(odd).toEqual([]);
  });

  test("there are no default exports and no barrels", () => {
    expect(offences(SOURCES, /^export default\b|^export \*/)).toEqual([]);
  });
});

describe("what the world is reached by", () => {
  test("pure layers know no clock, randomness, timer, process, socket or console", () => {
    const world = new RegExp(
      "\\bDate\\.now\\b|\\bnew Date\\(\\s*\\)|\\bDate\\(\\)|\\bMath\\.random\\b|" +
        "\\b(set|clear)(Timeout|Interval|Immediate)\\b|\\bqueueMicrotask\\b|\\bperformance\\b|" +
        "\\bprocess\\.|\\bBun\\b|\\bDeno\\b|\\bfetch\\(|\\bconsole\\.|\\bWebSocket\\b|" +
        "\\brandomBytes\\b|\\brandomUUID\\b|\\bgetRandomValues\\b",
    );
    expect(offences(inFolder("schemas", "protocol", "actors"), world)).toEqual([]);
  });

  test("the rest of edge has them from edge/runtime", () => {
    const edge = inFolder("edge").filter(({ path }) => !path.startsWith("edge/runtime/"));
    const world = new RegExp(
      "\\bDate\\.now\\b|\\bnew Date\\(\\s*\\)|\\bMath\\.random\\b|\\bset(Timeout|Interval)\\b|" +
        "\\bprocess\\.env\\b|\\bconsole\\.|\\brandomBytes\\b|\\brandomUUID\\b",
    );
    expect(offences(edge, world)).toEqual([]);
  });
});

describe("sizes and forms", () => {
  test(`lines have at most ${LINE_MAX_CHARS} characters`, () => {
    const long = SOURCES.flatMap(({ path, text }) => text.split("\n").flatMap((line, index) =>
      [...line].length > LINE_MAX_CHARS ? [`${path}:${index + 1}`] : []
    ));
    expect(long).toEqual([]);
  });

  test(`functions have at most ${FUNCTION_MAX_LINES} lines`, () => {
    const long = SOURCES.flatMap(({ path, text }) => functionsOf(text)
      .filter(({ lines, head }) => lines > FUNCTION_MAX_LINES && !/^describe\b/.test(head))
      .map(({ line, lines }) => `${path}:${line}: ${lines} lines`));
    expect(long).toEqual([]);
  });

  test(`files have at most ${FILE_MAX_LINES} lines`, () => {
    const long = SOURCES.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > FILE_MAX_LINES).map(({ path, lines }) => `${path}: ${lines}`);
    expect(long).toEqual([]);
  });

  test("nothing is of type any", () => {
    expect(offences(SOURCES, /(?::|<|\bas|=)\s*any\b/)).toEqual([]);
  });

  test("no name says handle, manage, helper or the like", () => {
    const vague = new RegExp(
      "\\b(function|const|class|interface|type) ((handle|manage)[A-Z]\\w*|" +
        "\\w*(Manager|Helper|Util|Impl))\\b|^  (async )?#?(handle|manage)[A-Z]\\w*\\(",
    );
    // A type of a library's keeps its name where it is imported.
    const code = ({ code }: Source): string => code.replace(/^import [^;]*;/gm, "");
    expect(offences(inFolder("schemas", "protocol", "actors", "edge"), vague, code)).toEqual([]);
  });
});

const statesOf = (node: AnyStateNode): AnyStateNode[] =>
  [node, ...Object.values(node.states).flatMap(statesOf)];

describe("machines", () => {
  for (const machine of [callMachine, siprecMachine, twimlMachine, callbackMachine]) {
    const states = statesOf(machine.root);

    test(`${machine.id}: every state has a description of one sentence`, () => {
      const bare = states.filter((state) => state !== machine.root)
        .filter(({ description }) => !/^[A-Z].*[^.]\.$/.test(description ?? ""))
        .map(({ path }) => path.join("."));
      expect(bare).toEqual([]);
    });

    test(`${machine.id}: every invoke has an id of its own, onDone and onError`, () => {
      const odd = states.flatMap((state) => state.invoke.filter((invoke) => {
        const isAuto = /^\d+\./.test(invoke.id);
        return isAuto || !state.transitions.has(`xstate.done.actor.${invoke.id}`) ||
          !state.transitions.has(`xstate.error.actor.${invoke.id}`);
      }).map((invoke) => `${state.path.join(".")}: ${invoke.id}`));
      expect(odd).toEqual([]);
    });

    test(`${machine.id}: no delayed transition, for a restored machine would lose it`, () => {
      expect(states.flatMap((state) => state.after).length).toBe(0);
    });

    test(`${machine.id}: an unknown event is nothing`, () => {
      expect(machine.root.transitions.has("*")).toBe(true);
    });
  }
});

describe("the tree", () => {
  test("every named error is used", () => {
    const rest = SOURCES
      .filter(({ path }) => path !== "schemas/error.ts" && layerOf(path) !== "tests")
      .map(({ text }) => text).join("\n");
    // HTTP knows what 429 means; nothing limits requests yet.
    const planned = ["TOO_MANY_REQUESTS"];
    const unused = Object.keys(ERRORS).filter((name) =>
      !planned.includes(name) && !new RegExp(`\\b${name}\\b`).test(rest)
    );
    expect(unused).toEqual([]);
  });

  test("the root holds what it should, and nothing else", () => {
    const made = /^(\.git|node_modules|\.cache|data|recordings|siprec\.toml|.*\.log)$/;
    const here = readdirSync(ROOT).filter((name) => !made.test(name)).sort();
    const planned = ["README.md", "deno.json"];
    expect(here.filter((name) => !planned.includes(name))).toEqual([
      ".ci", ".gitignore", "LICENSE", "actors", "bun.lock", "bunfig.toml", "docs", "edge",
      "package.json", "protocol", "schemas", "scripts", "tests", "tsconfig.json",
    ]);
  });
});

describe("the reader of source text", () => {
  test("tells code from comments, strings, templates and patterns", () => {
    const text = 'a("x // y"); // Date.now\nb(`t ${c("}")} u`, /["`/]\\/x/); /* q\n*/ d / e / f';
    expect(codeOnly(text).replace(/ +/g, " ").trim()).toBe("a( ); \nb( c( ) , ); \n d / e / f");
  });

  test("finds imports of every form", () => {
    const text = 'import "./a.ts";\nimport {\n b,\n} from "./b.ts";\nexport * from "./c.ts";\n' +
      'const d = await import(' + '"./d.ts");\nimport type { E } from "./e.ts";\n';
    expect(importsOf(text)).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
  });

  test("measures functions, methods and arrows", () => {
    const text = [
      "export function f(", "  a: number,", "): { b: string } {", "  return a;", "}",
      "class C {", "  #m(): void {", "    x();", "  }", "}", "const g = () => {", "  y();", "};",
      "foo(", "  1,", ");",
    ].join("\n");
    expect(functionsOf(text).map(({ line, lines }) => [line, lines]))
      .toEqual([[1, 5], [7, 3], [11, 3]]);
  });
});
