// Offer and answer of a call's leg: one audio stream and telephone-event (RFC 3264, RFC 4733).
import type { Codec, MediaRemote } from "../../schemas/media.ts";
import { codecsNamed, EVENT_CONFIG, eventsFor, isEvent, sameCodec } from "./codec.ts";
import {
  type Direction, type FormatParameters, type MediaDescription, PLAIN_PROFILES,
  SECURE_PROFILES, type SessionDescription,
} from "./description.ts";
import { answerDirection, commonDirection, reverseDirection } from "./direction.ts";
import {
  commonCodecs, type HostPort, localMedia, type LocalSession, mirrorFault, ptimeOf,
  readExchange, refusedMedia, remoteTarget, sessionOf,
} from "./negotiate.ts";
import { parseSdp, serializeSdp } from "./text.ts";

export interface LocalLeg extends LocalSession {
  rtpPort: number;
  rtcpPort: number;
  /** Names as `media.codecs` has them, first choice first. */
  codecs: readonly string[];
  /** What we wish; "sendrecv" when it is not said. */
  direction?: Direction;
}

export type LegAnswer =
  | { ok: true; text: string; remote: MediaRemote; codec: Codec }
  /** 400: the offer can't be read; 488: nothing in it can be used, or it is too much. */
  | { ok: false; status: 400 | 488; reason: string };

export type LegRemote =
  | { ok: true; remote: MediaRemote; codec: Codec }
  | { ok: false; reason: string };

/** The schema's limits (schemas/media.ts). */
const CODECS_MAX = 16;
const EVENTS_MAX = 4;

/**
 * An offer of one audio stream. `previous` is the last description that we sent in the dialog: its
 * m-lines keep their places (RFC 3264 §8), those that are not the audio stream stay refused.
 */
export function offerLeg(local: LocalLeg, previous: string | null = null): string {
  const codecs = codecsNamed(local.codecs);
  const events = eventsFor(codecs);
  const audio = localMedia(local, {
    codecs: [...codecs, ...events],
    formatParameters: eventParameters(events),
    direction: local.direction ?? "sendrecv",
  });
  const before = previous === null ? null : parseSdp(previous);
  const slots = before?.ok === true ? before.sdp.media : [];
  const active = slots.findIndex(isLiveAudio);
  const media = slots.map((slot, index) => index === active ? audio : refusedMedia(slot));
  if (active < 0) media.push(audio);
  return serializeSdp(sessionOf(local, media));
}

const isLiveAudio = (media: MediaDescription): boolean =>
  media.type === "audio" && media.port !== 0;

const eventParameters = (events: readonly Codec[]): FormatParameters[] =>
  events.map(({ payloadType }) => ({ payloadType, config: EVENT_CONFIG }));

/** Answers an offer: the first audio stream that we can use is taken, the others are refused. */
export function answerLeg(offerText: string, local: LocalLeg): LegAnswer {
  const offer = parseSdp(offerText);
  if (!offer.ok) return { ...offer, reason: `SDP offer: ${offer.reason}` };
  let reason = "no audio is offered";
  for (const [index, media] of offer.sdp.media.entries()) {
    if (!isLiveAudio(media)) continue;
    const taken = takeAudio(media, local);
    if (taken.ok) return answerAt(index, offer.sdp, local, taken);
    reason = taken.reason;
  }
  return { ok: false, status: 488, reason };
}

type Taken =
  | { ok: true; codecs: Codec[]; events: Codec[]; codec: Codec; rtp: HostPort | null;
      rtcp: HostPort | null; direction: Direction; ptimeMs: number }
  | { ok: false; reason: string };

function takeAudio(offered: MediaDescription, local: LocalLeg): Taken {
  const profile = offered.protocol.toUpperCase();
  if (SECURE_PROFILES.includes(profile)) return { ok: false, reason: "SRTP is not offered here" };
  if (!PLAIN_PROFILES.includes(profile)) {
    return { ok: false, reason: "an unknown media profile" };
  }
  const target = remoteTarget(offered, local.address);
  if (!target.ok) return target;
  const codecs = commonCodecs(offered.codecs, codecsNamed(local.codecs)).slice(0, CODECS_MAX);
  const [codec] = codecs;
  if (codec === undefined) return { ok: false, reason: "no codec in common" };
  const events = eventsOf(offered.codecs, codecs);
  const wish = local.direction ?? "sendrecv";
  // Hold by address: the far end hears nothing, so there is nothing for us to send.
  const able = target.rtp === null ? commonDirection(wish, "recvonly") : wish;
  const direction = answerDirection(offered.direction, able);
  return {
    ok: true, codecs, events, codec, rtp: target.rtp, rtcp: target.rtcp, direction,
    ptimeMs: ptimeOf(offered),
  };
}

