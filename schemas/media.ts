// What control and media processes say to each other over NATS (docs/ARCHITECTURE.md, "Media
// orders").
// An order is the whole wanted state of one call's leg: applying it twice changes nothing.
import { type Static, Type as T } from "@sinclair/typebox";

export const MEDIA_ORDER_VERSION = 1;

const Address = T.Object({
  address: T.String({ minLength: 2, maxLength: 45, description: "IP literal" }),
  port: T.Integer({ minimum: 1, maximum: 65535 }),
});

/** A codec as negotiated: the payload type is the one of the direction it stands in. */
export const Codec = T.Object({
  name: T.String({ maxLength: 32, description: "encoding name, upper case: PCMU, PCMA, OPUS" }),
  payloadType: T.Integer({ minimum: 0, maximum: 127 }),
  clockRate: T.Integer({ minimum: 1000, maximum: 192000 }),
  channels: T.Integer({ minimum: 1, maximum: 8 }),
});
export type Codec = Static<typeof Codec>;

/** What the far end of a leg is: absent until its SDP is known. */
const Remote = T.Object({
  rtp: T.Union([Address, T.Null()], { description: "null: hold by 0.0.0.0, nothing is sent" }),
  rtcp: T.Union([Address, T.Null()]),
  /** What we receive from and send to this leg, first choice first; telephone-event is apart. */
  receive: T.Array(Codec, { maxItems: 16 }),
  send: T.Array(Codec, { maxItems: 16 }),
  receiveEvents: T.Array(Codec, { maxItems: 4, description: "telephone-event payload types" }),
  sendEvents: T.Array(Codec, { maxItems: 4 }),
  direction: T.Union([
    T.Literal("sendrecv"), T.Literal("sendonly"), T.Literal("recvonly"), T.Literal("inactive"),
  ], { description: "as seen from us" }),
  ptimeMs: T.Integer({ minimum: 10, maximum: 120 }),
  /** Sources that may be latched besides the SDP's own address: CIDRs; empty: any address. */
  allow: T.Array(T.String({ maxLength: 49 }), { maxItems: 64 }),
});
export type MediaRemote = Static<typeof Remote>;

/** What the leg hears while it is not bridged, or whom it hears. */
const Hears = T.Union([
  T.Object({ kind: T.Literal("nothing") }),
  T.Object({ kind: T.Literal("silence") }),
  T.Object({ kind: T.Literal("ringback") }),
  T.Object({ kind: T.Literal("call"), callSid: T.String({ pattern: "^CA[0-9a-f]{32}$" }) }),
]);

const Endpoint = T.Object({
  remote: T.Union([Remote, T.Null()]),
  hears: Hears,
  /** No RTP and no RTCP for this long where audio is due: `timeout` is reported. 0: never. */
  timeoutMs: T.Integer({ minimum: 0, maximum: 86_400_000 }),
});

/** One track of this leg, copied to one destination. */
export const ForkOrder = T.Object({
  id: T.String({ pattern: "^SR[0-9a-f]{32}\\.[1-4]$", description: "SiprecSid.label" }),
  track: T.Union([T.Literal("inbound_track"), T.Literal("outbound_track")]),
  /** null until the SRS has answered, and while it is paused: the port is held, nothing is sent. */
  destination: T.Union([
    T.Object({
      rtp: Address, rtcp: Address, codecs: T.Array(Codec, { minItems: 1, maxItems: 16 }),
    }),
    T.Null(),
  ]),
});
export type ForkOrder = Static<typeof ForkOrder>;

/** The whole wanted state of one call at one media process; `endpoint: null` releases all. */
export const MediaOrder = T.Object({
  version: T.Literal(MEDIA_ORDER_VERSION),
  edge: T.String({ maxLength: 64 }),
  epoch: T.Integer({ minimum: 0, description: "a lower one than seen is refused" }),
  callSid: T.String({ pattern: "^CA[0-9a-f]{32}$" }),
  revision: T.Integer({ minimum: 0, description: "a lower one than applied is refused" }),
  /** The subject prefix that facts about this call are sent to: siprec.v1.call.<CallSid>. */
  endpoint: T.Union([Endpoint, T.Null()]),
  forks: T.Array(ForkOrder, { maxItems: 4 }),
});
export type MediaOrder = Static<typeof MediaOrder>;

