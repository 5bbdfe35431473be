// The codecs that can be named in SDP: how they are written, and the static payload types
// (RFC 3551 §6, RFC 7587 §7, RFC 4733 §7.1, RFC 3389 §4).
import type { Codec } from "../../schemas/media.ts";

interface CodecRow {
  /** As it is written in a=rtpmap; names are compared without case. */
  wireName: string;
  /** Static, or the dynamic one that we offer: always the same, so that RFC 3264 §8.3.2 holds. */
  payloadType: number;
  clockRate: number;
  channels: number;
}

/** G722's RTP clock is 8000 by mistake and for ever (RFC 3551 §4.5.2); opus is always /48000/2. */
const CODECS: Readonly<Record<string, CodecRow>> = {
  PCMU: { wireName: "PCMU", payloadType: 0, clockRate: 8000, channels: 1 },
  PCMA: { wireName: "PCMA", payloadType: 8, clockRate: 8000, channels: 1 },
  G722: { wireName: "G722", payloadType: 9, clockRate: 8000, channels: 1 },
  CN: { wireName: "CN", payloadType: 13, clockRate: 8000, channels: 1 },
  G729: { wireName: "G729", payloadType: 18, clockRate: 8000, channels: 1 },
  OPUS: { wireName: "opus", payloadType: 111, clockRate: 48000, channels: 2 },
};

const AUDIO_NAMES: readonly string[] = ["PCMU", "PCMA", "G722", "G729", "OPUS"];

/** RFC 3551 §6: the static payload types that still have a use; 19 is reserved, not CN. */
const STATIC_CODECS: ReadonlyMap<number, Codec> = new Map(
  [
    ["PCMU", 0, 8000, 1], ["GSM", 3, 8000, 1], ["G723", 4, 8000, 1], ["DVI4", 5, 8000, 1],
    ["PCMA", 8, 8000, 1], ["G722", 9, 8000, 1], ["L16", 10, 44100, 2], ["L16", 11, 44100, 1],
    ["CN", 13, 8000, 1], ["G728", 15, 8000, 1], ["G729", 18, 8000, 1],
  ].map(([name, payloadType, clockRate, channels]) => [
    Number(payloadType),
    {
      name: String(name), payloadType: Number(payloadType), clockRate: Number(clockRate),
      channels: Number(channels),
    },
  ]),
);

export const EVENT_NAME = "TELEPHONE-EVENT";
const COMFORT_NOISE_NAME = "CN";

/** One telephone-event payload type a clock rate (RFC 4733 §2.1: the clock of its stream). */
const EVENT_PAYLOAD_TYPES: ReadonlyMap<number, number> = new Map([[8000, 101], [48000, 110]]);
export const EVENT_CONFIG = "0-16";

/** Whether `media.codecs` may name it. */
export const isKnownCodec = (name: string): boolean => AUDIO_NAMES.includes(name.toUpperCase());

/** Our codec of that name, with the payload type that we offer; null when we know none. */
export function codecNamed(name: string): Codec | null {
  const upper = name.toUpperCase();
  const row = AUDIO_NAMES.includes(upper) ? CODECS[upper] : undefined;
  if (row === undefined) return null;
  const { payloadType, clockRate, channels } = row;
  return { name: upper, payloadType, clockRate, channels };
}

/** The codecs of a configuration's list, in its order; unknown and repeated ones are left out. */
export function codecsNamed(names: readonly string[]): Codec[] {
  const codecs: Codec[] = [];
  for (const name of names) {
    const codec = codecNamed(name);
    if (codec !== null && !codecs.some((one) => sameCodec(one, codec))) codecs.push(codec);
  }
  return codecs;
}

const G711 = ["PCMU", "PCMA"];

/**
 * What a call may use so that every leg of it can be joined to every other: G.711 in both laws,
 * between which a table translates, or exactly the codec that its first leg has chosen. `chosen`
 * null: it offered nothing, and takes G.711 where that is configured.
 */
export function joinableCodecs(configured: readonly string[], chosen: string | null): string[] {
  if (chosen !== null && !G711.includes(chosen)) return [chosen];
  const laws = configured.filter((name) => G711.includes(name));
  return laws.length > 0 ? laws : [...configured];
}

/** telephone-event in each clock of these codecs. */
export function eventsFor(codecs: readonly Codec[]): Codec[] {
  const clocks = new Set(codecs.map((codec) => codec.clockRate));
  const events: Codec[] = [];
  for (const clockRate of clocks) {
    const payloadType = EVENT_PAYLOAD_TYPES.get(clockRate);
    if (payloadType === undefined) continue;
    events.push({ name: EVENT_NAME, payloadType, clockRate, channels: 1 });
  }
  return events;
}

export const staticCodec = (payloadType: number): Codec | null =>
  STATIC_CODECS.get(payloadType) ?? null;

/** RFC 8866 §6.6: the name without case, the clock and the channels; never the payload type. */
export const sameCodec = (a: Codec, b: Codec): boolean =>
  a.name.toUpperCase() === b.name.toUpperCase() && a.clockRate === b.clockRate &&
  a.channels === b.channels;

export const isEvent = (codec: Codec): boolean => codec.name.toUpperCase() === EVENT_NAME;

/** Codecs that carry speech: neither events nor comfort noise. */
export const isAudio = (codec: Codec): boolean =>
  !isEvent(codec) && codec.name.toUpperCase() !== COMFORT_NOISE_NAME;

/** `opus/48000/2`: the value of a=rtpmap behind the payload type. */
export function rtpmapName(codec: Codec): string {
  const upper = codec.name.toUpperCase();
  return CODECS[upper]?.wireName ?? (upper === EVENT_NAME ? "telephone-event" : codec.name);
}
