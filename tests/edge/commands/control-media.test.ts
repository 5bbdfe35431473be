// What control knows of its edge's media processes, over a real server and a process that plays.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { MediaDirectory } from "../../../edge/commands/control-media.ts";
import { openService } from "../../../edge/nats/service.ts";
import { publish, route } from "../../../edge/nats/rpc.ts";
import { mediaHelloSubject, mediaSubject } from "../../../edge/nats/subjects.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { type MediaHello, MediaOrder, MediaStatsRequest } from "../../../schemas/media.ts";
import { eventually } from "../../support/eventually.ts";
import { hasNatsServer, startTestNats, type TestNats } from "../../support/nats.ts";

const EDGE = "ashburn";
const sid = (digit: string): string => `CA03${digit.repeat(30)}`;
const hello = (pid: number, startedAt: number): MediaHello => ({
  edge: EDGE, id: "0", version: "1.0.0", pid, startedAt, calls: 0, portsFree: 10, portsAll: 10,
  draining: false, load: 0,
});

describe.skipIf(!hasNatsServer)("the media processes of an edge", () => {
  let server: TestNats;
  beforeAll(async () => {
    server = await startTestNats();
  });
  afterAll(() => server.stop());

  /** A process that holds these calls and writes down what it is ordered. */
  async function open(calls: { callSid: string; epoch: number; revision: number }[]) {
    const link = await server.link();
    const orders: MediaOrder[] = [];
    const replaced: string[] = [];
    const service = await openService(link, {
      name: "siprec-media", version: "1.0.0", id: "test", description: "", clock: systemClock,
    });
    service.serve("hello", mediaSubject(EDGE, "0", "hello"), route(MediaOrder, () => hello(1, 1)));
    service.serve("stats", mediaSubject(EDGE, "0", "stats"),
      route(MediaStatsRequest, () => ({ calls, call: null })));
    service.serve("apply", mediaSubject(EDGE, "0", "apply"), route(MediaOrder, (order) => {
      orders.push(order);
      return { ok: true, revision: order.revision, endpoint: null, forks: [] };
    }));
    const directory = new MediaDirectory({
      link: await server.link(), edge: EDGE, edgeNumber: 3, clock: systemClock, expected: 1,
      epoch: () => 7, replaced: (id) => void replaced.push(id),
    });
    const say = async (one: MediaHello): Promise<void> => {
      publish(link, mediaHelloSubject(EDGE), one);
      await link.nc.flush();
    };
    await eventually("the process is known", async () => {
      await say(hello(1, 100));
      return directory.choose() === "0";
    });
    return { directory, orders, replaced, say, stop: () => (directory.close(), service.stop()) };
  }

  test("another process under the same id is told of, a late word of the old one not", async () => {
    const { say, replaced, stop } = await open([]);
    await say(hello(1, 100));
    await say(hello(2, 200));
    await eventually("it is told", () => replaced.length > 0);
    await say(hello(1, 100));
    await say(hello(2, 200));
    await Bun.sleep(50);
    expect(replaced).toEqual(["0"]);
    stop();
  });

  test("what no call wants is released, what a call misses is ordered again", async () => {
    const foreign = `CA01${"c".repeat(30)}`;
    const { directory, orders, stop } = await open([
      { callSid: sid("a"), epoch: 7, revision: 4 }, { callSid: sid("b"), epoch: 6, revision: 9 },
      { callSid: foreign, epoch: 1, revision: 1 },
    ]);
    const doubted: string[] = [];
    await directory.compare({
      has: (callSid) => callSid !== sid("b") && callSid !== foreign,
      of: (id) => (id === "0" ? [sid("a"), sid("d")] : []),
      doubt: (callSid) => void doubted.push(callSid),
    });
    expect(orders).toMatchObject([
      { callSid: sid("b"), epoch: 7, revision: 10, endpoint: null, forks: [] },
    ]);
    expect(doubted).toEqual([sid("d")]);
    stop();
  });
});
