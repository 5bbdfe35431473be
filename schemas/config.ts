// The configuration of one edge: the TOML file's schema (snake_case, with its defaults), and what
// the program works with after it was read (camelCase, durations in ms, secrets looked up).
import { type Static, type SchemaOptions, Type as T } from "@sinclair/typebox";
import type { Connector, ConnectorAddress, TlsFiles } from "./connector.ts";

export const LIST_MAX = 10_000;
const TEXT_MAX = 4096;

/** `expected` is what a person is told when a value does not fit. */
const text = (fallback: string, expected = "a text", more: SchemaOptions = {}) =>
  T.String({ maxLength: TEXT_MAX, default: fallback, expected, ...more });
const needed = (expected: string, more: SchemaOptions = {}) =>
  T.String({ minLength: 1, maxLength: TEXT_MAX, expected, ...more });
/** Never printed. */
const secret = (expected = "a text") => text("", expected, { secret: true });
const flag = (fallback: boolean) => T.Boolean({ default: fallback, expected: "true or false" });
const duration = (fallback: string) => text(fallback, 'a duration such as "500ms", "5s", "7d"');
const texts = (fallback: string[], expected = "a list of texts", more: SchemaOptions = {}) =>
  T.Array(T.String({ maxLength: TEXT_MAX, expected: "a text" }),
    { maxItems: LIST_MAX, default: fallback, expected, ...more });
const words = <const W extends string[]>(fallback: W[number], ...all: W) =>
  T.Unsafe<W[number]>(T.String({
    pattern: `^(?:${all.join("|")})$`, default: fallback,
    expected: all.map((word) => `"${word}"`).join(" or "),
  }));
const closed = { additionalProperties: false, expected: "a table" };
const section = { ...closed, default: {} };
const tables = { maxItems: LIST_MAX, default: [], expected: "a list of tables" };

const listenAddress = 'an address with a port such as "127.0.0.1:8080"';
const cert = text("", "a path of a PEM file");
const AccountRef = needed("the sid of one of [[accounts]]");

const ServerTls = T.Object({ cert, key: cert, ca: cert }, section);
const PeerTls = T.Object({ cert, key: cert, ca: cert, server_name: text("") }, section);

const HttpSection = T.Object({
  listen: text("127.0.0.1:8080", listenAddress),
  open_console: flag(false),
  public_url: text("", "an absolute http: or https: URL"),
  tls: T.Object({ cert, key: cert }, section),
}, section);

const SipSection = T.Object({
  listen: texts(["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"],
    'a list such as ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]', { minItems: 1 }),
  advertise: text("", "an IP address"),
  tls: ServerTls,
}, section);

const MediaSection = T.Object({
  listen: text("127.0.0.1", "an IP address"),
  advertise: text("", "an IP address"),
  ports: T.Array(T.Integer({ minimum: 1024, maximum: 65535, expected: "a port, 1024 to 65535" }),
    { minItems: 2, maxItems: 2, default: [10000, 19999], expected: "[lowest port, highest port]" }),
  rest: duration("5s"),
  processes: T.Integer({ minimum: 0, maximum: 64, default: 1, expected: "0 to 64" }),
  codecs: texts(["PCMU", "PCMA"], 'a list such as ["PCMU", "PCMA"]', { minItems: 1 }),
  timeout: duration("60s"),
  pre_roll: duration("0s"),
}, section);

const NatsSection = T.Object({
  servers: texts([], 'a list such as ["nats://127.0.0.1:4222"]'),
  listen: text("127.0.0.1:4222", listenAddress),
  cluster: T.Object({
    listen: text("", listenAddress),
    routes: texts([], 'a list such as ["127.0.0.12:6222"]'),
  }, section),
  tls: ServerTls,
  secret_env: text("", "the name of an environment variable"),
}, section);

const AccountTable = T.Object({
  sid: needed("AC and 32 hexadecimal digits"),
  auth_token: secret("32 characters of 0-9a-f"),
  auth_token_env: text("", "the name of an environment variable"),
  auth_token_file: text("", "a path"),
  secondary_auth_token: secret("32 characters of 0-9a-f"),
  api_keys: T.Array(T.Object({
    sid: needed("SK and 32 hexadecimal digits"),
    secret: secret(),
    secret_env: text("", "the name of an environment variable"),
  }, closed), tables),
}, closed);

const TrunkTable = T.Object({
  name: needed("a name"),
  uri: needed('a SIP URI such as "sip:192.0.2.1:5060;transport=tcp"'),
  allow: texts([], 'a list of networks such as ["192.0.2.0/24"]'),
  media_allow: texts([], 'a list of networks such as ["192.0.2.0/24"]'),
  accounts: texts([], "a list of account sids"),
  numbers: texts(["*"], 'a list such as ["*"] or ["+1*"]'),
  max_calls: T.Integer({ minimum: 0, default: 0, expected: "a whole number, 0: no limit" }),
  max_cps: T.Number({ minimum: 0, default: 0, expected: "a number, 0: no limit" }),
  username: text(""),
  password: secret(),
  password_env: text("", "the name of an environment variable"),
  tls: PeerTls,
}, closed);

const PhoneTable = T.Object({
  username: needed("a user name"),
  password: secret(),
  password_env: text("", "the name of an environment variable"),
  account: AccountRef,
}, closed);

const NumberTable = T.Object({
  match: needed('a number, a SIP URI, or "*"'),
  account: AccountRef,
  voice_url: text("", "an absolute http: or https: URL"),
  twiml: T.String({ maxLength: 65536, default: "", expected: "a TwiML document" }),
  voice_method: words("POST", "GET", "POST"),
  fallback_url: text("", "an absolute http: or https: URL"),
  status_callback: text("", "an absolute http: or https: URL"),
}, closed);

