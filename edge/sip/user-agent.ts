// The SIP user agent: sockets below, pure transactions inside, whoever composes it above
// (RFC 3261 §5). It knows no call and no dialog.

import { header } from "../../protocol/sip/header.ts";
import type { SipFlow, SipRequest } from "../../protocol/sip/message.ts";
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
  type Limits, noStats, type UserAgent, type UserAgentOptions,
} from "./types.ts";

const DEFAULT_LIMITS: Limits = { connections: 4096, transactions: 20_000 };
const BRANCH_RANDOM_BYTES = 8;

export function createUserAgent(options: UserAgentOptions): UserAgent {
  const { clock, random, log, userAgentName } = options;
  const network = options.network ?? systemNetwork;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const stats = noStats();
  const connections = new Connections({
    network, clock, stats,
    connectionsMax: limits.connections,
    onMessage: (bytes, flow) => receive(bytes, flow),
    onBroken: ({ status, request, reason }, flow) => refuse(status, request, reason, flow),
    onClosed: (connection) => clients.connectionClosed(connection),
  });
  const listeners = new Listeners({
    listen: options.listen, advertise: options.advertise || null, network, log,
    onDatagram: (bytes, flow) => receive(bytes, flow),
    onConnection: (tcp) => connections.accept(tcp),
  });
  const sender = new Sender({ listeners, connections, network, stats, log, userAgentName });
  const accepted = new AcceptedAnswers({
    sender, clock, stats, onNoAck: (transactionId) => userAgent.onNoAck(transactionId),
  });
  const clients = new Clients({
    sender, clock, random, stats, log, transactionsMax: limits.transactions,
  });
  const servers = new Servers({
    sender, accepted, clock, stats, log, transactionsMax: limits.transactions,
    onRequest: (incoming) => userAgent.onRequest(incoming),
    onCancel: (transactionId, cancel) => userAgent.onCancel(transactionId, cancel),
  });

  function receive(bytes: Uint8Array, flow: SipFlow): void {
    if (isKeepalive(bytes)) return;
    const result = parseMessage(bytes);
    if (!result.ok) return refuse(result.status, result.request, result.reason, flow);
    stats.received++;
    if (result.message.kind === "response") clients.receive(result.message, flow);
    else servers.receive(result.message, flow);
  }

  /** Answered where RFC 3261 gives an answer and there is somebody to give it to. */
  function refuse(
    status: number | null, partial: PartialRequest | null, reason: string, flow: SipFlow,
  ): void {
    stats.malformed++;
    log.debug("sip.malformed", { reason, from: flow.remoteAddress });
    if (status === null || partial === null) return;
    const request: SipRequest = { kind: "request", uri: "", body: NO_BODY, ...partial };
    servers.answerOnce(withSource(request, flow.remoteAddress, flow.remotePort), flow, status, []);
  }

  const userAgent: UserAgent = {
    stats,
    onRequest: () => {},
    onCancel: () => {},
    onNoAck: () => {},
    start: () => listeners.start(),
    async stop() {
      clients.stop();
      servers.stop();
      accepted.stop();
      connections.stop();
      listeners.stop();
    },
    listening: () => listeners.listening(),
    respond: (id, response, { contact = null } = {}) => servers.respond(id, response, contact),
    ignore: (id) => servers.ignore(id),
    respondOn: (flow, response) => sender.respond(sender.finish(response, flow, null), flow),
    send: (request, sendOptions, listener) => clients.send(request, sendOptions, listener),
    cancel: (id) => clients.cancel(id),
    sendAck(ack, sendOptions) {
      const branch = mintBranch(sendOptions.owner, random(BRANCH_RANDOM_BYTES));
      sender.prepare(ack, sendOptions, branch).then(
        ({ request, flow }) => sender.transmit(request, flow),
        (error: unknown) => {
          stats.sendFailures++;
          const callId = header(ack, "Call-ID");
          log.warn("sip.ack-not-sent", { reason: sentence(error), callId });
        },
      );
    },
  };
  return userAgent;
}

/** RFC 5626 §4.4: line ends, or nothing, to keep a way through NAT open. */
const isKeepalive = (bytes: Uint8Array): boolean =>
  bytes.length <= 4 && bytes.every((byte) => byte === 0x0d || byte === 0x0a || byte === 0);
