// One RTP port and its RTCP port of a tool: even and odd, side by side (RFC 3550 §11).
import { kindOf } from "../../protocol/rtp/packet.ts";
import { isPortTaken, type MediaSocket, type MediaSockets } from "../runtime/media-socket.ts";
import type { Random } from "../runtime/types.ts";

export interface Address {
  address: string;
  port: number;
}

export interface RtpPortOptions {
  /** The local IP literal. */
  address: string;
  sockets: MediaSockets;
  random: Random;
  onRtp: (bytes: Uint8Array, from: Address) => void;
  onRtcp: (bytes: Uint8Array, from: Address) => void;
}

export interface RtpPort {
  readonly rtpPort: number;
  readonly rtcpPort: number;
  sendRtp(bytes: Uint8Array, to: Address): void;
  sendRtcp(bytes: Uint8Array, to: Address): void;
  close(): void;
}

const PORT_MIN = 20_000;
const PORT_PAIRS = 10_000;
const TRIES_MAX = 64;

/** Tries random pairs until one is free. */
export async function openRtpPort(options: RtpPortOptions): Promise<RtpPort> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const [high = 0, low = 0] = options.random(2);
    const rtpPort = PORT_MIN + 2 * ((high * 256 + low) % PORT_PAIRS);
    const pair = await openPair(rtpPort, options);
    if (pair !== null) return pair;
  }
  throw new Error(`no free pair of RTP ports at ${options.address}`);
}

async function openPair(rtpPort: number, options: RtpPortOptions): Promise<RtpPort | null> {
  const rtp = await openOne(rtpPort, options, (bytes, from) => {
    if (kindOf(bytes) === "rtp") options.onRtp(bytes, from);
  });
  if (rtp === null) return null;
  const rtcp = await openOne(rtpPort + 1, options, (bytes, from) => {
    if (kindOf(bytes) === "rtcp") options.onRtcp(bytes, from);
  });
  if (rtcp === null) {
    rtp.close();
    return null;
  }
  return {
    rtpPort,
    rtcpPort: rtpPort + 1,
    sendRtp: (bytes, to) => send(rtp, bytes, to),
    sendRtcp: (bytes, to) => send(rtcp, bytes, to),
    close() {
      rtp.close();
      rtcp.close();
    },
  };
}

async function openOne(
  port: number, options: RtpPortOptions, onDatagram: (bytes: Uint8Array, from: Address) => void,
): Promise<MediaSocket | null> {
  try {
    return await options.sockets.open(
      options.address, port,
      { receive: (bytes, fromPort, from) => onDatagram(bytes, { address: from, port: fromPort }) },
      // ICMP says that the far end is not there yet, or no more: the call will say so too.
      () => {},
    );
  } catch (error) {
    if (isPortTaken(error)) return null;
    throw error;
  }
}

function send(socket: MediaSocket, bytes: Uint8Array, to: Address): void {
  try {
    socket.send(bytes, to.port, to.address);
  } catch {
    try {
      // The error was an earlier datagram's (ICMP): sent again this one goes out.
      socket.send(bytes, to.port, to.address);
    } catch {
      // Audio that can't be sent is lost, as on any wire.
    }
  }
}
