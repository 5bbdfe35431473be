// A whole edge in one process, on a wire and a clock that stand still until a test moves them:
// the real machines, ports and user agent, between a caller, a callee and a recorder.
import type { AlertDraft } from "../../../edge/ports/call-host.ts";
import { parseConnectorAddress } from "../../../protocol/siprec/connector-address.ts";
import type { CallRecord, SiprecRecord } from "../../../schemas/call.ts";
import type { NumberRoute, Trunk } from "../../../schemas/config.ts";
import type { Connector, ConnectorAddress } from "../../../schemas/connector.ts";
import { FakeClock, settled } from "../fake-clock.ts";
import { type Datagram, FakeWire } from "../fake-wire.ts";
import { seeded } from "../seeded.ts";
import { FakeApp } from "./app.ts";
import { BenchControl, EDGE_ADDRESS, type World } from "./control.ts";
import { FakeMedia } from "./media.ts";
import { SipPeer } from "./peer.ts";
import type { PeerCall } from "./peer-call.ts";
import { phoneAnswer, phoneOffer, recorderAnswer } from "./sdp.ts";
import { MemoryStore } from "./store.ts";
import { Witness } from "./witness.ts";

export const ACCOUNT = `AC${"a".repeat(32)}`;
export const NUMBER = "+15550000001";
export const CALLEE_NUMBER = "+15550000002";
export const EDGE_URI = `sip:${NUMBER}@${EDGE_ADDRESS}`;
export const VOICE_URL = "http://app.test/voice";
export const CALLBACK_URL = "http://app.test/siprec";
export const ADDRESSES = {
  caller: "203.0.113.10", callee: "203.0.113.20", srs: "198.51.100.30", srs2: "198.51.100.31",
  stranger: "198.18.0.66",
} as const;

/** As `<Siprec>` attributes of the default document. */
export const SIPREC =
  `<Siprec name="one" connectorName="Recorder" statusCallback="${CALLBACK_URL}"/>`;
export const DIAL = `<Dial timeout="20"><Number>${CALLEE_NUMBER}</Number></Dial>`;

export interface BenchOptions {
  /** The body of the Response that the Voice URL gives; by default a recorded Dial. */
  twiml?: string;
  /** The document stands in the configuration. */
  inline?: boolean;
  /** Addresses of the connector "Recorder". */
  recorders?: string[];
  connector?: Partial<Connector>;
  trunk?: Partial<Trunk>;
  codecs?: string[];
  seed?: number;
}

/** Long enough for every timer of RFC 3261 that ends by itself. */
const REST_MS = 150_000;
const STEP_MS = 20;

export class EdgeBench {
  readonly clock: FakeClock;
  readonly wire: FakeWire;
  readonly media: FakeMedia;
  readonly app: FakeApp;
  readonly store: MemoryStore;
  readonly alerts: AlertDraft[];
  readonly witness: Witness;
  readonly caller: SipPeer;
  readonly callee: SipPeer;
  readonly srs: SipPeer;
  readonly peers: SipPeer[];
  control: BenchControl;
  readonly #world: World;

  private constructor(
    world: World,
    parts: { wire: FakeWire; witness: Witness; clock: FakeClock; alerts: AlertDraft[] },
    peers: [SipPeer, SipPeer, SipPeer], control: BenchControl,
  ) {
    this.#world = world;
    this.clock = parts.clock;
    this.wire = parts.wire;
    this.witness = parts.witness;
    this.alerts = parts.alerts;
    this.media = world.media;
    this.app = world.app;
    this.store = world.store;
    [this.caller, this.callee, this.srs] = peers;
    this.peers = peers;
    this.control = control;
  }

