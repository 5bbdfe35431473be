// The cast of the demo: an edge, an app, a recorder and two phones; and what each of them does, as
// it happens.
import { join } from "node:path";
import { decodeWav, type Sound } from "../../protocol/rtp/wav.ts";
import { header } from "../../protocol/sip/header.ts";
import { readBytes } from "../runtime/files.ts";
import type { HttpServer } from "../runtime/serve.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import { type AppRequest, startDemoApp } from "./demo-app.ts";
import { type DemoAccount, demoAccount, type DemoEdge, startDemoEdge } from "./demo-edge.ts";
import { freePort } from "./free-port.ts";
import { Phone } from "./phone.ts";
import type { Arrow } from "./picture.ts";
import { Srs } from "./srs.ts";

const ADDRESS = "127.0.0.1";
export const NUMBER = "+15550100";
export const SIPREC_NAME = "demo";

export const LANES = ["Alice", "edge", "Bob", "recorder", "app"] as const;
export type Lane = (typeof LANES)[number];

export interface StageOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** What is kept goes here: recordings, the configuration, the log. */
  folder: string;
  dataFolder: string;
  mainPath: string;
  /** Says one step, as it happens. */
  tell: (who: string, text: string) => void;
}

export class Stage {
  readonly account: DemoAccount;
  readonly arrows: Arrow[] = [];
  readonly callbacks: AppRequest[] = [];
  readonly alice: Phone;
  readonly bob: Phone;
  readonly voices: { alice: Sound; bob: Sound };
  srs: Srs | null = null;
  edge: DemoEdge | null = null;
  /** Of Alice's call, as the app learns it. */
  callSid = "";
  #app: HttpServer | null = null;
  #starting: Promise<DemoEdge> | null = null;
  #startedAt: number;
  #watchers: (() => void)[] = [];

  constructor(private readonly options: StageOptions) {
    const { clock, random, log } = options;
    this.#startedAt = clock.monotonicMs();
    this.account = demoAccount(random);
    const phone = (user: string): Phone => new Phone({
      listen: [{ transport: "udp", address: ADDRESS, port: 0 }], user, clock, random, log,
    });
    this.alice = phone("alice");
    this.bob = phone("bob");
    this.voices = { alice: voiceOf("voice-a.wav"), bob: voiceOf("voice-b.wav") };
  }

