// Takes a message to the wire: the place is found, the stream opened, Via and Contact written for
// the socket that is used (RFC 3261 §18.1.1, §18.2.2).

import { header, prependHeader, topVia, withoutHeader } from "../../protocol/sip/header.ts";
import type {
  SipFlow, SipHeader, SipMessage, SipRequest, SipResponse, Transport,
} from "../../protocol/sip/message.ts";
import { serializeMessage } from "../../protocol/sip/serialize.ts";
import { escapeUser } from "../../protocol/sip/uri.ts";
import { TcpRefused } from "../runtime/tcp.ts";
import type { Clock, Log } from "../runtime/types.ts";
import { CONNECT_TIMEOUT_MS, type Connections } from "./connections.ts";
import { isAny, isLoopback, type Listeners } from "./listeners.ts";
import { type Hop, locate, nextHop, responseAddress } from "./locate.ts";
import type { ContactOptions, SendOptions, SipNetwork, SipStats } from "./types.ts";
import { within } from "./within.ts";

/** RFC 3261 §18.1.1: a request above this goes over a transport with congestion control. */
export const DATAGRAM_REQUEST_MAX_BYTES = 1300;

/** An ICMP error comes within a round trip, or does not come at all: recorders are not far. */
const PROBE_MS = 100;

export interface SenderOptions {
  listeners: Listeners;
  connections: Connections;
  network: SipNetwork;
  clock: Clock;
  stats: SipStats;
  log: Log;
  userAgentName: string;
}

/** A request as it goes out, and on what. */
export interface Departure {
  request: SipRequest;
  flow: SipFlow;
}

export class Sender {
  readonly #options: SenderOptions;
  /** The last request of each Call-ID and Request-URI that is not on its way yet. */
  readonly #preparing = new Map<string, Promise<Departure>>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /**
   * Finds the way, opens the stream, writes the Via. Rejects with a sentence; sends nothing.
   * Requests of one dialog are ready in the order they were given: an ACK must not be overtaken
   * by its BYE only because the way was looked for twice.
   */
  prepare(request: SipRequest, options: SendOptions, branch: string): Promise<Departure> {
    const dialog = `${header(request, "Call-ID") ?? branch} ${request.uri}`;
    const before = this.#preparing.get(dialog);
    const own = this.#prepare(request, options, branch);
    // Its own failure is told in its turn, and is nobody's surprise until then.
    own.catch(() => undefined);
    const inTurn = before === undefined ? own : before.then(() => own, () => own);
    this.#preparing.set(dialog, inTurn);
    const forget = (): void => {
      if (this.#preparing.get(dialog) === inTurn) this.#preparing.delete(dialog);
    };
    inTurn.then(forget, forget);
    return inTurn;
  }

  async #prepare(
    request: SipRequest, options: SendOptions, branch: string,
  ): Promise<Departure> {
    const flow = options.flow ?? options.target?.flow ?? null;
    const open = flow === null ? null : this.#reuse(flow);
    if (open !== null) return this.#depart(request, options, branch, open);
    const result = nextHop(request, options.target);
    if (!result.ok) throw new Error(result.reason);
    const { hop } = result;
    if (hop.transport !== null) {
      return this.#depart(request, options, branch, await this.#open(hop, hop.transport, options));
    }
    const noUdp = !this.#options.listeners.listening().some(({ transport }) => transport === "udp");
    if (noUdp) return this.#depart(request, options, branch, await this.#open(hop, "tcp", options));
    return this.#departBySize(request, hop, options, branch);
  }

  /** False: it is known not to have gone out. */
  transmit(message: SipMessage, flow: SipFlow): boolean {
    const bytes = serializeMessage(message);
    const isSent = flow.transport === "udp"
      ? this.#sendDatagram(bytes, flow)
      : this.#options.connections.write(flow.connection ?? "", bytes);
    if (isSent) this.#options.stats.sent++;
    else this.#options.stats.sendFailures++;
    return isSent;
  }

  /** A request timed out: a stream that has been silent since then serves nobody any more. */
  doubt(flow: SipFlow, sinceMs: number): void {
    this.#options.connections.closeIfSilent(flow.connection ?? "", sinceMs);
  }

  /** RFC 3261 §18.2.2: on the stream that the request came on; else to where its Via says. */
  respond(response: SipResponse, flow: SipFlow): void {
    const { connections, stats, log } = this.#options;
    const via = topVia(response);
    if (via === null) return;
    if (flow.transport !== "udp" && connections.isOpen(flow.connection ?? "")) {
      this.transmit(response, flow);
      return;
    }
    const { address, port } = responseAddress(via, flow);
    if (flow.transport === "udp") {
      this.transmit(response, { ...flow, remoteAddress: address, remotePort: port });
      return;
    }
    connections.open(address, port, this.#leaveFrom(address), CONNECT_TIMEOUT_MS).then(
      (opened) => this.transmit(response, opened),
      (error: unknown) => {
        stats.sendFailures++;
        log.debug("sip.response-undeliverable", { reason: sentence(error) });
      },
    );
  }

