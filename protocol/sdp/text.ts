// Session descriptions as text (RFC 8866), by sdp-transform: the only file that knows that library.
// It is given only lines that are wanted, each already checked, so that hostile text costs little.
import { parse, write } from "sdp-transform";
import type { Codec } from "../../schemas/media.ts";
import { addressFamily } from "./address.ts";
import { rtpmapName, staticCodec } from "./codec.ts";
import {
  type Direction, type MediaDescription, MEDIA_LINES_MAX, type Origin, SDP_LINES_MAX,
  SDP_MAX_BYTES, type SdpResult, type SessionDescription,
} from "./description.ts";

type ParsedText = ReturnType<typeof parse>;
type ParsedMedia = ParsedText["media"][number];

const ORIGIN = /^(\S+) (\d{1,20}) (\d{1,20}) IN IP[46] (\S+)$/;
const CONNECTION = /^IN IP[46] (\S+)$/;
const MEDIA = /^(\S+) +(\d{1,5})(?:\/\d{1,5})? +(\S+)( .*)?$/;
const FORMAT = /^[\x21-\x7e]{1,64}$/;
/** The attributes that mean something to us; RFC 8866 §5.13: the others are ignored. */
const FLAG = /^(sendrecv|sendonly|recvonly|inactive|rtcp-mux)$/;
const VALUED = /^(rtpmap|fmtp|rtcp|ptime|maxptime|label|crypto):/;
const ATTRIBUTE_MAX_CHARS = 1024;

/** What one line adds, or why the whole description can't be used. */
type LineResult = { keep: string | null } | { reason: string };

export function parseSdp(text: string): SdpResult {
  // Length in UTF-16 units never exceeds the length in octets.
  if (text.length > SDP_MAX_BYTES) return tooMuch(`more than ${SDP_MAX_BYTES} octets`);
  const lines = text.trimStart().split(/\r\n|\n|\r/, SDP_LINES_MAX + 1);
  if (lines.length > SDP_LINES_MAX) return tooMuch(`more than ${SDP_LINES_MAX} lines`);
  if (lines[0]?.trimEnd() !== "v=0") return refused("the first line is not v=0");
  const kept: string[] = [];
  const mediaLines: string[] = [];
  let origin: Origin | null = null;
  for (const [index, raw] of lines.entries()) {
    const line = raw.trimEnd();
    if (line === "") continue;
    const type = line.slice(0, 2);
    const value = line.slice(2);
    if (type === "o=" && origin === null) origin = parseOrigin(value);
    if (type === "m=" && mediaLines.push(value) > MEDIA_LINES_MAX) {
      return tooMuch(`more than ${MEDIA_LINES_MAX} media descriptions`);
    }
    const result = checkLine(type, value, mediaLines.length > 0);
    if ("reason" in result) return refused(`line ${index + 1}: ${result.reason}`);
    if (result.keep !== null) kept.push(result.keep);
  }
  if (origin === null) return refused("no usable o= line");
  return { ok: true, sdp: describe(kept, mediaLines, origin) };
}

const refused = (reason: string): SdpResult => ({ ok: false, status: 400, reason });
const tooMuch = (reason: string): SdpResult => ({ ok: false, status: 488, reason });

function parseOrigin(value: string): Origin | null {
  const [, username = "-", sessionId = "0", version = "0", address = ""] =
    ORIGIN.exec(value) ?? [];
  return address === "" ? null : { username, sessionId, version, address };
}

/** Missing s= and t= are tolerated: several session border controllers leave them out. */
function checkLine(type: string, value: string, inMedia: boolean): LineResult {
  if (!/^[A-Za-z]=$/.test(type)) return { reason: "not <type>=<value>" };
  switch (type) {
    case "c=": {
      const address = CONNECTION.exec(value)?.[1];
      if (address === undefined) return { reason: "c= is not IN IP4|IP6 <address>" };
      return { keep: `c=${value}` };
    }
    case "m=": {
      const port = MEDIA.exec(value)?.[2];
      if (port === undefined || Number(port) > 65_535) return { reason: "m= can't be read" };
      // The library's own m-line pattern is narrower than RFC 8866's: it gets a plain one.
      return { keep: "m=audio 0 RTP/AVP 0" };
    }
    case "s=":
      return { keep: inMedia ? null : `s=${value}` };
    case "a=": {
      // Of these only a direction may stand at session level (RFC 8866 §6, RFC 3605 §2.1).
      const wanted = (FLAG.test(value) && (inMedia || value !== "rtcp-mux")) ||
        (inMedia && VALUED.test(value));
      return { keep: wanted && value.length <= ATTRIBUTE_MAX_CHARS ? `a=${value}` : null };
    }
    default:
      return { keep: null };
  }
}

function describe(kept: string[], mediaLines: string[], origin: Origin): SessionDescription {
  const parsed = parse(`${kept.join("\r\n")}\r\n`);
  const address = hostOf(parsed);
  return {
    origin,
    name: parsed.name === undefined ? "-" : String(parsed.name),
    address,
    media: parsed.media.map((media, index) =>
      describeMedia(media, mediaLines[index] ?? "", address, parsed.direction ?? "sendrecv")
    ),
  };
}

/** c= may carry a TTL or a count behind the address (RFC 8866 §5.7). */
function hostOf(part: { connection?: { ip: string } }): string | null {
  if (part.connection === undefined) return null;
  return String(part.connection.ip).split("/")[0] ?? null;
}

