// The app of a customer: answers the Voice URL with a document, keeps every webhook as it came.
import { eventually } from "./eventually.ts";

export interface Webhook {
  method: string;
  path: string;
  /** As the app sees it: the URL that is signed. */
  url: string;
  headers: Headers;
  /** Of the form, or of the query where it is a GET. */
  params: Record<string, string>;
}

type Voice = (hook: Webhook) => string | Response | Promise<string | Response>;

const NOTHING = "<Response/>";

export class LiveApp {
  readonly webhooks: Webhook[] = [];
  /** What the Voice URL answers with, by the number that is called. */
  readonly documents = new Map<string, string | Voice>();
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor() {
    this.#server = Bun.serve({
      port: 0, hostname: "127.0.0.1", fetch: (request) => this.#answer(request),
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** The webhooks of a call's callbacks, in the order they came. */
  callbacks(path: string): Webhook[] {
    return this.webhooks.filter((hook) => hook.path === path);
  }

  /** `siprec-started`, `siprec-stopped`, `siprec-error`: the first one for that path. */
  callback(path: string, event: string, timeoutMs = 5_000): Promise<Webhook> {
    const found = (): Webhook | null =>
      this.callbacks(path).find(({ params }) => params["SiprecEvent"] === event) ?? null;
    return eventually(`${event} at ${path}`, found, timeoutMs);
  }

  /** The CallSid of the call to that number, once its Voice URL was asked. */
  callSid(number: string): Promise<string> {
    return eventually(`a call to ${number}`, () =>
      this.webhooks.find(({ params }) => params["To"] === number)?.params["CallSid"] ?? null);
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    const form = request.method === "POST" ? new URLSearchParams(await request.text())
      : searchParams;
    const hook: Webhook = {
      method: request.method, path: pathname, url: `${this.url}${pathname}${search}`,
      headers: request.headers, params: Object.fromEntries(form),
    };
    this.webhooks.push(hook);
    if (pathname !== "/voice") return new Response(null, { status: 204 });
    const document = this.documents.get(hook.params["To"] ?? "") ?? NOTHING;
    const answer = typeof document === "string" ? document : await document(hook);
    if (answer instanceof Response) return answer;
    return new Response(answer, { headers: { "content-type": "text/xml" } });
  }
}