  static async open(options: BenchOptions = {}): Promise<EdgeBench> {
    const clock = new FakeClock();
    const witness = new Witness(clock);
    const wire = new WitnessedWire(clock, witness);
    const source = seeded(options.seed ?? 1);
    const random = (length: number): Uint8Array => source.bytes(length);
    const media = new FakeMedia(clock);
    const app = new FakeApp(clock);
    const store = new MemoryStore(clock);
    const alerts: AlertDraft[] = [];
    const body = options.twiml ?? `<Start>${SIPREC}</Start>${DIAL}`;
    const document = `<?xml version="1.0" encoding="UTF-8"?><Response>${body}</Response>`;
    app.serve(VOICE_URL, document);
    witness.watch({ media, app, store });
    const world: World = {
      clock, wire, random, media, app, store, log: witness.log,
      codecs: options.codecs ?? ["PCMU", "PCMA"], mediaTimeoutMs: 60_000,
      trunks: [trunk(options.trunk)],
      numbers: [numberRoute(options.inline === true ? document : null)],
      connectors: [connector(options)],
      alert: (alert) => alerts.push(alert),
    };
    const peer = (name: "caller" | "callee" | "srs"): Promise<SipPeer> =>
      SipPeer.open({ clock, wire, random, name, address: ADDRESSES[name] });
    const caller = await peer("caller");
    const callee = await peer("callee");
    const srs = await peer("srs");
    callee.onCall = (call) => answerAsPhone(call);
    srs.onCall = (call) => answerAsRecorder(call);
    const control = new BenchControl(world);
    const parts = { wire, witness, clock, alerts };
    const bench = new EdgeBench(world, parts, [caller, callee, srs], control);
    await control.start();
    await bench.run(10);
    return bench;
  }

  /** Lets time pass, with all that happens in it. */
  async run(ms: number, stepMs = STEP_MS): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await settled();
      await this.clock.advance(Math.min(left, stepMs));
    }
    await settled();
  }

  /** One more peer, that answers nothing until it is told to. */
  async peer(name: keyof typeof ADDRESSES, transports?: ("udp" | "tcp")[]): Promise<SipPeer> {
    const { clock, wire, random } = this.#world;
    const peer = await SipPeer.open({
      clock, wire, random, name, address: ADDRESSES[name],
      ...(transports === undefined ? {} : { transports }),
    });
    this.peers.push(peer);
    return peer;
  }

  /** The caller calls our number; time passes until everybody has said what there is to say. */
  async call(
    options: { sdp?: string | null; autoAck?: boolean; from?: string; ms?: number } = {},
  ): Promise<PeerCall> {
    const { sdp = phoneOffer({ address: ADDRESSES.caller }), ms = 500, ...rest } = options;
    const call = this.caller.invite(EDGE_URI, { sdp, ...rest });
    await this.run(ms);
    return call;
  }

  /** The record of the inbound call. */
  get record(): CallRecord {
    const record = this.#records().find(({ call }) => call.direction === "inbound");
    if (record === undefined) throw new Error("there is no inbound call");
    return record;
  }

  /** The record of the call that was dialled. */
  get child(): CallRecord {
    const record = this.#records().findLast(({ call }) => call.direction === "outbound-dial");
    if (record === undefined) throw new Error("nobody was dialled");
    return record;
  }

  get callSid(): string {
    return this.record.call.sid;
  }

  get session(): SiprecRecord {
    const session = this.record.siprecs[0];
    if (session === undefined) throw new Error("there is no session");
    return session;
  }

  get status(): string {
    return this.record.call.status;
  }

  get alertCodes(): number[] {
    return this.alerts.map(({ code }) => code);
  }

  /** REST: a new session on the inbound call. */
  start(fields: Partial<Parameters<BenchControl["rest"]["startSiprec"]>[2]> = {}) {
    return this.#passing(this.control.rest.startSiprec(ACCOUNT, this.callSid, {
      name: null, connectorName: "Recorder", track: null, statusCallback: CALLBACK_URL,
      statusCallbackMethod: null, parameters: [], ...fields,
    }));
  }

  stop(...candidates: string[]) {
    return this.#passing(this.control.rest.stopSiprec(ACCOUNT, this.callSid, candidates));
  }

  /** The process ends as by kill -9; what is outside goes on. */
  async crash(): Promise<void> {
    await this.control.crash();
    await settled();
  }

  /** Another process of the edge takes over from what is stored. */
  async takeOver(): Promise<void> {
    this.control = new BenchControl(this.#world);
    await this.control.start();
    await this.run(50);
  }

  /** Everything must come to rest by itself, and nothing may be left. */
  async finish(): Promise<void> {
    await this.run(REST_MS);
    const { host, outbox, userAgent } = this.control;
    this.witness.finish(this.store.records());
    const left = {
      problems: this.witness.problems,
      calls: host.callSids(), callbacks: outbox.waiting(), snapshots: this.store.left().length,
      mediaCalls: [...this.media.calls.keys()], portsLent: this.media.lent,
      timers: this.clock.pending,
      transactions: userAgent.stats.clientTransactions + userAgent.stats.serverTransactions,
    };
    const none = {
      problems: [], calls: [], callbacks: 0, snapshots: 0, mediaCalls: [], portsLent: 0,
      timers: 0, transactions: 0,
    };
    if (JSON.stringify(left) !== JSON.stringify(none)) {
      throw new Error(`Something is left:\n${JSON.stringify(left, null, 2)}\n` +
        this.witness.timeline.join("\n"));
    }
    for (const peer of this.peers) await peer.agent.stop();
    await userAgent.stop();
  }

  /** A promise of the edge is kept only when time passes. */
  async #passing<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => undefined);
    await this.run(10);
    return promise;
  }

  #records(): CallRecord[] {
    const stored = this.store.records();
    return stored.map((record) => this.control.host.record(record.call.sid) ?? record);
  }
}

