import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type as T } from "@sinclair/typebox";
import { MediaProcess, FACTS_WAITING_MAX, IDLE_EXIT_MS } from "../../../edge/media/process.ts";
import { PortPool } from "../../../edge/media/ports.ts";
import type { NatsLink } from "../../../edge/nats/connect.ts";
import { listen, request, route, serveVerbs } from "../../../edge/nats/rpc.ts";
import { callPrefix, mediaHelloSubject, mediaSubject } from "../../../edge/nats/subjects.ts";
import { mediaSockets } from "../../../edge/runtime/media-socket.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import { MediaFact, MediaHello, MediaReply, MediaStats } from "../../../schemas/media.ts";
import { hasNatsServer, startTestNats, type TestNats } from "../../support/nats.ts";
import { callSid, closeRigs, forkId, forkTo, LOOPBACK, noLog, orderOf, Peer, remoteOf, StillClock }
  from "./rig.ts";

afterEach(closeRigs);

function openProcess(tellOwner: (fact: MediaFact) => Promise<boolean> = async () => true) {
  const clock = new StillClock();
  const hellos: MediaHello[] = [];
  let idle = 0;
  const cpu = { ms: 0 };
  const ports = new PortPool({
    range: [29_900, 29_919], restMs: 0, clock, random: systemRandom,
  });
  const media = new MediaProcess({
    edge: "ashburn", id: "0", version: "0.1.0", pid: 1, clock, log: noLog,
    media: { sockets: mediaSockets, ports, address: LOOPBACK, advertise: LOOPBACK,
      random: systemRandom },
    cpuTimeMs: () => cpu.ms, publishHello: (hello) => void hellos.push(hello), tellOwner,
    onIdle: () => void (idle += 1),
  });
  return { media, clock, hellos, cpu, idle: () => idle };
}

