// A random walk over a call and its sessions: the world answers, refuses, crosses and vanishes as
// chance will have it, and after each event what must hold at all times is looked at.
import type { SipCommand, SipFact } from "../../actors/ports.ts";
import type { SipRequest } from "../../protocol/sip/message.ts";
import { METADATA_TYPE } from "../../protocol/siprec/body.ts";
import {
  appliedFact, callerRequest, CHILD_SID, dialledCall, inboundCall, peerFlow, peerResponse,
  phoneSdp, recorderAnswer, recorderRequest, recorderTarget, siprecOrder, siprecSid,
} from "../support/machine-samples.ts";
import { MachineWorld } from "../support/machine-world.ts";
import type { Seeded } from "../support/seeded.ts";
import { check, checkSessions, checkSlots, RecordWatch, storedAndRead } from "./invariants.ts";

type SendRequest = Extract<SipCommand, { type: "send.request" }>;

/** A transaction of ours that the peer has not ended. */
interface Open {
  who: string;
  command: SendRequest;
  isCancelled: boolean;
  toTag: string;
}

/** A dialog that a recorder's or a phone's 2xx opened. */
interface Accepted {
  who: string;
  invite: SipRequest;
  toTag: string;
  cseq: number;
  acked: boolean;
  ended: boolean;
}

/** RFC 7866 §9.2: the recorder wants a complete snapshot. */
const SNAPSHOT_PLEASE = '<?xml version="1.0" encoding="UTF-8"?>' +
  '<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1"/>';

const DOCUMENT = "<Response><Pause length=\"1\"/><Dial>+15550077</Dial></Response>";

export class Walk {
  readonly world: MachineWorld;
  readonly visited = new Set<string>();
  readonly trail: string[] = [];
  readonly #random: Seeded;
  readonly #isInbound: boolean;
  readonly #open: Open[] = [];
  readonly #accepted: Accepted[] = [];
  #saidSeen = 0;
  #ordersSeen = 0;
  #applied = -1;
  #sessions = 0;
  #cseq = 1;
  readonly #records = new RecordWatch();
  isRestored = false;

