// A SIP peer on the fake wire, with a real user agent: a phone, a trunk or a recorder that does
// what a test says, and answers decently where the test says nothing.
import type {
  ClientEvent, ContactOptions, IncomingRequest, UserAgent,
} from "../../../edge/sip/types.ts";
import { createUserAgent } from "../../../edge/sip/user-agent.ts";
import type { Clock, Random } from "../../../edge/runtime/types.ts";
import { buildRequest, buildResponse, type ResponseSpec } from "../../../protocol/sip/build.ts";
import { header } from "../../../protocol/sip/header.ts";
import type { SipHeader, SipRequest, SipResponse } from "../../../protocol/sip/message.ts";
import type { FakeWire } from "../fake-wire.ts";
import { quietLog } from "../quiet-log.ts";
import { type Exchange, textBody } from "./exchange.ts";
import { PeerCall } from "./peer-call.ts";

export interface PeerOptions {
  clock: Clock;
  wire: FakeWire;
  random: Random;
  name: string;
  address: string;
  transports?: ("udp" | "tcp")[];
}

export class SipPeer {
  readonly name: string;
  readonly address: string;
  readonly agent: UserAgent;
  /** Both ways, the oldest first. */
  readonly calls: PeerCall[] = [];
  /** A new INVITE: what the peer does about it. */
  onCall: (call: PeerCall) => void = () => {};
  readonly #random: Random;
  readonly #byTransaction = new Map<string, PeerCall>();

  private constructor(options: PeerOptions) {
    const { clock, wire, random, name, address, transports = ["udp", "tcp"] } = options;
    this.name = name;
    this.address = address;
    this.#random = random;
    this.agent = createUserAgent({
      listen: transports.map((transport) => ({ transport, address, port: 5060 })),
      clock, random, log: quietLog, network: wire, userAgentName: name,
    });
    this.agent.onRequest = (incoming) => this.#receive(incoming);
    this.agent.onCancel = (transactionId) => this.#byTransaction.get(transactionId)?.cancelled();
    this.agent.onNoAck = (transactionId) =>
      this.#byTransaction.get(transactionId)?.unacknowledged();
  }

  static async open(options: PeerOptions): Promise<SipPeer> {
    const peer = new SipPeer(options);
    await peer.agent.start();
    return peer;
  }

  /** The newest call. */
  get call(): PeerCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error(`${this.name} has no call`);
    return call;
  }

  token(): string {
    return Array.from(this.#random(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** An INVITE to the edge, or to wherever `uri` leads. */
  invite(
    uri: string,
    options: { sdp?: string | null; headers?: SipHeader[]; from?: string; autoAck?: boolean } = {},
  ): PeerCall {
    const { sdp = null, headers = [] } = options;
    const request = buildRequest({
      method: "INVITE", uri, to: `<${uri}>`, callId: `${this.token()}@${this.address}`, cseq: 1,
      from: `${options.from ?? `<sip:${this.name}@${this.address}>`};tag=${this.token()}`,
      headers, ...(sdp === null ? {} : textBody(sdp)),
    });
    const call = PeerCall.outgoing(this, request);
    call.autoAck = options.autoAck ?? true;
    this.calls.push(call);
    return call;
  }

  /** A request outside of any dialog; headers given replace those of the same name. */
  ask(
    method: string, uri: string, changes: { to?: string; headers?: SipHeader[] } = {},
  ): Exchange {
    return this.send(buildRequest({
      method, uri, to: changes.to ?? `<${uri}>`, callId: this.token(), cseq: 1,
      from: `<sip:${this.name}@${this.address}>;tag=${this.token()}`,
      headers: changes.headers ?? [],
    }));
  }

  send(
    request: SipRequest, onResponse: (response: SipResponse, event: ClientEvent) => void = () => {},
    contact: ContactOptions | null = { user: this.name },
  ): Exchange & { id: string } {
    const exchange: Exchange & { id: string } = { request, responses: [], failure: null, id: "" };
    exchange.id = this.agent.send(request, { owner: null, contact }, (event) => {
      if (event.type !== "response") {
        exchange.failure = event.type;
        return;
      }
      exchange.responses.push(event.response);
      onResponse(event.response, event);
    });
    return exchange;
  }

  respond(
    incoming: IncomingRequest, status: number, spec: ResponseSpec & { contact?: boolean } = {},
  ): void {
    if (incoming.transactionId === null) return;
    const response = buildResponse(incoming.request, status, null, spec);
    const contact = spec.contact === false ? null : { user: this.name };
    this.agent.respond(incoming.transactionId, response, {
      contact: status > 100 && status < 300 ? contact : null,
    });
  }

  #receive(incoming: IncomingRequest): void {
    const { request, transactionId } = incoming;
    const callId = header(request, "Call-ID");
    const known = this.calls.find((call) => call.callId === callId);
    if (known !== undefined && (request.method !== "INVITE" || known.isDialogOf(request))) {
      if (transactionId !== null) this.#byTransaction.set(transactionId, known);
      return known.receive(incoming);
    }
    if (transactionId === null) return;
    if (request.method !== "INVITE") return this.respond(incoming, 481);
    const call = PeerCall.incoming(this, incoming, this.token());
    this.#byTransaction.set(transactionId, call);
    this.calls.push(call);
    this.onCall(call);
  }
}
