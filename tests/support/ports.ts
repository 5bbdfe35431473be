// Ports for programs of their own that a test starts: below the range that the system gives away
// by itself, free for UDP and TCP alike.
import { createServer } from "node:net";

const FIRST = 11_000;
const LAST = 14_999;
const BLOCK_FIRST = 15_000;
const BLOCK_LAST = 19_999;
const TRIES_MAX = 200;

const lent = new Set<number>();
const between = (first: number, last: number): number =>
  first + Math.floor(Math.random() * (last - first + 1));

export const isUdpFree = (port: number, host = "127.0.0.1"): Promise<boolean> =>
  Bun.udpSocket({ hostname: host, port, socket: {} }).then(
    (socket) => (socket.close(), true), () => false,
  );

export const isTcpFree = (port: number, host = "127.0.0.1"): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

/** One port that nobody has, and that this run gives to nobody else. */
export async function freeSipPort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = between(FIRST, LAST);
    if (lent.has(port) || !await isUdpFree(port) || !await isTcpFree(port)) continue;
    lent.add(port);
    return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`);
}

/** The first of `size` ports in a row; single ones of them may still be taken. */
export function portBlock(size: number): number {
  const blocks = Math.floor((BLOCK_LAST - BLOCK_FIRST + 1) / size);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const first = BLOCK_FIRST + size * between(0, blocks - 1);
    if (lent.has(first)) continue;
    lent.add(first);
    return first;
  }
  throw new Error("all blocks of ports are lent");
}
