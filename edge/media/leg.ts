// One call at this media process: its endpoint, its forks, and the routes that connect them with
// the legs that hear it or that it hears.
import type { Codec, ForkReport, MediaReply } from "../../schemas/media.ts";
import {
  clockRates, type CodecMap, forkMap, NOT_MAPPED, PAYLOAD_TYPES, relayMap, type SharedMaps,
} from "./codec-map.ts";
import { AUDIO, type Endpoint, EVENT, NO_ROUTE, type Path, type Route } from "./endpoint.ts";
import type { ForkStream, Tap } from "./fork.ts";

/** RFC 3264 §8.3.2: packets of the old payload types are still under way. */
export const TRANSITION_MS = 2000;

export interface Negotiated {
  receive: Codec[];
  receiveEvents: Codec[];
}

export interface Leg {
  callSid: string;
  epoch: number;
  revision: number;
  endpoint: Endpoint;
  forks: Map<string, ForkStream>;
  /** Final counters of forks that were closed while the call went on. */
  ended: ForkReport[];
  orderedAtMs: number;
  /** The payload types before the last offer and answer: still taken for a moment. */
  before: (Negotiated & { untilMs: number }) | null;
}

/** The call that this leg hears. */
export function heardBy(leg: Leg): string | null {
  return leg.endpoint.hears.kind === "call" ? leg.endpoint.hears.callSid : null;
}

export function replyOf(leg: Leg): MediaReply {
  return {
    ok: true, revision: leg.revision, endpoint: leg.endpoint.report(),
    forks: [...leg.forks.values()].map((fork) => fork.report()), ended: leg.ended,
  };
}

/** Compiles where the packets of `leg` go, and what its own generator feeds. */
export function connectLeg(leg: Leg, listeners: Leg[], shared: SharedMaps): void {
  leg.endpoint.connect(routeOf(leg, listeners, shared));
  const codec = leg.endpoint.generator.codec;
  leg.endpoint.generator.taps = codec === null ? null
    : chain(tapsOf(leg, "outbound_track", [codec], shared));
}

function routeOf(leg: Leg, listeners: Leg[], shared: SharedMaps): Route {
  const { remote } = leg.endpoint;
  if (remote === null) return NO_ROUTE;
  const receive = transitional(leg.before?.receive, remote.receive, remote.receiveEvents);
  const events = transitional(leg.before?.receiveEvents, remote.receiveEvents, remote.receive);
  const paths: Omit<Path, "next">[] = [];
  const taps = tapsOf(leg, "inbound_track", receive, shared);
  for (const listener of listeners) {
    const { endpoint } = listener;
    if (!endpoint.canSend || endpoint.remote === null) continue;
    const map = relayMap(receive, events, endpoint.remote.send, endpoint.remote.sendEvents);
    paths.push({ endpoint, map: shared.map(map) });
    for (const tap of tapsOf(listener, "outbound_track", receive, shared)) {
      taps.push({ ...tap, map: shared.map(onlyWhatIsHeard(tap.map, map)) });
    }
  }
  return {
    uses: shared.uses(usesOf(receive, events)), paths: chain(paths), taps: chain(taps),
    controlListeners: listeners.map((listener) => listener.endpoint),
  };
}

function tapsOf(leg: Leg, track: ForkStream["track"], codecs: Codec[], shared: SharedMaps,
): Omit<Tap, "next">[] {
  const taps: Omit<Tap, "next">[] = [];
  for (const fork of leg.forks.values()) {
    if (!fork.active || fork.destination === null || fork.track !== track) continue;
    taps.push({
      fork, map: shared.map(forkMap(codecs, fork.destination.codecs)),
      clocks: shared.clocks(clockRates(codecs)),
    });
  }
  return taps;
}

/** A linked list: an array would cost each packet two more misses in the cache. */
function chain<Link extends object>(links: Link[]): (Link & { next: Chained<Link> }) | null {
  let first: Chained<Link> = null;
  for (const link of links.toReversed()) first = { ...link, next: first };
  return first;
}

type Chained<Link> = (Link & { next: Chained<Link> }) | null;

/** The old codecs whose payload types were not taken by the new ones, and the new ones. */
function transitional(before: Codec[] | undefined, now: Codec[], others: Codec[]): Codec[] {
  const taken = new Set([...now, ...others].map((codec) => codec.payloadType));
  return [...(before ?? []).filter((codec) => !taken.has(codec.payloadType)), ...now];
}

function usesOf(receive: Codec[], events: Codec[]): Uint8Array {
  const uses = new Uint8Array(PAYLOAD_TYPES);
  for (const codec of receive) uses[codec.payloadType] = AUDIO;
  for (const codec of events) uses[codec.payloadType] = EVENT;
  return uses;
}

/** The outbound track is what is sent to the leg: nothing that its codecs keep from it. */
function onlyWhatIsHeard(tap: CodecMap, relay: CodecMap): CodecMap {
  return tap.map((entry, type) => ((relay[type] ?? NOT_MAPPED) < 0 ? NOT_MAPPED : entry));
}
