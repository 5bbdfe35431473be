import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Type as T } from "@sinclair/typebox";
import { Kvm } from "@nats-io/kv";
import { openBucket } from "../../../edge/nats/bucket.ts";
import type { NatsLink } from "../../../edge/nats/connect.ts";
import { openStore } from "../../../edge/nats/store.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import type { Alert } from "../../../schemas/alert.ts";
import { hasNatsServer, quietLog, startTestNats, type TestNats } from "../../support/nats.ts";

const Row = T.Object({ n: T.Integer() });
const ACCOUNT = `AC${"0".repeat(32)}`;

const alert = (n: number): Alert => ({
  sid: `NO${n.toString(16).padStart(32, "0")}`, at: n, accountSid: ACCOUNT, callSid: null,
  siprecSid: null, level: "warning", code: 12200, message: `alert ${n}`,
});

describe.skipIf(!hasNatsServer)("the store of an edge", () => {
  let server: TestNats;
  let link: NatsLink;
  beforeAll(async () => {
    server = await startTestNats();
    link = await server.link();
  });
  afterAll(() => server.stop());

  const open = (edge: string, mayWrite?: () => boolean) => openStore({
    link, edge, clock: systemClock, log: quietLog, historyMs: 3_600_000,
    ...(mayWrite === undefined ? {} : { mayWrite }),
  });

  test("the newest value of a key wins and is there after the flush", async () => {
    const { records } = await open("one");
    for (let n = 0; n < 100; n++) records.put("CA1", { n });
    expect(await records.read("CA1", Row)).toEqual({ n: 99 });
    await records.flushed("CA1");
    expect(records.pending()).toBe(0);
    const other = await open("one");
    expect(await other.records.read("CA1", Row)).toEqual({ n: 99 });
    // Not each of the hundred was written: one was under way, the newest followed.
    const bucket = await openBucket(
      { link, edge: "one", clock: systemClock, log: quietLog }, "siprec_records_one", 3_600_000);
    expect((await bucket.get("CA1"))?.revision).toBe(2);
  });

  test("a removed key leaves nothing behind", async () => {
    const { snapshots } = await open("two");
    snapshots.put("CA1", { n: 1 });
    snapshots.put("CA2", { n: 2 });
    await snapshots.flushedAll();
    snapshots.remove("CA1");
    expect(await snapshots.get("CA1")).toBeNull();
    await snapshots.flushed("CA1");
    expect(await snapshots.keys()).toEqual(["CA2"]);
    const again = await open("two");
    again.snapshots.remove("CA2");
    again.snapshots.remove("CA3");
    expect(await again.snapshots.flushedAll()).toBe(true);
    expect(await again.snapshots.entries()).toEqual([]);
  });

  test("a marker that stands for a removed key is no value", async () => {
    const { records } = await open("marked");
    records.put("CA1", { n: 1 });
    await records.flushed("CA1");
    const kv = await new Kvm(link.nc).open("siprec_records_marked");
    await kv.delete("CA1");
    const other = await open("marked");
    expect(await other.records.get("CA1")).toBeNull();
    expect(await other.records.entries()).toEqual([]);
    other.records.put("CA1", { n: 2 });
    await other.records.flushed("CA1");
    expect((await kv.get("CA1"))?.json<{ n: number }>()).toEqual({ n: 2 });
  });

  test("keys are listed by filter, values with them", async () => {
    const { records } = await open("three");
    for (const key of ["AC1.CA1", "AC1.CA2", "AC2.CA3"]) records.put(key, { n: 1 });
    await records.flushedAll();
    expect((await records.keys("AC1.*")).sort()).toEqual(["AC1.CA1", "AC1.CA2"]);
    const entries = await records.entries("AC2.>");
    expect(entries.map(({ key }) => key)).toEqual(["AC2.CA3"]);
  });

  test("a process that another has overtaken cannot write over it", async () => {
    const [before, after] = [await open("four"), await open("four")];
    before.snapshots.put("CA1", { n: 1 });
    await before.snapshots.flushed("CA1");
    await after.snapshots.get("CA1");
    after.snapshots.put("CA1", { n: 2 });
    await after.snapshots.flushed("CA1");
    before.snapshots.put("CA1", { n: 3 });
    await expect(before.snapshots.flushed("CA1")).rejects.toThrow("Conflict");
    await before.snapshots.flushedAll();
    expect(before.snapshots.conflicts).toBe(1);
    expect(await after.snapshots.read("CA1", Row)).toEqual({ n: 2 });
  });

  test("without the lease nothing is written, and the flush says so", async () => {
    let held = false;
    const { records } = await open("five", () => held);
    records.put("CA1", { n: 1 });
    await expect(records.flushed("CA1", 100)).rejects.toThrow("could not be stored in time");
    await records.flushedAll(150);
    expect(await records.keys()).toEqual([]);
    held = true;
    await records.flushed("CA1");
    expect(await records.keys()).toEqual(["CA1"]);
  });

  test("a value that no message can carry is refused, and the next one is stored", async () => {
    const { records } = await open("six");
    records.put("CA1", { text: "x".repeat(2_000_000) });
    await expect(records.flushed("CA1")).rejects.toThrow();
    await records.flushedAll();
    records.put("CA1", { n: 1 });
    await records.flushed("CA1");
    expect(await records.read("CA1", Row)).toEqual({ n: 1 });
  });

  test("a record that does not fit its schema is an error, and a bad key is our bug", async () => {
    const { records } = await open("seven");
    records.put("CA1", { m: 1 });
    await records.flushed("CA1");
    await expect(records.read("CA1", Row)).rejects.toThrow("siprec_records_seven CA1");
    for (const key of ["", "a..b", "a.*", ">", "a b", "x".repeat(300)]) {
      await expect(records.get(key)).rejects.toThrow();
    }
  });

  test("the history can be changed by opening the store again", async () => {
    await open("eight");
    await openStore({
      link, edge: "eight", clock: systemClock, log: quietLog, historyMs: 60_000,
    });
  });

  test("alerts are kept in order, each once, and read newest first", async () => {
    const { alerts } = await open("nine");
    for (const n of [1, 2, 2, 3]) alerts.append(alert(n));
    await alerts.flushed();
    const recent = await alerts.recent({ limit: 10 });
    expect(recent.map(({ at }) => at)).toEqual([3, 2, 1]);
    expect(await alerts.recent({ limit: 1, accountSid: ACCOUNT })).toHaveLength(1);
    expect(await alerts.recent({ limit: 9, accountSid: `AC${"1".repeat(32)}` })).toEqual([]);
  });
});

describe.skipIf(!hasNatsServer)("the store when its server dies", () => {
  test("what was put meanwhile is written when it is back", async () => {
    const server = await startTestNats();
    const link = await server.link();
    const { records, alerts } = await openStore({
      link, edge: "one", clock: systemClock, log: quietLog, historyMs: 3_600_000,
    });
    records.put("CA1", { n: 1 });
    await records.flushed("CA1");
    const lost = new Promise<void>((resolve) => link.onChange((up) => void (up || resolve())));
    await server.kill();
    await lost;
    records.put("CA1", { n: 2 });
    records.put("CA2", { n: 3 });
    alerts.append(alert(1));
    expect(await records.flushedAll(50)).toBe(false);
    expect(await records.read("CA1", Row)).toEqual({ n: 2 });
    await server.restart();
    expect(await records.flushedAll(5_000)).toBe(true);
    await alerts.flushed();
    expect((await records.keys()).sort()).toEqual(["CA1", "CA2"]);
    expect(await alerts.recent({ limit: 5 })).toHaveLength(1);
    await server.stop();
  });
});
