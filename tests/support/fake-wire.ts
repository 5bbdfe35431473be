import type { SipNetwork } from "../../edge/sip/types.ts";
import {
  type TcpConnection, type TcpEvents, TcpRefused,
} from "../../edge/runtime/tcp.ts";
import type { Clock } from "../../edge/runtime/types.ts";
import type { UdpOptions } from "../../edge/runtime/udp.ts";

export interface Datagram {
  at: number;
  from: string;
  to: string;
  text: string;
}

/** What happens to a datagram: when its copies arrive; none: it is lost. */
export type Weather = (datagram: Datagram) => number[];

const decoder = new TextDecoder();
const codeError = (code: string): Error => Object.assign(new Error(code), { code });

/** A network in memory, on a fake clock: loses, repeats and reorders datagrams as it is told. */
export class FakeWire implements SipNetwork {
  /** Everything that was sent, arrived or not. */
  readonly sent: Datagram[] = [];
  weather: Weather = () => [1];
  /** Addresses that swallow connection attempts. */
  readonly blackHoles = new Set<string>();
  /** Addresses that take that many milliseconds to connect to. */
  readonly slowPlaces = new Map<string, number>();
  readonly names = new Map<string, string[]>();
  readonly streams: FakeStream[] = [];
  readonly #clock: Clock;
  readonly #datagrams = new Map<string, UdpOptions>();
  readonly #listeners = new Map<string, (connection: TcpConnection) => TcpEvents>();
  #port = 40_000;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly openUdp: SipNetwork["openUdp"] = async (options) => {
    const port = options.port === 0 ? ++this.#port : options.port;
    const own = `${options.address}:${port}`;
    if (this.#datagrams.has(own)) throw codeError("EADDRINUSE");
    this.#datagrams.set(own, options);
    return {
      address: options.address,
      port,
      send: (bytes, address, toPort) => this.#carry(own, `${address}:${toPort}`, bytes),
      close: () => void this.#datagrams.delete(own),
    };
  };

  readonly listenTcp: SipNetwork["listenTcp"] = async ({ address, port: wanted, onConnection }) => {
    const port = wanted === 0 ? ++this.#port : wanted;
    const own = `${address}:${port}`;
    if (this.#listeners.has(own)) throw codeError("EADDRINUSE");
    this.#listeners.set(own, onConnection);
    return { address, port, close: () => void this.#listeners.delete(own) };
  };

  readonly connectTcp: SipNetwork["connectTcp"] = async (options) => {
    const place = `${options.address}:${options.port}`;
    if (this.blackHoles.has(place)) return new Promise(() => {});
    const accept = this.#listeners.get(place);
    const delayMs = this.slowPlaces.get(place);
    if (delayMs !== undefined) {
      await new Promise<void>((resolve) => void this.#clock.after(delayMs, resolve));
    }
    if (accept === undefined) throw new TcpRefused(`nobody listens at ${place}`);
    const here = { address: options.localAddress ?? options.address, port: ++this.#port };
    const [near, far] = FakeStream.pair(this, here, options);
    near.events = options.events(near);
    far.events = accept(far);
    this.streams.push(near, far);
    return near;
  };

  /** Says nothing of closed ports, as most of the Internet; those in `closedPorts` are. */
  readonly closedPorts = new Set<string>();
  readonly isUdpPortClosed: SipNetwork["isUdpPortClosed"] = async (address, port) =>
    this.closedPorts.has(`${address}:${port}`);

  async lookup(host: string): Promise<string[]> {
    const addresses = this.names.get(host);
    if (addresses === undefined) throw codeError("ENOTFOUND");
    return addresses;
  }

  /** Bytes from a place where no user agent is. */
  inject(from: string, to: string, text: string): void {
    this.#carry(from, to, new TextEncoder().encode(text));
  }

  /** The first lines of what was sent, with the time since `start`. */
  lines(start: number): string[] {
    return this.sent.map(({ at, text }) => `${at - start} ${text.slice(0, text.indexOf("\r\n"))}`);
  }

  record(from: string, to: string, bytes: Uint8Array): Datagram {
    const datagram = { at: this.#clock.monotonicMs(), from, to, text: decoder.decode(bytes) };
    this.sent.push(datagram);
    return datagram;
  }

  #carry(from: string, to: string, bytes: Uint8Array): void {
    const copy = bytes.slice();
    const colon = from.lastIndexOf(":");
    const [address, port] = [from.slice(0, colon), Number(from.slice(colon + 1))];
    for (const delayMs of this.weather(this.record(from, to, copy))) {
      this.#clock.after(delayMs, () => this.#datagrams.get(to)?.onDatagram(copy, address, port));
    }
  }
}

interface Place {
  address: string;
  port: number;
}

export class FakeStream implements TcpConnection {
  events: TcpEvents | null = null;
  isClosed = false;
  #peer: FakeStream | null = null;

  private constructor(
    readonly wire: FakeWire, private readonly here: Place, private readonly there: Place,
  ) {}

  static pair(wire: FakeWire, here: Place, there: Place): [FakeStream, FakeStream] {
    const [near, far] = [new FakeStream(wire, here, there), new FakeStream(wire, there, here)];
    near.#peer = far;
    far.#peer = near;
    return [near, far];
  }

  get localAddress(): string { return this.here.address; }
  get localPort(): number { return this.here.port; }
  get remoteAddress(): string { return this.there.address; }
  get remotePort(): number { return this.there.port; }

  write(bytes: Uint8Array): boolean {
    if (this.isClosed) return false;
    const copy = bytes.slice();
    this.wire.record(
      `${this.localAddress}:${this.localPort}`, `${this.remoteAddress}:${this.remotePort}`, copy,
    );
    queueMicrotask(() => {
      if (this.#peer?.isClosed === false) this.#peer.events?.onData(copy);
    });
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    queueMicrotask(() => {
      this.events?.onClose();
      this.#peer?.close();
    });
  }
}
