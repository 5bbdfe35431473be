// What the demo verifies, by the audio itself and by what was said about it.
import {
  ABSENT_BELOW, findVoice, FOUND_FROM, type Match,
} from "../../protocol/audio/compare.ts";
import type { Sound } from "../../protocol/rtp/wav.ts";
import { metadataProblems } from "../../protocol/siprec/check.ts";
import { readMetadata } from "../../protocol/siprec/read.ts";
import { table } from "./picture.ts";
import type { StreamReceipt } from "./srs-stream.ts";

export interface Check {
  text: string;
  ok: boolean;
  /** What was found, where that is worth a word. */
  detail: string;
}

/** A recorded stream or what a phone heard, with the voice that should be in it. */
export interface Heard {
  /** "stream 1", "Bob's phone". */
  name: string;
  sound: Sound | null;
  expected: { name: string; voice: Sound };
  other: { name: string; voice: Sound };
  receipt: StreamReceipt | null;
}

export interface HeardVerdict extends Heard {
  match: Match;
  otherMatch: Match;
  ok: boolean;
}

/** Share of the voice's windows that must be found: a lost packet or two may spoil some. */
const COVERAGE_MIN = 0.9;
const SILENCE: Sound = { sampleRate: 8000, samples: new Int16Array(0) };

export function judge(heard: Heard): HeardVerdict {
  const match = findVoice(heard.sound ?? SILENCE, heard.expected.voice);
  const otherMatch = findVoice(heard.sound ?? SILENCE, heard.other.voice);
  const ok = match.score >= FOUND_FROM && match.coverage >= COVERAGE_MIN &&
    otherMatch.score < ABSENT_BELOW;
  return { ...heard, match, otherMatch, ok };
}

export function verdictTable(verdicts: readonly HeardVerdict[]): string[] {
  const percent = (score: number): string => `${(score * 100).toFixed(0)} %`;
  const head = [
    "what", "should be", "match", "found at", "other voice", "duration", "packets", "lost",
    "verdict",
  ];
  return table([head, ...verdicts.map((verdict) => {
    const { match, otherMatch, receipt, sound } = verdict;
    const length = sound === null ? 0 : sound.samples.length / sound.sampleRate;
    return [
      verdict.name, verdict.expected.name, percent(match.score),
      match.offsetMs === null ? "nowhere" : `${(match.offsetMs / 1000).toFixed(2)} s`,
      percent(otherMatch.score), `${length.toFixed(2)} s`,
      ...(receipt === null ? ["", ""] : [String(receipt.packets), String(receipt.lost)]),
      verdict.ok ? "ok" : "WRONG",
    ];
  })]);
}

/** Each document must be valid by itself, and the last one name both parties. */
export function metadataChecks(
  documents: readonly string[], labels: readonly string[], parties: readonly string[],
): Check[] {
  const faults: string[] = [];
  let named: string[] = [];
  for (const [index, xml] of documents.entries()) {
    const read = readMetadata(xml);
    if (!read.ok) {
      faults.push(`document ${index + 1}: ${read.reason}`);
      continue;
    }
    const problems = [...read.problems, ...metadataProblems(read.metadata, labels)];
    faults.push(...problems.map((problem) => `document ${index + 1}: ${problem}`));
    named = read.metadata.participants.flatMap(({ names }) => names.map(({ aor }) => aor));
  }
  const missing = parties.filter((party) => !named.some((aor) => aor.includes(party)));
  return [
    {
      text: `${documents.length} metadata documents are valid (RFC 7865)`,
      ok: documents.length > 0 && faults.length === 0, detail: faults.join("; "),
    },
    {
      text: "the last one names both parties", ok: missing.length === 0,
      detail: missing.length === 0 ? named.join(", ") : `it names ${named.join(", ") || "nobody"}`,
    },
  ];
}

export function checkLines(checks: readonly Check[]): string[] {
  return checks.map(({ text, ok, detail }) =>
    `${ok ? "ok   " : "WRONG"}  ${text}${detail === "" ? "" : `: ${detail}`}`);
}
