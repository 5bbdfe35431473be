// What the media process shall do for a call, and what its answers mean to the sessions.
import { ERRORS } from "../schemas/error.ts";
import {
  type ForkOrder, type ForkReport, MEDIA_ORDER_VERSION, type MediaOrder, type MediaPort,
} from "../schemas/media.ts";
import type { StreamReceipt } from "../schemas/call.ts";
import { joinCallSteps } from "./call-step.ts";
import type { MediaEvent, SiprecOrder } from "./ports.ts";
import { holdsSlots } from "./slots.ts";
import type { CallContext, CallStep } from "./call-types.ts";
import type { ReadyStream, SiprecTold } from "./siprec-types.ts";

type Track = ForkOrder["track"];

/** Label 1 is always the inbound track: recorders take it for the caller. */
const LABELS: Record<Track, string> = { inbound_track: "1", outbound_track: "2" };

export const tracksOf = (track: SiprecOrder["track"]): Track[] =>
  track === "both_tracks" ? ["inbound_track", "outbound_track"] : [track];

const forkId = (siprecSid: string, track: Track): string => `${siprecSid}.${LABELS[track]}`;
const ownerOf = (id: string): string => id.slice(0, id.indexOf("."));
const labelOf = (id: string): string => id.slice(id.indexOf(".") + 1);

export const forksFor = (order: SiprecOrder): ForkOrder[] =>
  tracksOf(order.track).map((track) => ({
    id: forkId(order.siprecSid, track), track, destination: null,
  }));

/** The whole wanted state of this call's media; edge and epoch are the port's to add. */
export function mediaOrder(context: CallContext): Omit<MediaOrder, "edge" | "epoch"> {
  const { leg } = context;
  return {
    version: MEDIA_ORDER_VERSION,
    callSid: context.callSid,
    revision: context.revision,
    endpoint: context.endStatus === null
      ? {
        remote: leg.remote,
        hears: hearsOf(context),
        // Before the answer nobody owes us audio.
        timeoutMs: leg.answered ? context.mediaTimeoutMs : 0,
      }
      : null,
    forks: context.endStatus === null ? context.forks : [],
  };
}

type Hears = NonNullable<MediaOrder["endpoint"]>["hears"];

function hearsOf(context: CallContext): Hears {
  const { bridge, leg, dialling } = context;
  if (!leg.answered) return { kind: "nothing" };
  if (bridge?.hearable === true) return { kind: "call", callSid: bridge.callSid };
  return { kind: dialling || bridge !== null ? "ringback" : "silence" };
}

/** Sessions that wait in `idle` and now have all that an offer needs. */
export function readySessions(context: CallContext, at: number): CallStep {
  const { remote, answered } = context.leg;
  if (!answered || remote === null || context.endStatus !== null) return {};
  return {
    sessions: context.sessions.filter((session) => session.state === "idle").flatMap((session) => {
      const streams = tracksOf(session.track).flatMap((track): ReadyStream[] => {
        const port = context.forkPorts[forkId(session.sid, track)];
        const codecs = track === "inbound_track" ? remote.receive : remote.send;
        return port === undefined ? [] : [{ label: LABELS[track], track, port, codecs }];
      });
      return streams.length === tracksOf(session.track).length
        ? [{ siprecSid: session.sid, event: { type: "streams.ready" as const, streams, at } }]
        : [];
    }),
  };
}

export function applied(
  context: CallContext, event: Extract<MediaEvent, { type: "media.applied" }>,
): CallStep {
  const { reply, at } = event;
  if (isLost(context, reply.endpoint?.port ?? null)) return mediaLost(context, event);
  const appliedRevision = Math.max(context.appliedRevision, reply.revision);
  const forkPorts = Object.fromEntries(reply.forks.map((fork) => [fork.id, fork.port]));
  const port = reply.endpoint?.port ?? context.port;
  const closed = context.closingForks.filter(({ revision }) => revision <= appliedRevision);
  const now = { ...context, appliedRevision, forkPorts, port };
  return joinCallSteps(readySessions(now, at), {
    context: {
      appliedRevision, forkPorts, port,
      closingForks: context.closingForks.filter(({ revision }) => revision > appliedRevision),
    },
    sessions: closed.map(({ siprecSid }) => ({
      siprecSid,
      event: { type: "streams.closed", receipt: receiptOf(reply.ended ?? [], siprecSid), at },
    })),
  });
}

