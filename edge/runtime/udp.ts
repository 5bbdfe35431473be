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
