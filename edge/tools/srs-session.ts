// One recording session at the recorder: its dialog, its streams, and what it leaves behind.
import { buildResponse } from "../../protocol/sip/build.ts";
import {
  type Dialog, matchesDialog, nextHopFlow, receiveRequest, requestInDialog, uasDialog,
} from "../../protocol/sip/dialog.ts";
import { header, headerHas } from "../../protocol/sip/header.ts";
import type { SipHeader, SipRequest } from "../../protocol/sip/message.ts";
import { acceptRecording, readRecordingOffer } from "../../protocol/sdp/recording-answer.ts";
import { nextVersion, type SentSdp } from "../../protocol/sdp/version.ts";
import {
  METADATA_TYPE, RECORDING_ACCEPT, RECORDING_DISPOSITION, readRecordingBody, type RecordingBody,
} from "../../protocol/siprec/body.ts";
import type { Sound } from "../../protocol/rtp/wav.ts";
import type { Clock, Timer } from "../runtime/types.ts";
import type { ContactOptions, IncomingRequest, UserAgent } from "../sip/types.ts";
import { refusalOf, requestProblems } from "./srs-check.ts";
import type { SrsBehaviour } from "./srs-options.ts";
import { recordingFolder, writeDocument, writeReceipt, writeSound } from "./srs-receipt.ts";
import { SrsStream, type StreamReceipt } from "./srs-stream.ts";

export const SRS_HEADERS: readonly SipHeader[] = [
  { name: "Allow", value: "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO" },
  { name: "Accept", value: `${RECORDING_ACCEPT}, multipart/mixed` },
  { name: "Supported", value: "siprec" },
];
export const SRS_CONTACT: ContactOptions = { user: "srs", params: ";+sip.srs" };

export interface SrsSessionOptions {
  agent: UserAgent;
  clock: Clock;
  behaviour: SrsBehaviour;
  /** The IP literal that audio is received at. */
  address: string;
  codecs: readonly string[];
  out: string | null;
  tag: string;
  /** For o=. */
  sdpSessionId: string;
  openStream: () => Promise<SrsStream>;
  onStarted: (session: SrsSession) => void;
  onDocument: (session: SrsSession) => void;
  onEnded: (session: SrsSession) => void;
}

export type SrsEnd = "src" | "srs" | "no-ack" | "stop";

const encoder = new TextEncoder();

const SNAPSHOT_REQUEST = `<?xml version="1.0" encoding="UTF-8"?>
<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">
  <requestreason xml:lang="en">asked for by the test recorder</requestreason>
</requestsnapshot>
`;

export class SrsSession {
  readonly callId: string;
  readonly invite: SipRequest;
  /** Every metadata document, as received. */
  readonly documents: string[] = [];
  /** What the SRC did against the RFCs. */
  readonly problems: string[] = [];
  readonly startedAt: string;
  endedAt: string | null = null;
  endedBy: SrsEnd | null = null;
  /** null when nothing is written. */
  folder: string | null = null;
  /** By m-line; null where a line was refused. */
  #streams: (SrsStream | null)[] = [];
  #dialog: Dialog;
  #sent: SentSdp | null = null;
  #timers: Timer[] = [];
  #names: string[] = [];
  /** Requests are answered one after the other: opening ports takes a moment. */
  #work: Promise<void> = Promise.resolve();

  constructor(
    private readonly first: IncomingRequest, private readonly options: SrsSessionOptions,
  ) {
    this.invite = first.request;
    this.callId = header(first.request, "Call-ID") ?? "";
    this.startedAt = new Date(options.clock.wallMs()).toISOString();
    this.#dialog = uasDialog(first.request, options.tag, first.flow);
  }

