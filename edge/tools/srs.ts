// A session recording server (RFC 7866) to try and test with: takes what a recording client sends,
// keeps it, says what was wrong with it, and misbehaves when it is told to.
import { buildResponse } from "../../protocol/sip/build.ts";
import { header, tagOf } from "../../protocol/sip/header.ts";
import type { SipHeader, SipRequest } from "../../protocol/sip/message.ts";
import { sdpSessionId } from "../../protocol/sdp/version.ts";
import { mediaSockets } from "../runtime/media-socket.ts";
import type { IncomingRequest, ListenAddress, UserAgent } from "../sip/types.ts";
import { createUserAgent } from "../sip/user-agent.ts";
import { within } from "./farewell.ts";
import { GOOD_BEHAVIOUR, type SrsBehaviour, type SrsOptions } from "./srs-options.ts";
import { SRS_CONTACT, SRS_HEADERS, SrsSession, type SrsSessionOptions } from "./srs-session.ts";
import { SrsStream } from "./srs-stream.ts";
import { hexText } from "../../schemas/sid.ts";

/** Sessions that have ended are remembered up to this number; their files stay. */
const ENDED_MAX = 1000;
const LIVE_MAX = 1000;
const ID_BYTES = 8;
/** How long `stop` waits for the answers to its last requests. */
const FAREWELL_MAX_MS = 1000;

export class Srs {
  /** The latest ones that have ended, oldest first. */
  readonly ended: SrsSession[] = [];
  onStarted: (session: SrsSession) => void = () => {};
  /** Another metadata document came, the first one too: the last of its documents. */
  onDocument: (session: SrsSession) => void = () => {};
  onEnded: (session: SrsSession) => void = () => {};
  /** Can be changed while it runs: for the next session. */
  behaviour: SrsBehaviour;
  readonly #agent: UserAgent;
  readonly #live = new Map<string, SrsSession>();

  constructor(private readonly options: SrsOptions) {
    const { listen, clock, random, log, network } = options;
    this.behaviour = { ...GOOD_BEHAVIOUR, ...options.behaviour };
    this.#agent = createUserAgent({
      listen, clock, random, log, userAgentName: "siprec-srs",
      ...(network === undefined ? {} : { network }),
    });
    this.#agent.onRequest = (incoming) => this.#receive(incoming);
    this.#agent.onNoAck = (transactionId) => {
      for (const session of this.#live.values()) session.unacknowledged(transactionId);
    };
  }

  start(): Promise<void> {
    return this.#agent.start();
  }

  /** Ends the recordings that are left, writes them, and closes everything. */
  async stop(): Promise<void> {
    const ends = this.live.map((session) => session.end("stop"));
    await within(this.options.clock, FAREWELL_MAX_MS, Promise.all(ends));
    await this.#agent.stop();
  }

  listening(): ListenAddress[] {
    return this.#agent.listening();
  }

  get live(): SrsSession[] {
    return [...this.#live.values()];
  }

  #receive(incoming: IncomingRequest): void {
    const { request } = incoming;
    const key = keyOf(request);
    if (this.#live.get(key)?.take(incoming) === true) return;
    if (request.method === "ACK") return;
    if (tagOf(header(request, "To") ?? "") !== null) return this.#answer(incoming, 481);
    if (request.method === "OPTIONS") return this.#answer(incoming, 200);
    if (request.method !== "INVITE") return this.#answer(incoming, 405);
    if (this.behaviour.silent) return this.#ignore(incoming);
    if (this.behaviour.answer !== null) return this.#answer(incoming, this.behaviour.answer);
    if (this.#live.size >= LIVE_MAX) {
      return this.#answer(incoming, 503, [{ name: "Retry-After", value: "5" }]);
    }
    this.#begin(incoming, key);
  }

  #begin(incoming: IncomingRequest, key: string): void {
    const session = new SrsSession(incoming, this.#sessionOptions());
    // Known before it is answered: its ACK may come at once.
    this.#live.set(key, session);
    session.begin().then(
      (begun) => {
        if (!begun) this.#live.delete(key);
      },
      (error: unknown) => {
        this.#live.delete(key);
        const reason = error instanceof Error ? error.message : String(error);
        this.options.log.error("srs.failed", { reason });
        this.#answer(incoming, 500);
      },
    );
  }

  #sessionOptions(): SrsSessionOptions {
    const { clock, random, out, codecs = ["PCMU", "PCMA"] } = this.options;
    const address = this.options.mediaAddress ?? this.listening()[0]?.address ?? "127.0.0.1";
    const sockets = this.options.sockets ?? mediaSockets;
    const tag = hexText(random(ID_BYTES));
    return {
      agent: this.#agent, clock, behaviour: { ...this.behaviour }, address, codecs, out, tag,
      sdpSessionId: sdpSessionId(`RS${tag}`),
      openStream: () => SrsStream.open({ address, sockets, clock, random }),
      onStarted: (session) => this.onStarted(session),
      onDocument: (session) => this.onDocument(session),
      onEnded: (session) => {
        this.#live.delete(keyOf(session.invite));
        this.ended.push(session);
        if (this.ended.length > ENDED_MAX) this.ended.shift();
        this.onEnded(session);
      },
    };
  }

  #answer(incoming: IncomingRequest, status: number, headers: SipHeader[] = []): void {
    if (incoming.transactionId === null) return;
    const response = buildResponse(incoming.request, status, null, {
      toTag: hexText(this.options.random(ID_BYTES)), headers: [...SRS_HEADERS, ...headers],
    });
    this.#agent.respond(incoming.transactionId, response, { contact: SRS_CONTACT });
  }

  #ignore(incoming: IncomingRequest): void {
    if (incoming.transactionId !== null) this.#agent.ignore(incoming.transactionId);
  }
}

/** Dialogs that we are called in: the caller's half of their name (RFC 3261 §12). */
const keyOf = (request: SipRequest): string =>
  `${header(request, "Call-ID") ?? ""} ${tagOf(header(request, "From") ?? "") ?? ""}`;
