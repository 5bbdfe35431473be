// The active control process of an edge: everything that is open while the lease is held.
import type { callMachine } from "../../actors/call.machine.ts";
import type { RelationEvent } from "../../actors/ports.ts";
import type { Config } from "../../schemas/config.ts";
import type { Connector } from "../../schemas/connector.ts";
import { unservedKeys } from "../config/unserved.ts";
import { createApi } from "../http/server.ts";
import { createWebhookClient } from "../http/webhook.ts";
import type { NatsLink } from "../nats/connect.ts";
import type { Lease } from "../nats/lease.ts";
import type { Served } from "../nats/rpc.ts";
import { type NatsService, openService } from "../nats/service.ts";
import type { Store } from "../nats/store.ts";
import { type AlertDraft, CallHost, type CallStore } from "../ports/call-host.ts";
import { CallService, CallsOverNats } from "../ports/call-service.ts";
import { Inbound } from "../ports/inbound.ts";
import { providedCall, providedCallback } from "../ports/machines.ts";
import { originate } from "../ports/originate.ts";
import { Outbox } from "../ports/outbox.ts";
import { SipRouter } from "../ports/router.ts";
import type { SipPortOptions } from "../ports/sip.ts";
import { TrunkSources } from "../ports/routes.ts";
import { TrunkLimits } from "../ports/trunk-limits.ts";
import { ownPid } from "../runtime/env.ts";
import { type HttpServer, serve } from "../runtime/serve.ts";
import type { Clock, Log, Random, Timer } from "../runtime/types.ts";
import { VERSION } from "../runtime/version.ts";
import type { UserAgent } from "../sip/types.ts";
import { createUserAgent } from "../sip/user-agent.ts";
import { callQuestions, serveCall, tellElsewhere } from "./control-calls.ts";
import { MediaDirectory } from "./control-media.ts";
import { callStore, isOutboxMark, storedCalls } from "./control-store.ts";

export interface ActiveOptions {
  config: Config;
  log: Log;
  clock: Clock;
  random: Random;
  link: NatsLink;
  lease: Lease;
  store: Store;
  alertSid(): string;
}

const MEDIA_WAIT_MS = 5_000;
/** After the drain: for the BYEs of calls that had to be ended, and for the last callbacks. */
const FAREWELL_MS = 3_000;
const HTTP_GRACE_MS = 1_000;
/** How often it is looked at what the media processes hold. */
const SWEEP_MS = 10_000;
/** How long an ended call's subject is served: longer than a request may wait. */
const LINGER_MS = 2_000;

export class ActiveControl {
  readonly #options: ActiveOptions;
  readonly #host: CallHost;
  readonly #userAgent: UserAgent;
  readonly #router: SipRouter;
  readonly #outbox: Outbox;
  readonly #media: MediaDirectory;
  readonly #calls: CallService;
  readonly #limits: TrunkLimits;
  readonly #subjects = new Map<string, Served>();
  readonly #lingering = new Map<string, Timer>();
  #service: NatsService | null = null;
  #http: HttpServer | null = null;
  #isDraining = false;
  #isClosed = false;
  #sweeping: Timer | null = null;

