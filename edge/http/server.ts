// The HTTP API: Twilio's resources under /2010-04-01, and the two health paths.
import { type AnyElysia, Elysia, NotFoundError, ParseError, ValidationError } from "elysia";
import { EdgeError } from "../../schemas/error.ts";
import { SiprecCreateForm, SiprecUpdateForm } from "../../schemas/rest.ts";
import { isCallSid } from "../../schemas/sid.ts";
import type { Clock, Log } from "../runtime/types.ts";
import type { CallsBackend } from "./backend.ts";
import { type ApiAccount, authenticator } from "./credentials.ts";
import { errorResponse, invalid } from "./error.ts";
import { readForm, siprecStart } from "./form.ts";
import { nameCandidates, rawPath, resourceId } from "./path.ts";
import { callJson, siprecJson } from "./resource.ts";

export interface ApiOptions {
  backend: CallsBackend;
  accounts: readonly ApiAccount[];
  log: Log;
  clock: Clock;
  /** Whether new calls are taken: /readyz. */
  ready: () => boolean;
  /** What /healthz says besides "ok": counters and states, nothing that needs protection. */
  health?: () => Record<string, string | number | boolean>;
}

const API = "/2010-04-01";
/** Places of the segments in "/2010-04-01/Accounts/{AC}/Calls/{CA}/Siprec/{SR}". */
const ACCOUNT = 3;
const CALL = 5;
const SIPREC = 7;

const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
  "Access-Control-Allow-Headers": "Content-Type, Authorization",
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Expose-Headers":
    "ETag, Date, Retry-After, Twilio-Request-Id, Twilio-Request-Duration",
  "Access-Control-Max-Age": "86400",
};

export function createApi(options: ApiOptions): AnyElysia {
  // Any Host header is served: by default the router skips a name shorter than four characters.
  return new Elysia({ normalize: false, handler: { standardHostname: false } })
    .onRequest(gate(options))
    .onAfterHandle(({ set }) => {
      set.headers["Access-Control-Allow-Origin"] = "*";
    })
    .onError(({ error, request }) => answerError(error, request, options.log))
    .use(healthRoutes(options))
    .use(callRoutes(options.backend));
}

/** Before any routing or reading of a body: preflight, then authentication. */
function gate(options: ApiOptions): (context: { request: Request }) => Response | undefined {
  const authenticate = authenticator(options.accounts);
  return ({ request }) => {
    // RFC 9112 §3.2: a Host that cannot be read. The server then gives the bare path as the URL.
    if (!/^https?:\/\//i.test(request.url)) throw invalid("The Host header is not valid");
    const path = rawPath(request.url);
    if (path !== API && !path.startsWith(`${API}/`)) return undefined;
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
    const accountSid = authenticate(request.headers.get("authorization"));
    const segments = path.split("/");
    const named = segments[2] === "Accounts" ? resourceId(path, ACCOUNT) : null;
    // Credentials of one account open nothing under another one's path.
    if (accountSid === null || (named !== null && named !== "" && named !== accountSid)) {
      throw new EdgeError("AUTHENTICATE");
    }
    return undefined;
  };
}

function healthRoutes({ ready, health }: ApiOptions): AnyElysia {
  return new Elysia()
    .get("/healthz", () => Response.json({ status: "ok", ...health?.() }))
    .get("/readyz", () => {
      const status = ready() ? 200 : 503;
      return Response.json({ status: ready() ? "ready" : "not ready" }, { status });
    })
    .all("/healthz", notAllowed("GET"))
    .all("/readyz", notAllowed("GET"));
}

function callRoutes(backend: CallsBackend): AnyElysia {
  const call = `${API}/Accounts/:AccountSid/Calls/:CallSid` as const;
  const app = new Elysia({ normalize: false })
    .get(call, async ({ request }) => {
      const { accountSid, callSid } = callOf(request);
      return callJson(await backend.fetchCall(accountSid, callSid));
    })
    .all(call, notAllowed("GET"));
  const parse = ({ request }: { request: Request }): ReturnType<typeof readForm> =>
    readForm(request);
  for (const list of ["Siprec.json", "Siprec"] as const) {
    app.post(`${call}/${list}`, async ({ request, body }) => {
      const { accountSid, callSid } = callOf(request);
      return siprecJson(await backend.startSiprec(accountSid, callSid, siprecStart(body)));
    }, { parse, body: SiprecCreateForm });
    app.all(`${call}/${list}`, notAllowed("POST"));
  }
  return app
    .post(`${call}/Siprec/:Sid`, async ({ request }) => {
      const { accountSid, callSid, path } = callOf(request);
      const candidates = nameCandidates(path, SIPREC);
      if (candidates.length === 0) throw new EdgeError("NOT_FOUND");
      return siprecJson(await backend.stopSiprec(accountSid, callSid, candidates));
    }, { parse, body: SiprecUpdateForm })
    .all(`${call}/Siprec/:Sid`, notAllowed("POST"));
}

/** The account has been proved by the gate; a CallSid is made into a subject, so it is strict. */
function callOf(request: Request): { accountSid: string; callSid: string; path: string } {
  const path = rawPath(request.url);
  const accountSid = resourceId(path, ACCOUNT);
  const callSid = resourceId(path, CALL);
  if (accountSid === null || callSid === null || !isCallSid(callSid)) {
    throw new EdgeError("NOT_FOUND");
  }
  return { accountSid, callSid, path };
}

const notAllowed = (allow: string) => (): never => {
  throw new MethodNotAllowed(allow);
};

class MethodNotAllowed extends EdgeError {
  constructor(readonly allow: string) {
    super("METHOD_NOT_ALLOWED");
  }
}

function answerError(thrown: unknown, request: Request, log: Log): Response {
  const path = rawPath(request.url);
  const error = thrown instanceof ParseError ? bodyError(thrown) : thrown;
  if (error instanceof MethodNotAllowed) return errorResponse(error, path, error.allow);
  if (error instanceof EdgeError) return errorResponse(error, path);
  if (error instanceof NotFoundError) return errorResponse(new EdgeError("NOT_FOUND"), path);
  if (error instanceof ValidationError) return errorResponse(fieldError(error), path);
  const detail = error instanceof Error ? error.message : String(error);
  log.error("http.failed", { method: request.method, error: detail });
  return errorResponse(new EdgeError("INTERNAL"), path);
}

/** Elysia wraps what the reading of a body throws. */
const bodyError = ({ cause }: ParseError): EdgeError =>
  cause instanceof EdgeError ? cause : invalid("The request body could not be read");

/** Which field of a form is wrong decides Twilio's number. */
function fieldError(error: ValidationError): EdgeError {
  const path = error.valueError?.path.replace(/^\//, "") ?? "";
  switch (path) {
    case "Track":
      return new EdgeError("TRACK_INVALID");
    case "StatusCallbackMethod":
      return invalid("StatusCallbackMethod must be GET or POST");
    case "Status":
      return invalid("Status is required, and must be stopped");
    default:
      return invalid(`${path === "" ? "The form" : path} is not valid`);
  }
}
