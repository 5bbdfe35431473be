// The media plane as a child of relay.bench.ts: speaks the same lines as `relay serve`, but each
// leg is a real endpoint with an inbound fork, told what to do by orders.
import { MediaPlane } from "../../edge/media/plane.ts";
import { PortPool } from "../../edge/media/ports.ts";
import { systemClock } from "../../edge/runtime/clock.ts";
import { mediaSockets } from "../../edge/runtime/media-socket.ts";
import { systemRandom } from "../../edge/runtime/random.ts";
import type { Log } from "../../edge/runtime/types.ts";
import type { Codec, MediaOrder } from "../../schemas/media.ts";

const ADDRESS = "127.0.0.1";
const PCMU: Codec = { name: "PCMU", payloadType: 0, clockRate: 8000, channels: 1 };
const legs = Number(process.argv[2]);
const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => log };

const plane = new MediaPlane({
  sockets: mediaSockets, address: ADDRESS, advertise: ADDRESS, clock: systemClock,
  random: systemRandom, log, onFact: nothing,
  ports: new PortPool({
    range: [30_000, 64_999], restMs: 0, clock: systemClock, random: systemRandom,
  }),
});

const sidOf = (leg: number): string => `CA${leg.toString(16).padStart(32, "0")}`;

function orderOf(leg: number, phone: number, sink: number): MediaOrder {
  const rtp = { address: ADDRESS, port: phone };
  return {
    version: 1, edge: "bench", epoch: 1, callSid: sidOf(leg), revision: 1,
    endpoint: {
      hears: { kind: "call", callSid: sidOf(leg ^ 1) }, timeoutMs: 60_000,
      remote: {
        rtp, rtcp: null, receive: [PCMU], send: [PCMU], receiveEvents: [], sendEvents: [],
        direction: "sendrecv", ptimeMs: 20, allow: [],
      },
    },
    forks: [{
      id: `SR${leg.toString(16).padStart(32, "0")}.1`, track: "inbound_track",
      destination: {
        rtp: { address: ADDRESS, port: sink }, rtcp: { address: ADDRESS, port: sink },
        codecs: [PCMU],
      },
    }],
  };
}

const ports: number[] = [];
for await (const line of console) {
  const [phone = 0, sink = 0] = line.split(" ").map(Number);
  if (line === "count") {
    const received = plane.calls().map(({ callSid }) => {
      const reply = plane.report(callSid);
      return reply?.ok === true ? reply.endpoint?.received.packets ?? 0 : 0;
    });
    console.log(received.reduce((sum, packets) => sum + packets, 0));
    continue;
  }
  const reply = await plane.apply(orderOf(ports.length, phone, sink));
  if (!reply.ok) throw new Error(reply.message);
  ports.push(reply.endpoint?.port.rtpPort ?? 0);
  if (ports.length === legs) console.log(ports.join(" "));
}
plane.close();
