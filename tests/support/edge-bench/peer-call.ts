// One call of a scripted peer, from its INVITE to its BYE.
import type { IncomingRequest } from "../../../edge/sip/types.ts";
import {
  ackFor2xx, type Dialog, matchesDialog, receiveRequest, receiveResponse, requestInDialog,
  uacDialog, uasDialog,
} from "../../../protocol/sip/dialog.ts";
import { header, parseCseq, tagOf } from "../../../protocol/sip/header.ts";
import type { SipFlow, SipHeader, SipRequest, SipResponse } from "../../../protocol/sip/message.ts";
import { readRecordingBody } from "../../../protocol/siprec/body.ts";
import type { RecordingMetadata } from "../../../protocol/siprec/metadata.ts";
import { readMetadata } from "../../../protocol/siprec/read.ts";
import { type Exchange, textBody } from "./exchange.ts";
import type { SipPeer } from "./peer.ts";

interface AnswerSpec {
  sdp?: string | null;
  headers?: SipHeader[];
  /** Another To-tag: the answer of another branch of a fork. */
  tag?: string;
}

export class PeerCall {
  readonly peer: SipPeer;
  readonly invite: SipRequest;
  readonly callId: string;
  dialog: Dialog | null = null;
  /** To our INVITE. */
  readonly responses: SipResponse[] = [];
  failure: string | null = null;
  /** What the other side sent within the call, ACKs too. */
  readonly requests: IncomingRequest[] = [];
  isCancelled = false;
  isUnacknowledged = false;
  /** 2xx to our INVITEs are acknowledged at once. */
  autoAck = true;
  /** What the peer does about a request in the dialog; null: what is decent. */
  onRequest: ((incoming: IncomingRequest) => void) | null = null;
  /** The answer to an offer that comes in a re-INVITE. */
  answerOffer: (offer: string) => string = (offer) => offer;
  readonly #incoming: IncomingRequest | null;
  readonly #tag: string;
  #transaction = "";
  #heldAck: SipRequest | null = null;

  private constructor(
    peer: SipPeer, invite: SipRequest, incoming: IncomingRequest | null, tag: string,
  ) {
    this.peer = peer;
    this.invite = invite;
    this.callId = header(invite, "Call-ID") ?? "";
    this.#incoming = incoming;
    this.#tag = tag;
  }

  static outgoing(peer: SipPeer, invite: SipRequest): PeerCall {
    const call = new PeerCall(peer, invite, null, "");
    const exchange = peer.send(invite, (response, event) => {
      call.responses.push(response);
      if (event.type === "response") call.#answered(response, event.flow);
    });
    call.#transaction = exchange.id;
    return call;
  }

  static incoming(peer: SipPeer, incoming: IncomingRequest, tag: string): PeerCall {
    const call = new PeerCall(peer, incoming.request, incoming, tag);
    call.dialog = uasDialog(incoming.request, tag, incoming.flow);
    return call;
  }

  get statuses(): number[] {
    return this.responses.map(({ status }) => status);
  }

  /** Methods of what came within the call. */
  get heard(): string[] {
    return this.requests.map(({ request }) => request.method);
  }

  get offer(): string | null {
    return sdpOf(this.invite);
  }

  /** The documents of a recording session, as they came. */
  get snapshots(): RecordingMetadata[] {
    return [this.invite, ...this.requests.map(({ request }) => request)].flatMap((request) => {
      const xml = bodyOf(request).metadata;
      if (xml === null) return [];
      const read = readMetadata(xml);
      if (!read.ok || read.problems.length > 0) throw new Error(`bad metadata:\n${xml}`);
      return [read.metadata];
    });
  }

  isDialogOf(request: SipRequest): boolean {
    return this.dialog !== null && tagOf(header(request, "To") ?? "") !== null;
  }

  progress(status: number, spec: AnswerSpec = {}): void {
    this.#respond(status, spec);
  }

  answer(sdp: string | null, spec: AnswerSpec = {}): void {
    if (this.dialog !== null) this.dialog = { ...this.dialog, state: "confirmed" };
    this.#respond(200, { ...spec, sdp });
  }

  reject(status: number, headers: SipHeader[] = []): void {
    this.#respond(status, { headers });
  }

