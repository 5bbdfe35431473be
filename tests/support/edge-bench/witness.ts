// Looks on: keeps a timeline of what the edge did, and names what must never happen
// (docs/ARCHITECTURE.md, "What must hold at all times").
import { FORK_SLOTS, slotsInUse } from "../../../actors/slots.ts";
import type { Log, LogFields } from "../../../edge/runtime/types.ts";
import type { CallRecord } from "../../../schemas/call.ts";
import type { FakeClock } from "../fake-clock.ts";
import type { Datagram } from "../fake-wire.ts";
import type { FakeApp } from "./app.ts";
import type { Draft, FakeMedia } from "./media.ts";
import type { MemoryStore } from "./store.ts";

const NAMES: Record<string, string> = {
  "192.0.2.1": "edge", "203.0.113.10": "caller", "203.0.113.20": "callee", "198.51.100.30": "srs",
  "198.51.100.31": "srs2", "198.18.0.66": "stranger",
};

const nameOf = (place: string): string => {
  const address = place.slice(0, place.lastIndexOf(":"));
  return NAMES[address] ?? address;
};

/** Our faults, whatever a scenario does. */
const NEVER_LOGGED = new Set(["call.broken", "sip.listener-failed", "call.not-restored"]);

export class Witness {
  /** "12 edge>srs INVITE", "14 srs>edge 200 INVITE", "15 fork 1 open", "20 siprec-started". */
  readonly timeline: string[] = [];
  readonly problems: string[] = [];
  readonly log: Log;
  readonly #clock: FakeClock;
  readonly #start: number;
  /** Call-IDs of recording sessions that we have acknowledged. */
  readonly #acked = new Set<string>();
  readonly #ended = new Map<string, string>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.#start = clock.monotonicMs();
    this.log = this.#logOf({});
  }

  watch({ media, app, store }: { media: FakeMedia; app: FakeApp; store: MemoryStore }): void {
    media.onProblem = (problem) => this.problem(problem);
    media.onChange = (_callSid, what) => this.#note(what);
    media.onOrder = (order) => this.#order(order);
    store.onProblem = (problem) => this.problem(problem);
    store.onRecord = (record) => this.#record(record);
    app.onCallback = ({ params }) => this.#note(params["SiprecEvent"] ?? "callback");
  }

  message({ from, to, text }: Datagram): void {
    const first = text.slice(0, text.indexOf("\r\n"));
    const method = /^CSeq: *[0-9]+ ([A-Z]+)/mi.exec(text)?.[1] ?? "?";
    const isRequest = !first.startsWith("SIP/2.0");
    const what = isRequest ? method : `${first.split(" ")[1]} ${method}`;
    this.#note(`${nameOf(from)}>${nameOf(to)} ${what}`);
    const callId = /^Call-ID: *(.*)$/mi.exec(text)?.[1]?.trim() ?? "";
    if (nameOf(from) === "edge" && method === "ACK") this.#acked.add(callId);
  }

  /** What passed between the edge and somebody, in words without times. */
  between(name: string): string[] {
    return this.timeline.flatMap((line) => {
      const [, who = "", ...what] = line.split(" ");
      if (who === `edge>${name}`) return [`> ${what.join(" ")}`];
      return who === `${name}>edge` ? [`< ${what.join(" ")}`] : [];
    });
  }

  /** Lines without their times, of which `pattern` is true. */
  matching(pattern: RegExp): string[] {
    return this.timeline.map((line) => line.slice(line.indexOf(" ") + 1))
      .filter((line) => pattern.test(line));
  }

  /** The time of the first line that fits; -1: there is none. */
  timeOf(pattern: RegExp): number {
    const line = this.timeline.find((one) => pattern.test(one));
    return line === undefined ? -1 : Number(line.slice(0, line.indexOf(" ")));
  }

  problem(problem: string): void {
    this.problems.push(`${this.#now()} ${problem}`);
  }

  /** After everything came to rest. */
  finish(records: readonly CallRecord[]): void {
    for (const { call, siprecs, told, outbox } of records) {
      if (call.endAt === null) this.problem(`${call.sid} has no end in its record`);
      if (outbox.length > 0) this.problem(`${call.sid} still has callbacks in its outbox`);
      for (const { sid, state, status, statusCallback } of siprecs) {
        if (state !== "stopped" && state !== "error") this.problem(`${sid} is left in ${state}`);
        if (status !== "stopped") this.problem(`${sid} shows ${status} at the end`);
        const last = told.filter((id) =>
          id === `${sid}:siprec-stopped` || id === `${sid}:siprec-error`);
        if (statusCallback !== null && last.length !== 1) {
          this.problem(`${sid} has ${last.length} terminal events`);
        }
      }
      if (new Set(told).size !== told.length) this.problem(`${call.sid} tells an event twice`);
    }
  }

  #record(record: CallRecord): void {
    const slots = slotsInUse(record.siprecs);
    if (slots > FORK_SLOTS) this.problem(`${slots} slots are in use`);
    const names = record.siprecs.filter(({ status }) => status === "in-progress")
      .flatMap(({ name }) => name ?? []);
    if (new Set(names).size !== names.length) this.problem(`a name is used twice: ${names}`);
    const { sid, status } = record.call;
    const ended = this.#ended.get(sid);
    if (ended !== undefined && ended !== status) this.problem(`${sid}: ${ended} became ${status}`);
    if (record.call.endAt !== null) this.#ended.set(sid, status);
    for (const session of record.siprecs) {
      const over = this.#ended.get(session.sid);
      if (over !== undefined && over !== session.state) {
        this.problem(`${session.sid}: ${over} became ${session.state}`);
      }
      if (session.state === "stopped" || session.state === "error") {
        this.#ended.set(session.sid, session.state);
      }
      const isError = session.state === "error";
      if (isError !== (session.fault !== null) && (isError || session.state === "stopped")) {
        this.problem(`${session.sid} ends in ${session.state} with fault ${session.fault?.code}`);
      }
    }
  }

  /** Nobody's audio goes to a recorder whose answer has not been acknowledged. */
  #order(order: Draft): void {
    if (order.forks.length > FORK_SLOTS) this.problem(`${order.forks.length} forks are ordered`);
    for (const { id, destination } of order.forks) {
      const siprecSid = id.slice(0, id.indexOf("."));
      const isAcked = [...this.#acked].some((callId) => callId.includes(siprecSid));
      if (destination !== null && !isAcked) this.problem(`fork ${id} is open before the ACK`);
    }
  }

  #note(what: string): void {
    this.timeline.push(`${this.#now()} ${what}`);
  }

  #now(): number {
    return this.#clock.monotonicMs() - this.#start;
  }

  #logOf(fields: LogFields): Log {
    const say = (level: string) => (event: string, more: LogFields = {}): void => {
      if (!NEVER_LOGGED.has(event)) return;
      this.problem(`${level} ${event} ${JSON.stringify({ ...fields, ...more })}`);
    };
    return {
      debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error"),
      with: (more) => this.#logOf({ ...fields, ...more }),
    };
  }
}