/** telephone-event in a clock of the codecs taken (RFC 4733 §2.1); 8000 serves where none is. */
function eventsOf(theirs: readonly Codec[], codecs: readonly Codec[]): Codec[] {
  const events = theirs.filter(isEvent);
  const fitting = events.filter((event) => codecs.some((one) => one.clockRate === event.clockRate));
  const chosen = fitting.length > 0 ? fitting : events.filter((event) => event.clockRate === 8000);
  return commonCodecs(chosen, chosen).slice(0, EVENTS_MAX);
}

function answerAt(
  index: number, offer: SessionDescription, local: LocalLeg, taken: Taken & { ok: true },
): LegAnswer {
  const { codecs, events, codec, direction, rtp, rtcp, ptimeMs } = taken;
  const media = offer.media.map((one, at) =>
    at !== index ? refusedMedia(one) : localMedia(local, {
      // RFC 3264 §6: the profile of the offer; the payload types of the offer.
      protocol: one.protocol,
      codecs: [...codecs, ...events],
      formatParameters: [...keptParameters(one, codecs), ...eventParameters(events)],
      direction,
    })
  );
  const remote: MediaRemote = {
    rtp, rtcp, receive: codecs, send: codecs, receiveEvents: events, sendEvents: events,
    direction, ptimeMs, allow: [],
  };
  return { ok: true, text: serializeSdp(sessionOf(local, media)), remote, codec };
}

/** G729's annexb=no binds both sides (RFC 7261 §3.1); other parameters are each side's own. */
function keptParameters(offered: MediaDescription, codecs: readonly Codec[]): FormatParameters[] {
  return offered.formatParameters.filter(({ payloadType, config }) =>
    /^\s*annexb\s*=\s*no\s*$/i.test(config) &&
    codecs.some((codec) => codec.payloadType === payloadType && codec.name === "G729")
  );
}

/** Reads the answer to an offer of ours. */
export function readAnswer(offerText: string, answerText: string): LegRemote {
  const exchange = readExchange(offerText, answerText);
  if (!exchange.ok) return exchange;
  const index = exchange.offer.media.findIndex(isLiveAudio);
  const offered = exchange.offer.media[index];
  const answered = exchange.answer.media[index];
  if (offered === undefined || answered === undefined) {
    return { ok: false, reason: "our offer has no audio" };
  }
  const fault = mirrorFault(offered, answered);
  if (fault !== null) return { ok: false, reason: `audio: ${fault}` };
  const target = remoteTarget(answered, exchange.offer.origin.address);
  if (!target.ok) return target;
  const send = commonCodecs(answered.codecs, offered.codecs).slice(0, CODECS_MAX);
  const codecs = send.filter((codec) => !isEvent(codec));
  const events = send.filter(isEvent).slice(0, EVENTS_MAX);
  const [codec] = codecs;
  if (codec === undefined) return { ok: false, reason: "no codec in common" };
  const theirs = reverseDirection(answered.direction);
  const able = target.rtp === null ? commonDirection(theirs, "recvonly") : theirs;
  return {
    ok: true,
    codec,
    remote: {
      rtp: target.rtp, rtcp: target.rtcp,
      send: codecs, receive: receivable(codecs, offered),
      sendEvents: events, receiveEvents: receivable(events, offered).slice(0, EVENTS_MAX),
      direction: commonDirection(offered.direction, able),
      ptimeMs: ptimeOf(answered), allow: [],
    },
  };
}

/**
 * RFC 3264 §5.1: what we receive bears the payload types of our offer. An answerer that numbered
 * otherwise often sends its own numbers: they are understood where our offer left them free.
 */
function receivable(answered: readonly Codec[], offered: MediaDescription): Codec[] {
  const ours = answered.flatMap((codec) =>
    offered.codecs.filter((one) => sameCodec(one, codec))
  );
  const free = answered.filter((codec) =>
    !offered.codecs.some((one) => one.payloadType === codec.payloadType)
  );
  return [...ours, ...free].slice(0, CODECS_MAX);
}