  /** Answers the INVITE; false when it was refused and there is no session. */
  async begin(): Promise<boolean> {
    const refusal = refusalOf(this.invite);
    if (refusal !== null) {
      this.#respond(this.first, refusal.status, null, refusal.headers);
      return false;
    }
    if (!await this.#takeOffer(this.first)) return false;
    this.#dialog = { ...this.#dialog, state: "confirmed" };
    this.options.onStarted(this);
    const { snapshotAfterMs, byeAfterMs } = this.options.behaviour;
    this.#after(snapshotAfterMs, () => this.requestSnapshot());
    this.#after(byeAfterMs, () => void this.end("srs"));
    return true;
  }

  /** A request in this dialog; false when it is not of it. */
  take(incoming: IncomingRequest): boolean {
    if (!matchesDialog(this.#dialog, incoming.request)) return false;
    const { dialog, verdict } = receiveRequest(this.#dialog, incoming.request, incoming.flow);
    this.#dialog = dialog;
    const { method } = incoming.request;
    if (!verdict.ok) this.#respond(incoming, verdict.status);
    else if (method === "BYE") {
      this.#respond(incoming, 200);
      this.#end("src");
    } else if (method === "INVITE" || method === "UPDATE") {
      this.#work = this.#work.then(() => this.#renew(incoming));
    } else if (method !== "ACK") this.#respond(incoming, method === "INFO" ? 200 : 405);
    return true;
  }

  /** Our 200 was never acknowledged. */
  unacknowledged(transactionId: string): void {
    if (this.first.transactionId === transactionId) void this.end("no-ack");
  }

  /** Hangs up; done when the BYE is answered. Its files are written at once. */
  async end(by: Exclude<SrsEnd, "src">): Promise<void> {
    if (this.endedAt !== null) return;
    const bye = this.#send("BYE");
    this.#end(by);
    await bye;
  }

  /** RFC 7866 §9.2: an UPDATE with a metadata body that asks for everything anew. */
  requestSnapshot(): void {
    if (this.endedAt !== null) return;
    if (!headerHas(this.invite, "Allow", "UPDATE")) {
      this.problems.push("Allow has no UPDATE: no snapshot can be asked for (RFC 3311 §4)");
      return;
    }
    void this.#send("UPDATE", {
      headers: [{ name: "Content-Disposition", value: RECORDING_DISPOSITION }],
      contentType: METADATA_TYPE, body: encoder.encode(SNAPSHOT_REQUEST),
    });
  }

  get streams(): StreamReceipt[] {
    return this.#live().map((stream) => stream.receipt());
  }

  /** What was recorded under a label until now. */
  sound(label: string): Sound | null {
    return this.#live().find((stream) => stream.label === label)?.track.sound() ?? null;
  }

  #live(): SrsStream[] {
    return this.#streams.flatMap((stream) => stream ?? []);
  }

  async #renew(incoming: IncomingRequest): Promise<void> {
    if (this.endedAt !== null) return;
    await this.#takeOffer(incoming);
  }