  constructor(random: Seeded) {
    this.#random = random;
    this.#isInbound = random.below(3) > 0;
    this.world = new MachineWorld(this.#isInbound ? inboundCall(DOCUMENT) : dialledCall());
    this.world.orderOf = () => siprecOrder(++this.#sessions);
    this.#look();
  }

  get isOver(): boolean {
    return this.world.actor.getSnapshot().status === "done";
  }

  /** One event of the world's choice. */
  step(): void {
    const moves = this.#moves();
    this.#do(this.#random.pick(moves));
  }

  /** From here on everybody behaves; the call is hung up and must come to its end. */
  finish(): void {
    this.#do(["hang up", () => this.world.actor.send({
      type: "call.hangup", reason: "stop", at: this.world.tick(),
    })]);
    for (let round = 0; round < 100 && !this.isOver; round += 1) {
      const move = this.#kindMove();
      if (move === null) break;
      this.#do(move);
    }
    check(this.isOver, `the call is stuck in ${this.world.state}`);
    check(this.world.deadlines.size === 0, "a deadline is left");
    check(this.world.ports.size === 0, "a port is left");
    const last = this.world.orders.at(-1);
    check(last?.endpoint === null && last.forks.length === 0, "the media are not given back");
    for (const { sid } of this.world.context.sessions) {
      const told = this.#records.told.filter((id) => id.startsWith(sid));
      const ends = told.filter((id) => !id.endsWith("siprec-started"));
      check(ends.length === 1, `${sid} has ${ends.length} ends`);
    }
    // What a new process can't know any more it can't end either.
    if (this.isRestored) return;
    for (const one of this.#accepted) {
      check(one.acked, `a 2xx of ${one.who} has no ACK`);
      check(one.ended, `a dialog of ${one.who} was never ended`);
    }
  }

  #do([name, run]: Move): void {
    this.trail.push(name);
    run();
    this.#look();
  }

  #moves(): Move[] {
    const { world } = this;
    const moves: Move[] = [];
    for (const open of this.#open) moves.push(...this.#answers(open));
    for (const one of this.#accepted) {
      if (one.who !== "leg" && !one.ended) moves.push(...this.#recorderSays(one));
    }
    if (this.#isInbound) moves.push(...this.#callerSays());
    for (const deadline of world.deadlines) moves.push(["deadline", deadline.fire]);
    if (this.#ordersSeen < world.orders.length) {
      moves.push(["media applied", () => this.#apply()], ["media applied", () => this.#apply()]);
      if (this.#random.chance(8)) moves.push(["media failed", () => this.#failMedia()]);
    }
    moves.push(...this.#orders());
    return moves;
  }

  #orders(): Move[] {
    const { world } = this;
    const one = siprecSid(1 + this.#random.below(Math.max(1, this.#sessions)));
    const send = world.actor.send.bind(world.actor);
    const dialled = world.calls.some(({ type }) => type === "call.originate");
    const moves: Move[] = [
      ["start", () => this.#start()],
      ["stop", () => send({ type: "siprec.stop", siprecSid: one, at: world.tick() })],
      ["stalled", () => send({
        type: "media.fork.stalled", callSid: world.context.callSid, id: `${one}.1`,
        at: world.tick(),
      })],
    ];
    if (dialled) {
      moves.push(
        ["child made", () =>
          send({ type: "child.created", childSid: CHILD_SID, at: world.tick() })],
        ["child rings", () => send({
          type: "child.ringing", childSid: CHILD_SID, hearable: true, at: world.tick(),
        })],
        ["child answers", () => send({
          type: "child.answered", childSid: CHILD_SID, to: "+15550077", at: world.tick(),
        })],
      );
      if (this.#random.chance(6)) {
        moves.push(["child ends", () => send({
          type: "child.ended", childSid: CHILD_SID, status: "busy", at: world.tick(),
        })]);
      }
    }
    if (this.#random.chance(25)) moves.push(["restore", () => this.#restore()]);
    if (this.#random.chance(25)) {
      moves.push(["no audio", () => send({
        type: "media.timeout", callSid: world.context.callSid, at: world.tick(),
      })]);
    }
    return moves;
  }

  #start(): void {
    const track = this.#random.pick(["inbound_track", "outbound_track", "both_tracks"] as const);
    const targets = ["a", "b", "c"].slice(0, 1 + this.#random.below(3)).map(recorderTarget);
    this.#sessions += 1;
    this.world.actor.send({
      type: "siprec.start", at: this.world.tick(),
      order: siprecOrder(this.#sessions, {
        track, targets, name: this.#random.pick([null, "one", "two"]),
        fault: this.#random.chance(12) ? { code: 31942, message: "no such connector" } : null,
      }),
    });
  }

  /** What the peer may make of a request of ours. */
  #answers(open: Open): Move[] {
    const { command } = open;
    const { method } = command.request;
    const end = (name: string, run: () => void): Move => [`${open.who} ${command.id} ${name}`, run];
    const moves = [
      end("486", () => this.#respond(open, 486)),
      ...this.#random.chance(3) ? [end("timeout", () => this.#fail(open, "timeout"))] : [],
    ];
    if (method === "BYE") return [...moves, end("200", () => this.#respond(open, 200))];
    moves.push(end("200", () => this.#accept(open)), end("200", () => this.#accept(open)));
    const isFirst = command.id.startsWith("invite");
    if (isFirst) {
      moves.push(
        end("100", () => this.#respond(open, 100)), end("180", () => this.#respond(open, 180)),
        end("unreachable", () => this.#fail(open, "transport")),
        end("200 refusing a stream", () => this.#accept(open, true)),
        end("two answers", () => this.#acceptTwice(open)),
      );
      if (open.isCancelled) moves.push(end("487", () => this.#respond(open, 487)));
    } else {
      moves.push(...[1, 2].map(() => end("491", () => this.#respond(open, 491))));
      if (this.#random.chance(3)) moves.push(end("481", () => this.#respond(open, 481)));
    }
    return moves;
  }

  #respond(open: Open, status: number, toTag = open.toTag, body: string | null = null): void {
    const response = peerResponse(open.command.request, status, toTag, body);
    if (status >= 200) this.#close(open);
    // RFC 3261 §12.2.1.2: the dialog is gone; nothing more is said in it.
    if (status === 481) {
      for (const each of this.#ofDialog(open.who, open.command.request)) each.ended = true;
    }
    this.#tell(open.who, {
      type: "sip.response", id: open.command.id, response, flow: peerFlow, at: this.world.tick(),
    });
  }

  #fail(open: Open, reason: "timeout" | "transport"): void {
    this.#close(open);
    this.#tell(open.who, {
      type: "sip.failed", id: open.command.id, reason, message: "gone", at: this.world.tick(),
    });
  }

  #close(open: Open): void {
    if (this.#open.includes(open)) this.#open.splice(this.#open.indexOf(open), 1);
  }

  #accept(open: Open, refuses = false, toTag = open.toTag): void {
    const { request, id } = open.command;
    const answer = open.who === "leg" ? phoneSdp() : recorderAnswer(request, [true, !refuses]);
    // What comes to a machine that has left is its port's to end.
    if (id.startsWith("invite") && this.world.ports.has(open.who)) {
      this.#accepted.push({
        who: open.who, invite: request, toTag, cseq: 1, acked: false, ended: false,
      });
    }
    this.#respond(open, 200, toTag, answer);
  }

  /** RFC 3261 §13.2.2.4: two branches of a fork answer. */
  #acceptTwice(open: Open): void {
    this.#accept(open);
    this.#look();
    this.#accept(open, false, `${open.toTag}-too`);
  }

  #recorderSays(one: Accepted): Move[] {
    const says = (method: string, body: string | null = null): Move => [
      `${one.who} ${method}`, () => {
        one.cseq += 1;
        if (method === "BYE") one.ended = true;
        this.#toSession(one.who, recorderRequest(one.invite, one.toTag, {
          method, cseq: one.cseq, body, contentType: METADATA_TYPE,
        }));
      },
    ];
    const moves = [says("OPTIONS"), says("UPDATE", SNAPSHOT_PLEASE), says("INVITE")];
    return this.#random.chance(6) ? [...moves, says("BYE")] : moves;
  }

  #toSession(who: string, request: SipRequest): void {
    this.world.actor.send({
      type: "siprec.sip", siprecSid: who,
      fact: {
        type: "sip.request", request, flow: peerFlow, transactionId: `tx-${request.method}`,
        at: this.world.tick(),
      },
    });
  }

  #callerSays(): Move[] {
    const { world } = this;
    const { leg } = world.context;
    const says = (method: string, body: string | null = null): Move => [`caller ${method}`, () => {
      if (method !== "ACK") this.#cseq += 1;
      world.actor.send({
        type: "sip.request", flow: peerFlow, at: world.tick(),
        request: callerRequest({ method, cseq: this.#cseq, body }),
        transactionId: method === "ACK" ? null : `tx-${method}`,
      });
    }];
    if (!leg.answered) {
      return this.#random.chance(12)
        ? [["caller CANCEL", () => world.actor.send({ type: "sip.cancelled", at: world.tick() })]]
        : [];
    }
    const moves: Move[] = [];
    if (!leg.acked) {
      moves.push(says("ACK"), says("ACK"));
      if (this.#random.chance(8)) {
        moves.push(["no ACK", () => world.actor.send({
          type: "sip.unacknowledged", at: world.tick(),
        })]);
      }
    }
    moves.push(says("INVITE", phoneSdp(this.#cseq, "sendonly")), says("OPTIONS"), says("ACK"));
    return this.#random.chance(15) ? [...moves, says("BYE")] : moves;
  }

  #apply(): void {
    const order = this.world.orders.at(-1);
    if (order === undefined) return;
    this.#ordersSeen = this.world.orders.length;
    const before = this.#applied < 0 ? [] : this.world.orders[this.#applied]?.forks ?? [];
    const gone = before.map(({ id }) => id)
      .filter((id) => !order.forks.some((fork) => fork.id === id));
    this.#applied = this.world.orders.length - 1;
    this.world.actor.send(appliedFact(order, this.world.tick(), gone));
  }

  #failMedia(): void {
    const order = this.world.orders.at(-1);
    if (order === undefined) return;
    this.#ordersSeen = this.world.orders.length;
    this.world.actor.send({
      type: "media.failed", revision: order.revision, code: "PORTS_EXHAUSTED",
      message: "no port is free", at: this.world.tick(),
    });
  }

  #restore(): void {
    const unpacked = storedAndRead(this.world);
    this.isRestored = true;
    // The transactions were the old process's; what comes back for them finds nobody.
    this.#open.splice(0);
    this.#saidSeen = this.world.said.length;
    this.world.restore(unpacked);
  }

  #tell(who: string, fact: SipFact): void {
    this.world.ports.get(who)?.tell(fact);
  }

  /** The next thing that well-behaved others would do. */
  #kindMove(): Move | null {
    const [open] = this.#open;
    if (open !== undefined) {
      return [`${open.who} ${open.command.id} ends`, () => {
        this.#respond(open, open.command.request.method === "BYE" ? 200 : 487);
      }];
    }
    if (this.#ordersSeen < this.world.orders.length) return ["applied", () => this.#apply()];
    const { leg } = this.world.context;
    if (this.#isInbound && leg.answered && !leg.acked) {
      return this.#callerSays().find(([name]) => name === "caller ACK") ?? null;
    }
    const deadline = [...this.world.deadlines][0];
    return deadline === undefined ? null : ["deadline", deadline.fire];
  }

  /** Takes note of what was said, and checks what must hold at all times. */
  #look(): void {
    this.#hear();
    const { world } = this;
    const { context } = world;
    this.visited.add(`call ${world.state}`);
    for (const [, { state }] of world.sessions()) this.visited.add(`siprec ${state}`);
    for (const { state } of context.sessions) this.visited.add(`siprec ${state}`);
    checkSlots(world);
    checkSessions(world);
    const acked = this.#accepted.filter((each) => each.acked).map(({ who }) => who);
    this.#records.look(world, acked, this.#random.chance(3));
    if (!this.isOver) storedAndRead(world);
  }

  #hear(): void {
    const { said } = this.world;
    for (; this.#saidSeen < said.length; this.#saidSeen += 1) {
      const one = said[this.#saidSeen];
      if (one === undefined) return;
      const { who, command } = one;
      if (command.type === "send.request") {
        this.#open.push({ who, command, isCancelled: false, toTag: `t${this.#saidSeen}` });
        if (command.request.method === "BYE") this.#ended(who, command.request);
      }
      if (command.type === "send.cancel") {
        const open = this.#open.find((each) => each.who === who && each.command.id === command.id);
        if (open !== undefined) open.isCancelled = true;
      }
      if (command.type === "send.ack") {
        for (const each of this.#ofDialog(who, command.request)) each.acked = true;
      }
    }
  }

  #ofDialog(who: string, request: SipRequest): Accepted[] {
    const to = request.headers.find(({ name }) => name === "To")?.value ?? "";
    const callId = request.headers.find(({ name }) => name === "Call-ID")?.value;
    return this.#accepted.filter((each) => each.who === who && to.endsWith(`tag=${each.toTag}`) &&
      each.invite.headers.some(({ name, value }) => name === "Call-ID" && value === callId));
  }

  #ended(who: string, bye: SipRequest): void {
    for (const each of this.#ofDialog(who, bye)) {
      check(!each.ended || this.isRestored, `${who} was sent BYE in a dialog that had ended`);
      each.ended = true;
    }
  }
}

type Move = [string, () => void];
