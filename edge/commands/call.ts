// `siprec call`: a phone that calls, or waits to be called, plays a WAV and keeps what it hears.
import { decodeWav, encodeWav, type Sound } from "../../protocol/rtp/wav.ts";
import { parseUri } from "../../protocol/sip/uri.ts";
import { systemClock } from "../runtime/clock.ts";
import { absolutePath, readBytes, writeBytes } from "../runtime/files.ts";
import { writeStandardError, writeStandardOutput } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { onSignals } from "../runtime/signals.ts";
import { Phone } from "../tools/phone.ts";
import type { PhoneCall } from "../tools/phone-call.ts";
import { EXIT_FAILED, EXIT_FINE, processLog } from "./configured.ts";
import { FlagError, type Flags, withFlags } from "./flags.ts";

export const USAGE = `siprec call --to sip:… [--from sip:…] [--wav F] [--seconds N]
    [--out heard.wav] [--listen udp:127.0.0.1:5070,tcp:127.0.0.1:5070]
  siprec call --answer [--listen …] [--wav F] [--seconds N] [--out heard.wav]`;

const DEFAULT_LISTEN = "udp:127.0.0.1:0,tcp:127.0.0.1:0";
const ANSWER_LISTEN = "udp:127.0.0.1:5070,tcp:127.0.0.1:5070";
const USER = "phone";

export const run = (args: string[]): Promise<number> =>
  withFlags(args, {
    usage: USAGE, values: ["to", "from", "wav", "seconds", "listen", "out"], switches: ["answer"],
  }, (flags) => runPhone(flags, orderOf(flags)));

interface Order {
  /** null: wait to be called. */
  to: string | null;
  from: string | null;
  sound: Sound | null;
  /** After the answer; null: until the sound is over, or the other side hangs up. */
  seconds: number | null;
  out: string;
}

function orderOf(flags: Flags): Order {
  const to = flags.value("to");
  if ((to === null) === !flags.has("answer")) {
    throw new FlagError("one of --to and --answer is needed");
  }
  for (const name of ["to", "from"]) {
    const text = flags.value(name);
    if (text !== null && !parseUri(text).ok) {
      throw new FlagError(`--${name} is ${JSON.stringify(text)}; expected a SIP URI`);
    }
  }
  const seconds = flags.value("seconds");
  if (seconds !== null && !/^\d{1,6}(\.\d+)?$/.test(seconds)) {
    throw new FlagError(`--seconds is ${JSON.stringify(seconds)}; expected a number`);
  }
  return {
    to, from: flags.value("from"), sound: soundOf(flags.value("wav")),
    seconds: seconds === null ? null : Number(seconds),
    out: absolutePath(flags.value("out") ?? "heard.wav"),
  };
}

function soundOf(path: string | null): Sound | null {
  if (path === null) return null;
  const bytes = readBytes(path);
  if (bytes === null) throw new FlagError(`--wav: ${path} can't be read`);
  const read = decodeWav(bytes);
  if (!read.ok) throw new FlagError(`--wav: ${path}: ${read.reason}`);
  return read.sound;
}

async function runPhone(flags: Flags, order: Order): Promise<number> {
  const phone = new Phone({
    listen: flags.listen("listen", order.to === null ? ANSWER_LISTEN : DEFAULT_LISTEN),
    user: USER, clock: systemClock, random: systemRandom, log: processLog(),
  });
  const interrupted = new Promise<null>((resolve) => {
    onSignals({ onTerminate: () => resolve(null) });
  });
  try {
    await phone.start();
    const call = await (order.to === null ? waitForCall(phone, interrupted)
      : phone.call(order.to, order.from === null ? {} : { from: `<${order.from}>` }));
    if (call === null) return EXIT_FINE;
    if (order.to !== null) say(`calling ${order.to} from ${phone.uri}`);
    return await converse(call, order, interrupted);
  } catch (error) {
    writeStandardError(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  } finally {
    await phone.stop();
  }
}

function waitForCall(phone: Phone, interrupted: Promise<null>): Promise<PhoneCall | null> {
  say(`waiting for a call at ${phone.uri}`);
  const coming = new Promise<PhoneCall>((resolve) => {
    phone.onCall = (call) => {
      phone.onCall = (another) => another.reject(486);
      call.ring();
      call.answer();
      resolve(call);
    };
  });
  return Promise.race([coming, interrupted]);
}

async function converse(
  call: PhoneCall, order: Order, interrupted: Promise<null>,
): Promise<number> {
  void interrupted.then(() => call.hangUp());
  if (!await call.answered) {
    const { status, reason } = await call.ended;
    say(`not answered: ${status} ${reason}`);
    return EXIT_FAILED;
  }
  const startedAt = systemClock.monotonicMs();
  say("answered");
  const said = order.sound === null ? null : call.say(order.sound);
  if (order.seconds !== null) {
    systemClock.after(order.seconds * 1000, () => void call.hangUp());
  } else if (said !== null && order.to !== null) void said.then(() => call.hangUp());
  const end = await call.ended;
  const { counters, durationMs } = call.heard;
  writeBytes(order.out, encodeWav(call.heard.sound()));
  const seconds = ((systemClock.monotonicMs() - startedAt) / 1000).toFixed(1);
  say(`ended by ${end.by} after ${seconds} s: heard ${(durationMs / 1000).toFixed(1)} s, `
    + `${counters.packets} packets, ${counters.lost} lost, kept in ${order.out}`);
  if (call.digitsHeard !== "") say(`keys heard: ${call.digitsHeard}`);
  return EXIT_FINE;
}

const say = (text: string): void => writeStandardOutput(`${text}\n`);
