// A port that nobody has, for UDP and TCP alike. Somebody may take it before it is used: that is
// for demonstrations and tests, not for an edge.
import { listenTcp } from "../runtime/tcp.ts";
import { openUdp } from "../runtime/udp.ts";

const TRIES_MAX = 32;

export async function freePort(address: string): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const tcp = await listenTcp({
      address, port: 0,
      onConnection: (connection) => {
        connection.close();
        return { onData: () => {}, onClose: () => {} };
      },
    });
    const { port } = tcp;
    try {
      const udp = await openUdp({ address, port, onDatagram: () => {}, onError: () => {} });
      udp.close();
      return port;
    } catch {
      // Only UDP's port is taken: another one, then.
    } finally {
      tcp.close();
    }
  }
  throw new Error(`no free port at ${address}`);
}
