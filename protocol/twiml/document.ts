// A TwiML document as data: what the parser makes of XML, and what the twiml machine runs.

export type Track = "inbound_track" | "outbound_track" | "both_tracks";
export type HttpMethod = "GET" | "POST";

export interface Parameter {
  name: string;
  value: string;
}

/** `<Siprec>` inside `<Start>`; null where the attribute was not given. */
export interface SiprecStart {
  name: string | null;
  connectorName: string | null;
  /** As written: an unknown value is refused when it is started (31941), not when it is parsed. */
  track: string | null;
  statusCallback: string | null;
  statusCallbackMethod: HttpMethod | null;
  parameters: Parameter[];
}

export type DialTarget =
  | { kind: "sip"; uri: string }
  | { kind: "number"; number: string };

export type Verb =
  | { kind: "start"; siprecs: SiprecStart[] }
  | { kind: "stop"; siprecs: { name: string | null }[] }
  | { kind: "dial"; targets: DialTarget[]; timeoutSeconds: number; callerId: string | null }
  | { kind: "pause"; lengthSeconds: number }
  | { kind: "hangup" };

/** A fault that does not stop the document: it becomes an entry of the debugger. */
export interface TwimlWarning {
  code: number;
  message: string;
}

export type TwimlResult =
  | { ok: true; verbs: Verb[]; warnings: TwimlWarning[] }
  | { ok: false; code: number; message: string };
