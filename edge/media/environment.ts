// What endpoints and fork streams of one media process share.
import type { MediaFact, MediaPort } from "../../schemas/media.ts";
import { isPortTaken, type DatagramReceiver, type MediaSocket, type MediaSockets }
  from "../runtime/media-socket.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import type { PortPool } from "./ports.ts";

/** Pairs that another program holds, tried one after the other. */
const PORT_ATTEMPTS_MAX = 50;

export interface MediaEnvironment {
  sockets: MediaSockets;
  ports: PortPool;
  /** The address that sockets are bound to. */
  address: string;
  /** The address that SDP names. */
  advertise: string;
  clock: Clock;
  random: Random;
  log: Log;
  onFact: (fact: MediaFact) => void;
}

export interface SocketPair {
  port: number;
  rtp: MediaSocket;
  rtcp: MediaSocket;
}

export interface PairReceiver {
  rtp: DatagramReceiver;
  rtcp: DatagramReceiver;
  onError: () => void;
}

/** Two bound sockets on a lent pair; null: no pair can be lent. */
export async function openPair(env: MediaEnvironment, to: PairReceiver,
): Promise<SocketPair | null> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt += 1) {
    const port = env.ports.lend();
    if (port === null) return null;
    let rtp: MediaSocket | null = null;
    try {
      rtp = await env.sockets.open(env.address, port, to.rtp, to.onError);
      const rtcp = await env.sockets.open(env.address, port + 1, to.rtcp, to.onError);
      return { port, rtp, rtcp };
    } catch (error) {
      rtp?.close();
      env.ports.giveBack(port);
      if (!isPortTaken(error)) throw error;
    }
  }
  return null;
}

/** Closes both and gives the pair back. */
export function closePair(env: MediaEnvironment, pair: { port: number; rtp: { close(): void };
  rtcp: { close(): void }; }): void {
  pair.rtp.close();
  pair.rtcp.close();
  env.ports.giveBack(pair.port);
}

export const mediaPort = (env: MediaEnvironment, port: number): MediaPort =>
  ({ address: env.advertise, rtpPort: port, rtcpPort: port + 1 });

/** Epoch milliseconds of a monotonic instant; null for one that never was. */
export function wallOf(clock: Clock, atMs: number): number | null {
  return atMs < 0 ? null : Math.round(clock.wallMs() - (clock.monotonicMs() - atMs));
}

export function random32(env: MediaEnvironment): number {
  const [a = 0, b = 0, c = 0, d = 0] = env.random(4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
