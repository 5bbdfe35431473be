// Errors in the form that Twilio's libraries read: always this JSON, for every path.
import { EdgeError, ERRORS, type ErrorName } from "../../schemas/error.ts";
import type { ErrorJson } from "../../schemas/rest.ts";

const RETRY_AFTER_SECONDS = "1";

export function errorResponse(error: EdgeError, path: string, allow?: string): Response {
  const { code, status, message } = ERRORS[error.error];
  // A message of the thrower's own goes before; the path is said as it was asked for.
  const text = error.error === "NOT_FOUND" && error.message === message
    ? `The requested resource ${path} was not found`
    : error.message;
  const body: ErrorJson = {
    code,
    ...(error.error === "AUTHENTICATE" ? { detail: "" } : {}),
    message: text,
    more_info: `https://www.twilio.com/docs/errors/${code}`,
    status,
  };
  const headers = new Headers({ "Access-Control-Allow-Origin": "*" });
  if (status === 401) headers.set("WWW-Authenticate", `Basic realm="Twilio API"`);
  if (status === 503 || status === 429) headers.set("Retry-After", RETRY_AFTER_SECONDS);
  if (allow !== undefined) headers.set("Allow", allow);
  // What is left of a body that was not read must not be taken for the next request.
  if (status === 413) headers.set("Connection", "close");
  return Response.json(body, { status, headers });
}

export const invalid = (message: string, error: ErrorName = "INVALID_PARAMETER"): EdgeError =>
  new EdgeError(error, message);
