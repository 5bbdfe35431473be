// A connector: the recording server behind `connectorName`, from the file or made by the API.

/** A SIP address of the configuration, taken apart (`protocol/siprec/connector-address.ts`). */
export interface ConnectorAddress {
  /** For the Request-URI: without `edge` and `secure`, all other parameters kept. */
  uri: string;
  /** What was written, else TLS for `sips:` and `secure=true`; null: RFC 3261 §18.1.1 decides. */
  transport: "udp" | "tcp" | "tls" | null;
  /** SRTP by SDES towards this server. */
  secure: boolean;
  /** The edge whose addresses the session leaves from, lower case; null: the edge of the call. */
  edge: string | null;
  /** Host name or IP literal, IPv6 without brackets. */
  host: string;
  /** As written; null: the default of the transport (5061 for TLS, else 5060). */
  port: number | null;
}

/** Paths of PEM files; null where none is named. */
export interface TlsFiles {
  cert: string | null;
  key: string | null;
  ca: string | null;
  /** The name that the peer's certificate must carry, when it is not the host. */
  serverName: string | null;
}

export interface Connector {
  name: string;
  /** null: every account may use it. */
  account: string | null;
  /** Never empty; the next one takes over when one fails. */
  sessionRecordingServers: ConnectorAddress[];
  credentialsHeaderName: string | null;
  credentials: string | null;
  username: string | null;
  password: string | null;
  parameters: "metadata" | "headers" | "both";
  profile: string;
  connectTimeoutMs: number;
  answerTimeoutMs: number;
  fill: "none" | "silence";
  requireSecure: boolean;
  tls: TlsFiles;
  onBye: "stop" | "takeover";
  source: "file" | "api";
}