  /** Answers an INVITE or UPDATE with what it offers and says; false when it is refused. */
  async #takeOffer(incoming: IncomingRequest): Promise<boolean> {
    const { request } = incoming;
    const type = header(request, "Content-Type");
    const read = readRecordingBody(type, request.body, header(request, "Content-Disposition"));
    if (!read.ok) {
      this.problems.push(`body: ${read.reason}`);
      this.#respond(incoming, read.status, null);
      return false;
    }
    const { body } = read;
    this.problems.push(...requestProblems(request, body));
    if (body.sdp === null) return this.#answerWithoutOffer(incoming, body);
    const answer = await this.#answerTo(body.sdp);
    if (typeof answer === "number") {
      this.#respond(incoming, answer);
      return false;
    }
    // Kept before it is answered: who has our 200 may look for it at once.
    this.#keep(body);
    this.#respond(incoming, 200, answer);
    return true;
  }

  // A session refresh brings no offer: the same description again will do (RFC 3264 §8); to begin
  // a recording there must be one.
  #answerWithoutOffer(incoming: IncomingRequest, body: RecordingBody): boolean {
    const { method } = incoming.request;
    const isFirst = this.#sent === null;
    if (isFirst) this.#respond(incoming, 488);
    else {
      if (method === "INVITE" && body.metadata !== null) {
        this.problems.push("metadata without SDP in an INVITE (RFC 3261 §13.2.1)");
      }
      this.#keep(body);
      this.#respond(incoming, 200, method === "INVITE" ? this.#sent?.text ?? null : null);
    }
    return !isFirst;
  }

  /** The SDP of the answer, or the status that refuses the offer. */
  async #answerTo(offer: string): Promise<string | number> {
    const read = readRecordingOffer(offer);
    if (!read.ok) return 400;
    const streams: (SrsStream | null)[] = [];
    for (const [index, line] of read.streams.entries()) {
      const known = this.#streams[index] ?? null;
      streams.push(known ?? (line.live ? await this.options.openStream() : null));
    }
    const { address, codecs, behaviour, sdpSessionId } = this.options;
    const accept = (version: number) => acceptRecording(offer, {
      address, codecs, version, sessionId: sdpSessionId,
      streams: streams.map((stream) => stream?.ports ?? null),
      direction: behaviour.inactive ? "inactive" : "recvonly",
    });
    const first = accept(this.#sent?.version ?? 1);
    if (!first.ok) {
      streams.filter((stream, index) => stream !== (this.#streams[index] ?? null))
        .forEach((stream) => stream?.close());
      this.problems.push(first.reason);
      return first.status;
    }
    this.#streams = streams;
    first.streams.forEach((agreed, index) => streams[index]?.agree(agreed));
    this.#sent = nextVersion(this.#sent, (version) => {
      const again = accept(version);
      return again.ok ? again.text : first.text;
    });
    return this.#sent.text;
  }

  #keep({ metadata }: RecordingBody): void {
    const { out } = this.options;
    if (out !== null) this.folder ??= recordingFolder(out, this.startedAt, this.callId);
    if (metadata === null) return;
    this.documents.push(metadata);
    if (this.folder !== null) {
      this.#names.push(writeDocument(this.folder, this.documents.length, metadata));
    }
    this.options.onDocument(this);
  }

  #respond(
    incoming: IncomingRequest, status: number, sdp: string | null = null,
    headers: readonly SipHeader[] = [],
  ): void {
    if (incoming.transactionId === null) return;
    const body = sdp === null ? {} : { contentType: "application/sdp", body: encoder.encode(sdp) };
    const response = buildResponse(incoming.request, status, null, {
      toTag: this.options.tag, headers: [...SRS_HEADERS, ...headers], ...body,
    });
    this.options.agent.respond(incoming.transactionId, response, { contact: SRS_CONTACT });
  }

  /** Done with the final answer, or when there is none to come. */
  #send(
    method: string, spec: { headers?: SipHeader[]; body?: Uint8Array; contentType?: string } = {},
  ): Promise<void> {
    const { dialog, request } = requestInDialog(this.#dialog, method, spec);
    const flow = nextHopFlow(this.#dialog);
    this.#dialog = dialog;
    const options = { owner: null, flow, contact: SRS_CONTACT };
    return new Promise((done) => {
      this.options.agent.send(request, options, (event) => {
        if (event.type !== "response" || event.response.status >= 200) done();
      });
    });
  }

  #after(delayMs: number | null, callback: () => void): void {
    if (delayMs !== null) this.#timers.push(this.options.clock.after(delayMs, callback));
  }

  #end(by: SrsEnd): void {
    if (this.endedAt !== null) return;
    this.endedAt = new Date(this.options.clock.wallMs()).toISOString();
    this.endedBy = by;
    for (const timer of this.#timers) timer.cancel();
    const live = this.#live();
    for (const stream of live) stream.close();
    if (this.folder !== null) this.#write(this.folder, this.endedAt, by);
    this.options.onEnded(this);
  }

  #write(folder: string, endedAt: string, endedBy: SrsEnd): void {
    this.#streams.forEach((stream, index) => {
      if (stream === null) return;
      writeSound(folder, stream.label, `stream-${index + 1}`, stream.track.sound());
    });
    const { callId, invite, startedAt, problems, streams } = this;
    writeReceipt(folder, {
      callId, invite, startedAt, endedAt, endedBy, documents: this.#names, problems, streams,
    });
  }
}
