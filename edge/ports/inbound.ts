// INVITEs and other requests that belong to no dialog: who may call, where the number leads, and
// what is answered at once (RFC 3261 §8.2, §11.2).
import type { CallInput } from "../../actors/call-types.ts";
import { LEG_ALLOW } from "../../actors/leg.ts";
import { joinableCodecs } from "../../protocol/sdp/codec.ts";
import { answerLeg } from "../../protocol/sdp/leg.ts";
import { buildResponse } from "../../protocol/sip/build.ts";
import { uasDialog } from "../../protocol/sip/dialog.ts";
import { header, parseNameAddr } from "../../protocol/sip/header.ts";
import { mintIdentity } from "../../protocol/sip/identity.ts";
import type { SipFlow, SipHeader, SipRequest } from "../../protocol/sip/message.ts";
import { type Refusal, refusalOf } from "../../protocol/sip/refusal.ts";
import { parseUri, type SipUri } from "../../protocol/sip/uri.ts";
import { readRecordingBody } from "../../protocol/siprec/body.ts";
import { voiceParams } from "../../protocol/twiml/callback.ts";
import type { NumberRoute, Trunk } from "../../schemas/config.ts";
import { callSidOf, hexText } from "../../schemas/sid.ts";
import type { Clock, Log, Random } from "../runtime/types.ts";
import { maskNumber } from "../runtime/log.ts";
import { numberRoute, partyName, type TrunkSources } from "./routes.ts";
import type { TrunkLimits } from "./trunk-limits.ts";

export interface Incoming {
  request: SipRequest;
  flow: SipFlow;
  transactionId: string | null;
}

export interface InboundOptions {
  clock: Clock;
  random: Random;
  log: Log;
  edgeNumber: number;
  sipHost: string;
  codecs: string[];
  mediaTimeoutMs: number;
  sources: TrunkSources;
  limits: TrunkLimits;
  numbers: readonly NumberRoute[];
  isReady(): boolean;
  /** The media process for a new call; null: none is there. */
  mediaProcess(): string | null;
  start(input: CallInput): void;
  respond(transactionId: string, response: ReturnType<typeof buildResponse>): void;
  /** From somebody who may not call: no answer at all. */
  ignore(transactionId: string): void;
}

const KNOWN = new Set([
  "REGISTER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "REFER", "PRACK", "INFO", "UPDATE",
  "BYE", "CANCEL",
]);
/** Make sense in a dialog only. */
const IN_DIALOG = new Set(["BYE", "UPDATE", "INFO", "PRACK"]);
/** Ports of a probe answer that is thrown away: the real ones are lent later. */
const PROBE_PORT = 9;
const FORWARDS_DEFAULT = 70;
const STRANGER_REST_MS = 60_000;
const STRANGERS_MAX = 1_000;

