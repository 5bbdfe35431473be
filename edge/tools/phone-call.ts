// One call of a phone, either way: the dialog, the offer and the answer, and the audio.
import { buildRequest, buildResponse } from "../../protocol/sip/build.ts";
import {
  type Dialog, matchesDialog, nextHopFlow, receiveRequest, requestInDialog, uasDialog,
} from "../../protocol/sip/dialog.ts";
import {
  inviteClient, type InviteClientInput, type InviteClientOut, type InviteClientState,
  stepInviteClient,
} from "../../protocol/sip/invite-client.ts";
import { header } from "../../protocol/sip/header.ts";
import type { SipHeader, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import type { SoundTrack } from "../../protocol/rtp/sound-track.ts";
import type { Sound } from "../../protocol/rtp/wav.ts";
import { answerLeg, type LocalLeg, offerLeg, readAnswer } from "../../protocol/sdp/leg.ts";
import { nextVersion, type SentSdp } from "../../protocol/sdp/version.ts";
import type { IncomingRequest, SipTarget, UserAgent } from "../sip/types.ts";
import type { PhoneMedia } from "./phone-media.ts";

export const PHONE_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";
const SDP_TYPE = "application/sdp";
const allow: SipHeader = { name: "Allow", value: PHONE_ALLOW };

export interface CallEnd {
  /** "refused": it was never answered. */
  by: "us" | "them" | "refused";
  /** The final response to the INVITE, 200 for a call that was answered. */
  status: number;
  reason: string;
}

export type CallState = "calling" | "ringing" | "answered" | "ended";

export interface PhoneCallOptions {
  agent: UserAgent;
  media: PhoneMedia;
  local: Omit<LocalLeg, "version">;
  user: string;
  /** For the tag of an incoming call. */
  tag: string;
  onEnded: (call: PhoneCall) => void;
}

export interface OutgoingSpec {
  to: string;
  /** With its tag. */
  from: string;
  callId: string;
  headers: SipHeader[];
  target: SipTarget | null;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class PhoneCall {
  readonly callId: string;
  state: CallState = "calling";
  /** Final and provisional statuses of an outgoing call, as they came. */
  readonly statuses: number[] = [];
  /** True when it is answered, false when it ends before. */
  readonly answered: Promise<boolean>;
  readonly ended: Promise<CallEnd>;
  dialog: Dialog | null = null;
  #client: InviteClientState | null = null;
  #clientTransaction = "";
  #incoming: IncomingRequest | null = null;
  #sent: SentSdp | null = null;
  #resolveAnswered: (answered: boolean) => void = () => {};
  #resolveEnded: (end: CallEnd) => void = () => {};

  private constructor(readonly invite: SipRequest, private readonly options: PhoneCallOptions) {
    this.callId = header(invite, "Call-ID") ?? "";
    this.answered = new Promise((resolve) => {
      this.#resolveAnswered = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** Sends the INVITE. */
  static outgoing(spec: OutgoingSpec, options: PhoneCallOptions): PhoneCall {
    const offer = nextVersion(null, (version) => offerLeg({ ...options.local, version }));
    const invite = buildRequest({
      method: "INVITE", uri: spec.to, from: spec.from, to: `<${spec.to}>`, callId: spec.callId,
      cseq: 1, headers: [allow, ...spec.headers], contentType: SDP_TYPE,
      body: encoder.encode(offer.text),
    });
    const call = new PhoneCall(invite, options);
    call.#sent = offer;
    call.#client = inviteClient(invite);
    call.#clientTransaction = options.agent.send(
      invite, { owner: null, target: spec.target, contact: { user: options.user } },
      (event) => call.#step(event),
    );
    return call;
  }

  /** An INVITE came: `ring`, `answer` or `reject` it. */
  static incoming(incoming: IncomingRequest, options: PhoneCallOptions): PhoneCall {
    const call = new PhoneCall(incoming.request, options);
    call.#incoming = incoming;
    call.dialog = uasDialog(incoming.request, options.tag, incoming.flow);
    return call;
  }

  ring(): void {
    if (this.state !== "calling") return;
    this.state = "ringing";
    this.#respond(180);
  }

  answer(): void {
    const { dialog } = this;
    if (this.state === "answered" || this.state === "ended" || dialog === null) return;
    const sdp = this.#answerTo(this.invite);
    if (sdp === null) return this.reject(488);
    this.dialog = { ...dialog, state: "confirmed" };
    this.state = "answered";
    this.#respond(200, sdp);
    this.#resolveAnswered(true);
  }

  reject(status: number): void {
    if (this.state === "answered" || this.state === "ended") return;
    this.#respond(status);
    this.#end({ by: "refused", status, reason: "" });
  }

  /** BYE, CANCEL or a refusal, as the state asks; resolves when that is answered. */
  async hangUp(): Promise<CallEnd> {
    if (this.state === "answered" && this.dialog !== null) {
      this.#end({ by: "us", status: 200, reason: "" }, this.#sendBye());
    } else if (this.#client !== null) this.#step({ type: "cancel" });
    else this.reject(480);
    return this.ended;
  }

  /** Says a sound; done when it has been sent. */
  say(sound: Sound): Promise<void> {
    return this.options.media.speaker.say(sound);
  }

  press(digits: string): void {
    this.options.media.speaker.press(digits);
  }

  get heard(): SoundTrack {
    return this.options.media.heard;
  }

  get digitsHeard(): string {
    return this.options.media.digits;
  }

  /** A request in this call's dialog; false when it is not this call's. */
  take(incoming: IncomingRequest): boolean {
    const { request, flow } = incoming;
    if (this.dialog === null || !matchesDialog(this.dialog, request)) return false;
    const { dialog, verdict } = receiveRequest(this.dialog, request, flow);
    this.dialog = dialog;
    if (!verdict.ok) this.#respondTo(incoming, verdict.status);
    else if (request.method === "ACK") this.#readAck(request);
    else if (request.method === "BYE") {
      this.#respondTo(incoming, 200);
      this.#end({ by: "them", status: 200, reason: header(request, "Reason") ?? "" });
    } else if (request.method === "INVITE" || request.method === "UPDATE") this.#renew(incoming);
    else this.#respondTo(incoming, request.method === "INFO" ? 200 : 405);
    return true;
  }

  /** The caller gave up before the answer. */
  cancelled(transactionId: string): boolean {
    if (this.#incoming?.transactionId !== transactionId || this.state === "answered") return false;
    this.#respond(487);
    this.#end({ by: "refused", status: 487, reason: "canceled" });
    return true;
  }

  /** Our 200 was never acknowledged. */
  unacknowledged(transactionId: string): void {
    if (this.#incoming?.transactionId === transactionId) void this.hangUp();
  }

  // --- an outgoing call ---

  #step(input: InviteClientInput): void {
    if (this.#client === null) return;
    if (input.type === "response") this.statuses.push(input.response.status);
    const { state, out } = stepInviteClient(this.#client, input);
    this.#client = state;
    for (const each of out) this.#emit(each);
  }

  #emit(out: InviteClientOut): void {
    const { agent } = this.options;
    if (out.type === "send-ack") agent.sendAck(out.request, { owner: null, flow: out.flow });
    else if (out.type === "send-bye") {
      agent.send(out.request, { owner: null, flow: out.flow }, () => {});
    } else if (out.type === "send-cancel") agent.cancel(this.#clientTransaction);
    else if (out.type === "progress") {
      if (this.state === "calling") this.state = "ringing";
      this.#readAnswer(out.response);
    } else if (out.type === "failed") {
      this.#end({ by: "refused", status: out.status, reason: out.reason });
    } else {
      this.dialog = out.dialog;
      this.state = "answered";
      this.#resolveAnswered(true);
      if (!this.#readAnswer(out.response)) void this.hangUp();
    }
  }

  #readAnswer(message: SipRequest | SipResponse): boolean {
    if (message.body.length === 0 || this.#sent === null) return false;
    const read = readAnswer(this.#sent.text, decoder.decode(message.body));
    if (read.ok) this.options.media.apply(read.remote, read.codec);
    return read.ok;
  }

  // --- answers ---

  /** Our SDP for their INVITE or UPDATE: an answer, an offer where they made none; null: none. */
  #answerTo(request: SipRequest): string | null {
    if (request.body.length === 0) {
      this.#sent = nextVersion(this.#sent, (version) =>
        offerLeg({ ...this.options.local, version }, this.#sent?.text ?? null));
      return this.#sent.text;
    }
    const offer = decoder.decode(request.body);
    const answer = (version: number) => answerLeg(offer, { ...this.options.local, version });
    const first = answer(this.#sent?.version ?? 1);
    if (!first.ok) return null;
    this.#sent = nextVersion(this.#sent, (version) => {
      const again = answer(version);
      return again.ok ? again.text : first.text;
    });
    this.options.media.apply(first.remote, first.codec);
    return this.#sent.text;
  }

  #renew(incoming: IncomingRequest): void {
    const { request } = incoming;
    const isOffer = request.method === "INVITE" || request.body.length > 0;
    const sdp = isOffer ? this.#answerTo(request) : "";
    if (sdp === null) this.#respondTo(incoming, 488);
    else this.#respondTo(incoming, 200, sdp);
  }

  /** The ACK to a 200 that held our offer brings the answer. */
  #readAck(ack: SipRequest): void {
    if (ack.body.length > 0) this.#readAnswer(ack);
  }

  #respond(status: number, sdp = ""): void {
    if (this.#incoming !== null) this.#respondTo(this.#incoming, status, sdp);
  }

  #respondTo(incoming: IncomingRequest, status: number, sdp = ""): void {
    if (incoming.transactionId === null) return;
    const { agent, tag, user } = this.options;
    const body = sdp === "" ? {} : { contentType: SDP_TYPE, body: encoder.encode(sdp) };
    const response = buildResponse(incoming.request, status, null, {
      toTag: tag, headers: [allow], ...body,
    });
    agent.respond(incoming.transactionId, response, { contact: { user } });
  }

  /** Done with its final answer, or when there is none to come. */
  async #sendBye(): Promise<void> {
    if (this.dialog === null) return;
    const { dialog, request } = requestInDialog(this.dialog, "BYE");
    const flow = nextHopFlow(this.dialog);
    this.dialog = dialog;
    await new Promise<void>((done) => {
      this.options.agent.send(request, { owner: null, flow }, (event) => {
        if (event.type !== "response" || event.response.status >= 200) done();
      });
    });
  }

  #end(end: CallEnd, farewell: Promise<void> = Promise.resolve()): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.options.media.close();
    this.#resolveAnswered(false);
    void farewell.then(() => {
      this.#resolveEnded(end);
      this.options.onEnded(this);
    });
  }
}
