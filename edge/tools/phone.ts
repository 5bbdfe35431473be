// A telephone for trying and testing: calls and is called, says sounds, keeps what it hears.
import { buildResponse } from "../../protocol/sip/build.ts";
import { header, tagOf } from "../../protocol/sip/header.ts";
import type { SipHeader } from "../../protocol/sip/message.ts";
import { sdpSessionId } from "../../protocol/sdp/version.ts";
import { type MediaSockets, mediaSockets } from "../runtime/media-socket.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import type {
  IncomingRequest, ListenAddress, SipNetwork, SipTarget, UserAgent,
} from "../sip/types.ts";
import { createUserAgent } from "../sip/user-agent.ts";
import { within } from "./farewell.ts";
import { PHONE_ALLOW, PhoneCall } from "./phone-call.ts";
import { PhoneMedia } from "./phone-media.ts";
import { hexText } from "../../schemas/sid.ts";

export interface PhoneOptions {
  listen: ListenAddress[];
  /** The user part of its addresses. */
  user: string;
  clock: Clock;
  random: Random;
  log: Log;
  /** Where audio is received; the first listening address without it. */
  mediaAddress?: string;
  /** Names as `media.codecs` has them. */
  codecs?: readonly string[];
  network?: SipNetwork;
  sockets?: MediaSockets;
}

export interface CallOptions {
  /** A From value without tag: `"Alice" <sip:alice@example.com>`. */
  from?: string;
  headers?: SipHeader[];
  /** Where the INVITE goes, if not where its Request-URI says. */
  target?: SipTarget;
}

/** How long `stop` waits for the answers to its last requests. */
const FAREWELL_MAX_MS = 1000;
const ID_BYTES = 8;

export class Phone {
  /** An INVITE came: call `ring`, `answer` or `reject` on it. */
  onCall: (call: PhoneCall) => void = (call) => call.reject(480);
  readonly #agent: UserAgent;
  readonly #calls = new Map<string, PhoneCall>();
  /** Transactions whose CANCEL came; looked at by those whose ports were still being opened. */
  readonly #cancelled = new Set<string>();

  constructor(private readonly options: PhoneOptions) {
    const { listen, clock, random, log, network } = options;
    this.#agent = createUserAgent({
      listen, clock, random, log, userAgentName: "siprec-phone",
      ...(network === undefined ? {} : { network }),
    });
    this.#agent.onRequest = (incoming) => this.#receive(incoming);
    this.#agent.onCancel = (transactionId) => {
      this.#cancelled.add(transactionId);
      for (const call of this.#calls.values()) call.cancelled(transactionId);
    };
    this.#agent.onNoAck = (transactionId) => {
      for (const call of this.#calls.values()) call.unacknowledged(transactionId);
    };
  }

  start(): Promise<void> {
    return this.#agent.start();
  }

  /** Hangs up what is left and closes everything. */
  async stop(): Promise<void> {
    const ends = [...this.#calls.values()].map((call) => call.hangUp());
    await within(this.options.clock, FAREWELL_MAX_MS, Promise.all(ends));
    await this.#agent.stop();
  }

  listening(): ListenAddress[] {
    return this.#agent.listening();
  }

  /** Its own SIP URI at the first address that it listens on. */
  get uri(): string {
    const [first] = this.listening();
    const transport = first === undefined || first.transport === "udp"
      ? "" : `;transport=${first.transport}`;
    return `sip:${this.options.user}@${hostOf(first?.address)}:${first?.port ?? 0}${transport}`;
  }

  /** Calls a SIP URI; how it went is seen at the call. */
  async call(to: string, options: CallOptions = {}): Promise<PhoneCall> {
    const from = options.from ?? `<${this.uri}>`;
    const callId = this.#mint();
    const call = PhoneCall.outgoing({
      to, from: `${from};tag=${this.#mint()}`, callId, headers: options.headers ?? [],
      target: options.target ?? null,
    }, await this.#callOptions());
    this.#calls.set(callId, call);
    return call;
  }

  #mint(): string {
    return hexText(this.options.random(ID_BYTES));
  }

  async #callOptions() {
    const { clock, random, user, codecs = ["PCMU", "PCMA"] } = this.options;
    const address = this.options.mediaAddress ?? this.listening()[0]?.address ?? "127.0.0.1";
    const tag = this.#mint();
    const media = await PhoneMedia.open({
      address, clock, random, cname: `${user}-${tag}`,
      sockets: this.options.sockets ?? mediaSockets,
    });
    const local = { address, sessionId: sdpSessionId(`PH${tag}`), codecs, ...media.ports };
    const onEnded = (call: PhoneCall): void => void this.#calls.delete(call.callId);
    return { agent: this.#agent, media, local, user, tag, onEnded };
  }

  #receive(incoming: IncomingRequest): void {
    const { request } = incoming;
    const call = this.#calls.get(header(request, "Call-ID") ?? "");
    if (call?.take(incoming) === true) return;
    if (request.method === "ACK") return;
    const isInDialog = tagOf(header(request, "To") ?? "") !== null;
    if (isInDialog) return this.#answer(incoming, 481);
    if (request.method === "OPTIONS") return this.#answer(incoming, 200);
    if (request.method !== "INVITE") return this.#answer(incoming, 405);
    this.#takeCall(incoming).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.options.log.error("phone.no-media", { reason });
      this.#answer(incoming, 500);
    });
  }

  async #takeCall(incoming: IncomingRequest): Promise<void> {
    const call = PhoneCall.incoming(incoming, await this.#callOptions());
    this.#calls.set(call.callId, call);
    const { transactionId } = incoming;
    if (transactionId !== null && this.#cancelled.delete(transactionId)) {
      call.cancelled(transactionId);
    } else this.onCall(call);
  }

  #answer(incoming: IncomingRequest, status: number): void {
    if (incoming.transactionId === null) return;
    const headers = [{ name: "Allow", value: PHONE_ALLOW }, { name: "Accept", value: SDP_ACCEPT }];
    const toTag = this.#mint();
    const response = buildResponse(incoming.request, status, null, { toTag, headers });
    this.#agent.respond(incoming.transactionId, response);
  }
}

const SDP_ACCEPT = "application/sdp";

/** An IPv6 literal stands in brackets in a URI. */
export const hostOf = (address = "127.0.0.1"): string =>
  address.includes(":") ? `[${address}]` : address;
