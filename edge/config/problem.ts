// A mistake in the configuration: where it is, what came, what was expected. What is secret is
// never shown.

export interface Problem {
  /** As written in the file, `trunks[0].uri`, or the environment variable's name. */
  key: string;
  came: string;
  expected: string;
}

/** Collects the problems of one reading. */
export interface Findings {
  problems: Problem[];
  /** What is odd and does not keep the program from starting. */
  warnings: Problem[];
}

const SHOWN_MAX_CHARS = 60;
const SUGGESTION_EDITS_MAX = 3;

/** One line for a person. */
export const problemLine = (problem: Problem): string =>
  `${problem.key}: ${problem.came}; expected ${problem.expected}`;

/** A value as it may be shown: short, without secrets, without a URL's password and query. */
export function shownValue(value: unknown, secret = false): string {
  if (value === undefined) return "nothing is given";
  if (Array.isArray(value)) return `a list of ${value.length} is given`;
  if (typeof value === "object" && value !== null) return "a table is given";
  if (secret) return "a secret is given";
  if (typeof value !== "string") return `${String(value)} is given`;
  const plain = value.replace(/(\/\/|sips?:).*@/gis, "$1…@").replace(/\?.*/s, "?…");
  const short = plain.length > SHOWN_MAX_CHARS ? `${plain.slice(0, SHOWN_MAX_CHARS)}…` : plain;
  return `${JSON.stringify(short)} is given`;
}

/** The known word that was probably meant, if one is near. */
export function nearestWord(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Math.min(SUGGESTION_EDITS_MAX, Math.floor(word.length / 2)) + 1;
  for (const candidate of known) {
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

/** Levenshtein's distance, row by row. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
