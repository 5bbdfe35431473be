// `siprec srs`: a session recording server to try and test with.
import { systemClock } from "../runtime/clock.ts";
import { absolutePath } from "../runtime/files.ts";
import { writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals } from "../runtime/signals.ts";
import { Srs } from "../tools/srs.ts";
import type { SrsBehaviour } from "../tools/srs-options.ts";
import type { SrsSession } from "../tools/srs-session.ts";
import { EXIT_FAILED, EXIT_FINE, processLog } from "./configured.ts";
import { FlagError, type Flags, withFlags } from "./flags.ts";

export const USAGE = `siprec srs [--listen udp:127.0.0.1:5090,tcp:127.0.0.1:5090] [--out recordings]
    [--answer 486] [--silent] [--inactive] [--snapshot-after 5s] [--bye-after 5s]`;

const DEFAULT_LISTEN = "udp:127.0.0.1:5090,tcp:127.0.0.1:5090";

export const run = (args: string[]): Promise<number> =>
  withFlags(args, {
    usage: USAGE,
    values: ["listen", "out", "answer", "snapshot-after", "bye-after"],
    switches: ["silent", "inactive"],
  }, serve);

async function serve(flags: Flags): Promise<number> {
  const out = absolutePath(flags.value("out") ?? "recordings");
  const srs = new Srs({
    listen: flags.listen("listen", DEFAULT_LISTEN), out, behaviour: behaviourOf(flags),
    clock: systemClock, random: systemRandom, log: processLog(),
  });
  srs.onStarted = (session) => say(`recording ${session.callId} begins`);
  srs.onEnded = sayEnd;
  const stopped = new Promise<void>((resolve) => onSignals({ onTerminate: () => resolve() }));
  try {
    await srs.start();
  } catch (error) {
    writeStandardError(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  }
  const places = srs.listening().map(({ transport, address, port }) =>
    `${transport}:${address}:${port}`);
  say(`listening on ${places.join(" ")}, recordings go to ${out}`);
  await stopped;
  await srs.stop();
  return EXIT_FINE;
}

function behaviourOf(flags: Flags): SrsBehaviour {
  const answer = flags.value("answer");
  if (answer !== null && !/^[3-6][0-9]{2}$/.test(answer)) {
    throw new FlagError(`--answer is ${JSON.stringify(answer)}; expected a status from 300 to 699`);
  }
  return {
    answer: answer === null ? null : Number(answer),
    silent: flags.has("silent"),
    inactive: flags.has("inactive"),
    snapshotAfterMs: flags.durationMs("snapshot-after"),
    byeAfterMs: flags.durationMs("bye-after"),
  };
}

function sayEnd(session: SrsSession): void {
  const streams = session.streams.map(({ label, packets, lost, durationMs }) =>
    `${label}: ${(durationMs / 1000).toFixed(1)} s, ${packets} packets, ${lost} lost`);
  say(`recording ${session.callId} ended by ${session.endedBy}: ${streams.join("; ")}`);
  for (const problem of session.problems) say(`  problem: ${problem}`);
  say(`  ${session.folder ?? "nothing was written"}`);
}

const say = (text: string): void => writeStandardOutput(`${text}\n`);