/** Also what `POST /v1/Connectors` takes, where `credentials` and `password` are given directly. */
export const ConnectorTable = T.Object({
  name: needed("a name"),
  account: text("", "the sid of one of [[accounts]]"),
  session_recording_server: T.Union([
    needed("a SIP URI"), T.Array(needed("a SIP URI"), { minItems: 1, maxItems: 16 }),
  ], { expected: 'a SIP URI such as "sip:srs@127.0.0.1:5090;edge=dublin", or a list of them' }),
  credentials_header_name: text("", 'the name of a header such as "X-Auth-Token"'),
  credentials: secret(),
  credentials_env: text("", "the name of an environment variable"),
  username: text(""),
  password: secret(),
  password_env: text("", "the name of an environment variable"),
  parameters: words("metadata", "metadata", "headers", "both"),
  profile: words("rfc7865", "rfc7865"),
  connect_timeout: duration("2s"),
  answer_timeout: duration("5s"),
  fill: words("none", "none", "silence"),
  require_secure: flag(false),
  tls: PeerTls,
  on_bye: words("stop", "stop", "takeover"),
}, closed);
export type ConnectorTable = Static<typeof ConnectorTable>;

/** The whole file. */
export const ConfigFile = T.Object({
  edge: text("ashburn", "the name of one of [edges]"),
  data: text("data", "a path of a folder"),
  history: duration("7d"),
  drain: duration("60s"),
  security: T.Object({
    key_env: text("", "the name of an environment variable"),
    previous_key_env: text("", "the name of an environment variable"),
  }, section),
  http: HttpSection,
  sip: SipSection,
  media: MediaSection,
  networks: T.Array(T.Object({
    to: needed('a network such as "10.0.0.0/8"'),
    sip: text("", "an IP address"),
    media: text("", "an IP address"),
  }, closed), tables),
  nats: NatsSection,
  edges: T.Record(T.String(), T.Integer({ minimum: 0, maximum: 255, expected: "0 to 255" }),
    { default: { dublin: 1, umatilla: 2, ashburn: 3 }, expected: "a table of names and numbers" }),
  accounts: T.Array(AccountTable, tables),
  trunks: T.Array(TrunkTable, tables),
  phones: T.Array(PhoneTable, tables),
  numbers: T.Array(NumberTable, tables),
  connectors: T.Array(ConnectorTable, tables),
  webhooks: T.Object({ allow_private: flag(true) }, section),
}, closed);
export type ConfigFile = Static<typeof ConfigFile>;

export interface ListenAddress {
  /** IP literal without brackets. */
  host: string;
  /** 0: any free one. */
  port: number;
}

export interface SipListenAddress {
  transport: "udp" | "tcp" | "tls";
  address: string;
  port: number;
}

export interface Account {
  sid: string;
  authToken: string;
  secondaryAuthToken: string | null;
  apiKeys: { sid: string; secret: string }[];
}

export interface Trunk {
  name: string;
  /** `edge` and `secure` are never set here. */
  address: ConnectorAddress;
  /** CIDRs; a single address is written as /32 or /128. */
  allow: string[];
  mediaAllow: string[];
  /** Empty: every account may dial out here. */
  accounts: string[];
  /** Patterns, `*` stands for any run of characters. */
  numbers: string[];
  /** 0: no limit. */
  maxCalls: number;
  maxCps: number;
  username: string | null;
  password: string | null;
  tls: TlsFiles;
}

export interface Phone {
  username: string;
  password: string;
  account: string;
}

export interface NumberRoute {
  /** A number, a whole SIP URI, or a pattern with `*`; the first route that matches is taken. */
  match: string;
  account: string;
  voice: { kind: "url"; url: string; method: "GET" | "POST" } | { kind: "twiml"; twiml: string };
  fallbackUrl: string | null;
  statusCallback: string | null;
}

export interface Network {
  to: string;
  sip: string | null;
  media: string | null;
}

export interface Config {
  edge: string;
  /** The first byte of this edge's CallSids. */
  edgeNumber: number;
  /** Absolute. */
  dataDir: string;
  historyMs: number;
  drainMs: number;
  /** 32 bytes each; null: one is made and kept in the data folder. */
  security: { key: Uint8Array | null; previousKey: Uint8Array | null };
  http: {
    listen: ListenAddress;
    openConsole: boolean;
    /** Without a slash at the end. */
    publicUrl: string;
    tls: TlsFiles;
  };
  sip: { listen: SipListenAddress[]; advertise: string | null; tls: TlsFiles };
  media: {
    listen: string;
    advertise: string | null;
    ports: { min: number; max: number };
    restMs: number;
    processes: number;
    /** Upper case, without telephone-event. */
    codecs: string[];
    timeoutMs: number;
    preRollMs: number;
  };
  networks: Network[];
  nats: {
    /** Where every process connects: the configured servers, else the embedded one. */
    servers: string[];
    embedded: boolean;
    listen: ListenAddress;
    cluster: { listen: ListenAddress; routes: string[] } | null;
    tls: TlsFiles;
    credentials: { user: string; password: string } | null;
  };
  /** Name to number, the same at every edge. */
  edges: Record<string, number>;
  accounts: Account[];
  trunks: Trunk[];
  phones: Phone[];
  numbers: NumberRoute[];
  connectors: Connector[];
  webhooks: { allowPrivate: boolean };
}
