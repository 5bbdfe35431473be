// A control process as edge/commands/control-active.ts composes it, over fakes of everything that
// is outside: wire, clock, media process, NATS store, HTTP.
import type { CallInput } from "../../../actors/call-types.ts";
import type { callMachine } from "../../../actors/call.machine.ts";
import { type AlertDraft, CallHost } from "../../../edge/ports/call-host.ts";
import { CallService, CallsOverNats } from "../../../edge/ports/call-service.ts";
import { Inbound } from "../../../edge/ports/inbound.ts";
import { providedCall, providedCallback } from "../../../edge/ports/machines.ts";
import { originate } from "../../../edge/ports/originate.ts";
import { Outbox } from "../../../edge/ports/outbox.ts";
import { SipRouter } from "../../../edge/ports/router.ts";
import { TrunkSources } from "../../../edge/ports/routes.ts";
import { TrunkLimits } from "../../../edge/ports/trunk-limits.ts";
import type { Log, Random } from "../../../edge/runtime/types.ts";
import type { UserAgent } from "../../../edge/sip/types.ts";
import { createUserAgent } from "../../../edge/sip/user-agent.ts";
import type { CallRecord } from "../../../schemas/call.ts";
import type { NumberRoute, Trunk } from "../../../schemas/config.ts";
import type { Connector } from "../../../schemas/connector.ts";
import { EdgeError } from "../../../schemas/error.ts";
import { MEDIA_ORDER_VERSION } from "../../../schemas/media.ts";
import type { FakeClock } from "../fake-clock.ts";
import type { FakeWire } from "../fake-wire.ts";
import type { FakeApp } from "./app.ts";
import type { FakeMedia } from "./media.ts";
import { MortalClock } from "./mortal-clock.ts";
import type { MemoryStore } from "./store.ts";

export const EDGE_ADDRESS = "192.0.2.1";
const EDGE_NUMBER = 3;
const AUTH_TOKEN = "0123456789abcdef0123456789abcdef";

export interface World {
  clock: FakeClock;
  wire: FakeWire;
  random: Random;
  log: Log;
  media: FakeMedia;
  app: FakeApp;
  store: MemoryStore;
  trunks: Trunk[];
  numbers: NumberRoute[];
  connectors: Connector[];
  codecs: string[];
  mediaTimeoutMs: number;
  alert(alert: AlertDraft): void;
}

export class BenchControl {
  readonly host: CallHost;
  readonly userAgent: UserAgent;
  readonly outbox: Outbox;
  readonly service: CallService;
  readonly rest: CallsOverNats;
  isReady = true;
  readonly #world: World;
  readonly #clock: MortalClock;
  readonly #router: SipRouter;
  readonly #limits: TrunkLimits;
  #isDead = false;

