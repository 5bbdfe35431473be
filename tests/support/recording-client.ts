// A session recording client of plain steps, to try a recorder with: it sends what a test gives it
// and keeps what comes back.
import { systemClock } from "../../edge/runtime/clock.ts";
import { mediaSockets } from "../../edge/runtime/media-socket.ts";
import { systemRandom } from "../../edge/runtime/random.ts";
import type {
  ClientListener, IncomingRequest, ListenAddress, UserAgent,
} from "../../edge/sip/types.ts";
import { createUserAgent } from "../../edge/sip/user-agent.ts";
import { openRtpPort, type RtpPort } from "../../edge/tools/rtp-port.ts";
import { Speaker } from "../../edge/tools/speaker.ts";
import type { Sound } from "../../protocol/rtp/wav.ts";
import { codecsNamed } from "../../protocol/sdp/codec.ts";
import {
  offerRecording, readRecordingAnswer, type RecordingStreamAnswer,
} from "../../protocol/sdp/recording.ts";
import { buildRequest, buildResponse } from "../../protocol/sip/build.ts";
import { type Dialog, nextHopFlow, requestInDialog } from "../../protocol/sip/dialog.ts";
import {
  inviteClient, type InviteClientOut, stepInviteClient,
} from "../../protocol/sip/invite-client.ts";
import type { SipHeader, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import { RECORDING_ACCEPT, recordingBody } from "../../protocol/siprec/body.ts";
import { basicCallMetadata, labelsOf } from "../../protocol/siprec/call.ts";
import { serializeMetadata } from "../../protocol/siprec/metadata.ts";
import { quietLog } from "./quiet-log.ts";

const CALL_SID = `CA03${"a".repeat(30)}`;
const SRC_CONTACT = { user: "src", params: ";+sip.src" };
const BOUNDARY = "siprec-boundary";
const TEXT = new TextDecoder();

export const SRC_HEADERS: SipHeader[] = [
  { name: "Require", value: "siprec" },
  { name: "Accept", value: RECORDING_ACCEPT },
  { name: "Allow", value: "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS" },
];

/** Metadata of a call between two parties, as our own edge writes it. */
export function metadata(name = "Alice"): string {
  return serializeMetadata(basicCallMetadata({
    callSid: CALL_SID, sessionStartAt: 1_700_000_000_000, recordingStartAt: 1_700_000_001_000,
    inbound: { id: "AAAAAAAAAAAAAAAAAAAAAA==", aor: "sip:alice@example.com", name },
    outbound: { id: "AQAAAAAAAAAAAAAAAAAAAA==", aor: "sip:bob@example.com", name: "Bob" },
    track: "both_tracks", parameters: [],
  }));
}

export interface RecordingOptions {
  headers?: SipHeader[];
  contact?: { user: string; params: string };
  /** Instead of the multipart body. */
  body?: { contentType: string; body: Uint8Array };
  codecs?: string[];
  labels?: string[];
}

export class RecordingClient {
  readonly agent: UserAgent;
  /** What the recorder sent in the dialog. */
  readonly requests: SipRequest[] = [];
  dialog: Dialog | null = null;
  answer: RecordingStreamAnswer[] = [];
  response: SipResponse | null = null;
  /** Resolves when the recorder sends a request of this method. */
  readonly #waiting = new Map<string, (incoming: IncomingRequest) => void>();
  readonly #ports: RtpPort[] = [];
  readonly #speakers: Speaker[] = [];
  rtcpReceived = 0;
  /** Everything that comes for an INVITE. */
  onEvent: ClientListener = () => {};
  #offer = "";

  constructor(transport: "udp" | "tcp" = "tcp") {
    this.agent = createUserAgent({
      listen: [{ transport, address: "127.0.0.1", port: 0 }], clock: systemClock,
      random: systemRandom, log: quietLog, userAgentName: "test-src",
    });
    this.agent.onRequest = (incoming) => this.#receive(incoming);
  }

  async stop(): Promise<void> {
    for (const speaker of this.#speakers) speaker.stop();
    for (const port of this.#ports) port.close();
    await this.agent.stop();
  }

  /** The multipart body of a recording of two streams; opens their ports at the first time. */
  async body(xml: string, options: RecordingOptions = {}, version = 1) {
    const labels = options.labels ?? labelsOf("both_tracks");
    while (this.#ports.length < labels.length) {
      this.#ports.push(await openRtpPort({
        address: "127.0.0.1", sockets: mediaSockets, random: systemRandom, onRtp: () => {},
        onRtcp: () => {
          this.rtcpReceived += 1;
        },
      }));
    }
    this.#offer = offerRecording({
      address: "127.0.0.1", sessionId: "77", version,
      streams: labels.map((label, i) => ({
        label, rtpPort: this.#ports[i]?.rtpPort ?? 0, rtcpPort: this.#ports[i]?.rtcpPort ?? 0,
        codecs: codecsNamed(options.codecs ?? ["PCMU", "PCMA"]), direction: "sendonly",
      })),
    });
    return recordingBody(this.#offer, xml, BOUNDARY);
  }

  /** Begins a recording session; gives the final status. */
  async invite(srs: ListenAddress, options: RecordingOptions = {}): Promise<number> {
    const { transport, port } = srs;
    const body = options.body ?? await this.body(metadata(), options);
    const uri = `sip:srs@127.0.0.1:${port};transport=${transport}`;
    const invite = buildRequest({
      method: "INVITE", uri, from: `<sip:src@127.0.0.1>;tag=${tag()}`, to: `<${uri}>`,
      callId: tag(), cseq: 1, headers: options.headers ?? SRC_HEADERS, ...body,
    });
    let state = inviteClient(invite);
    return new Promise((resolve) => {
      const act = (out: InviteClientOut): void => {
        if (out.type === "send-ack") {
          this.agent.sendAck(out.request, { owner: null, flow: out.flow });
        } else if (out.type === "answered") {
          this.dialog = out.dialog;
          this.response = out.response;
          const read = readRecordingAnswer(this.#offer, TEXT.decode(out.response.body));
          if (!read.ok) throw new Error(read.reason);
          this.answer = read.streams;
          resolve(out.response.status);
        } else if (out.type === "failed") {
          this.response = out.response;
          resolve(out.status);
        }
      };
      const contact = options.contact ?? SRC_CONTACT;
      this.agent.send(invite, { owner: null, contact }, (event) => {
        this.onEvent(event);
        const step = stepInviteClient(state, event);
        state = step.state;
        for (const out of step.out) act(out);
      });
    });
  }

  /** A request in the dialog; gives the final answer. */
  request(
    method: string, body: { contentType?: string; body?: Uint8Array; headers?: SipHeader[] } = {},
  ): Promise<SipResponse> {
    if (this.dialog === null) throw new Error("there is no dialog");
    const { dialog, request } = requestInDialog(this.dialog, method, body);
    const flow = nextHopFlow(this.dialog);
    this.dialog = dialog;
    return new Promise((resolve, reject) => {
      this.agent.send(request, { owner: null, flow, contact: SRC_CONTACT }, (event) => {
        if (event.type !== "response") reject(new Error(event.type));
        else if (event.response.status >= 200) resolve(event.response);
      });
    });
  }

  /** Sends a sound on one stream; done when it is sent. */
  say(stream: number, sound: Sound): Promise<void> {
    const to = this.answer[stream]?.rtp;
    const codec = this.answer[stream]?.codecs[0];
    if (to === undefined || to === null || codec === undefined) throw new Error("no such stream");
    const speaker = new Speaker({
      clock: systemClock, random: systemRandom,
      send: (bytes) => this.#ports[stream]?.sendRtp(bytes, to),
    });
    this.#speakers.push(speaker);
    const said = speaker.say(sound).then(() => speaker.stop());
    speaker.start(codec, null);
    return said;
  }

  sendRtcp(stream: number, bytes: Uint8Array): void {
    const to = this.answer[stream]?.rtcp;
    if (to !== undefined && to !== null) this.#ports[stream]?.sendRtcp(bytes, to);
  }

  /** The recorder's next request of this method. */
  next(method: string): Promise<IncomingRequest> {
    return new Promise((resolve) => this.#waiting.set(method, resolve));
  }

  #receive(incoming: IncomingRequest): void {
    this.requests.push(incoming.request);
    if (incoming.transactionId !== null) {
      const response = buildResponse(incoming.request, 200, null, {});
      this.agent.respond(incoming.transactionId, response, { contact: SRC_CONTACT });
    }
    this.#waiting.get(incoming.request.method)?.(incoming);
  }
}

const tag = (): string => Buffer.from(systemRandom(8)).toString("hex");
