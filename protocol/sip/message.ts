// A SIP message as plain data (RFC 3261 §7). Parsing and serializing live beside this file;
// nothing here knows a socket, a clock or a transaction.

/** One header line. `name` is the canonical long form ("Via", never "v"); `value` is unfolded. */
export interface SipHeader {
  name: string;
  value: string;
}

export interface SipRequest {
  kind: "request";
  method: string;
  /** The Request-URI as text; `parseUri` takes it apart. */
  uri: string;
  /** In the order of the wire. Header lines that hold lists are kept line by line. */
  headers: SipHeader[];
  body: Uint8Array;
}

export interface SipResponse {
  kind: "response";
  status: number;
  reason: string;
  headers: SipHeader[];
  body: Uint8Array;
}

export type SipMessage = SipRequest | SipResponse;

export type Transport = "udp" | "tcp" | "tls";

/** Where a message came from, or goes to: enough to answer on the same socket or connection. */
export interface SipFlow {
  transport: Transport;
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
  /** For TCP and TLS: the connection's id within its process. */
  connection?: string;
}

export const NO_BODY: Uint8Array = new Uint8Array(0);
