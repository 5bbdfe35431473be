// The sockets that listen, and the names that they go by in Via and Contact (RFC 3261 §18.1.1).

import { networkInterfaces } from "node:os";
import { isIPv6 } from "node:net";
import type { SipFlow, Transport } from "../../protocol/sip/message.ts";
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

  /** Who would send to that address: the same family, the same port if one is given. */
  choose(transport: Transport, remoteAddress: string, port?: number): ListenAddress | null {
    const isV6 = isIPv6(remoteAddress);
    const fit = this.#bound.filter((bound) =>
      bound.transport === transport && isIPv6(bound.address) === isV6);
    return fit.find((bound) => bound.port === port) ?? fit[0] ?? null;
  }

  /** "host:port" for Via and Contact towards that address. */
  nameOf(transport: Transport, remoteAddress: string, port?: number): string {
    // A stream may leave without a listener of its kind: answers come back on it all the same.
    const bound = this.choose(transport, remoteAddress, port) ?? this.#bound[0];
    const own = bound?.address ?? "0.0.0.0";
    const host = this.#options.advertise ?? (isAny(own) ? ownAddressTowards(remoteAddress) : own);
    return `${bracketed(host)}:${bound?.port ?? 5060}`;
  }

  /** Throws when the system refuses; true when there is a socket for it. */
  sendDatagram(bytes: Uint8Array, address: string, port: number, localPort?: number): boolean {
    const chosen = this.choose("udp", address, localPort);
    const socket = this.#bound.find((bound) => bound.udp !== null && bound.port === chosen?.port &&
      bound.address === chosen.address)?.udp;
    socket?.send(bytes, address, port);
    return socket !== undefined && socket !== null;
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

export const isAny = (address: string): boolean => address === "0.0.0.0" || address === "::";

export const bracketed = (host: string): string =>
  host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;

/** A guess for sockets that listen everywhere; `advertise` is the way to say it. */
function ownAddressTowards(remoteAddress: string): string {
  const isV6 = isIPv6(remoteAddress);
  if (remoteAddress.startsWith("127.") || remoteAddress === "::1") return isV6 ? "::1" : "127.0.0.1";
  const family = isV6 ? "IPv6" : "IPv4";
  for (const addresses of Object.values(networkInterfaces())) {
    const own = addresses?.find((each) => !each.internal && each.family === family);
    if (own !== undefined) return own.address;
  }
  return isV6 ? "::1" : "127.0.0.1";
}
