// `siprec demo`: the whole product on this machine. Alice calls through the edge, the app's TwiML
// starts a recording and dials Bob, both speak, REST stops the recording; then the audio is judged.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeWav, encodeWav, type Sound } from "../../protocol/rtp/wav.ts";
import { systemClock } from "../runtime/clock.ts";
import { absolutePath, readBytes, writeBytes } from "../runtime/files.ts";
import { createLog, writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals } from "../runtime/signals.ts";
import { LANES, NUMBER, SIPREC_NAME, Stage } from "../tools/demo-stage.ts";
import {
  type Check, checkLines, type HeardVerdict, judge, metadataChecks, verdictTable,
} from "../tools/demo-verdict.ts";
import type { PhoneCall } from "../tools/phone-call.ts";
import { ladder, loudnessBar, seconds } from "../tools/picture.ts";
import type { SrsSession } from "../tools/srs-session.ts";
import { EXIT_FAILED, EXIT_FINE } from "./configured.ts";
import { type Flags, withFlags } from "./flags.ts";

export const USAGE = "siprec demo [--keep] [--out recordings/demo-…]";

const STEP_MAX_MS = 10_000;
/** Bob lets it ring this long; he starts to speak this long after Alice, into her sentence. */
const RING_MS = 1200;
const INTERRUPT_MS = 2500;
const BREATH_MS = 300;
const COLUMN_MS = 200;

export const run = (args: string[]): Promise<number> =>
  withFlags(args, { usage: USAGE, values: ["out"], switches: ["keep"] }, play);

interface Talk {
  out: PhoneCall;
  into: PhoneCall;
  session: SrsSession;
}

async function play(flags: Flags): Promise<number> {
  const startedAt = systemClock.monotonicMs();
  const time = new Date(systemClock.wallMs()).toISOString().slice(0, 19).replaceAll(":", "-");
  const folder = absolutePath(flags.value("out") ?? join("recordings", `demo-${time}`));
  const dataFolder = mkdtempSync(join(tmpdir(), "siprec-demo-"));
  const tell = (who: string, text: string): void =>
    say(`${seconds(systemClock.monotonicMs() - startedAt).padStart(9)}  ${who.padEnd(9)} ${text}`);
  const stage = new Stage({
    clock: systemClock, random: systemRandom, folder, dataFolder, tell,
    mainPath: join(import.meta.dir, "..", "main.ts"),
    log: createLog({
      json: false, level: "warn", write: writeStandardError, wallMs: systemClock.wallMs,
    }),
  });
  const wish = Promise.withResolvers<"stop">();
  onSignals({ onTerminate: () => wish.resolve("stop") });
  let ok = false;
  try {
    const shown = await Promise.race([show(stage, folder, tell), wish.promise]);
    if (shown === "stop") say("\nInterrupted.");
    else if (flags.has("keep")) await keep(stage, wish.promise);
    ok = shown === true;
  } catch (error) {
    say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    if (stage.edge !== null) say(`The edge's log is ${stage.edge.logPath}`);
  }
  const code = await stage.close();
  rmSync(dataFolder, { recursive: true, force: true });
  if (stage.edge !== null) tell("edge", code === 0 ? "has ended" : `ended with ${code}`);
  return ok && code === 0 ? EXIT_FINE : EXIT_FAILED;
}

type Tell = (who: string, text: string) => void;

async function show(stage: Stage, folder: string, tell: Tell): Promise<boolean> {
  await stage.build();
  const talk = await connect(stage, tell);
  await converse(stage, talk, tell);
  const checks = await finish(stage, talk, tell);
  return report(stage, talk, checks, folder);
}

