// The server transactions of a user agent (RFC 3261 §17.2, §8.2.2.2, §9.2) and the 2xx that are
// repeated until their ACK comes (§13.3.1.4).

import { createHash } from "node:crypto";
import { buildResponse, isInDialog } from "../../protocol/sip/build.ts";
import { header, tagOf, withHeader, withTag } from "../../protocol/sip/header.ts";
import type { SipFlow, SipHeader, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import {
  type InviteServerTransaction, startInviteServer, stepInviteServer,
} from "../../protocol/sip/transaction/invite-server.ts";
import { mergeKey, serverKey, withSource } from "../../protocol/sip/transaction/match.ts";
import {
  type NonInviteServerTransaction, startNonInviteServer, stepNonInviteServer,
} from "../../protocol/sip/transaction/non-invite-server.ts";
import type { Step } from "../../protocol/sip/transaction/step.ts";
import type { Clock, Log, Timer } from "../runtime/types.ts";
import type { AcceptedAnswers } from "./accepted.ts";
import { type Sender, sentence } from "./sender.ts";
import type { ContactOptions, IncomingRequest, SipStats } from "./types.ts";

export interface ServersOptions {
  sender: Sender;
  accepted: AcceptedAnswers;
  clock: Clock;
  stats: SipStats;
  log: Log;
  transactionsMax: number;
  onRequest: (incoming: IncomingRequest) => void;
  onCancel: (transactionId: string, cancel: SipRequest) => void;
}

type Machine =
  | { kind: "invite"; state: InviteServerTransaction }
  | { kind: "other"; state: NonInviteServerTransaction };

type Input = { type: "request" } | { type: "respond"; response: SipResponse } | { type: "time" };

interface Entry {
  /** The key: branch, sent-by and method. */
  id: string;
  mergeKey: string | null;
  machine: Machine;
  flow: SipFlow;
  timer: Timer | null;
  isCancelled: boolean;
}

/** How long a peer should leave us alone when we are full. */
const RETRY_AFTER: SipHeader = { name: "Retry-After", value: "5" };

export class Servers {
  readonly #options: ServersOptions;
  readonly #byId = new Map<string, Entry>();
  readonly #merges = new Map<string, Entry>();
  #isStopped = false;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  receive(received: SipRequest, flow: SipFlow): void {
    const request = withSource(received, flow.remoteAddress, flow.remotePort);
    if (request.method === "ACK") return this.#receiveAck(request, flow);
    const id = serverKey(request);
    if (id === null) return;
    const known = this.#byId.get(id);
    if (known !== undefined) {
      this.#options.stats.retransmissions++;
      // On a new stream when the old one broke: the answer follows. A datagram proves nothing.
      if (flow.transport !== "udp") known.flow = flow;
      return this.#step(known, { type: "request" });
    }
    if (this.#isFullFor(request)) {
      this.#options.stats.overLimit++;
      return this.answerOnce(request, flow, 503, [RETRY_AFTER]);
    }
    if (request.method === "CANCEL") return this.#receiveCancel(id, request, flow);
    const merge = mergeKey(request);
    const isMerged = merge !== null && this.#merges.has(merge);
    const entry = this.#open(id, isMerged ? null : merge, request, flow);
    if (isMerged) {
      this.#options.stats.merged++;
      this.respond(id, buildResponse(request, 482, null, { toTag: tagFor(id) }), null);
      return;
    }
    this.#offer(entry, request);
  }

  /** True when it went out, or will be what retransmissions get. */
  respond(id: string, response: SipResponse, contact: ContactOptions | null): boolean {
    const entry = this.#byId.get(id);
    if (entry === undefined || !canTake(entry.machine, response.status)) return false;
    const { phase } = entry.machine.state;
    const tagged = withSameTag(response, entry);
    const finished = this.#options.sender.finish(tagged, entry.flow, contact);
    this.#step(entry, { type: "respond", response: finished });
    const isSuccess = response.status >= 200 && response.status < 300;
    if (entry.machine.kind === "invite" && isSuccess && phase === "proceeding") {
      this.#options.accepted.open(id, finished, entry.flow);
    }
    return true;
  }

  /** A request that another process received and did not answer can be answered from now on. */
  revive(request: SipRequest, flow: SipFlow): void {
    const id = serverKey(request);
    if (id !== null && !this.#byId.has(id)) this.#open(id, null, request, flow);
  }

  /** Gives no answer at all: the transaction is forgotten, with its 100 Trying. */
  ignore(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    entry.timer?.cancel();
    this.#remove(entry);
  }

  /** Without a transaction: the same request gets the same answer (RFC 3261 §8.2.7). */
  answerOnce(request: SipRequest, flow: SipFlow, status: number, headers: SipHeader[]): void {
    if (request.method === "ACK") return;
    const toTag = tagFor(serverKey(request) ?? header(request, "Call-ID") ?? "");
    const response = buildResponse(request, status, null, { toTag, headers });
    this.#options.sender.respond(this.#options.sender.finish(response, flow, null), flow);
  }

  stop(): void {
    this.#isStopped = true;
    for (const entry of this.#byId.values()) entry.timer?.cancel();
    this.#byId.clear();
    this.#merges.clear();
    this.#count();
  }

  /** What ends or belongs to a call is let in for longer than what begins one. */
  #isFullFor(request: SipRequest): boolean {
    const belongs = isInDialog(request) || request.method === "CANCEL";
    return this.#byId.size >= this.#options.transactionsMax * (belongs ? 2 : 1);
  }

  /** To a failure it ends with the transaction; to a 2xx it is the user's (RFC 6026 §7.1). */
  #receiveAck(request: SipRequest, flow: SipFlow): void {
    const id = serverKey(request, "INVITE");
    const entry = id === null ? undefined : this.#byId.get(id);
    const { machine } = entry ?? {};
    if (entry !== undefined && machine?.kind === "invite" && machine.state.phase !== "accepted") {
      const step = stepInviteServer(machine.state, { type: "ack" }, this.#now());
      machine.state = step.state;
      return this.#carryOut(entry, step);
    }
    this.#options.accepted.acknowledge(request);
    this.#tell(() => this.#options.onRequest({ request, flow, transactionId: null }));
  }

  /** §9.2: 200 when there is something to cancel or there was; 487 is the user's to send. */
  #receiveCancel(id: string, request: SipRequest, flow: SipFlow): void {
    const inviteId = serverKey(request, "INVITE");
    const invite = inviteId === null ? undefined : this.#byId.get(inviteId);
    this.#open(id, null, request, flow);
    if (invite === undefined || invite.machine.kind !== "invite") {
      this.respond(id, buildResponse(request, 481, null, { toTag: tagFor(id) }), null);
      return;
    }
    const isPending = invite.machine.state.phase === "proceeding" && !invite.isCancelled;
    invite.isCancelled = true;
    if (isPending) this.#tell(() => this.#options.onCancel(invite.id, request));
    // After the user: if it has answered, both answers bear the same tag, as they should.
    const { last } = invite.machine.state;
    const toTag = tagOf(last === null ? "" : header(last, "To") ?? "") ?? tagFor(invite.id);
    this.respond(id, buildResponse(request, 200, null, { toTag }), null);
  }

  #open(id: string, merge: string | null, request: SipRequest, flow: SipFlow): Entry {
    const isReliable = flow.transport !== "udp";
    const entry: Entry = {
      id, mergeKey: merge, flow, timer: null, isCancelled: false,
      machine: request.method === "INVITE"
        ? { kind: "invite", state: startInviteServer(request, isReliable, this.#now()).state }
        : { kind: "other", state: startNonInviteServer(request, isReliable, this.#now()).state },
    };
    this.#byId.set(id, entry);
    if (merge !== null) this.#merges.set(merge, entry);
    this.#count();
    this.#step(entry, { type: "time" });
    return entry;
  }

  #offer(entry: Entry, request: SipRequest): void {
    const { flow, id } = entry;
    const isTaken = this.#tell(() =>
      this.#options.onRequest({ request, flow, transactionId: id }));
    if (isTaken) return;
    this.respond(id, buildResponse(request, 500, null, { toTag: tagFor(id) }), null);
  }

  /** The user's fault is its own: other transactions go on. */
  #tell(call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      this.#options.log.error("sip.listener-failed", { message: sentence(error) });
      return false;
    }
  }

  #step(entry: Entry, input: Input): void {
    const { machine } = entry;
    if (machine.kind === "invite") {
      const step = stepInviteServer(machine.state, input, this.#now());
      machine.state = step.state;
      this.#carryOut(entry, step);
    } else {
      const step = stepNonInviteServer(machine.state, input, this.#now());
      machine.state = step.state;
      this.#carryOut(entry, step);
    }
  }

  #carryOut(entry: Entry, step: Step<Machine["state"]>): void {
    for (const out of step.out) {
      if (out.type === "send" && out.message.kind === "response") {
        this.#options.sender.respond(out.message, entry.flow);
      } else if (out.type === "timeout") {
        // Timer H: the failure was told, whoever asked does not care any more.
        this.#options.stats.noAck++;
      }
    }
    entry.timer?.cancel();
    entry.timer = null;
    if (step.state.phase === "terminated") return this.#remove(entry);
    if (step.deadlineAt === null || this.#isStopped) return;
    entry.timer = this.#options.clock.after(step.deadlineAt - this.#now(), () =>
      this.#step(entry, { type: "time" }));
  }

  #remove(entry: Entry): void {
    this.#byId.delete(entry.id);
    if (entry.mergeKey !== null && this.#merges.get(entry.mergeKey) === entry) {
      this.#merges.delete(entry.mergeKey);
    }
    this.#count();
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }

  #count(): void {
    this.#options.stats.serverTransactions = this.#byId.size;
  }
}

function canTake({ kind, state }: Machine, status: number): boolean {
  if (state.phase === "proceeding" || state.phase === "trying") return true;
  return kind === "invite" && state.phase === "accepted" && status >= 200 && status < 300;
}

/** RFC 3261 §8.2.6.2: all answers but 100 bear a tag, and all to one request the same. */
function withSameTag(response: SipResponse, { id, machine }: Entry): SipResponse {
  const to = header(response, "To") ?? "";
  if (response.status === 100 || tagOf(to) !== null) return response;
  const { last } = machine.state;
  const tag = tagOf(last === null ? "" : header(last, "To") ?? "") ?? tagFor(id);
  return withHeader(response, "To", withTag(to, tag));
}

/** A tag that the same request always gets. */
const tagFor = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 16);
