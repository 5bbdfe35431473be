// The app that owns the calls: answers with TwiML, keeps the callbacks that it gets.
import type { CallbackSender } from "../../../edge/ports/deliver.ts";
import type { DocumentFetcher } from "../../../edge/ports/document.ts";
import type { Clock } from "../../../edge/runtime/types.ts";

type DocumentResult = Awaited<ReturnType<DocumentFetcher["fetchDocument"]>>;
type DeliveryResult = Awaited<ReturnType<CallbackSender["deliverCallback"]>>;

export interface Callback {
  at: number;
  url: string;
  token: string;
  params: Record<string, string>;
}

const ANSWER_MS = 2;

export class FakeApp implements DocumentFetcher, CallbackSender {
  readonly #clock: Clock;
  readonly documents = new Map<string, DocumentResult>();
  readonly fetched: { url: string; params: Record<string, string> }[] = [];
  /** Those that were answered with 2xx. */
  readonly callbacks: Callback[] = [];
  /** Attempts, whatever their result. */
  attempts = 0;
  receive: (callback: Callback) => DeliveryResult = () => ({ ok: true });
  onCallback: (callback: Callback) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  serve(url: string, twiml: string): void {
    this.documents.set(url, { ok: true, body: twiml });
  }

  async fetchDocument(
    request: { url: string; params: Record<string, string> },
  ): Promise<DocumentResult> {
    await this.#later();
    this.fetched.push({ url: request.url, params: request.params });
    return this.documents.get(request.url) ??
      { ok: false, code: 11200, message: "HTTP retrieval failure: 404" };
  }

  async deliverCallback(
    request: { url: string; params: Record<string, string>; idempotencyToken: string },
  ): Promise<DeliveryResult> {
    const { url, params, idempotencyToken: token } = request;
    await this.#later();
    const callback = { at: this.#clock.wallMs(), url, token, params };
    this.attempts++;
    const result = this.receive(callback);
    if (result.ok) {
      this.callbacks.push(callback);
      this.onCallback(callback);
    }
    return result;
  }

  /** The events that arrived, in order: of one session, or of all. */
  events(siprecSid: string | null = null): string[] {
    return this.callbacks
      .filter(({ params }) => siprecSid === null || params["SiprecSid"] === siprecSid)
      .map(({ params }) => params["SiprecEvent"] ?? "");
  }

  #later(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ANSWER_MS, resolve));
  }
}
