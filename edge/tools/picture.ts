// Pictures of text: who said what to whom, how loud a sound is over time, tables.

/** One message between two lanes, or a note at one when `from` is `to`. */
export interface Arrow {
  atMs: number;
  from: string;
  to: string;
  label: string;
}

const TIME_WIDTH = 10;
const LANE_WIDTH = 19;

/** A ladder of messages; lanes stand in the order given, messages in the order of their time. */
export function ladder(lanes: readonly string[], arrows: readonly Arrow[]): string[] {
  const place = (lane: string): number => TIME_WIDTH + lanes.indexOf(lane) * LANE_WIDTH;
  const width = TIME_WIDTH + (lanes.length - 1) * LANE_WIDTH + 1;
  const header: string[] = new Array(width + LANE_WIDTH).fill(" ");
  for (const lane of lanes) write(header, Math.max(0, place(lane) - lane.length / 2), lane);
  const lines = [header.join("").trimEnd()];
  for (const arrow of arrows.toSorted((a, b) => a.atMs - b.atMs)) {
    const line: string[] = new Array(width).fill(" ");
    for (const lane of lanes) line[place(lane)] = "│";
    write(line, 0, `${seconds(arrow.atMs).padStart(TIME_WIDTH - 3)} `);
    draw(line, place(arrow.from), place(arrow.to), arrow.label);
    lines.push(line.join("").trimEnd());
  }
  return lines;
}

function draw(line: string[], from: number, to: number, label: string): void {
  if (from === to) return write(line, from + 2, label);
  const left = Math.min(from, to);
  const room = Math.abs(to - from) - 1;
  const text = ` ${label.slice(0, room - 4)} `;
  const shaft = text.padStart((room - 1 + text.length) >> 1, "─").padEnd(room - 1, "─");
  write(line, left + 1, from < to ? `${shaft}>` : `<${shaft}`);
}

function write(line: string[], at: number, text: string): void {
  Array.from(text).forEach((character, i) => {
    line[Math.round(at) + i] = character;
  });
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

const LEVELS = " ▁▂▃▄▅▆▇█";
/** What fills the bar: loud speech in 16-bit samples, as a root mean square. */
const FULL_RMS = 8000;
/** Below this it is silence: G.711's own noise. */
const SILENT_RMS = 12;

/** How loud a sound is, one character for each `columnMs`. */
export function loudnessBar(
  sound: { sampleRate: number; samples: Int16Array }, columnMs: number,
): string {
  const length = Math.round((sound.sampleRate * columnMs) / 1000);
  let bar = "";
  for (let start = 0; start < sound.samples.length; start += length) {
    const part = sound.samples.subarray(start, start + length);
    const rms = Math.sqrt(part.reduce((sum, sample) => sum + sample * sample, 0) / part.length);
    // Hearing is nearer to the logarithm than to the amplitude.
    const level = Math.log(rms / SILENT_RMS) / Math.log(FULL_RMS / SILENT_RMS);
    const index = rms < SILENT_RMS ? 0 : Math.max(1, Math.round(level * (LEVELS.length - 1)));
    bar += LEVELS[Math.min(LEVELS.length - 1, index)];
  }
  return bar;
}

/** Columns as wide as their widest cell; the first row is the head, with a line below. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, Array.from(cell).length);
    });
  }
  const lines = rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd());
  lines.splice(1, 0, widths.map((width) => "─".repeat(width)).join("  "));
  return lines;
}
