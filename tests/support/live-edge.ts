// A real edge for tests: `siprec edge` as a process, with a folder and ports of its own; an app,
// phones and recorders beside it. Whatever it started ends with it, by pid.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseLogLine } from "../../edge/commands/supervisor-log.ts";
import { connectNats, type NatsLink } from "../../edge/nats/connect.ts";
import { request } from "../../edge/nats/rpc.ts";
import { mediaSubject } from "../../edge/nats/subjects.ts";
import { systemClock } from "../../edge/runtime/clock.ts";
import type { LogLine } from "../../edge/runtime/log.ts";
import { systemRandom } from "../../edge/runtime/random.ts";
import { isRunning, type ProcessIdentity } from "../../edge/runtime/spawn.ts";
import { Phone } from "../../edge/tools/phone.ts";
import type { SrsBehaviour } from "../../edge/tools/srs-options.ts";
import { Srs } from "../../edge/tools/srs.ts";
import { decodeWav, type Sound } from "../../protocol/rtp/wav.ts";
import { MediaHello, MediaStats } from "../../schemas/media.ts";
import { eventually } from "./eventually.ts";
import { LiveApp } from "./live-app.ts";
import { freeSipPort, portBlock } from "./ports.ts";
import { childrenOf, identityOf, killNow } from "./processes.ts";
import { quietLog } from "./quiet-log.ts";

export const ACCOUNT = `AC${"1".repeat(32)}`;
export const TOKEN = "2".repeat(32);
const ROOT = join(import.meta.dir, "..", "..");
const MEDIA_PORTS = 200;
const READY_MS = 15_000;
const EXIT_MS = 20_000;
const TOOL_STOP_MS = 2_000;

export interface LiveEdgeOptions {
  /** Further connectors: their addresses, and keys as they stand in the configuration. */
  connectors?: Record<string, { uris: string[]; more?: string }>;
  /** Numbers whose Voice URL is asked in another way than by POST at /voice. */
  numbers?: { match: string; method: "GET" | "POST"; path: string }[];
  /** Lines of [media]. */
  media?: string;
  drain?: string;
}

export interface EdgeEnd {
  /** null: it had to be killed. */
  code: number | null;
  /** Processes that were still there when it had ended. */
  left: number[];
}

/** Where each kind of call leads: `<Dial>` to +1555… and +1556… goes to these ports. */
export interface CalleePorts {
  udp: number;
  tcp: number;
}

export class LiveEdge {
  readonly app = new LiveApp();
  readonly logs: LogLine[] = [];
  readonly #tools: { stop(): Promise<void> }[] = [];
  readonly #links: NatsLink[] = [];
  #child: ReturnType<typeof Bun.spawn> | null = null;
  #processes: ProcessIdentity[] = [];
  #end: Promise<EdgeEnd> | null = null;

  private constructor(
    readonly folder: string, readonly httpPort: number, readonly sipPort: number,
    readonly natsPort: number, readonly srsPort: number, readonly callee: CalleePorts,
    readonly mediaPorts: { first: number; last: number },
  ) {}