const Port = T.Object({ address: T.String(), rtpPort: T.Integer(), rtcpPort: T.Integer() });
export type MediaPort = Static<typeof Port>;

/** Counters of what one stream received or sent; times are epoch ms. */
export const StreamCounters = T.Object({
  packets: T.Integer(), bytes: T.Integer(), lost: T.Integer(), late: T.Integer(),
  dropped: T.Integer({ description: "from strangers, or of an unexpected payload type" }),
  firstAt: T.Union([T.Integer(), T.Null()]), lastAt: T.Union([T.Integer(), T.Null()]),
});
export type StreamCounters = Static<typeof StreamCounters>;

export const ForkReport = T.Object({
  id: T.String(), port: Port, ssrc: T.Integer(), counters: StreamCounters,
  errors: T.Integer({ description: "sends that failed, ICMP errors" }),
  /** From the SRS's receiver reports; null until one came. */
  remote: T.Union([
    T.Object({ fractionLost: T.Number(), cumulativeLost: T.Integer(), jitterMs: T.Number(),
      roundTripMs: T.Union([T.Number(), T.Null()]) }), T.Null(),
  ]),
});
export type ForkReport = Static<typeof ForkReport>;

export const MediaReply = T.Union([
  T.Object({
    ok: T.Literal(true), revision: T.Integer(),
    endpoint: T.Union([
      T.Object({ port: Port, received: StreamCounters, sent: StreamCounters }), T.Null(),
    ]),
    forks: T.Array(ForkReport),
    /** Forks of this call that were closed, newest last: their final counters. */
    ended: T.Optional(T.Array(ForkReport)),
  }),
  T.Object({
    ok: T.Literal(false),
    /** STALE_EPOCH, STALE_REVISION, PORTS_EXHAUSTED, DRAINING, INVALID_ORDER */
    code: T.String(), message: T.String(),
  }),
]);
export type MediaReply = Static<typeof MediaReply>;

/** Asked on …<id>.stats: one call, or all of them by name only (a list of reports has no bound). */
export const MediaStatsRequest = T.Object({ callSid: T.Union([T.String(), T.Null()]) });
export type MediaStatsRequest = Static<typeof MediaStatsRequest>;

/** What a media process holds: for reconciling after a restart, and for receipts. */
export const MediaStats = T.Object({
  calls: T.Array(T.Object({ callSid: T.String(), epoch: T.Integer(), revision: T.Integer() })),
  /** The present state of the call that was asked for; null: it is not here, or none was named. */
  call: T.Union([MediaReply, T.Null()]),
});
export type MediaStats = Static<typeof MediaStats>;

/** What a media process tells a call's owner: a request to siprec.v1.call.<CallSid>.media. */
export const MediaFact = T.Union([
  T.Object({ type: T.Literal("media.timeout"), callSid: T.String(), at: T.Integer() }),
  T.Object({
    type: T.Literal("media.digit"), callSid: T.String(), at: T.Integer(), digit: T.String(),
  }),
  T.Object({
    type: T.Literal("media.fork.stalled"), callSid: T.String(), at: T.Integer(), id: T.String(),
  }),
]);
export type MediaFact = Static<typeof MediaFact>;

/** The reply on siprec.v1.media.<edge>.<id>.hello; published each second on …<edge>.hello. */
export const MediaHello = T.Object({
  edge: T.String(), id: T.String(), version: T.String(), pid: T.Integer(), startedAt: T.Integer(),
  calls: T.Integer(), portsFree: T.Integer(), portsAll: T.Integer(), draining: T.Boolean(),
  /** Share of one core over the last second, 0 to 1. */
  load: T.Number(),
});
export type MediaHello = Static<typeof MediaHello>;
