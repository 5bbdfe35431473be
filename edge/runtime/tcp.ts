// TCP connections: what is written is written whole and in order, or the connection ends.

export interface TcpConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** False: it is closed, or the peer has let too much wait; then it is closed. */
  write(bytes: Uint8Array): boolean;
  close(): void;
}

export interface TcpEvents {
  onData: (bytes: Uint8Array) => void;
  /** Once, also after our own close. */
  onClose: () => void;
}

export interface TcpListener {
  readonly address: string;
  readonly port: number;
  /** Connections live on. */
  close(): void;
}

export type ListenTcp = (options: {
  address: string;
  port: number;
  onConnection: (connection: TcpConnection) => TcpEvents;
}) => Promise<TcpListener>;

/** Rejects with a `TcpRefused` when the peer said no, with another error otherwise. */
export type ConnectTcp = (options: {
  address: string;
  port: number;
  /** Leave from this address; any without it. */
  localAddress?: string;
  events: (connection: TcpConnection) => TcpEvents;
}) => Promise<TcpConnection>;

/** Nobody listens there. */
export class TcpRefused extends Error {
  override readonly name = "TcpRefused";
}

const WRITE_BUFFER_MAX_BYTES = 1_048_576;

interface Wire {
  connection: BunConnection;
  events: TcpEvents;
}

class BunConnection implements TcpConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Bun.Socket<Wire>;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isClosed = false;

  constructor(socket: Bun.Socket<Wire>) {
    this.#socket = socket;
    this.localAddress = socket.localAddress;
    this.localPort = socket.localPort;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isClosed) return false;
    const written = this.#waiting.length > 0 ? 0 : this.#socket.write(bytes);
    if (written === bytes.length) return true;
    if (written < 0 || this.#waitingBytes + bytes.length > WRITE_BUFFER_MAX_BYTES) {
      this.close();
      return false;
    }
    this.#waiting.push(bytes.slice(written));
    this.#waitingBytes += bytes.length - written;
    return true;
  }

  drain(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      const written = this.#socket.write(first);
      if (written < 0) return this.close();
      this.#waitingBytes -= written;
      if (written < first.length) {
        this.#waiting[0] = first.subarray(written);
        return;
      }
      this.#waiting.shift();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.end();
  }

  /** The peer's doing. */
  ended(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }
}

type Opened = (socket: Bun.Socket<Wire>) => TcpEvents;

const handlers = (connected: Opened): Bun.SocketHandler<Wire> => ({
  open(socket) {
    const connection = new BunConnection(socket);
    socket.data = { connection, events: { onData: () => {}, onClose: () => {} } };
    socket.data.events = connected(socket);
  },
  data: (socket, bytes) => socket.data.events.onData(bytes),
  drain: (socket) => socket.data.connection.drain(),
  close(socket) {
    // A socket that never opened has no data.
    const wire: Wire | undefined = socket.data;
    wire?.connection.ended();
    wire?.events.onClose();
  },
  // The close that follows says all.
  error: () => {},
});

export const listenTcp: ListenTcp = async ({ address, port, onConnection }) => {
  const listener = Bun.listen<Wire>({
    hostname: address, port, exclusive: true,
    socket: handlers((socket) => onConnection(socket.data.connection)),
  });
  return {
    address, port: listener.port,
    close: () => listener.stop(false),
  };
};

export const connectTcp: ConnectTcp = async ({ address, port, localAddress, events }) => {
  const options = {
    hostname: address, port,
    // Obeyed by Bun, missing in its declarations.
    ...(localAddress === undefined ? {} : { localAddress }),
    socket: handlers((socket) => events(socket.data.connection)),
  };
  try {
    const socket = await Bun.connect<Wire>(options);
    return socket.data.connection;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED") {
      throw new TcpRefused(`nobody listens at ${address}:${port}`, { cause: error });
    }
    throw error;
  }
};
