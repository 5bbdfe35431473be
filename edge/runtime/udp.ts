// UDP sockets for messages (SIP); audio has a thinner seam of its own, media-socket.ts.

export interface UdpSocket {
  readonly address: string;
  readonly port: number;
  /** Throws when the system refuses this datagram. */
  send(bytes: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface UdpOptions {
  address: string;
  /** 0: any that is free. */
  port: number;
  onDatagram: (bytes: Uint8Array, address: string, port: number) => void;
  /** An ICMP error; it does not say whom it is about. */
  onError: (error: Error) => void;
}

/** Whether the system says, within that time, that nothing listens there (ICMP). */
export type ProbeUdp = (address: string, port: number, waitMs: number) => Promise<boolean>;

const LAST_LOOK_MS = 10;

/** Four octets that SIP peers take for a keepalive (RFC 5626 §4.4.1). */
const KEEPALIVE = new Uint8Array([0x0d, 0x0a, 0x0d, 0x0a]);

/** On a connected socket of its own: only there does an ICMP error name its peer. */
export const isUdpPortClosed: ProbeUdp = async (address, port, waitMs) => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // After a stall the timer is due before the socket was looked at: it gets one more turn.
  let timer = setTimeout(() => {
    timer = setTimeout(() => resolve(false), LAST_LOOK_MS);
  }, waitMs);
  const socket = await Bun.udpSocket({
    connect: { hostname: address, port },
    socket: { data: () => resolve(false), error: () => resolve(true) },
  });
  socket.send(KEEPALIVE);
  const isClosed = await promise;
  clearTimeout(timer);
  socket.close();
  return isClosed;
};

export type OpenUdp = (options: UdpOptions) => Promise<UdpSocket>;

export const openUdp: OpenUdp = async (options) => {
  const socket = await Bun.udpSocket({
    hostname: options.address,
    port: options.port,
    socket: {
      data: (_socket, bytes, port, address) => options.onDatagram(bytes, address, port),
      // Called with the error alone, whatever its declaration says.
      error: (...args: unknown[]) => {
        const error = args.find((each) => each instanceof Error);
        if (error !== undefined) options.onError(error);
      },
    },
  });
  return {
    address: socket.hostname,
    port: socket.port,
    send(bytes, address, port) {
      try {
        socket.send(bytes, port, address);
      } catch {
        // An unconnected socket throws what an earlier datagram met (ICMP), and this one, healthy,
        // is lost: sent again it goes out. What is wrong with this one throws again.
        socket.send(bytes, port, address);
      }
    },
    close: () => socket.close(),
  };
};
