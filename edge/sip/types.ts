// What the user agent offers to those who compose it, and what it asks of the runtime.

import type { Owner } from "../../protocol/sip/identity.ts";
import type {
  SipFlow, SipRequest, SipResponse, Transport,
} from "../../protocol/sip/message.ts";
import type { ConnectTcp, ListenTcp } from "../runtime/tcp.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import type { OpenUdp, ProbeUdp } from "../runtime/udp.ts";

export interface ListenAddress {
  transport: Transport;
  /** Numeric; "0.0.0.0" and "::" listen everywhere. */
  address: string;
  /** 0: any that is free. */
  port: number;
}

/** Sockets and names; a test puts a network of its own here. */
export interface SipNetwork {
  openUdp: OpenUdp;
  listenTcp: ListenTcp;
  connectTcp: ConnectTcp;
  isUdpPortClosed: ProbeUdp;
  /** Addresses of a host name, the best first; rejects when there are none. */
  lookup(host: string): Promise<string[]>;
}

export interface UserAgentOptions {
  listen: ListenAddress[];
  clock: Clock;
  random: Random;
  log: Log;
  /** The address that others reach us at, behind NAT; the listening address without it. */
  advertise?: string;
  /** For User-Agent and Server. */
  userAgentName: string;
  network?: SipNetwork;
  limits?: Partial<Limits>;
}

export interface Limits {
  connections: number;
  transactions: number;
}

export interface IncomingRequest {
  request: SipRequest;
  flow: SipFlow;
  /** To answer it with; null for an ACK. */
  transactionId: string | null;
}

export interface SipTarget {
  /** null: as RFC 3261 §18.1.1 and RFC 3263 say: by size. */
  transport: Transport | null;
  host: string;
  port: number | null;
  /** Sent on this flow while it lives; host and port are for when it does not. */
  flow?: SipFlow | null;
}

export interface ContactOptions {
  user?: string;
  /** Header parameters, as text: ";+sip.src". */
  params?: string;
}

export interface SendOptions {
  /** Named in the branch. */
  owner: Owner | null;
  target?: SipTarget | null;
  /** As in `target`, for those who have no host: then Route or Request-URI names it. */
  flow?: SipFlow | null;
  contact?: ContactOptions | null;
  connectTimeoutMs?: number | null;
}

export type ClientEvent =
  | { type: "response"; response: SipResponse; flow: SipFlow }
  | { type: "timeout" }
  | { type: "transport-error"; reason: string };

export type ClientListener = (event: ClientEvent) => void;

export interface UserAgent {
  /** Binds; rejects with a sentence that names the address that is taken. */
  start(): Promise<void>;
  /** Closes every socket and timer; nothing is called back any more. */
  stop(): Promise<void>;
  /** The addresses that are bound. */
  listening(): ListenAddress[];
  /** Every new request and every ACK to a 2xx; never a retransmission, never a CANCEL. */
  onRequest: (incoming: IncomingRequest) => void;
  /** The INVITE of this transaction was cancelled: answer it 487 (RFC 3261 §9.2). */
  onCancel: (transactionId: string, cancel: SipRequest) => void;
  /** The 2xx was never acknowledged: end the session (RFC 3261 §13.3.1.4). */
  onNoAck: (transactionId: string) => void;
  /** Does nothing when the transaction is gone or has its final answer: then false. */
  respond(
    transactionId: string, response: SipResponse, options?: { contact?: ContactOptions | null },
  ): boolean;
  /** The transaction of a request that another process received, so that it can be answered:
   *  under the id that it had there. Nothing when it is here. */
  revive(request: SipRequest, flow: SipFlow): void;
  /** No answer, not even 100: for those who may not know that we are here. */
  ignore(transactionId: string): void;
  /** Without a transaction: for one that another process began. */
  respondOn(flow: SipFlow, response: SipResponse): void;
  /** Gives the client transaction's id; the listener is never called before this returns. */
  send(request: SipRequest, options: SendOptions, listener: ClientListener): string;
  /** CANCEL of a request that was sent here, once a 1xx allows it; else nothing. */
  cancel(clientTransactionId: string): void;
  /** The ACK to a 2xx: no transaction, a new branch. */
  sendAck(ack: SipRequest, options: SendOptions): void;
  readonly stats: Readonly<SipStats>;
}

/** Counters since the start. */
export interface SipStats {
  received: number;
  sent: number;
  /** Datagrams and streams that hold no SIP message, and what was answered at once for it. */
  malformed: number;
  /** Responses that belong to no transaction of ours. */
  strayResponses: number;
  /** Requests that came again. */
  retransmissions: number;
  merged: number;
  /** Over a limit: 503, or a connection closed. */
  overLimit: number;
  sendFailures: number;
  /** 2xx that were never acknowledged. */
  noAck: number;
  connections: number;
  clientTransactions: number;
  serverTransactions: number;
}

export const noStats = (): SipStats => ({
  received: 0, sent: 0, malformed: 0, strayResponses: 0, retransmissions: 0, merged: 0,
  overLimit: 0, sendFailures: 0, noAck: 0, connections: 0, clientTransactions: 0,
  serverTransactions: 0,
});