  /** Gives no answer, not even 100. */
  ignore(): void {
    const id = this.#incoming?.transactionId ?? null;
    if (id !== null) this.peer.agent.ignore(id);
  }

  cancel(): void {
    this.peer.agent.cancel(this.#transaction);
  }

  ack(body: { body?: Uint8Array; contentType?: string } = {}): void {
    if (this.dialog === null) throw new Error("no dialog to acknowledge in");
    const cseq = parseCseq(this.invite)?.number ?? 1;
    this.peer.agent.sendAck(ackFor2xx(this.dialog, cseq, body), { owner: null });
  }

  bye(headers: SipHeader[] = []): Exchange {
    return this.request("BYE", { headers });
  }

  /** The ACK to the last re-INVITE; without `autoAck` it waits for this. */
  ackAgain(): void {
    if (this.#heldAck !== null) this.peer.agent.sendAck(this.#heldAck, { owner: null });
  }

  /** A request in the dialog; a 2xx to an INVITE is acknowledged. */
  request(
    method: string,
    spec: { headers?: SipHeader[]; sdp?: string; body?: Uint8Array; contentType?: string } = {},
  ): Exchange {
    if (this.dialog === null) throw new Error(`${this.peer.name} has no dialog`);
    const { sdp, ...rest } = spec;
    const made = requestInDialog(this.dialog, method, {
      ...rest, ...(sdp === undefined ? {} : textBody(sdp)),
    });
    this.dialog = made.dialog;
    const cseq = made.dialog.localSeq;
    return this.peer.send(made.request, (response) => {
      if (this.dialog !== null) this.dialog = receiveResponse(this.dialog, method, response);
      const isSuccess = response.status >= 200 && response.status < 300;
      if (method !== "INVITE" || !isSuccess || this.dialog === null) return;
      // An offerless INVITE is answered in the ACK.
      const offered = sdp === undefined ? sdpOf(response) : null;
      const body = offered === null ? {} : textBody(this.answerOffer(offered));
      this.#heldAck = ackFor2xx(this.dialog, cseq, body);
      if (this.autoAck) this.ackAgain();
    }, method === "BYE" ? null : { user: this.peer.name });
  }

  receive(incoming: IncomingRequest): void {
    this.requests.push(incoming);
    if (this.dialog !== null && matchesDialog(this.dialog, incoming.request)) {
      this.dialog = receiveRequest(this.dialog, incoming.request, incoming.flow).dialog;
    }
    if (this.onRequest !== null) return this.onRequest(incoming);
    this.answerDecently(incoming);
  }

  answerDecently(incoming: IncomingRequest): void {
    const { request, transactionId } = incoming;
    if (transactionId === null) return;
    const offer = sdpOf(request);
    const sdp = request.method === "INVITE" && offer !== null ? this.answerOffer(offer) : null;
    this.peer.respond(incoming, 200, {
      ...(request.method === "BYE" ? { contact: false } : {}),
      ...(sdp === null ? {} : textBody(sdp)),
    });
  }

  cancelled(): void {
    this.isCancelled = true;
    if (this.onCancel !== null) return this.onCancel();
    this.#respond(487, {});
  }

  onCancel: (() => void) | null = null;

  unacknowledged(): void {
    this.isUnacknowledged = true;
  }

  #respond(status: number, spec: AnswerSpec): void {
    if (this.#incoming === null) throw new Error("it is our own INVITE");
    this.peer.respond(this.#incoming, status, {
      toTag: spec.tag ?? this.#tag,
      headers: spec.headers ?? [],
      ...(spec.sdp == null ? {} : textBody(spec.sdp)),
    });
  }

  #answered(response: SipResponse, flow: SipFlow): void {
    if (response.status < 200 || response.status >= 300) return;
    this.dialog ??= uacDialog(this.invite, response, flow);
    if (this.autoAck) this.ack();
  }
}

function bodyOf(message: SipRequest | SipResponse) {
  const read = readRecordingBody(
    header(message, "Content-Type"), message.body, header(message, "Content-Disposition"),
  );
  return read.ok ? read.body : { sdp: null, metadata: null, snapshotRequest: null };
}

export const sdpOf = (message: SipRequest | SipResponse): string | null => bodyOf(message).sdp;
