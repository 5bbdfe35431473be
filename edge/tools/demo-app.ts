// The app of the demo: answers the Voice URL with TwiML, takes the status callbacks, and checks
// that each request bears the signature of its account.
import { signature } from "../../protocol/webhook/signature.ts";
import { type HttpServer, serve } from "../runtime/serve.ts";

export interface AppRequest {
  path: string;
  params: Readonly<Record<string, string>>;
  /** X-Twilio-Signature is right. */
  signed: boolean;
}

export interface DemoAppOptions {
  authToken: string;
  address: string;
  /** The document for /voice; `url` is this app's own. */
  twiml: (url: string) => string;
  onRequest: (request: AppRequest) => void;
}

export function startDemoApp(options: DemoAppOptions): HttpServer {
  const server = serve({
    address: options.address, port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const params = Object.fromEntries(new URLSearchParams(await request.text()));
      const wanted = signature(options.authToken, request.url, params);
      const signed = request.headers.get("x-twilio-signature") === wanted;
      options.onRequest({ path: pathname, params, signed });
      if (pathname !== "/voice") return new Response(null, { status: 204 });
      return new Response(options.twiml(server.url), { headers: { "Content-Type": "text/xml" } });
    },
  });
  return server;
}