/** Alice calls, Bob answers, the recorder is there and knows them both. */
async function connect(stage: Stage, tell: Tell): Promise<Talk> {
  let into: PhoneCall | null = null;
  stage.bob.onCall = (call) => {
    into = call;
    stage.arrow("edge", "Bob", "INVITE");
    call.ring();
    stage.arrow("Bob", "edge", "180");
    tell("Bob", "it rings");
    systemClock.after(RING_MS, () => {
      call.answer();
      stage.arrow("Bob", "edge", "200");
      tell("Bob", "answers");
      stage.changed();
    });
  };
  stage.begin();
  stage.arrow("Alice", "edge", "INVITE");
  tell("Alice", `calls ${NUMBER}`);
  const target = `sip:${NUMBER}@127.0.0.1:${stage.edge?.sipPort ?? 0}`;
  const out = await stage.alice.call(target, { from: `"Alice" <${stage.alice.uri}>` });
  void out.answered.then((answered) => {
    if (answered) stage.arrow("edge", "Alice", "200");
    tell("Alice", answered ? "is connected to the edge" : "was not answered");
    stage.changed();
  });
  void out.ended.then(() => stage.changed());
  const isUp = (): boolean => {
    if (out.state === "ended") throw new Error("Alice's call ended before Bob was there");
    return out.state === "answered" && into?.state === "answered";
  };
  await stage.until("both phones to be connected", STEP_MAX_MS, isUp);
  await stage.until("the recorder to learn of Bob", STEP_MAX_MS, () =>
    stage.srs?.live.some((session) => session.documents.length > 1) === true);
  const session = stage.srs?.live[0];
  if (session === undefined || into === null) throw new Error("there is no recording");
  return { out, into, session };
}

async function converse(stage: Stage, { out, into }: Talk, tell: Tell): Promise<void> {
  const { alice, bob } = stage.voices;
  // Nobody speaks in the moment of the answer: the phones are bridged only then.
  await pause(BREATH_MS);
  tell("Alice", "speaks");
  stage.arrow("Alice", "Bob", "voice, recorded as stream 1");
  const first = out.say(alice);
  await pause(INTERRUPT_MS);
  tell("Bob", "speaks too, while she does");
  stage.arrow("Bob", "Alice", "voice, recorded as stream 2");
  await Promise.all([first, into.say(bob)]);
  // What was said last is still on its way.
  await pause(BREATH_MS);
}

/** REST stops the recording, the call goes on, Alice hangs up. */
async function finish(stage: Stage, { out, into, session }: Talk, tell: Tell): Promise<Check[]> {
  stage.arrow("app", "edge", "POST Status=stopped");
  const stopped = await rest(stage, `/Siprec/${SIPREC_NAME}.json`, { Status: "stopped" });
  tell("REST", `POST …/Siprec/${SIPREC_NAME}.json Status=stopped: `
    + `${stopped.status}, status ${JSON.stringify(stopped.body["status"])}`);
  const isOver = (): boolean => session.endedAt !== null;
  await stage.until("the recording to end", STEP_MAX_MS, isOver);
  const events = (): string[] => stage.callbacks.slice(1).map(eventOf);
  await stage.until("the callback siprec-stopped", STEP_MAX_MS, () =>
    events().includes("siprec-stopped"));
  const alive = out.state === "answered" && into.state === "answered";
  tell("Alice", "hangs up");
  stage.arrow("Alice", "edge", "BYE");
  await out.hangUp();
  await stage.until("Bob to be told", STEP_MAX_MS, () => into.state === "ended");
  stage.arrow("edge", "Bob", "BYE");
  tell("Bob", "is told that it is over");
  const call = await rest(stage, ".json", null);
  return [
    { text: "REST stops the recording", ok: stopped.status === 200 &&
      stopped.body["status"] === "stopped", detail: "" },
    { text: "the call goes on without it", ok: alive, detail: "" },
    { text: "callbacks come in order, each once",
      ok: events().join() === "siprec-started,siprec-stopped", detail: events().join(", ") },
    { text: "every request to the app is signed",
      ok: stage.callbacks.every(({ signed }) => signed), detail: "" },
    { text: "the call's resource says completed", ok: call.body["status"] === "completed",
      detail: `${String(call.body["duration"])} s` },
  ];
}

const eventOf = ({ params }: { params: Readonly<Record<string, string>> }): string =>
  params["SiprecEvent"] ?? params["StatusCallbackEvent"] ?? "";

