// UDP sockets for audio: as thin as Bun lets us, for each packet of each call goes through here.

/** Gets each datagram; the bytes are its own to change. An object, not a closure over one: for a
 *  thousand legs each step on the way to a packet's state is a miss in the cache. */
export interface DatagramReceiver {
  receive(bytes: Uint8Array, port: number, address: string): void;
}

export interface MediaSocket {
  /** False: the kernel's buffer is full. Throws what an earlier datagram met (ICMP). */
  send(bytes: Uint8Array, port: number, address: string): boolean;
  close(): void;
}

/** Sends to and hears one peer only. ICMP errors come to `onError`; `send` does not throw them. */
export interface ConnectedMediaSocket {
  send(bytes: Uint8Array): boolean;
  close(): void;
}

export interface MediaSockets {
  /** Rejects with code EADDRINUSE when somebody else has the port. */
  open(
    address: string, port: number, receiver: DatagramReceiver, onError: () => void,
  ): Promise<MediaSocket>;
  connect(
    address: string, port: number, peer: { address: string; port: number },
    receiver: DatagramReceiver, onError: () => void,
  ): Promise<ConnectedMediaSocket>;
}

export const mediaSockets: MediaSockets = {
  open(address, port, receiver, onError) {
    return Bun.udpSocket({
      hostname: address,
      port,
      socket: {
        data: (_socket, bytes, fromPort, from) => receiver.receive(bytes, fromPort, from),
        error: onError,
      },
    });
  },
  connect(address, port, peer, receiver, onError) {
    return Bun.udpSocket({
      hostname: address,
      port,
      connect: { hostname: peer.address, port: peer.port },
      socket: {
        data: (_socket, bytes, fromPort, from) => receiver.receive(bytes, fromPort, from),
        error: onError,
      },
    });
  },
};

export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