  /** A response's Server and Contact. */
  finish(response: SipResponse, flow: SipFlow, contact: ContactOptions | null): SipResponse {
    const more: SipHeader[] = [];
    if (contact !== null && header(response, "Contact") === null) {
      more.push({ name: "Contact", value: this.#contact(contact, flow) });
    }
    if (response.status >= 200 && header(response, "Server") === null) {
      more.push({ name: "Server", value: this.#options.userAgentName });
    }
    return { ...response, headers: [...response.headers, ...more] };
  }

  async #departBySize(
    request: SipRequest, hop: Hop, options: SendOptions, branch: string,
  ): Promise<Departure> {
    const flow = await this.#open(hop, "udp", options);
    const small = this.#depart(request, options, branch, flow);
    if (serializeMessage(small.request).length <= DATAGRAM_REQUEST_MAX_BYTES) return small;
    try {
      return this.#depart(request, options, branch, await this.#open(hop, "tcp", options));
    } catch (error) {
      // It went to TCP for its size alone: where nobody listens, UDP is better than nothing,
      // unless nobody is there either: that is known now, and not after Timer B.
      if (!(error instanceof TcpRefused)) throw error;
      const { remoteAddress: address, remotePort: port } = flow;
      const isClosed = await this.#options.network.isUdpPortClosed(address, port, PROBE_MS);
      if (isClosed) throw new Error(`nobody listens at ${address}:${port} over TCP or UDP`);
      return small;
    }
  }

  #reuse(flow: SipFlow): SipFlow | null {
    const { connections, listeners } = this.#options;
    if (flow.transport !== "udp") return connections.isOpen(flow.connection ?? "") ? flow : null;
    // However large: a phone behind NAT is reached on its flow or not at all.
    const from = listeners.choose("udp", flow.remoteAddress, flow);
    return from === null ? null : { ...flow, localAddress: from.address, localPort: from.port };
  }

  async #open(hop: Hop, transport: Transport, options: SendOptions): Promise<SipFlow> {
    if (transport === "tls") throw new Error("TLS is not offered");
    const { clock, network } = this.#options;
    const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const endAt = clock.monotonicMs() + timeoutMs;
    const places = await locate(hop, transport, (host) =>
      within(clock, timeoutMs, network.lookup(host), `no address of ${host} in ${timeoutMs} ms`));
    let problem: unknown = new Error(`no usable address for ${hop.host}`);
    for (const [index, { address, port }] of places.entries()) {
      // A dead address leaves their share of the time to those after it.
      const shareMs = (endAt - clock.monotonicMs()) / (places.length - index);
      try {
        const flow = transport === "udp"
          ? this.#datagramFlow(address, port)
          : await this.#options.connections.open(
            address, port, this.#leaveFrom(address), shareMs,
          );
        if (flow !== null) return flow;
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }

  #datagramFlow(address: string, port: number): SipFlow | null {
    const from = this.#options.listeners.choose("udp", address);
    return from === null ? null : {
      transport: "udp", localAddress: from.address, localPort: from.port,
      remoteAddress: address, remotePort: port,
    };
  }

  /** The listening address, so that the peer sees where we listen; null: the system's choice. */
  #leaveFrom(address: string): string | null {
    const { listeners } = this.#options;
    const own = (listeners.choose("tcp", address) ?? listeners.choose("udp", address))?.address;
    if (own === undefined || isAny(own) || isLoopback(own) !== isLoopback(address)) return null;
    return own;
  }

  #depart(
    request: SipRequest, options: SendOptions, branch: string, flow: SipFlow,
  ): Departure {
    const transport = flow.transport.toUpperCase();
    const via = `SIP/2.0/${transport} ${this.#name(flow)};rport;branch=${branch}`;
    const stamped = prependHeader(withoutHeader(request, "Via"), "Via", via);
    const more: SipHeader[] = [];
    const lacks = (name: string): boolean => header(request, name) === null;
    if (lacks("Max-Forwards")) more.push({ name: "Max-Forwards", value: "70" });
    if (lacks("User-Agent")) more.push({ name: "User-Agent", value: this.#options.userAgentName });
    const contact = options.contact ?? null;
    if (contact !== null && lacks("Contact")) {
      more.push({ name: "Contact", value: this.#contact(contact, flow) });
    }
    return { request: { ...stamped, headers: [...stamped.headers, ...more] }, flow };
  }

  #name(flow: SipFlow): string {
    return this.#options.listeners.nameOf(flow.transport, flow.remoteAddress, flow);
  }

  #contact({ user, params }: ContactOptions, flow: SipFlow): string {
    const at = user === undefined || user === "" ? "" : `${escapeUser(user)}@`;
    // Without a stream listener nobody could open a stream to us: then the datagram one it is.
    const named = flow.transport !== "udp" &&
      this.#options.listeners.choose(flow.transport, flow.remoteAddress) !== null;
    const transport = named ? `;transport=${flow.transport}` : "";
    return `<sip:${at}${this.#name(flow)}${transport}>${params ?? ""}`;
  }

  #sendDatagram(bytes: Uint8Array, flow: SipFlow): boolean {
    const { remoteAddress, remotePort } = flow;
    try {
      return this.#options.listeners.sendDatagram(bytes, remoteAddress, remotePort, flow);
    } catch (error) {
      this.#options.log.debug("sip.send-failed", { reason: sentence(error) });
      return false;
    }
  }
}

export const sentence = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
