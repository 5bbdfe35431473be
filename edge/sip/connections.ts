// The streams of a user agent: each has an id, a framer and a flow, and is used again for whatever
// goes to the same place (RFC 3261 §18, RFC 5626 §4.4.1 for the keepalive).

import { type FramerOutput, StreamFramer } from "../../protocol/sip/framing.ts";
import type { SipFlow } from "../../protocol/sip/message.ts";
import type { TcpConnection, TcpEvents } from "../runtime/tcp.ts";
import type { Clock, Timer } from "../runtime/types.ts";
import type { SipNetwork, SipStats } from "./types.ts";

/** A stream that has not brought one whole message by then holds a place for nothing. */
const FIRST_MESSAGE_MAX_MS = 32_000;
/** At the limit, a stream that has been silent for so long gives its place to a new one. */
const IDLE_BEFORE_EVICTION_MS = 60_000;
export const CONNECT_TIMEOUT_MS = 4000;

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
  /** Runs until the first message; none on a stream that we opened. */
  patience: Timer | null;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #opening = new Map<string, Promise<SipFlow>>();
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
    stream.patience = this.#options.clock.after(FIRST_MESSAGE_MAX_MS, () => tcp.close());
    return this.#eventsOf(stream);
  }

  /** The stream to there, opened when there is none. Rejects as `connectTcp` does. */
  open(
    address: string, port: number, localAddress: string | null, timeoutMs: number,
  ): Promise<SipFlow> {
    const open = this.#find(address, port);
    if (open !== null) return Promise.resolve(open);
    const key = `${address} ${port}`;
    const underWay = this.#opening.get(key);
    if (underWay !== undefined) return underWay;
    const opening = this.#connect(address, port, localAddress, timeoutMs)
      .finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  isOpen(connection: string): boolean {
    return this.#streams.has(connection);
  }

  write(connection: string, bytes: Uint8Array): boolean {
    return this.#streams.get(connection)?.tcp.write(bytes) ?? false;
  }

  close(connection: string): void {
    this.#streams.get(connection)?.tcp.close();
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

  async #connect(
    address: string, port: number, localAddress: string | null, timeoutMs: number,
  ): Promise<SipFlow> {
    let isLate = false;
    let opened: Stream | null = null;
    const connected = this.#options.network.connectTcp({
      address, port,
      ...(localAddress === null ? {} : { localAddress }),
      events: (tcp) => {
        if (isLate || this.#isStopped) {
          tcp.close();
          return { onData: () => {}, onClose: () => {} };
        }
        opened = this.#add(tcp);
        return this.#eventsOf(opened);
      },
    });
    const { clock } = this.#options;
    const silence = Promise.withResolvers<never>();
    const timer = clock.after(timeoutMs, () => {
      isLate = true;
      silence.reject(new Error(`no connection to ${address}:${port} in ${timeoutMs} ms`));
    });
    try {
      await Promise.race([connected, silence.promise]);
    } finally {
      timer.cancel();
    }
    // The callback above has set it; the compiler does not see that it ran.
    const stream = opened as Stream | null;
    if (stream === null) throw new Error("stopped");
    return stream.flow;
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

  #eventsOf(stream: Stream): TcpEvents {
    return {
      onData: (bytes) => {
        stream.heardAt = this.#options.clock.monotonicMs();
        for (const output of stream.framer.push(bytes)) this.#take(stream, output);
      },
      onClose: () => this.#remove(stream),
    };
  }

  #take(stream: Stream, output: FramerOutput): void {
    switch (output.kind) {
      case "message":
        stream.patience?.cancel();
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
