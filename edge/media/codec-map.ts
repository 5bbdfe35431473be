// Which payload type a packet leaves with, by the one it came with: compiled from what SDP
// negotiated, looked up once a packet. An entry is the payload type, plus what has to be done.
import type { Codec } from "../../schemas/media.ts";
import { ALAW_TO_ULAW, ULAW_TO_ALAW } from "../../protocol/rtp/g711.ts";

export const PAYLOAD_TYPES = 128;
/** Not to be sent. */
export const NOT_MAPPED = -1;
/** Entries below are a payload type and nothing else: the usual case. */
export const PLAIN_BELOW = 0x80;
const TO_ALAW = 0x80;
const TO_ULAW = 0x100;
const COMFORT_NOISE = 0x200;

/** Never forked: digits, and RFC 2198 packets, which may carry them. */
const NEVER_FORKED = new Set(["TELEPHONE-EVENT", "RED"]);

export type CodecMap = Int16Array;

export const entryType = (entry: number): number => entry & 0x7f;
export const isComfortNoise = (entry: number): boolean => (entry & COMFORT_NOISE) !== 0;

/** The law-to-law table that the payload has to go through. */
export function tableOf(entry: number): Uint8Array | null {
  if ((entry & TO_ALAW) !== 0) return ULAW_TO_ALAW;
  return (entry & TO_ULAW) !== 0 ? ALAW_TO_ULAW : null;
}

/** Audio from one leg to another: same codec, or µ-law to A-law and back. */
export function relayMap(from: Codec[], fromEvents: Codec[], to: Codec[], toEvents: Codec[],
): CodecMap {
  const map = new Int16Array(PAYLOAD_TYPES).fill(NOT_MAPPED);
  for (const codec of from) map[codec.payloadType] = entryFor(codec, to);
  for (const event of fromEvents) {
    // A duration is in ticks of the clock (RFC 4733 §2.3.5): another clock would lie.
    const peer = toEvents.find((other) => other.clockRate === event.clockRate);
    map[event.payloadType] = peer?.payloadType ?? NOT_MAPPED;
  }
  return map;
}

/** Audio to a recorder: only what it has agreed to, and never digits. */
export function forkMap(from: Codec[], to: Codec[]): CodecMap {
  const map = new Int16Array(PAYLOAD_TYPES).fill(NOT_MAPPED);
  for (const codec of from) {
    if (!NEVER_FORKED.has(codec.name.toUpperCase())) map[codec.payloadType] = entryFor(codec, to);
  }
  return map;
}

/** RTP clock of each payload type. */
export function clockRates(codecs: Codec[]): Int32Array {
  const rates = new Int32Array(PAYLOAD_TYPES);
  for (const codec of codecs) rates[codec.payloadType] = codec.clockRate;
  return rates;
}

function entryFor(codec: Codec, to: Codec[]): number {
  const name = codec.name.toUpperCase();
  const flags = name === "CN" ? COMFORT_NOISE : 0;
  const same = to.find((other) => sameCodec(codec, other));
  if (same !== undefined) return same.payloadType | flags;
  const [other, flag] = name === "PCMU" ? ["PCMA", TO_ALAW] : ["PCMU", TO_ULAW];
  if (name !== "PCMU" && name !== "PCMA") return NOT_MAPPED;
  const translated = to.find((peer) => sameCodec({ ...codec, name: other }, peer));
  return translated === undefined ? NOT_MAPPED : translated.payloadType | flag;
}

function sameCodec(a: Codec, b: Codec): boolean {
  return a.name.toUpperCase() === b.name.toUpperCase() && a.clockRate === b.clockRate
    && a.channels === b.channels;
}

/** Negotiations of different contents that are remembered. */
const SHARED_MAX = 1024;

/**
 * One table for all legs that negotiated the same, which is nearly all of them: it stays in the
 * cache, where a thousand equal ones would not. What is shared must not be written to.
 */
export class SharedMaps {
  readonly #tables = new Map<string, Int16Array | Int32Array | Uint8Array>();

  map(map: CodecMap): CodecMap {
    return this.#shared(`m${map}`, map);
  }

  clocks(clocks: Int32Array): Int32Array {
    return this.#shared(`c${clocks}`, clocks);
  }

  uses(uses: Uint8Array): Uint8Array {
    return this.#shared(`u${uses}`, uses);
  }

  #shared<Table extends Int16Array | Int32Array | Uint8Array>(key: string, table: Table): Table {
    const known = this.#tables.get(key);
    // The key begins with the kind of table.
    if (known !== undefined) return known as Table;
    if (this.#tables.size >= SHARED_MAX) this.#tables.clear();
    this.#tables.set(key, table);
    return table;
  }
}