/** Another port than the one that the peer was told of: who held that one is gone. */
const isLost = ({ port, leg, endStatus }: CallContext, now: MediaPort | null): boolean =>
  endStatus === null && leg.sdp !== null && port !== null && now !== null &&
  (now.rtpPort !== port.rtpPort || now.address !== port.address);

/** Nobody hears anything any more: the call ends, and no recording is claimed to go on. */
function mediaLost(
  context: CallContext, event: Extract<MediaEvent, { type: "media.applied" }>,
): CallStep {
  const { at } = event;
  const { code } = ERRORS.MEDIA_FAILED;
  const message = "The audio of the call was lost: its media process has ended";
  return {
    context: { appliedRevision: Math.max(context.appliedRevision, event.reply.revision) },
    alerts: [{ level: "error", fault: { code, message }, siprecSid: null, at }],
    sessions: context.sessions.filter(holdsSlots).map(({ sid }) => ({
      siprecSid: sid, event: { type: "streams.failed", code, message, at },
    })),
    raise: [{ type: "leg.ended", status: context.leg.answered ? "completed" : "failed", at }],
  };
}

function receiptOf(forks: readonly ForkReport[], siprecSid: string): StreamReceipt[] {
  return forks.filter(({ id }) => ownerOf(id) === siprecSid).map((fork) => ({
    label: labelOf(fork.id),
    track: labelOf(fork.id) === LABELS.inbound_track ? "inbound_track" : "outbound_track",
    codec: null,
    packets: fork.counters.packets,
    bytes: fork.counters.bytes,
    lost: fork.counters.lost,
    firstAt: fork.counters.firstAt,
    lastAt: fork.counters.lastAt,
  }));
}

/** An order could not be carried out: what waited for it ends, the call goes on if it can. */
export function failed(
  context: CallContext, event: Extract<MediaEvent, { type: "media.failed" }>,
): CallStep {
  const { at } = event;
  const message = `Media: ${event.message} (${event.code})`;
  // An order that can't be carried out is over too: a call must not wait for it to end.
  const appliedRevision = Math.max(context.appliedRevision, event.revision);
  // A call that is over has said so already, whatever its last orders come to.
  if (context.port === null && context.endStatus === null) {
    return {
      context: { endSipStatus: 503, appliedRevision },
      alerts: [{
        level: "error", fault: { code: ERRORS.MEDIA_FAILED.code, message }, siprecSid: null, at,
      }],
      raise: [{ type: "leg.ended", status: "failed", at }],
    };
  }
  const waiting = context.sessions.filter((session) => session.state === "idle");
  const closing = context.closingForks.filter(({ revision }) => revision <= event.revision);
  const gone = new Set(waiting.map(({ sid }) => sid));
  return {
    context: {
      appliedRevision,
      forks: context.forks.filter(({ id }) => !gone.has(ownerOf(id))),
      closingForks: context.closingForks.filter(({ revision }) => revision > event.revision),
    },
    sessions: [
      ...waiting.map(({ sid }) => ({
        siprecSid: sid,
        event: { type: "streams.failed" as const, code: ERRORS.MEDIA_FAILED.code, message, at },
      })),
      ...closing.map(({ siprecSid }) => ({
        siprecSid, event: { type: "streams.closed" as const, receipt: [], at },
      })),
    ],
    // The order without the forks that could not be had; nothing to repeat when none waited.
    media: waiting.length > 0,
  };
}

/** The recorder said where its streams go. */
export function openForks(
  context: CallContext, event: Extract<SiprecTold, { type: "forks.open" }>,
): CallStep {
  const forks = context.forks.map((fork): ForkOrder => {
    if (ownerOf(fork.id) !== event.siprecSid) return fork;
    const stream = event.streams.find(({ label }) => label === labelOf(fork.id));
    const to = stream?.destination ?? null;
    if (to === null || to.rtp === null) return { ...fork, destination: null };
    const { address, port } = to.rtp;
    const rtcp = to.rtcp ?? { address, port: port + 1 };
    return { ...fork, destination: { rtp: to.rtp, rtcp, codecs: to.codecs } };
  });
  const same = JSON.stringify(forks) === JSON.stringify(context.forks);
  return same ? {} : { context: { forks }, media: true };
}

export function closeForks(
  context: CallContext, event: Extract<SiprecTold, { type: "forks.close" }>,
): CallStep {
  const forks = context.forks.filter(({ id }) => ownerOf(id) !== event.siprecSid);
  if (forks.length === context.forks.length) return {};
  return {
    context: {
      forks,
      closingForks: [
        ...context.closingForks,
        { siprecSid: event.siprecSid, revision: context.revision + 1 },
      ],
    },
    media: true,
  };
}
