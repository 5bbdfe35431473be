// The documents say what is so: files that they name exist, tests that they quote stand in the file
// that is named beside them, codes are those of the program.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { ERRORS } from "../schemas/error.ts";

const ROOT = resolve(import.meta.dir, "..");
const LINE_MAX_CHARS = 120;

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesIn(path, ending) : path.endsWith(ending) ? [path] : [];
  });
}

const DOCUMENTS = [...filesIn("docs", ".md"), "README.md"];

/** A path of the tree as a document writes it, from the root or in a link; braces, stars too. */
const PATH = new RegExp(
  "(?:\\b|(?<=\\]\\())((?:\\.\\./)*(?:schemas|protocol|actors|edge|tests|scripts|docs)/" +
    "[\\w./{},*-]*\\w/?)",
  "g",
);

/** `a/{b,c}.ts` means two files, `a/*.ts` at least one. */
function stands(path: string): boolean {
  const choice = /^(.*)\{([^}]*)\}(.*)$/.exec(path);
  if (choice !== null) {
    const [, before = "", names = "", after = ""] = choice;
    return names.split(",").every((name) => stands(`${before}${name.trim()}${after}`));
  }
  return path.includes("*") ? new Bun.Glob(path).scanSync(ROOT).next().done === false
    : existsSync(join(ROOT, path));
}

const pathsOf = (document: string, text: string): string[] =>
  [...text.matchAll(PATH)].map(([, path = ""]) =>
    path.startsWith("..") ? posix.join(posix.dirname(document), path) : path
  );

interface Row {
  line: number;
  cells: string[];
}

/** The rows of all tables, without heads and the lines under them. */
function rowsOf(text: string): Row[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const isHead = /^\|[ |-]+\|$/.test(lines[index + 1] ?? "");
    if (!line.startsWith("|") || isHead || /^\|[ |-]+\|$/.test(line)) return [];
    return [{ line: index + 1, cells: line.slice(1, -1).split(" | ").map((cell) => cell.trim()) }];
  });
}

/** Each test file that a cell names, with the words in quotes that follow it. */
function quotesOf(cell: string): { path: string; words: string[] }[] {
  return cell.split(/(?=`tests\/)/).flatMap((piece) => {
    const path = /^`(tests\/[^`]+)`/.exec(piece)?.[1];
    const words = [...piece.matchAll(/"([^"]+)"/g)].map(([, word = ""]) => word);
    return path === undefined ? [] : [{ path, words }];
  });
}

const flat = (text: string): string => text.replace(/\s+/g, " ").replace(/" \+ "/g, "");

describe("documents", () => {
  test("the files that they name exist", () => {
    const gone = DOCUMENTS.flatMap((document) =>
      pathsOf(document, read(document)).filter((path) => !stands(path))
        .map((path) => `${document}: ${path}`)
    );
    expect(gone).toEqual([]);
  });

  test("the finder of paths finds them, and knows which are not there", () => {
    const text = "`edge/sip/types.ts`, [it](../actors/leg.ts), `actors/{leg,gone}.ts`, edge/*.md";
    const paths = pathsOf("docs/X.md", text);
    expect(paths)
      .toEqual(["edge/sip/types.ts", "actors/leg.ts", "actors/{leg,gone}.ts", "edge/*.md"]);
    expect(paths.map(stands)).toEqual([true, true, false, false]);
  });

  test(`their lines have at most ${LINE_MAX_CHARS} characters, but for tables`, () => {
    // The pictures of the machines are generated.
    const long = DOCUMENTS.filter((document) => !document.startsWith("docs/machines/"))
      .flatMap((document) => read(document).split("\n").flatMap((line, index) =>
        [...line].length > LINE_MAX_CHARS && !line.startsWith("|")
          ? [`${document}:${index + 1}`] : []
      ));
    expect(long).toEqual([]);
  });
});

describe("docs/RFC.md", () => {
  const rows = rowsOf(read("docs/RFC.md"));

  test("has a rule, its source and its test in each row", () => {
    expect(rows.length).toBeGreaterThan(100);
    const odd = rows.filter(({ cells: [rule = "", source = "", held = "", ...more] }) => {
      const sources = [...source.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
      const isNamed = sources.length > 0 && sources.every((path) => existsSync(join(ROOT, path)));
      const isHeld = /`tests\//.test(held) || held === "no test yet";
      return rule === "" || !isNamed || !isHeld || more.length > 0;
    });
    expect(odd).toEqual([]);
  });

  test("quotes words that stand in the test file beside them", () => {
    const odd = rows.flatMap(({ line, cells }) => quotesOf(cells[2] ?? "").flatMap(
      ({ path, words }) => {
        const text = existsSync(join(ROOT, path)) ? flat(read(path)) : "";
        return words.filter((word) => !text.includes(word))
          .map((word) => `line ${line}: ${path} has no "${word}"`);
      },
    ));
    expect(odd).toEqual([]);
  });
});

describe("docs/TWILIO.md", () => {
  test("names error codes that the program has", () => {
    const twiml = filesIn("protocol/twiml", ".ts").map(read).join("\n");
    const known = new Set(Object.values(ERRORS).map(({ code }) => String(code)));
    const codes = [...read("docs/TWILIO.md").matchAll(/(?<![\d.:/])([123]\d{4})(?![\d.])/g)]
      .map(([, code = ""]) => code);
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.filter((code) => !known.has(code) && !twiml.includes(code))).toEqual([]);
  });
});