async function rest(
  stage: Stage, path: string, form: Record<string, string> | null,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { sid, authToken } = stage.account;
  const calls = `${stage.edge?.httpUrl ?? ""}/2010-04-01/Accounts/${sid}/Calls`;
  const response = await fetch(`${calls}/${stage.callSid}${path}`, {
    method: form === null ? "GET" : "POST",
    headers: { Authorization: `Basic ${btoa(`${sid}:${authToken}`)}` },
    ...(form === null ? {} : { body: new URLSearchParams(form) }),
  });
  const body: unknown = await response.json();
  const isObject = typeof body === "object" && body !== null;
  return { status: response.status, body: isObject ? { ...body } : {} };
}

/** The picture, the verdict, and where everything lies. */
function report(
  stage: Stage, { out, into, session }: Talk, checks: Check[], folder: string,
): boolean {
  const { alice, bob } = stage.voices;
  const [first, second] = [{ name: "Alice", voice: alice }, { name: "Bob", voice: bob }];
  const [asAlice, asBob] = [
    { expected: first, other: second }, { expected: second, other: first },
  ];
  const heard = (who: string, call: PhoneCall) => ({
    name: `${who} heard`, sound: keepSound(folder, `heard-by-${who.toLowerCase()}`, call),
    receipt: null,
  });
  const stream = (label: string) => ({
    name: `stream ${label}`, sound: recorded(session.folder, label),
    receipt: session.streams.find((one) => one.label === label) ?? null,
  });
  const verdicts: HeardVerdict[] = [
    { ...stream("1"), ...asAlice }, { ...stream("2"), ...asBob },
    { ...heard("Bob", into), ...asAlice }, { ...heard("Alice", out), ...asBob },
  ].map(judge);
  const all = [
    ...checks,
    ...metadataChecks(session.documents, ["1", "2"], ["alice", "bob"]),
    { text: "the recorder has nothing to complain of", ok: session.problems.length === 0,
      detail: session.problems.join("; ") },
  ];
  say(["", ...ladder(LANES, stage.arrows), ""].join("\n"));
  for (const { name, sound, receipt } of verdicts) {
    if (receipt !== null && sound !== null) say(`${name}  ${loudnessBar(sound, COLUMN_MS)}`);
  }
  say(["", ...verdictTable(verdicts), "", ...checkLines(all), ""].join("\n"));
  const ok = verdicts.every((verdict) => verdict.ok) && all.every((check) => check.ok);
  say(`recording  ${session.folder ?? "none"}`);
  say(`phones     ${join(folder, "heard-by-alice.wav")}, heard-by-bob.wav`);
  say(`edge log   ${stage.edge?.logPath ?? ""}`);
  say(ok ? "\nVerified: each recorded stream is the right party's voice.\n"
    : "\nNOT verified: see above.\n");
  return ok;
}

/** As it lies on the disk: that is what a user would look at. */
function recorded(folder: string | null, label: string): Sound | null {
  const bytes = folder === null ? null : readBytes(join(folder, `${label}.wav`));
  const read = bytes === null ? null : decodeWav(bytes);
  return read?.ok === true ? read.sound : null;
}

function keepSound(folder: string, name: string, call: PhoneCall): Sound {
  const sound = call.heard.sound();
  writeBytes(join(folder, `${name}.wav`), encodeWav(sound));
  return sound;
}

async function keep(stage: Stage, stopWish: Promise<unknown>): Promise<void> {
  const { sid, authToken } = stage.account;
  const target = `sip:${NUMBER}@127.0.0.1:${stage.edge?.sipPort ?? 0}`;
  say(`Kept running until Ctrl-C: call ${target}, or ask\n`
    + `  curl -u ${sid}:${authToken} `
    + `${stage.edge?.httpUrl ?? ""}/2010-04-01/Accounts/${sid}/Calls/${stage.callSid}.json`);
  await stopWish;
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => void systemClock.after(ms, resolve));

const say = (text: string): void => writeStandardOutput(`${text}\n`);