/** A wire that tells the witness of every message. */
class WitnessedWire extends FakeWire {
  readonly #witness: Witness;

  constructor(clock: FakeClock, witness: Witness) {
    super(clock);
    this.#witness = witness;
  }

  override record(from: string, to: string, bytes: Uint8Array): Datagram {
    const datagram = super.record(from, to, bytes);
    this.#witness.message(datagram);
    return datagram;
  }
}

/** 180, and 200 a little later, unless the caller has given up. */
export function answerAsPhone(call: PeerCall, address = call.peer.address): void {
  call.progress(180);
  call.answerOffer = (offer) => phoneAnswer(offer, { address });
  call.answer(call.offer === null ? phoneOffer({ address }) : phoneAnswer(call.offer, { address }));
}

/** 200 at once, with all streams taken. */
export function answerAsRecorder(call: PeerCall): void {
  const { address } = call.peer;
  call.answerOffer = (offer) => recorderAnswer(offer, { address });
  call.answer(recorderAnswer(call.offer ?? "", { address }));
}

const noTls = { cert: null, key: null, ca: null, serverName: null };

function address(text: string): ConnectorAddress {
  const parsed = parseConnectorAddress(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.address;
}

const trunk = (changes: Partial<Trunk> = {}): Trunk => ({
  name: "carrier", address: address(`sip:${ADDRESSES.callee}`), allow: ["203.0.113.0/24"],
  mediaAllow: [], accounts: [], numbers: ["*"], maxCalls: 0, maxCps: 0, username: null,
  password: null, tls: noTls, ...changes,
});

const numberRoute = (twiml: string | null): NumberRoute => ({
  match: NUMBER, account: ACCOUNT, fallbackUrl: null, statusCallback: null,
  voice: twiml === null
    ? { kind: "url", url: VOICE_URL, method: "POST" } : { kind: "twiml", twiml },
});

const connector = ({ recorders, connector: changes = {} }: BenchOptions): Connector => ({
  name: "Recorder", account: null,
  sessionRecordingServers: (recorders ?? [`sip:srs@${ADDRESSES.srs}`]).map(address),
  credentialsHeaderName: "X-Auth-Token", credentials: "s3cret", username: null, password: null,
  parameters: "metadata", profile: "rfc7865", connectTimeoutMs: 2_000, answerTimeoutMs: 5_000,
  fill: "none", requireSecure: false, tls: noTls, onBye: "stop", source: "file", ...changes,
});