function describeMedia(
  media: ParsedMedia, line: string, address: string | null, inherited: Direction,
): MediaDescription {
  const [, type = "", port = "0", protocol = "", rest = ""] = MEDIA.exec(line) ?? [];
  const formats = rest.split(/\s+/).filter((format) => FORMAT.test(format));
  return {
    type,
    port: Number(port),
    protocol,
    formats,
    address: hostOf(media) ?? address,
    rtcp: rtcpOf(media),
    rtcpMux: media.rtcpMux !== undefined,
    direction: media.direction ?? inherited,
    codecs: codecsOf(media, formats),
    formatParameters: (media.fmtp ?? []).flatMap(({ payload, config }) =>
      isPayloadType(payload) ? [{ payloadType: payload, config: String(config) }] : []
    ),
    ptimeMs: positive(media.ptime),
    maxPtimeMs: positive(media.maxptime),
    label: media.label === undefined ? null : String(media.label).trim(),
    crypto: (media.crypto ?? []).map(({ id, suite, config, sessionConfig }) =>
      [id, suite, config, sessionConfig].filter((part) => part !== undefined).join(" ")
    ),
  };
}

function rtcpOf(media: ParsedMedia): MediaDescription["rtcp"] {
  const port = positive(media.rtcp?.port);
  if (media.rtcp === undefined || port === null || port > 65_535) return null;
  const { address } = media.rtcp;
  return { port, address: address === undefined ? null : String(address) };
}

const isPayloadType = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 127;

/** sdp-transform leaves text where a number was expected and there was none. */
const positive = (value: unknown): number | null =>
  typeof value === "number" && value > 0 ? value : null;

function codecsOf(media: ParsedMedia, formats: string[]): Codec[] {
  const mapped = new Map<number, Codec | null>();
  for (const { payload, codec, rate, encoding } of media.rtp) {
    // The first mapping of a payload type stands: a binding never changes (RFC 3264 §8.3.2).
    if (!isPayloadType(payload) || mapped.has(payload)) continue;
    mapped.set(payload, codecOf(payload, String(codec), rate, encoding ?? 1));
  }
  const codecs = new Map<number, Codec>();
  for (const format of formats) {
    if (!/^\d{1,3}$/.test(format)) continue;
    const payloadType = Number(format);
    const codec = mapped.has(payloadType) ? mapped.get(payloadType) : staticCodec(payloadType);
    if (codec !== null && codec !== undefined) codecs.set(payloadType, codec);
  }
  return [...codecs.values()];
}

/** null where the mapping is outside what any codec is: the format is then unusable. */
function codecOf(
  payloadType: number, name: string, clockRate: unknown, channels: unknown,
): Codec | null {
  if (name === "" || name.length > 32) return null;
  if (!isInteger(clockRate, 1000, 192_000) || !isInteger(channels, 1, 8)) return null;
  return { name: name.toUpperCase(), payloadType, clockRate, channels };
}

const isInteger = (value: unknown, min: number, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;

/** The text of a description: CRLF, rtpmap for every codec, and a direction on every m-line. */
export function serializeSdp(sdp: SessionDescription): string {
  const { username, sessionId, version, address } = sdp.origin;
  const originLine = `o=${username} ${sessionId} ${version} IN IP${familyOf(address)} ${address}`;
  return write({
    version: 0,
    origin: { username, sessionId, sessionVersion: 0, netType: "IN", ipVer: 4, address },
    name: sdp.name,
    ...(sdp.address === null ? {} : { connection: connectionOf(sdp.address) }),
    timing: { start: 0, stop: 0 },
    media: sdp.media.map((media) => mediaToWrite(media, sdp.address)),
    // The library writes the version through a number, which loses digits of a large one.
  }).replace(/^o=.*$/m, () => originLine);
}

const familyOf = (address: string): 4 | 6 => addressFamily(address) ?? 4;

const connectionOf = (address: string): { version: number; ip: string } => ({
  version: familyOf(address), ip: address,
});

function mediaToWrite(media: MediaDescription, inherited: string | null): ParsedMedia {
  const { rtcp } = media;
  return {
    type: media.type,
    port: media.port,
    protocol: media.protocol,
    payloads: media.formats.join(" "),
    ...(media.address === null || media.address === inherited
      ? {} : { connection: connectionOf(media.address) }),
    rtp: media.codecs.map((codec) => ({
      payload: codec.payloadType, codec: rtpmapName(codec), rate: codec.clockRate,
      ...(codec.channels === 1 ? {} : { encoding: codec.channels }),
    })),
    fmtp: media.formatParameters.map(({ payloadType, config }) => ({
      payload: payloadType, config,
    })),
    ...(rtcp === null ? {} : { rtcp: rtcpToWrite(rtcp) }),
    ...(media.rtcpMux ? { rtcpMux: "rtcp-mux" as const } : {}),
    ...(media.ptimeMs === null ? {} : { ptime: media.ptimeMs }),
    ...(media.maxPtimeMs === null ? {} : { maxptime: media.maxPtimeMs }),
    // RFC 3264 §6: a refused m-line keeps its place; its attributes mean nothing.
    ...(media.port === 0 && media.codecs.length === 0 ? {} : { direction: media.direction }),
    ...(media.label === null ? {} : { label: media.label }),
  };
}

function rtcpToWrite(rtcp: { port: number; address: string | null }): ParsedMedia["rtcp"] & {} {
  if (rtcp.address === null) return { port: rtcp.port };
  const { address } = rtcp;
  return { port: rtcp.port, netType: "IN", ipVer: familyOf(address), address };
}
