// The streams of a user agent: each has an id, a framer and a flow, and is used again for whatever
// goes to the same place (RFC 3261 §18, RFC 5626 §4.4.1 for the keepalive).

import { type FramerOutput, StreamFramer } from "../../protocol/sip/framing.ts";
import type { SipFlow } from "../../protocol/sip/message.ts";
import type { TcpConnection, TcpEvents } from "../runtime/tcp.ts";
import type { Clock, Timer } from "../runtime/types.ts";
import type { SipNetwork, SipStats } from "./types.ts";
import { within } from "./within.ts";

/** The first message of a stream, and each that has begun, is whole by then. */
const MESSAGE_MAX_MS = 32_000;
/** At the limit, a stream that has been silent for so long gives its place to a new one. */
const IDLE_BEFORE_EVICTION_MS = 60_000;
export const CONNECT_TIMEOUT_MS = 2000;

const PONG = new Uint8Array([0x0d, 0x0a]);

export interface ConnectionsOptions {
  network: SipNetwork;
  clock: Clock;
  stats: SipStats;
  connectionsMax: number;
  onMessage: (bytes: Uint8Array, flow: SipFlow) => void;
  onBroken: (output: Extract<FramerOutput, { kind: "error" }>, flow: SipFlow) => void;
  onClosed: (connection: string) => void;
}

interface Stream {
  id: string;
  tcp: TcpConnection;
  flow: SipFlow;
  framer: StreamFramer;
  heardAt: number;
  /** Runs while a message is due: the peer's first, or the rest of one. */
  patience: Timer | null;
}

interface Attempt {
  opened: Promise<SipFlow>;
  waiting: number;
  /** All who waited have gone. */
  isLate: boolean;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #attempts = new Map<string, Attempt>();
  #ordinal = 0;
  #isStopped = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** A peer has connected to us. */
  accept(tcp: TcpConnection): TcpEvents {
    const stream = this.#add(tcp);
    if (this.#streams.size > this.#options.connectionsMax && !this.#evict(stream)) {
      this.#options.stats.overLimit++;
      tcp.close();
      return { onData: () => {}, onClose: () => this.#remove(stream) };
    }
    this.#expect(stream);
    return this.#eventsOf(stream);
  }

  /** The stream to there, opened when there is none. Rejects as `connectTcp` does. */
  async open(
    address: string, port: number, localAddress: string | null, timeoutMs: number,
  ): Promise<SipFlow> {
    const open = this.#find(address, port);
    if (open !== null) return open;
    const key = `${address} ${port}`;
    const attempt = this.#attempts.get(key) ?? this.#connect(key, address, port, localAddress);
    const late = `no connection to ${address}:${port} in ${Math.round(timeoutMs)} ms`;
    attempt.waiting++;
    try {
      return await within(this.#options.clock, timeoutMs, attempt.opened, late);
    } finally {
      attempt.waiting--;
      if (attempt.waiting === 0) {
        attempt.isLate = true;
        if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
      }
    }
  }

  isOpen(connection: string): boolean {
    return this.#streams.has(connection);
  }

  write(connection: string, bytes: Uint8Array): boolean {
    return this.#streams.get(connection)?.tcp.write(bytes) ?? false;
  }

  /** Nothing came on it since then, though something was due: its peer is thought dead. */
  closeIfSilent(connection: string, sinceMs: number): void {
    const stream = this.#streams.get(connection);
    if (stream !== undefined && stream.heardAt <= sinceMs) stream.tcp.close();
  }

  stop(): void {
    this.#isStopped = true;
    for (const stream of this.#streams.values()) {
      stream.patience?.cancel();
      stream.tcp.close();
    }
    this.#streams.clear();
  }

  #find(address: string, port: number): SipFlow | null {
    for (const { flow } of this.#streams.values()) {
      if (flow.remoteAddress === address && flow.remotePort === port) return flow;
    }
    return null;
  }

  /** Lasts as long as somebody waits for it: the runtime cannot stop it before its own end. */
  #connect(key: string, address: string, port: number, localAddress: string | null): Attempt {
    const { promise, resolve, reject } = Promise.withResolvers<SipFlow>();
    const attempt: Attempt = { opened: promise, waiting: 0, isLate: false };
    this.#attempts.set(key, attempt);
    this.#options.network.connectTcp({
      address, port,
      ...(localAddress === null ? {} : { localAddress }),
      events: (tcp) => {
        if (attempt.isLate || this.#isStopped) {
          reject(new Error("nobody waits any more"));
          tcp.close();
          return { onData: () => {}, onClose: () => {} };
        }
        const stream = this.#add(tcp);
        resolve(stream.flow);
        return this.#eventsOf(stream);
      },
    }).catch(reject);
    return attempt;
  }

  #add(tcp: TcpConnection): Stream {
    const id = `c${++this.#ordinal}`;
    const { localAddress, localPort, remoteAddress, remotePort } = tcp;
    const stream: Stream = {
      id, tcp,
      flow: {
        transport: "tcp", localAddress, localPort, remoteAddress, remotePort, connection: id,
      },
      framer: new StreamFramer(),
      heardAt: this.#options.clock.monotonicMs(),
      patience: null,
    };
    this.#streams.set(id, stream);
    this.#options.stats.connections = this.#streams.size;
    return stream;
  }

  #remove(stream: Stream): void {
    stream.patience?.cancel();
    if (!this.#streams.delete(stream.id)) return;
    this.#options.stats.connections = this.#streams.size;
    if (!this.#isStopped) this.#options.onClosed(stream.id);
  }

  /** Makes room by closing the one that has been silent longest; false: all are in use. */
  #evict(newcomer: Stream): boolean {
    const before = this.#options.clock.monotonicMs() - IDLE_BEFORE_EVICTION_MS;
    let idlest: Stream | null = null;
    for (const stream of this.#streams.values()) {
      if (stream === newcomer || stream.heardAt > before) continue;
      if (idlest === null || stream.heardAt < idlest.heardAt) idlest = stream;
    }
    idlest?.tcp.close();
    return idlest !== null;
  }

  #expect(stream: Stream): void {
    if (!this.#streams.has(stream.id)) return;
    stream.patience ??= this.#options.clock.after(MESSAGE_MAX_MS, () => stream.tcp.close());
  }

  #eventsOf(stream: Stream): TcpEvents {
    return {
      onData: (bytes) => {
        stream.heardAt = this.#options.clock.monotonicMs();
        for (const output of stream.framer.push(bytes)) this.#take(stream, output);
        if (stream.framer.pendingBytes > 0) this.#expect(stream);
      },
      onClose: () => this.#remove(stream),
    };
  }

  #take(stream: Stream, output: FramerOutput): void {
    switch (output.kind) {
      case "message":
        stream.patience?.cancel();
        stream.patience = null;
        return this.#options.onMessage(output.bytes, stream.flow);
      case "ping":
        stream.tcp.write(PONG);
        return;
      case "pong":
        return;
      case "error":
        // RFC 3261 §18.3: where the next message begins can't be known any more.
        this.#options.onBroken(output, stream.flow);
        stream.tcp.close();
        return;
    }
  }
}
