import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openBucket } from "../../../edge/nats/bucket.ts";
import { type Lease, openLease } from "../../../edge/nats/lease.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import type { Clock } from "../../../edge/runtime/types.ts";
import { eventually } from "../../support/eventually.ts";
import { hasNatsServer, quietLog, startTestNats, type TestNats } from "../../support/nats.ts";

const TIMES = { ttlMs: 600, renewMs: 150, tryMs: 50, marginMs: 200, courtesyMs: 600 };

interface Holder {
  lease: Lease;
  events: string[];
  /** Resolves at the next event of that kind. */
  next(kind: "taken" | "lost"): Promise<string>;
}

describe.skipIf(!hasNatsServer)("the lease of an edge", () => {
  let server: TestNats;
  beforeAll(async () => {
    server = await startTestNats();
  });
  afterAll(() => server.stop());

  async function hold(edge: string, clock: Clock = systemClock): Promise<Holder> {
    const link = await server.link();
    const events: string[] = [];
    const waiting: { kind: string; resolve: (event: string) => void }[] = [];
    const note = (kind: string, event: string): void => {
      events.push(event);
      for (const wait of waiting.splice(0)) {
        if (wait.kind === kind) wait.resolve(event);
        else waiting.push(wait);
      }
    };
    const lease = await openLease({
      link, edge, clock, log: quietLog, random: systemRandom, holderName: "test", times: TIMES,
      onTaken: (epoch) => note("taken", `taken ${epoch}`),
      onLost: (reason) => note("lost", `lost ${reason}`),
    });
    return {
      lease, events,
      next: (kind) => new Promise((resolve) => void waiting.push({ kind, resolve })),
    };
  }

  const taken = async (holder: Holder): Promise<void> => {
    if (!holder.lease.isHeld()) await holder.next("taken");
  };

  test("one holds it, the other takes it at once when it is given back", async () => {
    const first = await hold("one");
    await taken(first);
    const second = await hold("one");
    expect(first.lease.isHeld()).toBe(true);
    await Bun.sleep(TIMES.ttlMs + 200);
    expect(first.lease.isHeld()).toBe(true);
    expect(second.lease.isHeld()).toBe(false);
    expect(second.lease.epoch()).toBeNull();
    const before = first.lease.epoch() ?? 0;
    await first.lease.release();
    expect(first.lease.isHeld()).toBe(false);
    await taken(second);
    expect(second.lease.epoch()).toBeGreaterThan(before);
    await second.lease.release();
  });

  test("the epoch stays while it is renewed", async () => {
    const holder = await hold("two");
    await taken(holder);
    const epoch = holder.lease.epoch();
    await Bun.sleep(TIMES.renewMs * 4);
    expect(holder.lease.epoch()).toBe(epoch);
    expect(holder.events).toEqual([`taken ${epoch}`]);
    await holder.lease.release();
  });

  test("a holder that was stopped knows it by the clock before it hears of it", async () => {
    let stoppedForMs = 0;
    const clock: Clock = { ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + stoppedForMs };
    const holder = await hold("three", clock);
    await taken(holder);
    stoppedForMs = TIMES.ttlMs - TIMES.marginMs;
    expect(holder.lease.isHeld()).toBe(false);
    await holder.lease.release();
  });

  test("a holder that renews no more loses it to the other, which has a higher epoch", async () => {
    const first = await hold("four");
    await taken(first);
    first.lease.close();
    const second = await hold("four");
    await taken(second);
    expect(first.lease.isHeld()).toBe(false);
    expect(second.lease.epoch() ?? 0).toBeGreaterThan(first.lease.epoch() ?? 0);
    await second.lease.release();
  });

  /** A holder and one that stands by, at a server that goes away for longer than the lease. */
  async function away(edge: string, meanwhile: (own: TestNats) => Promise<void>) {
    const own = await startTestNats();
    let isThere = true;
    const open = async (name: string, events: string[]) => {
      const link = await own.link();
      return openLease({
        link: { ...link, isConnected: () => isThere && link.isConnected() },
        edge, clock: systemClock, log: quietLog, random: systemRandom,
        holderName: name, times: TIMES, onTaken: (epoch) => void events.push(`taken ${epoch}`),
        onLost: (reason) => void events.push(`lost ${reason}`),
      });
    };
    const [first, second]: [string[], string[]] = [[], []];
    const holder = await open("holder", first);
    await eventually("it is taken", () => holder.isHeld());
    const standby = await open("standby", second);
    const epoch = holder.epoch();
    isThere = false;
    await own.kill();
    await Bun.sleep(TIMES.ttlMs + 100);
    expect(holder.isHeld()).toBe(false);
    await own.restart();
    await meanwhile(own);
    isThere = true;
    await eventually("one of them has it", () => holder.isHeld() || standby.isHeld());
    const end = { first, second, epoch, held: [holder, standby].map((one) => one.isHeld()) };
    const now = { holder: holder.epoch(), standby: standby.epoch() };
    await Promise.all([holder.release(), standby.release()]);
    await own.stop();
    return { ...end, now };
  }

  test("a server that was away for longer than the lease: the holder goes on", async () => {
    const { first, second, held, epoch, now } = await away("five", async () => {});
    expect(held).toEqual([true, false]);
    expect([first, second]).toEqual([[`taken ${epoch}`], []]);
    expect(now.holder).toBe(epoch);
  });

  test("it does not go on when somebody else had it meanwhile", async () => {
    const { first } = await away("six", async (own) => {
      const link = await own.link();
      const place = { link, edge: "six", clock: systemClock, log: quietLog };
      const bucket = await openBucket(place, "siprec_lease_six", TIMES.ttlMs);
      await eventually("another one has had it", async () => {
        const put = await bucket.put("lease", new Uint8Array([1]), 0);
        if (put.ok) await bucket.remove("lease", put.revision);
        return put.ok;
      });
    });
    expect(first[1]).toMatch(/^lost/);
  });
});
