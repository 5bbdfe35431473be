// Reads TypeScript as text, as far as rules about the code need it: no parser, but comments,
// strings and patterns are told from code.

/** A slash after one of these begins a regular expression, not a division. */
const BEFORE_PATTERN = /(?:^|[(,=:[!&|?{};+*%~^<>-]|\b(?:return|typeof|case|in|of))\s*$/;

/** The text with the insides of comments, strings and regular expressions blanked. */
export function codeOnly(text: string): string {
  let code = "";
  let at = 0;
  /** Depth of braces within each template that is open. */
  const templates: number[] = [];
  const skip = (end: number): void => {
    code += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text.charAt(at);
    const depth = templates.at(-1);
    if (two === "//") skip(lineEnd(text, at));
    else if (two === "/*") skip(after(text, "*/", at + 2));
    else if (one === '"' || one === "'") skip(quoteEnd(text, at));
    else if (one === "/" && BEFORE_PATTERN.test(code.slice(-80))) skip(patternEnd(text, at));
    else if (one === "`" || one === "}" && depth === 0) {
      if (one === "}") templates.pop();
      const end = templateEnd(text, at + 1);
      if (text.charAt(end - 1) === "{") templates.push(0);
      skip(end);
    } else {
      if (depth !== undefined && one === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && one === "}") templates[templates.length - 1] = depth - 1;
      code += one;
      at += 1;
    }
  }
  return code;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

function after(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end + mark.length;
}

function quoteEnd(text: string, from: number): number {
  const quote = text.charAt(from);
  for (let at = from + 1; at < text.length; at += 1) {
    if (text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === quote) return at + 1;
  }
  return text.length;
}

function patternEnd(text: string, from: number): number {
  let inClass = false;
  for (let at = from + 1; at < text.length; at += 1) {
    const one = text.charAt(at);
    if (one === "\\") at += 1;
    else if (one === "[") inClass = true;
    else if (one === "]") inClass = false;
    else if (one === "/" && !inClass) return at + 1;
  }
  return text.length;
}

/** To behind the closing backtick, or behind the `${` that comes before it. */
function templateEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    if (text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === "`") return at + 1;
    else if (text.startsWith("${", at)) return at + 2;
  }
  return text.length;
}

const IMPORT = new RegExp(
  "^\\s*(?:import|export)\\b[^\"'`;]*?\\bfrom\\s*\"([^\"]+)\"|" +
    "^\\s*import\\s*\"([^\"]+)\"|\\bimport\\(\\s*\"([^\"]+)\"",
  "gm",
);

/** What a module imports, types included, as written. */
export function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].flatMap(([, from, bare, dynamic]) =>
    from ?? bare ?? dynamic ?? []
  );
}

export interface FunctionText {
  /** Of its first line, counted from 1. */
  line: number;
  lines: number;
  head: string;
}

const FUNCTION_HEAD = /^\s*(?:export )?(?:async )?function\b|=> \(?\{$/;
const METHOD_HEAD = /^  (?:(?:static|async|get|set|private) )*[#\w]+(?:<[^>]*>)?\(/;

/** Functions whose body is a block; told by the indentation that the style asks for. */
export function functionsOf(text: string): FunctionText[] {
  const lines = text.split("\n");
  return lines.flatMap((head, index) => {
    if (!FUNCTION_HEAD.test(head) && !METHOD_HEAD.test(head)) return [];
    const indent = /^ */.exec(head)?.[0] ?? "";
    const closing = new RegExp(`^${indent}\\}[;,)\\]]*$`);
    const end = lines.findIndex((line, at) => at > index && closing.test(line));
    const next = lines.findIndex((line, at) => at > index && line.startsWith(indent) &&
      line !== "" && !/^[\s)}\]]/.test(line.slice(indent.length)));
    // A head whose lines end before a closing brace of its own is no block: a call, an overload.
    return end < 0 || next >= 0 && next < end ? []
      : [{ line: index + 1, lines: end - index + 1, head: head.trim() }];
  });
}