  /** Everything that the call needs, the edge last. */
  async build(): Promise<void> {
    const { clock, random, log, folder, tell } = this.options;
    await Promise.all([this.alice.start(), this.bob.start()]);
    tell("phones", `Alice at ${this.alice.uri}, Bob at ${this.bob.uri}`);
    const port = await freePort(ADDRESS);
    const srs = new Srs({
      listen: [
        { transport: "udp", address: ADDRESS, port }, { transport: "tcp", address: ADDRESS, port },
      ],
      out: join(folder, "recorded"), clock, random, log,
    });
    this.#watchRecorder(srs);
    await srs.start();
    this.srs = srs;
    tell("recorder", `listens on ${ADDRESS}:${port} (UDP and TCP)`);
    this.#app = startDemoApp({
      authToken: this.account.authToken, address: ADDRESS,
      twiml: (url) => this.#twiml(url), onRequest: (request) => this.#tookRequest(request),
    });
    tell("app", `answers with TwiML at ${this.#app.url}/voice`);
    const before = clock.monotonicMs();
    this.#starting = startDemoEdge({
      ...this.options, account: this.account, number: NUMBER,
      voiceUrl: `${this.#app.url}/voice`, recorder: `sip:srs@${ADDRESS}:${port}`,
    });
    this.edge = await this.#starting;
    const ms = Math.round(clock.monotonicMs() - before);
    tell("edge", `ashburn is ready after ${ms} ms: SIP ${ADDRESS}:${this.edge.sipPort}, `
      + `HTTP ${this.edge.httpUrl}`);
  }

  /** The picture's time starts here. */
  begin(): void {
    this.#startedAt = this.options.clock.monotonicMs();
  }

  arrow(from: Lane, to: Lane, label: string): void {
    const atMs = this.options.clock.monotonicMs() - this.#startedAt;
    this.arrows.push({ atMs, from, to, label });
  }

  /** Resolves when the condition holds; looked at whenever something happened. It may throw. */
  async until(what: string, maxMs: number, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.options.clock.after(maxMs, () =>
      reject(new Error(`waited ${maxMs / 1000} s for ${what}`)));
    const look = (): void => {
      try {
        if (holds()) resolve();
      } catch (error) {
        reject(error);
      }
    };
    this.#watchers.push(look);
    look();
    try {
      await Promise.race([promise, this.edge?.exited.then(() => {
        throw new Error(`the edge ended while waiting for ${what}`);
      }) ?? promise]);
    } finally {
      timer.cancel();
      this.#watchers = this.#watchers.filter((watcher) => watcher !== look);
    }
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Everything ends; gives the edge's exit code. */
  async close(): Promise<number | null> {
    await Promise.all([this.alice.stop(), this.bob.stop()]);
    // Interrupted while it starts, it is stopped once it is there; one that failed has ended.
    const edge = await this.#starting?.catch(() => null) ?? null;
    const code = await edge?.stop() ?? null;
    await this.srs?.stop();
    await this.#app?.close(0);
    return code;
  }

  #twiml(url: string): string {
    return `<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Start>
    <Siprec name="${SIPREC_NAME}" connectorName="Recorder" track="both_tracks"
        statusCallback="${url}/siprec">
      <Parameter name="case" value="4711"/>
    </Siprec>
  </Start>
  <Dial timeout="20"><Sip>${this.bob.uri}</Sip></Dial>
</Response>`;
  }

  #tookRequest(request: AppRequest): void {
    const { tell } = this.options;
    const proof = request.signed ? "signature right" : "SIGNATURE WRONG";
    const { params } = request;
    if (request.path === "/voice") {
      this.callSid = params["CallSid"] ?? "";
      this.arrow("edge", "app", "POST /voice");
      this.arrow("app", "edge", "TwiML");
      tell("app", `is asked for call ${this.callSid} (${proof}): <Start><Siprec> and <Dial>`);
    } else {
      const event = params["SiprecEvent"] ?? params["StatusCallbackEvent"] ?? request.path;
      this.arrow("edge", "app", event);
      tell("app", `status callback ${event} (${proof})`);
    }
    this.callbacks.push(request);
    this.changed();
  }

  #watchRecorder(srs: Srs): void {
    const { tell } = this.options;
    srs.onStarted = (session) => {
      const transport = /SIP\/2\.0\/(\w+)/.exec(header(session.invite, "Via") ?? "")?.[1] ?? "";
      this.arrow("edge", "recorder", "INVITE (SDP, XML)");
      this.arrow("recorder", "edge", "200");
      tell("recorder", `takes the recording over ${transport}: `
        + `streams ${session.streams.map(({ label }) => label).join(" and ")}`);
      this.changed();
    };
    srs.onDocument = (session) => {
      const number = session.documents.length;
      if (number > 1) {
        this.arrow("edge", "recorder", `metadata ${number}`);
        tell("recorder", `metadata document ${number}: a new snapshot`);
      }
      this.changed();
    };
    srs.onEnded = (session) => {
      this.arrow("edge", "recorder", "BYE");
      tell("recorder", `the recording is over (BYE from ${session.endedBy ?? "nobody"})`);
      this.changed();
    };
  }
}

function voiceOf(name: string): Sound {
  const path = join(import.meta.dir, "..", "..", "tests", "assets", name);
  const bytes = readBytes(path);
  if (bytes === null) throw new Error(`${path} can't be read`);
  const read = decodeWav(bytes);
  if (!read.ok) throw new Error(`${path}: ${read.reason}`);
  return read.sound;
}
