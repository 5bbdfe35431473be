// The SIP user agent: sockets below, pure transactions inside, whoever composes it above
// (RFC 3261 §5). It knows no call and no dialog.

import { header } from "../../protocol/sip/header.ts";
import type { SipFlow, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import { NO_BODY } from "../../protocol/sip/message.ts";
import { mintBranch } from "../../protocol/sip/identity.ts";
import { parseMessage, type PartialRequest } from "../../protocol/sip/parse.ts";
import { withSource } from "../../protocol/sip/transaction/match.ts";
import { AcceptedAnswers } from "./accepted.ts";
import { Clients } from "./client.ts";
import { Connections } from "./connections.ts";
import { Listeners } from "./listeners.ts";
import { systemNetwork } from "./locate.ts";
import { Sender, sentence } from "./sender.ts";
import { Servers } from "./server.ts";
import {
  type ClientListener, type ContactOptions, type Limits, type ListenAddress, noStats,
  type SendOptions, type UserAgent, type UserAgentOptions,
} from "./types.ts";

/** A call leaves two transactions behind for 32 s: 600 calls a second reach this. */
const DEFAULT_LIMITS: Limits = { connections: 4096, transactions: 40_000 };
const BRANCH_RANDOM_BYTES = 8;

export const createUserAgent = (options: UserAgentOptions): UserAgent =>
  new SocketUserAgent(options);

class SocketUserAgent implements UserAgent {
  readonly stats = noStats();
  onRequest: UserAgent["onRequest"] = () => {};
  onCancel: UserAgent["onCancel"] = () => {};
  onNoAck: UserAgent["onNoAck"] = () => {};
  readonly #options: UserAgentOptions;
  readonly #connections: Connections;
  readonly #listeners: Listeners;
  readonly #sender: Sender;
  readonly #accepted: AcceptedAnswers;
  readonly #clients: Clients;
  readonly #servers: Servers;

  constructor(options: UserAgentOptions) {
    const { clock, random, log, userAgentName } = options;
    const { stats } = this;
    const network = options.network ?? systemNetwork;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#connections = new Connections({
      network, clock, stats,
      connectionsMax: limits.connections,
      onMessage: (bytes, flow) => this.#receive(bytes, flow),
      onBroken: ({ status, request, reason }, flow) => this.#refuse(status, request, reason, flow),
      onClosed: (connection) => this.#clients.connectionClosed(connection),
    });
    this.#listeners = new Listeners({
      listen: options.listen, advertise: options.advertise || null, network, log,
      onDatagram: (bytes, flow) => this.#receive(bytes, flow),
      onConnection: (tcp) => this.#connections.accept(tcp),
    });
    const sender = new Sender({
      listeners: this.#listeners, connections: this.#connections, network, clock, stats, log,
      userAgentName,
    });
    const accepted = new AcceptedAnswers({
      sender, clock, stats, log, onNoAck: (transactionId) => this.onNoAck(transactionId),
    });
    this.#sender = sender;
    this.#accepted = accepted;
    this.#clients = new Clients({
      sender, clock, random, stats, log, transactionsMax: limits.transactions,
    });
    this.#servers = new Servers({
      sender, accepted, clock, stats, log, transactionsMax: limits.transactions,
      onRequest: (incoming) => this.onRequest(incoming),
      onCancel: (transactionId, cancel) => this.onCancel(transactionId, cancel),
    });
  }

  start(): Promise<void> {
    return this.#listeners.start();
  }

  async stop(): Promise<void> {
    this.#clients.stop();
    this.#servers.stop();
    this.#accepted.stop();
    this.#connections.stop();
    this.#listeners.stop();
  }

  listening(): ListenAddress[] {
    return this.#listeners.listening();
  }

  respond(
    id: string, response: SipResponse, { contact = null }: { contact?: ContactOptions | null } = {},
  ): boolean {
    return this.#servers.respond(id, response, contact);
  }

  revive(request: SipRequest, flow: SipFlow): void {
    this.#servers.revive(request, flow);
  }

  ignore(id: string): void {
    this.#servers.ignore(id);
  }

  respondOn(flow: SipFlow, response: SipResponse): void {
    this.#sender.respond(this.#sender.finish(response, flow, null), flow);
  }

  send(request: SipRequest, options: SendOptions, listener: ClientListener): string {
    return this.#clients.send(request, options, listener);
  }

  cancel(id: string): void {
    this.#clients.cancel(id);
  }

  sendAck(ack: SipRequest, options: SendOptions): void {
    const branch = mintBranch(options.owner, this.#options.random(BRANCH_RANDOM_BYTES));
    this.#sender.prepare(ack, options, branch).then(
      ({ request, flow }) => this.#sender.transmit(request, flow),
      (error: unknown) => {
        this.stats.sendFailures++;
        const callId = header(ack, "Call-ID");
        this.#options.log.warn("sip.ack-not-sent", { reason: sentence(error), callId });
      },
    );
  }

  #receive(bytes: Uint8Array, flow: SipFlow): void {
    if (isKeepalive(bytes)) return;
    const result = parseMessage(bytes);
    if (!result.ok) return this.#refuse(result.status, result.request, result.reason, flow);
    this.stats.received++;
    if (result.message.kind === "response") this.#clients.receive(result.message, flow);
    else this.#servers.receive(result.message, flow);
  }

  /** Answered where RFC 3261 gives an answer and there is somebody to give it to. */
  #refuse(
    status: number | null, partial: PartialRequest | null, reason: string, flow: SipFlow,
  ): void {
    this.stats.malformed++;
    this.#options.log.debug("sip.malformed", { reason, from: flow.remoteAddress });
    if (status === null || partial === null) return;
    const request: SipRequest = { kind: "request", uri: "", body: NO_BODY, ...partial };
    const seen = withSource(request, flow.remoteAddress, flow.remotePort);
    this.#servers.answerOnce(seen, flow, status, []);
  }
}

/** RFC 5626 §4.4: line ends, or nothing, to keep a way through NAT open. */
const isKeepalive = (bytes: Uint8Array): boolean =>
  bytes.length <= 4 && bytes.every((byte) => byte === 0x0d || byte === 0x0a || byte === 0);
