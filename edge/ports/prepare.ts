// The `prepare` port: makes a complete order for a SIPREC session out of a `<Siprec>` element or a
// REST request: connector looked up, ids and random bytes made, faults named.
import { fromPromise } from "xstate";
import type { RecorderTarget, SiprecOrder } from "../../actors/ports.ts";
import type { SiprecStart } from "../../protocol/twiml/document.ts";
import { parametersFault } from "../../protocol/twiml/parameter.ts";
import { isWebhookUrl } from "../../protocol/webhook/url.ts";
import type { Connector, ConnectorAddress } from "../../schemas/connector.ts";
import { ERRORS, type ErrorName } from "../../schemas/error.ts";
import type { Fault } from "../../schemas/call.ts";
import { hexText, sidOf } from "../../schemas/sid.ts";
import type { Clock, Random } from "../runtime/types.ts";

export const CONNECTOR_DEFAULT = "Default";

export interface PrepareOptions {
  edge: string;
  clock: Clock;
  random: Random;
  /** The connector of that name that the account may use. */
  connector(accountSid: string, name: string): Connector | null;
}

const SEED_BYTES = 16;
const TRACKS = ["inbound_track", "outbound_track", "both_tracks"] as const;

const isTrack = (text: string): text is (typeof TRACKS)[number] =>
  TRACKS.some((track) => track === text);

export const prepareOf = (options: PrepareOptions) =>
  fromPromise<
    { orders: SiprecOrder[]; at: number },
    { accountSid: string; siprecs: SiprecStart[] }
  >(({ input }) => Promise.resolve({
    orders: input.siprecs.map((start) => siprecOrder(options, input.accountSid, start)),
    at: options.clock.wallMs(),
  }));

/** Always an order; `fault` says why it can't be carried out. */
export function siprecOrder(
  options: PrepareOptions, accountSid: string, start: SiprecStart,
): SiprecOrder {
  const connectorName = start.connectorName ?? CONNECTOR_DEFAULT;
  const connector = options.connector(accountSid, connectorName);
  const track = start.track ?? "both_tracks";
  const callback = start.statusCallback;
  const targets = connector?.sessionRecordingServers.map(targetOf) ?? [];
  return {
    siprecSid: sidOf("SR", options.random(16)),
    name: start.name,
    connectorName,
    track: isTrack(track) ? track : "both_tracks",
    statusCallback: callback !== null && isWebhookUrl(callback) ? callback : null,
    statusCallbackMethod: start.statusCallbackMethod ?? "POST",
    parameters: start.parameters,
    parameterPlace: connector?.parameters ?? "metadata",
    targets,
    answerTimeoutMs: connector?.answerTimeoutMs ?? 0,
    connectTimeoutMs: connector?.connectTimeoutMs ?? 0,
    seed: hexText(options.random(SEED_BYTES)),
    fault: startFault(start) ?? connectorFault(options.edge, connectorName, connector),
  };
}

function startFault(start: SiprecStart): Fault | null {
  if (start.track !== null && !isTrack(start.track)) {
    return named("TRACK_INVALID", `unknown track ${JSON.stringify(start.track.slice(0, 64))}`);
  }
  const fault = parametersFault(start.parameters);
  return fault === null ? null : named("INVALID_PARAMETER", fault);
}

const named = (error: ErrorName, detail: string): Fault => ({
  code: ERRORS[error].code, message: `${ERRORS[error].message}: ${detail}`,
});

function connectorFault(edge: string, name: string, connector: Connector | null): Fault | null {
  if (connector === null) {
    return named("CONNECTOR_UNKNOWN", `no connector named ${JSON.stringify(name.slice(0, 64))}`);
  }
  const address = connector.sessionRecordingServers[0];
  if (address === undefined) return named("CONNECTOR_INVALID", "it names no recording server");
  if (connector.sessionRecordingServers.some((one) => one.secure || one.transport === "tls")) {
    return named("CONNECTOR_INVALID", "secure=true and TLS are not served by this version");
  }
  const elsewhere = connector.sessionRecordingServers.find((one) =>
    one.edge !== null && one.edge !== edge
  );
  return elsewhere === undefined ? null
    : named("CONNECTOR_INVALID", `this version has no egress at another edge (${elsewhere.edge})`);
}

export const targetOf = (address: ConnectorAddress): RecorderTarget => ({
  requestUri: address.uri,
  target: { transport: address.transport, host: address.host, port: address.port },
  secure: address.secure,
  edge: address.edge,
});