export class Inbound {
  readonly #options: InboundOptions;
  /** Sources that may not call, by address. */
  readonly #strangers = new Map<string, { count: number; saidAtMs: number }>();

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  /** A request without a To-tag. */
  receive(incoming: Incoming): void {
    const { request, transactionId } = incoming;
    if (transactionId === null) return;
    if (request.method === "INVITE") return this.#invite(incoming, transactionId);
    if (request.method === "OPTIONS") {
      const refused = refusal(request);
      if (refused !== null) {
        return this.#answer(request, transactionId, refused.status, refused.headers);
      }
      return this.#answer(request, transactionId, this.#options.isReady() ? 200 : 503, [
        { name: "Accept", value: "application/sdp" },
      ]);
    }
    if (IN_DIALOG.has(request.method)) return this.#answer(request, transactionId, 481);
    this.#answer(request, transactionId, KNOWN.has(request.method) ? 405 : 501);
  }

  #answer(
    request: SipRequest, transactionId: string, status: number, headers: SipHeader[] = [],
    reason: string | null = null,
  ): void {
    const { random, respond } = this.#options;
    const tag = hexText(random(8));
    respond(transactionId, buildResponse(request, status, reason, {
      toTag: tag,
      headers: [
        { name: "Allow", value: LEG_ALLOW },
        ...(status === 503 ? [{ name: "Retry-After", value: "5" }] : []),
        ...headers,
      ],
    }));
  }

  #invite({ request, flow }: Incoming, transactionId: string): void {
    const { sources, numbers, log, isReady, mediaProcess } = this.#options;
    const trunk = sources.find(flow.remoteAddress);
    if (trunk === null) {
      this.#noteStranger(flow.remoteAddress);
      return this.#options.ignore(transactionId);
    }
    const refused = refusal(request);
    if (refused !== null) {
      return this.#answer(request, transactionId, refused.status, refused.headers);
    }
    if (!isReady() || !this.#options.limits.hasRoom(trunk)) {
      return this.#answer(request, transactionId, 503);
    }
    const uri = parseUri(request.uri);
    const route = uri.ok ? numberRoute(numbers, uri.uri) : null;
    if (!uri.ok || route === null) {
      log.info("sip.no-such-number", { to: maskNumber(uri.ok ? partyName(uri.uri) : "") });
      return this.#answer(request, transactionId, 404);
    }
    const body = readRecordingBody(
      header(request, "Content-Type"), request.body, header(request, "Content-Disposition"),
    );
    if (!body.ok) {
      return this.#answer(request, transactionId, body.status, [
        { name: "Accept", value: "application/sdp" },
      ]);
    }
    const offer = body.body.sdp;
    const probe = offer === null ? null : this.#probe(offer);
    if (probe !== null && !probe.ok) {
      return this.#answer(request, transactionId, probe.status, [
        { name: "Warning", value: `399 siprec ${JSON.stringify(probe.reason)}` },
      ]);
    }
    const process = mediaProcess();
    if (process === null) return this.#answer(request, transactionId, 503);
    const codecs = joinableCodecs(this.#options.codecs, probe?.codec.name ?? null);
    this.#start({ request, flow, transactionId }, {
      uri: uri.uri, route, trunk, offer, process, codecs,
    });
  }

  /** Whoever scans sends thousands: a line for each address now and then, with their number. */
  #noteStranger(address: string): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const known = this.#strangers.get(address) ?? { count: 0, saidAtMs: Number.NEGATIVE_INFINITY };
    known.count += 1;
    if (this.#strangers.size >= STRANGERS_MAX && known.count === 1) this.#strangers.clear();
    this.#strangers.set(address, known);
    if (nowMs - known.saidAtMs < STRANGER_REST_MS) return;
    log.warn("sip.stranger", { from: address, method: "INVITE", count: known.count });
    known.saidAtMs = nowMs;
  }

  /** Would this offer do? Asked before anything is made for the call. */
  #probe(offer: string) {
    return answerLeg(offer, {
      address: "127.0.0.1", rtpPort: PROBE_PORT, rtcpPort: PROBE_PORT, sessionId: "1", version: 1,
      codecs: this.#options.codecs,
    });
  }

  #start(
    incoming: Incoming & { transactionId: string },
    found: {
      uri: SipUri; route: NumberRoute; trunk: Trunk; offer: string | null; process: string;
      codecs: string[];
    },
  ): void {
    const { random, clock, edgeNumber, sipHost, mediaTimeoutMs } = this.#options;
    const { request, flow, transactionId } = incoming;
    const { route, offer, codecs } = found;
    const callSid = callSidOf(edgeNumber, random(15));
    const tag = mintIdentity({ callSid, siprecSid: null, ordinal: 0 }, random(8));
    this.#options.limits.take(found.trunk, callSid);
    const caller = callerOf(request);
    const to = partyName(found.uri);
    const facts = {
      callSid, accountSid: route.account, from: caller.from, to, status: "ringing",
      direction: "inbound" as const, parentCallSid: null, forwardedFrom: null,
      callerName: caller.name,
    };
    this.#options.start({
      callSid,
      accountSid: route.account,
      parentCallSid: null,
      direction: "inbound",
      from: caller.from,
      to,
      callerName: caller.name,
      at: clock.wallMs(),
      sipHost,
      seed: hexText(random(16)),
      codecs,
      mediaTimeoutMs,
      mediaProcess: found.process,
      ringTimeoutMs: 0,
      maxForwards: Number(header(request, "Max-Forwards") ?? FORWARDS_DEFAULT),
      leg: {
        role: "uas",
        invite: {
          method: request.method, uri: request.uri,
          headers: request.headers.filter(({ name }) => NEEDED.has(name)),
        },
        transactionId,
        dialog: uasDialog(request, tag, flow),
        offer,
        allow: found.trunk.mediaAllow,
      },
      document: route.voice.kind === "url"
        ? { kind: "url", url: route.voice.url, method: route.voice.method }
        : { kind: "inline", twiml: route.voice.twiml },
      params: voiceParams(facts, sipFacts(request, found.uri, flow)),
    });
  }
}

/** What a response is made of (RFC 3261 §8.2.6.2, §12.1.1). */
const NEEDED = new Set(["Via", "From", "To", "Call-ID", "CSeq", "Record-Route", "Timestamp"]);

function refusal(request: SipRequest): Refusal | null {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(request.uri)?.[1]?.toLowerCase();
  if (scheme !== "sip" && scheme !== "sips" && scheme !== "tel") {
    return { status: 416, headers: [] };
  }
  return refusalOf(request);
}

function callerOf(request: SipRequest): { from: string; name: string | null } {
  const address = parseNameAddr(header(request, "From") ?? "");
  const uri = address.ok ? parseUri(address.uri) : null;
  const name = address.ok && address.display !== null && address.display !== ""
    ? address.display : null;
  return { from: uri?.ok === true ? partyName(uri.uri) : "anonymous", name };
}

function sipFacts(request: SipRequest, uri: SipUri, flow: SipFlow) {
  const address = parseNameAddr(header(request, "From") ?? "");
  const from = address.ok ? parseUri(address.uri) : null;
  return {
    callId: header(request, "Call-ID") ?? "",
    sourceIp: flow.remoteAddress,
    domain: uri.host,
    username: from?.ok === true ? from.uri.user : null,
    headers: request.headers,
  };
}
