// Every error with a name: what HTTP, callbacks, logs and docs say of it. Names are API: they are
// never changed.

export interface ErrorRow {
  /** Twilio's number. */
  code: number;
  /** The HTTP status when REST answers with it. */
  status: number;
  /** The sentence when nothing more precise is known. */
  message: string;
}

export const ERRORS = {
  AUTHENTICATE: { code: 20003, status: 401, message: "Authenticate" },
  METHOD_NOT_ALLOWED: { code: 20004, status: 405, message: "Method not allowed" },
  INVALID_PARAMETER: { code: 20001, status: 400, message: "Invalid parameter" },
  NOT_FOUND: { code: 20404, status: 404, message: "The requested resource was not found" },
  CONFLICT: { code: 20409, status: 409, message: "Conflict" },
  BODY_TOO_LARGE: { code: 20413, status: 413, message: "Request body too large" },
  TOO_MANY_REQUESTS: { code: 20429, status: 429, message: "Too Many Requests" },
  INTERNAL: { code: 20500, status: 500, message: "Internal Server Error" },
  UNAVAILABLE: { code: 20503, status: 503, message: "Service unavailable, try again" },
  INVALID_CALL_STATE: { code: 21220, status: 400, message: "Call is not in-progress." },
  INVALID_STATUS_CALLBACK: { code: 21609, status: 400, message: "Invalid StatusCallback URL" },
  CONNECTOR_UNKNOWN: {
    code: 31940, status: 400, message: "Stream - Invalid connectorName attribute in TwiML.",
  },
  TRACK_INVALID: { code: 31941, status: 400, message: "Stream - Invalid Track configuration" },
  CONNECTOR_INVALID: {
    code: 31942, status: 400, message: "Stream - Invalid connector configuration",
  },
  /** No public code exists for the fifth stream: docs/TWILIO.md names this choice. */
  SLOTS_FULL: { code: 31960, status: 400, message: "A call has at most four forked streams" },
  SRS_FAILED: {
    code: 32011, status: 400,
    message: "Error communicating with your SIP communications infrastructure",
  },
  SRS_BAD_SDP: { code: 32102, status: 400, message: "Bad SDP in the answer of the recorder" },
  SRS_AUTHENTICATION: { code: 32106, status: 400, message: "SIP Authentication Error" },
  MEDIA_FAILED: { code: 31900, status: 400, message: "The media plane could not serve the stream" },
  STREAM_STALLED: {
    code: 31953, status: 400, message: "Stream - the recorder takes no audio: its port is closed",
  },
  RTP_TIMEOUT: { code: 32014, status: 400, message: "No audio came from the call: RTP timeout" },
  HTTP_FAILED: { code: 11200, status: 502, message: "HTTP retrieval failure" },
  HTTP_CONNECT_TIMEOUT: { code: 11201, status: 502, message: "TCP connect timeout" },
  HTTP_REFUSED: { code: 11202, status: 502, message: "TCP connection refused" },
  HTTP_TIMEOUT: { code: 11203, status: 502, message: "Total timeout" },
  HTTP_CONNECTION: { code: 11205, status: 502, message: "HTTP connection failure" },
  HTTP_PROTOCOL: { code: 11206, status: 502, message: "HTTP protocol violation" },
  HTTP_BAD_HOST: { code: 11210, status: 502, message: "HTTP bad host name" },
  HTTP_REDIRECTS: { code: 11215, status: 502, message: "Too many redirects" },
  HTTP_TLS: { code: 11220, status: 502, message: "TLS handshake failure" },
  HTTP_BAD_URL: { code: 11100, status: 400, message: "Invalid URL format" },
  TWIML_TOO_LARGE: { code: 11750, status: 502, message: "TwiML response body too large" },
  TWIML_UNPARSABLE: { code: 12100, status: 502, message: "Document parse failure" },
  TWIML_BAD_ROOT: { code: 12102, status: 502, message: "Document root must be Response" },
  TWIML_SCHEMA: { code: 12200, status: 200, message: "Schema validation warning" },
  TWIML_CONTENT_TYPE: { code: 12300, status: 502, message: "Invalid Content-Type" },
  CALLBACK_WARNING: { code: 15003, status: 502, message: "Warning response to callback" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof ERRORS;

/** The world failed: a port rejects with this, a machine's transition decides what follows. */
export class EdgeError extends Error {
  override readonly name = "EdgeError";
  constructor(readonly error: ErrorName, message?: string, options?: { cause?: unknown }) {
    super(message ?? ERRORS[error].message, options);
  }
}