  constructor(world: World) {
    this.#world = world;
    const { random, log, wire, media, app } = world;
    const clock = this.#clock = new MortalClock(world.clock);
    this.#limits = new TrunkLimits(clock);
    this.userAgent = createUserAgent({
      listen: [
        { transport: "udp", address: EDGE_ADDRESS, port: 5060 },
        { transport: "tcp", address: EDGE_ADDRESS, port: 5060 },
      ],
      clock, random, log, network: wire, userAgentName: "siprec/test",
    });
    const shared = {
      clock, random, limits: this.#limits, edgeNumber: EDGE_NUMBER, sipHost: EDGE_ADDRESS,
      codecs: world.codecs, mediaTimeoutMs: world.mediaTimeoutMs, isReady: () => this.isReady,
      start: (input: CallInput) => this.#start(input),
    };
    const prepare = {
      edge: "ashburn", clock, random,
      connector: (_accountSid: string, name: string) =>
        world.connectors.find((one) => one.name === name) ?? null,
    };
    const authToken = (): string => AUTH_TOKEN;
    const apply: FakeMedia["apply"] = (process, order) =>
      this.#living(() => media.apply(process, order));
    const machine: typeof callMachine = providedCall({
      clock,
      sip: {
        sender: this.userAgent, clock, log,
        stored: async (callSid) => {
          await Promise.resolve();
          await this.#living(() => world.store.stored(callSid));
        },
        credentials: (_accountSid, name) => credentialsOf(world.connectors, name),
      },
      media: { clock, apply },
      calls: {
        clock,
        originate: (parent, command) =>
          originate({ ...shared, trunks: world.trunks }, parent, command),
        tell: (callSid, event) => void this.host.send(callSid, event),
      },
      document: {
        clock, authToken,
        fetcher: { fetchDocument: (request) => this.#living(() => app.fetchDocument(request)) },
      },
      prepare,
    });
    this.outbox = this.#openOutbox(authToken);
    this.host = this.#openHost(machine, apply);
    this.service = new CallService({
      host: this.host, prepare, clock, stored: (callSid) => world.store.stored(callSid),
    });
    this.rest = this.#openRest();
    const respond: ConstructorParameters<typeof SipRouter>[0]["respond"] = (id, response) => {
      this.userAgent.respond(id, response, { contact: response.status < 300 ? {} : null });
    };
    this.#router = new SipRouter({
      host: this.host, clock, respond,
      inbound: new Inbound({
        ...shared, log, sources: new TrunkSources(world.trunks), numbers: world.numbers, respond,
        mediaProcess: () => "0",
        ignore: (transactionId) => this.userAgent.ignore(transactionId),
      }),
    });
  }

  #openOutbox(authToken: () => string): Outbox {
    const { app, alert } = this.#world;
    const clock = this.#clock;
    return new Outbox({
      machine: providedCallback({
        clock, authToken,
        sender: { deliverCallback: (request) => this.#living(() => app.deliverCallback(request)) },
      }),
      settled: (callSid, entry) => this.host.settled(callSid, entry),
      alert: (accountSid, entry, fault) => alert({
        level: "error", ...fault, accountSid, callSid: entry.params["CallSid"] ?? "",
        siprecSid: entry.siprecSid, at: clock.wallMs(),
      }),
    });
  }

  async start(): Promise<void> {
    this.userAgent.onRequest = (incoming) => this.#router.receive(incoming);
    this.userAgent.onCancel = (transactionId) => this.#router.cancelled(transactionId);
    this.userAgent.onNoAck = (transactionId) => this.#router.unacknowledged(transactionId);
    await this.userAgent.start();
    for (const { callSid, snapshot, document, record, isMark } of this.#world.store.left()) {
      if (isMark && record !== null) this.host.adopt(record);
      else this.host.restore(callSid, snapshot, document, record);
    }
    this.host.reunite();
  }

  /** The first half of a drain: what runs may end, nothing new comes in. */
  refuseNew(): void {
    this.isReady = false;
  }

  /** The second half. */
  hangUpAll(): void {
    for (const callSid of this.host.callSids()) {
      this.host.send(callSid, { type: "call.hangup", reason: "drain", at: this.#clock.wallMs() });
    }
  }

  /** kill -9: not a byte more goes out, not a timer fires, what was not stored is lost. */
  async crash(): Promise<void> {
    this.#isDead = true;
    this.#clock.die();
    this.outbox.stop();
    await this.userAgent.stop();
  }

  /** What the dead are told does not reach them, and they tell nobody. */
  #living<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#isDead) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      ask().then(
        (value) => { if (!this.#isDead) resolve(value); },
        (error: unknown) => { if (!this.#isDead) reject(error); },
      );
    });
  }

  #openHost(machine: typeof callMachine, apply: FakeMedia["apply"]): CallHost {
    const { store, log, alert } = this.#world;
    return new CallHost({
      machine, store, clock: this.#clock, log, alert,
      changed: (record) => this.outbox.take(record),
      release: (callSid, process, revision) => void apply(process, {
        version: MEDIA_ORDER_VERSION, callSid, revision, endpoint: null, forks: [],
      }),
      opened: () => {},
      closed: (callSid) => {
        this.#router.disown(callSid);
        this.#limits.free(callSid);
      },
    });
  }

  /** REST as any edge answers it: asks the owner, and looks at the record when there is none. */
  #openRest(): CallsOverNats {
    const { host, service } = this;
    const ask = async <T>(callSid: string, question: () => Promise<T> | T): Promise<T | null> =>
      host.has(callSid) ? question() : null;
    return new CallsOverNats({
      fetch: (callSid, request) => ask(callSid, () => service.fetch(callSid, request)),
      start: (callSid, request) => ask(callSid, () => service.start(callSid, request)),
      stop: (callSid, request) => ask(callSid, () => service.stop(callSid, request)),
      stored: async (callSid): Promise<CallRecord | null> => this.#world.store.record(callSid),
    });
  }

  #start(input: CallInput): void {
    if (input.leg.role === "uas") this.#router.own(input.leg.transactionId, input.callSid);
    this.host.start(input);
  }
}

function credentialsOf(connectors: readonly Connector[], name: string) {
  const connector = connectors.find((one) => one.name === name);
  if (connector?.credentialsHeaderName == null || connector.credentials === null) return null;
  return { name: connector.credentialsHeaderName, value: connector.credentials };
}

/** The error's name, for `expect`; anything else is thrown on. */
export async function refusalOf(answer: Promise<unknown>): Promise<string | null> {
  try {
    await answer;
    return null;
  } catch (error) {
    if (error instanceof EdgeError) return error.error;
    throw error;
  }
}
