// Makes the call that another one dials: where it goes, who it says is calling.
import type { CallInput } from "../../actors/call-types.ts";
import type { CallsPortInput } from "../../actors/ports.ts";
import type { Trunk } from "../../schemas/config.ts";
import { callSidOf, hexText } from "../../schemas/sid.ts";
import { escapeUser, parseUri } from "../../protocol/sip/uri.ts";
import type { Clock, Random } from "../runtime/types.ts";
import type { Originate, OriginateResult } from "./calls.ts";
import { numberTarget, sipTarget } from "./routes.ts";
import type { TrunkLimits } from "./trunk-limits.ts";

export interface OriginateOptions {
  clock: Clock;
  random: Random;
  edgeNumber: number;
  sipHost: string;
  mediaTimeoutMs: number;
  trunks: readonly Trunk[];
  limits: TrunkLimits;
  isReady(): boolean;
  start(input: CallInput): void;
}

export function originate(
  options: OriginateOptions, parent: CallsPortInput, command: Originate,
): OriginateResult {
  const { target } = command;
  if (!options.isReady()) return { ok: false, code: 20503, message: "Dial: the edge is draining" };
  // RFC 3261 §16.3: a call that goes in circles ends.
  if (command.maxForwards < 0) return { ok: false, code: 13227, message: "Dial: too many hops" };
  const found = target.kind === "sip" ? sipTarget(target.uri)
    : numberTarget(options.trunks, parent.accountSid, target.number, (trunk) =>
      options.limits.hasRoom(trunk)
    );
  if (!found.ok) return found;
  const { random, clock } = options;
  const childSid = callSidOf(options.edgeNumber, random(15));
  if (found.trunk !== null) options.limits.take(found.trunk, childSid);
  const from = command.callerId ?? command.from;
  options.start({
    callSid: childSid,
    accountSid: parent.accountSid,
    parentCallSid: parent.callSid,
    direction: "outbound-dial",
    from,
    to: found.to,
    callerName: null,
    at: clock.wallMs(),
    sipHost: options.sipHost,
    seed: hexText(random(16)),
    codecs: command.codecs,
    mediaTimeoutMs: options.mediaTimeoutMs,
    mediaProcess: parent.mediaProcess,
    ringTimeoutMs: command.timeoutMs,
    maxForwards: command.maxForwards,
    leg: {
      role: "uac",
      route: found.route,
      from: fromValue(from, options.sipHost),
      headers: [
        { name: "X-Twilio-ApiVersion", value: "2010-04-01" },
        { name: "X-Twilio-AccountSid", value: parent.accountSid },
        { name: "X-Twilio-CallSid", value: childSid },
        ...found.headers,
      ],
      allow: found.allow,
    },
    document: null,
    params: {},
  });
  return { ok: true, childSid };
}

/** A number, or the user of a SIP URI, at our own host: the far side answers us, not the caller. */
export function fromValue(from: string, sipHost: string): string {
  const parsed = /^sips?:/i.test(from) ? parseUri(from) : null;
  // What is no URI after all is a name like any other: nothing of it may end our header early.
  const user = parsed?.ok === true ? parsed.uri.user ?? "" : from;
  if (user === "" || /^anonymous$/i.test(user)) {
    return "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
  }
  return `<sip:${parsed?.ok === true ? user : escapeUser(user)}@${sipHost}>`;
}
