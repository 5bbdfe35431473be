// User agents on a network in memory.
import type {
  ClientEvent, IncomingRequest, Limits, UserAgent,
} from "../../edge/sip/types.ts";
import { createUserAgent } from "../../edge/sip/user-agent.ts";
import { FakeClock, settled } from "./fake-clock.ts";
import { FakeWire } from "./fake-wire.ts";
import { quietLog } from "./quiet-log.ts";

export interface Stage {
  clock: FakeClock;
  wire: FakeWire;
  /** When the clock started. */
  start: number;
  agent(address: string, options?: AgentOptions): Promise<UserAgent>;
}

export interface AgentOptions {
  transports?: ("udp" | "tcp")[];
  limits?: Partial<Limits>;
  advertise?: string;
}

export function stage(): Stage {
  const clock = new FakeClock();
  const wire = new FakeWire(clock);
  let counter = 0;
  const random = (bytes: number): Uint8Array => {
    counter++;
    return Uint8Array.from({ length: bytes }, (_, i) => (counter >> (8 * (bytes - 1 - i))) & 0xff);
  };
  return {
    clock, wire,
    start: clock.monotonicMs(),
    async agent(address, options = {}) {
      const { transports = ["udp", "tcp"], ...more } = options;
      const agent = createUserAgent({
        listen: transports.map((transport) => ({ transport, address, port: 5060 })),
        clock, random, log: quietLog, userAgentName: "test", network: wire, ...more,
      });
      await agent.start();
      await settled();
      return agent;
    },
  };
}

/** What a listener heard, as words. */
export function heard(): { events: string[]; listener: (event: ClientEvent) => void } {
  const events: string[] = [];
  return {
    events,
    listener: (event) =>
      events.push(event.type === "response" ? String(event.response.status) : event.type),
  };
}

/** Everything that reaches a user agent's user. */
export function collect(agent: UserAgent): IncomingRequest[] {
  const requests: IncomingRequest[] = [];
  agent.onRequest = (incoming) => requests.push(incoming);
  return requests;
}
