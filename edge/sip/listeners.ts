// The sockets that listen, and the names that they go by in Via and Contact (RFC 3261 §18.1.1).

import { isIPv6 } from "node:net";
import type { SipFlow, Transport } from "../../protocol/sip/message.ts";
import { ownAddress } from "../runtime/addresses.ts";
import type { TcpConnection, TcpEvents, TcpListener } from "../runtime/tcp.ts";
import type { Log } from "../runtime/types.ts";
import type { UdpSocket } from "../runtime/udp.ts";
import type { ListenAddress, SipNetwork } from "./types.ts";

export interface ListenersOptions {
  listen: ListenAddress[];
  advertise: string | null;
  network: SipNetwork;
  log: Log;
  onDatagram: (bytes: Uint8Array, flow: SipFlow) => void;
  onConnection: (connection: TcpConnection) => TcpEvents;
}

/** Where a flow is at home. */
export interface Local {
  localAddress: string;
  localPort: number;
}

interface Bound extends ListenAddress {
  udp: UdpSocket | null;
  tcp: TcpListener | null;
}

export class Listeners {
  readonly #options: ListenersOptions;
  #bound: Bound[] = [];

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    try {
      for (const listen of this.#options.listen) await this.#bind(listen);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop(): void {
    for (const bound of this.#bound) {
      bound.udp?.close();
      bound.tcp?.close();
    }
    this.#bound = [];
  }

  listening(): ListenAddress[] {
    return this.#bound.map(({ transport, address, port }) => ({ transport, address, port }));
  }

  /** Who sends to that address: by preference the one that `local` names, else one that can. */
  choose(transport: Transport, remoteAddress: string, local?: Local): ListenAddress | null {
    return this.#choose(transport, remoteAddress, local);
  }

  /** "host:port" for Via and Contact towards that address. */
  nameOf(transport: Transport, remoteAddress: string, local?: Local): string {
    // A stream may leave without a listener of its kind: answers come back on it all the same.
    const bound = this.#choose(transport, remoteAddress, local) ?? this.#bound[0];
    const own = bound?.address ?? "0.0.0.0";
    const host = this.#options.advertise ?? (isAny(own) ? ownAddressTowards(remoteAddress) : own);
    return `${bracketed(host)}:${bound?.port ?? 5060}`;
  }

  /** Throws when the system refuses; false when there is no socket for it. */
  sendDatagram(bytes: Uint8Array, address: string, port: number, local: Local): boolean {
    const socket = this.#choose("udp", address, local)?.udp ?? null;
    socket?.send(bytes, address, port);
    return socket !== null;
  }

  #choose(transport: Transport, remoteAddress: string, local?: Local): Bound | null {
    let best: Bound | null = null;
    let bestScore = -1;
    const isV6 = isIPv6(remoteAddress);
    for (const bound of this.#bound) {
      if (bound.transport !== transport || isIPv6(bound.address) !== isV6) continue;
      const score = fitness(bound, remoteAddress, local);
      if (score <= bestScore) continue;
      best = bound;
      bestScore = score;
    }
    return best;
  }

  async #bind(listen: ListenAddress): Promise<void> {
    const { transport, address } = listen;
    if (transport === "tls") {
      this.#options.log.warn("sip.tls-not-offered", { address, port: listen.port });
      return;
    }
    const bound: Bound = { ...listen, udp: null, tcp: null };
    try {
      if (transport === "udp") {
        bound.udp = await this.#openUdp(bound);
      } else {
        const { onConnection } = this.#options;
        bound.tcp = await this.#options.network.listenTcp({
          address, port: listen.port, onConnection,
        });
      }
    } catch (error) {
      throw new Error(bindProblem(listen, error), { cause: error });
    }
    bound.port = (bound.udp ?? bound.tcp)?.port ?? listen.port;
    this.#bound.push(bound);
  }

  #openUdp(bound: Bound): Promise<UdpSocket> {
    const { network, log, onDatagram } = this.#options;
    return network.openUdp({
      address: bound.address,
      port: bound.port,
      onDatagram: (bytes, remoteAddress, remotePort) => onDatagram(bytes, {
        transport: "udp", localAddress: bound.address, localPort: bound.port,
        remoteAddress, remotePort,
      }),
      // ICMP without a name: timers tell the transaction it was about.
      onError: (error) => log.debug("sip.udp-error", { message: error.message }),
    });
  }
}

function bindProblem(listen: ListenAddress, error: unknown): string {
  const place = `${listen.transport}:${bracketed(listen.address)}:${listen.port}`;
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "EADDRINUSE") return `SIP can't listen on ${place}: the port is taken`;
  if (code === "EACCES") return `SIP can't listen on ${place}: not allowed`;
  if (code === "EADDRNOTAVAIL") {
    return `SIP can't listen on ${place}: no address of this machine`;
  }
  return `SIP can't listen on ${place}: ${error instanceof Error ? error.message : "unknown"}`;
}

/** What a flow names counts most, then that the system would carry it from there at all. */
function fitness(bound: ListenAddress, remoteAddress: string, local: Local | undefined): number {
  const { address } = bound;
  const isReachable = isAny(address) || isLoopback(address) === isLoopback(remoteAddress);
  return (address === local?.localAddress ? 4 : 0) +
    (bound.port === local?.localPort ? 2 : 0) + (isReachable ? 1 : 0);
}

export const isLoopback = (address: string): boolean =>
  address.startsWith("127.") || address === "::1";

export const isAny = (address: string): boolean => address === "0.0.0.0" || address === "::";

export const bracketed = (host: string): string =>
  host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;

/** A guess for sockets that listen everywhere; `advertise` is the way to say it. */
function ownAddressTowards(remoteAddress: string): string {
  const isV6 = isIPv6(remoteAddress);
  if (isLoopback(remoteAddress)) return isV6 ? "::1" : "127.0.0.1";
  return ownAddress(isV6 ? "IPv6" : "IPv4") ?? (isV6 ? "::1" : "127.0.0.1");
}