describe("media process", () => {
  test("says hello each second, with its load and its ports", () => {
    const { media, clock, hellos, cpu } = openProcess();
    media.start();
    cpu.ms = 250;
    clock.advance(1000);
    expect(hellos.map(({ load }) => load)).toEqual([0, 0.25]);
    expect(hellos[0]).toMatchObject({ portsFree: 10, portsAll: 10, calls: 0, draining: false });
    media.stop();
    expect(hellos.at(-1)?.draining).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test("ends when it has been empty and without control for five minutes", () => {
    const { media, clock, idle } = openProcess();
    media.start();
    clock.advance(IDLE_EXIT_MS - 1000);
    media.answerHello();
    clock.advance(IDLE_EXIT_MS - 1000);
    expect(idle()).toBe(0);
    clock.advance(1000);
    expect([idle(), clock.pending]).toEqual([1, 0]);
  });

  test("does not end while it has a call", async () => {
    const { media, clock, idle } = openProcess();
    media.start();
    await media.apply(orderOf(callSid("a"), 1, {}));
    for (let minutes = 0; minutes < 10; minutes += 1) {
      clock.advance(50_000);
      await media.apply(orderOf(callSid("a"), 1, {}));
    }
    expect(idle()).toBe(0);
    expect(media.stats({ callSid: null })).toEqual({
      calls: [{ callSid: callSid("a"), epoch: 1, revision: 1 }], call: null,
    });
    media.stop();
  });

  test("facts of one call are told one after the other, no more than fit the queue", async () => {
    const told: string[] = [];
    const gates: (() => void)[] = [];
    const { media, clock } = openProcess(async (fact) => {
      told.push(fact.type);
      await new Promise<void>((resolve) => gates.push(resolve));
      return true;
    });
    await media.apply(orderOf(callSid("a"), 1, { remote: remoteOf(9), timeoutMs: 1000 }));
    clock.advance((FACTS_WAITING_MAX + 20) * 1000);
    await Promise.resolve();
    expect(told).toHaveLength(1);
    let opened = 0;
    for (; gates.length > opened; opened += 1) {
      gates[opened]?.();
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
    }
    expect(told).toHaveLength(FACTS_WAITING_MAX);
    media.stop();
  });
});

describe.skipIf(!hasNatsServer)("siprec media", () => {
  let nats: TestNats;
  let link: NatsLink;
  let dir: string;
  let child: Bun.Subprocess<"ignore", "ignore", "pipe">;

  beforeAll(async () => {
    nats = await startTestNats();
    link = await nats.link();
    dir = mkdtempSync(join(tmpdir(), "siprec-media-"));
    writeFileSync(join(dir, "siprec.toml"), `edge = "ashburn"\ndata = "${dir}"\n`
      + `[media]\nports = [28000, 28199]\nprocesses = 2\n[nats]\nservers = ["${nats.url}"]\n`);
    const hello = new Promise<void>((resolve) => {
      listen(link, mediaHelloSubject("ashburn"), MediaHello, () => resolve());
    });
    child = Bun.spawn({
      cmd: [process.execPath, "run", "edge/main.ts", "media", "--config",
        join(dir, "siprec.toml"), "--id", "1"],
      stdin: "ignore", stdout: "ignore", stderr: "pipe",
    });
    await hello;
  });
  afterAll(async () => {
    child.kill("SIGKILL");
    await child.exited;
    await nats.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const ask = (verb: "apply" | "stats" | "hello", payload: unknown) =>
    request(link, mediaSubject("ashburn", "1", verb), T.Unknown(), payload);

  test("is told what to do over NATS, in its own share of the ports", async () => {
    const replied = await request(link, mediaSubject("ashburn", "1", "apply"), MediaReply,
      orderOf(callSid("c"), 1, {}, [forkTo(forkId("3", 1), "inbound_track", null)]));
    expect(replied).toMatchObject({ ok: true, value: { ok: true, revision: 1 } });
    const value = replied.ok && replied.value.ok ? replied.value : null;
    expect(value?.endpoint?.port.rtpPort).toBeWithin(28100, 28199);
    const stats = await request(link, mediaSubject("ashburn", "1", "stats"), MediaStats,
      { callSid: callSid("c") });
    expect(stats).toMatchObject({ value: { call: { ok: true, forks: [{ errors: 0 }] } } });
  });

  test("refuses what is not an order, and lives", async () => {
    for (const payload of [null, {}, [], "x", { ...orderOf(callSid("c"), 2, {}), version: 2 },
      { ...orderOf(callSid("c"), 2, {}), callSid: "CA1.>" }]) {
      expect(await ask("apply", payload)).toMatchObject({ ok: false, reason: "error", code: 400 });
    }
    expect(await ask("hello", null)).toMatchObject({ value: { id: "1", calls: 1 } });
  });

  test("tells the owner of the call its facts", async () => {
    const heard: MediaFact[] = [];
    const fact = new Promise<void>((resolve) => {
      serveVerbs(link, callPrefix(callSid("d")), {
        media: route(MediaFact, (one) => { heard.push(one); resolve(); return null; }),
      });
    });
    await ask("apply", orderOf(callSid("d"), 1, { remote: remoteOf(9), timeoutMs: 1 }));
    await fact;
    expect(heard[0]).toMatchObject({ type: "media.timeout", callSid: callSid("d") });
  });

  test("is found by the tools for NATS services", async () => {
    const info = await request(link, "$SRV.INFO.siprec-media", T.Object({
      endpoints: T.Array(T.Object({ name: T.String() })),
    }), {});
    expect(info).toMatchObject({ ok: true });
    expect(info.ok && info.value.endpoints.map(({ name }) => name)).toEqual([
      "apply", "stats", "hello",
    ]);
  });

  test("SIGTERM: says BYE to the recorder, gives everything back, ends with 0", async () => {
    const [srs, control] = [await Peer.open(), await Peer.open()];
    const phone = await Peer.open();
    const order = orderOf(callSid("e"), 1, { remote: remoteOf(phone.port) },
      [forkTo(forkId("4", 1), "inbound_track", srs, undefined, control)]);
    const replied = await request(link, mediaSubject("ashburn", "1", "apply"), MediaReply, order);
    const port = replied.ok && replied.value.ok ? replied.value.endpoint?.port.rtpPort ?? 0 : 0;
    phone.sendRtp(port, {});
    await srs.hears(1);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await control.hears(1);
    expect([...control.heard[0]?.bytes.subarray(0, 2) ?? []]).toEqual([0x80, 200]);
    const again = await Peer.open(port);
    for (const peer of [srs, control, phone, again]) peer.close();
  });
});