  constructor(options: ActiveOptions) {
    this.#options = options;
    const { config, clock, random, log, link, lease, store } = options;
    const sipHost = sipHostOf(config);
    this.#userAgent = createUserAgent({
      // TLS is not served yet; the configuration may already name it.
      listen: config.sip.listen.filter(({ transport }) => transport !== "tls"),
      clock, random, log, userAgentName: `siprec/${VERSION}`,
      ...(config.sip.advertise === null ? {} : { advertise: config.sip.advertise }),
    });
    this.#media = new MediaDirectory({
      link, edge: config.edge, edgeNumber: config.edgeNumber, clock,
      expected: config.media.processes, epoch: () => lease.epoch() ?? 0,
      replaced: (id) => this.#doubt(this.#callsOf(id)),
    });
    const webhooks = createWebhookClient({
      clock, log, allowPrivate: config.webhooks.allowPrivate,
    });
    const authToken = (accountSid: string): string | null =>
      config.accounts.find(({ sid }) => sid === accountSid)?.authToken ?? null;
    const prepare = {
      edge: config.edge, clock, random,
      connector: (accountSid: string, name: string) => connectorOf(config, accountSid, name),
    };
    const limits = this.#limits = new TrunkLimits(clock);
    const { codecs, timeoutMs: mediaTimeoutMs } = config.media;
    const shared = {
      clock, random, limits, edgeNumber: config.edgeNumber, sipHost, codecs, mediaTimeoutMs,
      isReady: () => this.isReady(),
      start: (input: Parameters<CallHost["start"]>[0]) => this.#start(input),
    };
    const calls = callStore(store);
    const machine: typeof callMachine = providedCall({
      clock,
      sip: this.#sipOptions(calls),
      media: { clock, apply: (process, order) => this.#media.apply(process, order) },
      calls: {
        clock,
        originate: (parent, command) =>
          originate({ ...shared, trunks: config.trunks }, parent, command),
        tell: (callSid, event) => this.#tell(callSid, event),
      },
      document: { clock, fetcher: webhooks, authToken },
      prepare,
    });
    this.#outbox = new Outbox({
      machine: providedCallback({ clock, sender: webhooks, authToken }),
      settled: (callSid, entry) => this.#host.settled(callSid, entry),
      alert: (accountSid, entry, fault) => this.#alert({
        level: "error", ...fault, accountSid, callSid: entry.params["CallSid"] ?? "",
        siprecSid: entry.siprecSid, at: clock.wallMs(),
      }),
    });
    this.#host = this.#hostOf(machine, calls);
    this.#calls = new CallService({
      host: this.#host, prepare, clock, stored: (callSid) => calls.stored(callSid),
    });
    const respond: ConstructorParameters<typeof SipRouter>[0]["respond"] = (id, response) => {
      this.#userAgent.respond(id, response, { contact: response.status < 300 ? {} : null });
    };
    this.#router = new SipRouter({
      host: this.#host, clock, respond,
      inbound: new Inbound({
        ...shared, log, sources: new TrunkSources(config.trunks), numbers: config.numbers,
        mediaProcess: () => this.#media.choose(), respond,
        ignore: (transactionId) => this.#userAgent.ignore(transactionId),
      }),
    });
  }

  #hostOf(machine: typeof callMachine, calls: CallStore): CallHost {
    const { clock, log } = this.#options;
    return new CallHost({
      machine, store: calls, clock, log,
      alert: (alert) => this.#alert(alert),
      changed: (record) => this.#outbox.take(record),
      release: (callSid, process, revision) =>
        void this.#media.release(process, callSid, revision),
      opened: (callSid) => this.#opened(callSid),
      closed: (callSid) => this.#closed(callSid),
    });
  }

  #sipOptions(calls: CallStore): SipPortOptions {
    const { config, clock, log, lease, link } = this.#options;
    return {
      sender: this.#userAgent, clock, log,
      // The commands of a transition come before its snapshot: the write is asked for after it.
      stored: async (callSid) => {
        await Promise.resolve();
        // Nothing can be stored now: the peer is not kept waiting for it.
        if (lease.isHeld() && link.isConnected()) await calls.stored(callSid);
      },
      credentials: (accountSid, name) => credentialsOf(config, accountSid, name),
    };
  }

  /** Takes calls: the lease is held, and there is a media process. */
  isReady(): boolean {
    return !this.#isDraining && this.#options.lease.isHeld() && this.#media.choose() !== null;
  }

  async start(): Promise<void> {
    const { config, link, clock, log } = this.#options;
    for (const { key, instead } of unservedKeys(config)) {
      log.warn("config.not-served", { key, instead });
    }
    this.#service = await openService(link, {
      name: "siprec-control", version: VERSION, id: `${config.edge}-${ownPid()}`, clock,
      description: "SIP, HTTP and the calls of an edge", metadata: { edge: config.edge },
    });
    this.#userAgent.onRequest = (incoming) => this.#router.receive(incoming);
    this.#userAgent.onCancel = (transactionId) => this.#router.cancelled(transactionId);
    this.#userAgent.onNoAck = (transactionId) => this.#router.unacknowledged(transactionId);
    // Orders may have been lost while NATS was away.
    link.onChange((connected) => {
      if (connected) this.#doubt(this.#host.callSids());
    });
    await this.#userAgent.start();
    this.#http = this.#listenHttp();
    if (!await this.#media.find(clock.monotonicMs() + MEDIA_WAIT_MS)) {
      log.warn("media.missing", { expected: "at least one media process of this edge" });
    }
    await this.#restore();
    void this.#sweep();
    log.info("ready", {
      http: this.#http.url,
      sip: this.#userAgent.listening().map(({ transport, address, port }) =>
        `${transport}:${address}:${port}`).join(" "),
      calls: this.#host.size,
    });
  }

  /** No new calls; those that run may end; what is left after the time is hung up. */
  async drain(forMs: number): Promise<void> {
    const { clock, log } = this.#options;
    this.#isDraining = true;
    log.info("control.draining", { calls: this.#host.size, for_ms: forMs });
    await this.#within(forMs, this.#host.empty());
    for (const callSid of this.#host.callSids()) {
      this.#host.send(callSid, { type: "call.hangup", reason: "drain", at: clock.wallMs() });
    }
    await this.#within(FAREWELL_MS, this.#host.empty());
    if (this.#host.size > 0) log.warn("control.calls-left", { calls: this.#host.size });
    // The last callbacks; what can't be delivered now waits in the records.
    await this.#within(FAREWELL_MS, this.#outbox.empty());
    await this.#close();
  }

  /** Another process holds the lease: let go of everything, end nothing. */
  abandon(): void {
    this.#isDraining = true;
    void this.#close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#outbox.stop();
    this.#sweeping?.cancel();
    for (const timer of this.#lingering.values()) timer.cancel();
    for (const served of this.#subjects.values()) served.stop();
    this.#subjects.clear();
    this.#service?.stop();
    this.#media.close();
    await this.#http?.close(HTTP_GRACE_MS);
    await this.#userAgent.stop();
  }

  async #within(ms: number, done: Promise<void>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, resolve);
    await Promise.race([done, late]);
    timer.cancel();
  }

  #listenHttp(): HttpServer {
    const { config, log, clock, link, store } = this.#options;
    const api = createApi({
      backend: new CallsOverNats(callQuestions(link, clock, store)),
      accounts: config.accounts, log, clock,
      ready: () => this.isReady(),
      health: () => ({
        edge: config.edge, version: VERSION, calls: this.#host.size,
        callbacks_waiting: this.#outbox.waiting(), nats: link.isConnected(),
      }),
    });
    const { host: address, port } = config.http.listen;
    return serve({ address, port, fetch: (request) => api.fetch(request) });
  }

  #tell(callSid: string, event: RelationEvent): void {
    const { link, clock } = this.#options;
    if (!this.#host.send(callSid, event)) void tellElsewhere(link, clock, callSid, event);
  }

  #callsOf(process: string): string[] {
    return this.#host.callSids().filter((callSid) =>
      this.#host.snapshot(callSid)?.context.mediaProcess === process);
  }

  /** These calls make sure that their media process has what they want. */
  #doubt(callSids: string[]): void {
    if (this.#isClosed) return;
    const at = this.#options.clock.wallMs();
    for (const callSid of callSids) this.#host.send(callSid, { type: "media.doubted", at });
  }

  /** Orders and releases that were lost in spite of all are made good. */
  async #sweep(): Promise<void> {
    const { lease, link, clock } = this.#options;
    if (lease.isHeld() && link.isConnected()) {
      await this.#media.compare({
        has: (callSid) => this.#host.has(callSid) || this.#isClosed,
        of: (process) => this.#callsOf(process),
        doubt: (callSid) => this.#doubt([callSid]),
      });
    }
    if (!this.#isClosed) this.#sweeping = clock.after(SWEEP_MS, () => void this.#sweep());
  }

  #start(input: Parameters<CallHost["start"]>[0]): void {
    const { leg } = input;
    if (leg.role === "uas") this.#router.own(leg.transactionId, input.callSid);
    this.#host.start(input);
  }

  async #restore(): Promise<void> {
    const { store, log } = this.#options;
    for (const { callSid, snapshot, document, record } of await storedCalls(store, log)) {
      if (isOutboxMark(snapshot) && record !== null) {
        this.#host.adopt(record);
        continue;
      }
      this.#host.restore(callSid, snapshot, document, record);
    }
    this.#host.reunite();
  }

  #opened(callSid: string): void {
    const { link } = this.#options;
    const options = this.#service?.shared("call", "siprec.v1.call.*.>") ?? {};
    this.#subjects.set(callSid, serveCall(link, this.#calls, callSid, options));
  }

  /** A request that was sent before the end is still answered: the subject lingers. */
  #closed(callSid: string): void {
    const served = this.#subjects.get(callSid);
    if (served !== undefined) {
      const timer = this.#options.clock.after(LINGER_MS, () => {
        this.#subjects.delete(callSid);
        this.#lingering.delete(callSid);
        served.stop();
        this.#host.forget(callSid);
      });
      this.#lingering.set(callSid, timer);
    }
    this.#router.disown(callSid);
    this.#limits.free(callSid);
  }

  #alert(alert: AlertDraft): void {
    const { store, log, alertSid } = this.#options;
    const { level, code, message, accountSid, callSid, siprecSid, at } = alert;
    log[level === "error" ? "error" : "warn"]("alert", {
      code, message, call_sid: callSid, siprec_sid: siprecSid,
    });
    store.alerts.append({
      sid: alertSid(), at, level, code, message, accountSid, callSid, siprecSid,
    });
  }
}

/** The host part of our own SIP addresses. */
function sipHostOf(config: Config): string {
  const address = config.sip.advertise ?? config.sip.listen[0]?.address ?? "127.0.0.1";
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}

/** An account's own connector comes before one that serves all. */
function connectorOf(config: Config, accountSid: string, name: string): Connector | null {
  const named = config.connectors.filter((connector) => connector.name === name);
  return named.find(({ account }) => account === accountSid) ??
    named.find(({ account }) => account === null) ?? null;
}

function credentialsOf(config: Config, accountSid: string, connectorName: string) {
  const connector = connectorOf(config, accountSid, connectorName);
  if (connector?.credentialsHeaderName == null || connector.credentials === null) return null;
  return { name: connector.credentialsHeaderName, value: connector.credentials };
}