  /** Starts one; resolves when it is ready. */
  static async start(options: LiveEdgeOptions = {}): Promise<LiveEdge> {
    const ports: number[] = [];
    for (let i = 0; i < 6; i += 1) ports.push(await freeSipPort());
    const [http = 0, sip = 0, nats = 0, srs = 0, udp = 0, tcp = 0] = ports;
    const first = portBlock(MEDIA_PORTS);
    const edge = new LiveEdge(
      mkdtempSync(join(tmpdir(), "siprec-live-")), http, sip, nats, srs, { udp, tcp },
      { first, last: first + MEDIA_PORTS - 1 },
    );
    try {
      await edge.#launch(options);
    } catch (error) {
      await edge.stop();
      throw error;
    }
    return edge;
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get mainPid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The processes of the edge as they run now. */
  pids(): { main: number; control: number; media: number; nats: number } {
    return {
      main: this.mainPid,
      control: this.#childNamed("control"),
      media: this.#recorded("media-0"),
      nats: this.#recorded("nats"),
    };
  }

  /** The SIP URI at which a number of this edge is called. */
  uri(number: string, transport: "udp" | "tcp" = "udp"): string {
    return `sip:${number}@127.0.0.1:${this.sipPort}${transport === "tcp" ? ";transport=tcp" : ""}`;
  }

  async health(): Promise<Record<string, unknown>> {
    return await (await fetch(`${this.http}/healthz`)).json() as Record<string, unknown>;
  }

  /** No call is left, and no callback waits. */
  quiet(timeoutMs = 5_000): Promise<boolean> {
    return eventually("an edge without calls", async () => {
      const { calls, callbacks_waiting: waiting } = await this.health();
      return calls === 0 && waiting === 0;
    }, timeoutMs);
  }

  /** REST, as Twilio's. A path behind the account's. */
  async rest(path: string, form?: Record<string, string>) {
    const authorization = `Basic ${btoa(`${ACCOUNT}:${TOKEN}`)}`;
    const response = await fetch(`${this.http}/2010-04-01/Accounts/${ACCOUNT}/${path}`, {
      headers: { authorization },
      ...(form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) }),
    });
    // The API answers with JSON objects only; each test looks at the fields that it needs.
    return { status: response.status, body: await response.json() as Record<string, unknown> };
  }

  /** The status of a call, as REST tells it. */
  async callStatus(callSid: string): Promise<string> {
    return String((await this.rest(`Calls/${callSid}.json`)).body["status"]);
  }

  /** Waits until REST tells this status of a call. */
  becomes(callSid: string, status: string, timeoutMs = 5_000): Promise<boolean> {
    return eventually(`call ${callSid} is ${status}`, async () =>
      await this.callStatus(callSid) === status, timeoutMs);
  }

  /** The call that this call's `<Dial>` has made. */
  childOf(callSid: string): Promise<string> {
    return eventually(`a call dialled by ${callSid}`, () => {
      const line = this.logs.find((one) =>
        one["event"] === "call.started" && one["parent_call_sid"] === callSid);
      return line === undefined ? null : String(line["call_sid"]);
    });
  }

  async link(): Promise<NatsLink> {
    const link = await connectNats({
      servers: [`nats://127.0.0.1:${this.natsPort}`], name: "test", log: quietLog,
      clock: systemClock,
    });
    this.#links.push(link);
    return link;
  }

  async mediaHello(link: NatsLink): Promise<MediaHello> {
    const reply = await request(link, mediaSubject("ashburn", "0", "hello"), MediaHello, {});
    if (!reply.ok) throw new Error(reply.message);
    return reply.value;
  }

  async mediaStats(link: NatsLink, callSid: string | null): Promise<MediaStats> {
    const subject = mediaSubject("ashburn", "0", "stats");
    const reply = await request(link, subject, MediaStats, { callSid });
    if (!reply.ok) throw new Error(reply.message);
    return reply.value;
  }

  async phone(user: string, transport: "udp" | "tcp" = "udp", port = 0): Promise<Phone> {
    const phone = new Phone({
      listen: [{ transport, address: "127.0.0.1", port }], user, clock: systemClock,
      random: systemRandom, log: quietLog,
    });
    await phone.start();
    this.#tools.push(phone);
    return phone;
  }

  /** A phone that `<Dial>` reaches; it rings and answers at once. */
  async answeringPhone(transport: "udp" | "tcp" = "udp"): Promise<Phone> {
    const phone = await this.phone("bob", transport, this.callee[transport]);
    phone.onCall = (call) => {
      call.ring();
      call.answer();
    };
    return phone;
  }

  /** The recorder of the connector "Recorder". */
  async srs(behaviour: Partial<SrsBehaviour> = {}): Promise<Srs> {
    const listen = (["udp", "tcp"] as const).map((transport) =>
      ({ transport, address: "127.0.0.1", port: this.srsPort }));
    const srs = new Srs({
      listen, clock: systemClock, random: systemRandom, log: quietLog, behaviour,
      out: join(this.folder, "recordings"),
    });
    await srs.start();
    this.#tools.push(srs);
    return srs;
  }

  /** SIGTERM, and a look at what is left; the phones and recorders stay. */
  stopEdge(): Promise<EdgeEnd> {
    this.#end ??= this.#stopEdge();
    return this.#end;
  }

  /** Everything goes. */
  async stop(): Promise<EdgeEnd> {
    const stopped = Promise.all(this.#tools.splice(0).map((tool) => tool.stop()));
    await Promise.race([stopped, Bun.sleep(TOOL_STOP_MS)]);
    const end = await this.stopEdge();
    await this.app.stop();
    rmSync(this.folder, { recursive: true, force: true });
    return end;
  }

  async #stopEdge(): Promise<EdgeEnd> {
    await Promise.all(this.#links.map((link) => link.close()));
    this.#noteProcesses();
    let code: number | null = null;
    if (this.#child !== null) {
      this.#child.kill("SIGTERM");
      code = await Promise.race([this.#child.exited, Bun.sleep(EXIT_MS).then(() => null)]);
    }
    const left = this.#processes.filter(isRunning);
    killNow(left);
    process.off("exit", this.#killAll);
    return { code, left: left.map(({ pid }) => pid) };
  }

  async #launch(options: LiveEdgeOptions): Promise<void> {
    const config = join(this.folder, "siprec.toml");
    writeFileSync(config, this.#toml(options));
    const command = [process.execPath, "run", join(ROOT, "edge", "main.ts"), "edge"];
    const child = Bun.spawn([...command, "--config", config], {
      stdin: "ignore", stdout: "ignore", stderr: "pipe", cwd: this.folder,
    });
    this.#child = child;
    // A test run that ends in the middle leaves no edge behind.
    process.on("exit", this.#killAll);
    void this.#readLogs(child.stderr);
    await eventually("the edge is ready", async () => {
      if (child.exitCode !== null) {
        const said = this.logs.map((line) => JSON.stringify(line)).join("\n");
        throw new Error(`the edge ended: ${said}`);
      }
      const answer = await fetch(`${this.http}/readyz`).catch(() => null);
      return answer?.status === 200;
    }, READY_MS);
    this.#noteProcesses();
  }

  async #readLogs(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const parsed = parseLogLine(line);
        if (parsed !== null) this.logs.push(parsed);
      }
    }
  }

  readonly #killAll = (): void => {
    this.#noteProcesses();
    killNow(this.#processes);
  };

  #noteProcesses(): void {
    const known = new Set(this.#processes.map(({ pid }) => pid));
    const pids = Object.values(this.pids()).filter((pid) => pid > 0 && !known.has(pid));
    this.#processes.push(...pids.flatMap((pid) => identityOf(pid) ?? []));
  }

  #childNamed(name: string): number {
    if (this.mainPid === 0) return 0;
    return childrenOf(this.mainPid).find((pid) => {
      const words = readOr(`/proc/${pid}/cmdline`).split("\0");
      return words.includes(name);
    }) ?? 0;
  }

  #recorded(name: string): number {
    const text = readOr(join(this.folder, "data", "run", `${name}.json`));
    return text === "" ? 0 : Number((JSON.parse(text) as { pid: unknown }).pid);
  }

  #toml(options: LiveEdgeOptions): string {
    const { connectors = {}, numbers = [], media = "", drain = "0s" } = options;
    const { first, last } = this.mediaPorts;
    const recorder = `sip:srs@127.0.0.1:${this.srsPort}`;
    const all = { Recorder: { uris: [recorder], more: "" }, ...connectors };
    return [
      `edge = "ashburn"`, `data = "${join(this.folder, "data")}"`, `drain = "${drain}"`,
      "[edges]", "dublin = 1", "umatilla = 2", "ashburn = 3",
      "[http]", `listen = "127.0.0.1:${this.httpPort}"`,
      "[sip]", `listen = ["udp:127.0.0.1:${this.sipPort}", "tcp:127.0.0.1:${this.sipPort}"]`,
      "[media]", `ports = [${first}, ${last}]`, `rest = "200ms"`, media,
      "[nats]", `listen = "127.0.0.1:${this.natsPort}"`,
      "[[accounts]]", `sid = "${ACCOUNT}"`, `auth_token = "${TOKEN}"`,
      // Strangers of the tests come from 127.0.0.2.
      ...trunk("udp", `sip:127.0.0.1:${this.callee.udp};transport=udp`, "+1555*"),
      ...trunk("tcp", `sip:127.0.0.1:${this.callee.tcp};transport=tcp`, "+1556*"),
      ...[...numbers, { match: "+1555*", method: "POST", path: "/voice" }].flatMap((number) => [
        "[[numbers]]", `match = "${number.match}"`, `account = "${ACCOUNT}"`,
        `voice_url = "${this.app.url}${number.path}"`, `voice_method = "${number.method}"`,
      ]),
      ...Object.entries(all).flatMap(([name, { uris, more = "" }]) => [
        "[[connectors]]", `name = "${name}"`, `session_recording_server = ${JSON.stringify(uris)}`,
        more,
      ]),
      "",
    ].join("\n");
  }
}

const trunk = (name: string, uri: string, numbers: string): string[] => [
  "[[trunks]]", `name = "${name}"`, `uri = "${uri}"`, `allow = ["127.0.0.1/32"]`,
  `numbers = ["${numbers}"]`,
];

function readOr(path: string, otherwise = ""): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/** One of the two voices that are kept with the tests. */
export function voice(name: "a" | "b"): Sound {
  const read = decodeWav(readFileSync(join(ROOT, "tests", "assets", `voice-${name}.wav`)));
  if (!read.ok) throw new Error(read.reason);
  return read.sound;
}

/** `<Start><Siprec>` by the connector, with callbacks to the app, before the verbs. */
export const recorded = (app: LiveApp, name: string, verbs: string, attributes = ""): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Response><Start><Siprec name="${name}" ` +
  `connectorName="Recorder" statusCallback="${app.url}/${name}" ${attributes}/></Start>` +
  `${verbs}</Response>`;
