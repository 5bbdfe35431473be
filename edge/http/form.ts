// A form body (application/x-www-form-urlencoded) as Twilio's libraries send it, within a limit.
import { isPlainText, parametersFault } from "../../protocol/twiml/parameter.ts";
import type { Parameter, SiprecStart } from "../../protocol/twiml/document.ts";
import { isWebhookUrl } from "../../protocol/webhook/url.ts";
import { EdgeError } from "../../schemas/error.ts";
import { PARAMETER_COUNT_MAX, type SiprecCreateForm } from "../../schemas/rest.ts";
import { invalid } from "./error.ts";

export const BODY_MAX_BYTES = 262_144;

export type Form = Record<string, string>;

/** The fields that are given: an empty one counts as not given, the last of a repeated one wins. */
export async function readForm(request: Request): Promise<Form> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  const bytes = await readBody(request);
  if (bytes.length === 0) return {};
  if (type !== "application/x-www-form-urlencoded" && type !== "") {
    throw invalid(`Content-Type must be application/x-www-form-urlencoded, came ${type}`);
  }
  const fields = new URLSearchParams(new TextDecoder().decode(bytes));
  return Object.fromEntries([...fields].filter(([, value]) => value !== ""));
}

async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > BODY_MAX_BYTES) {
    throw new EdgeError("BODY_TOO_LARGE");
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > BODY_MAX_BYTES) throw new EdgeError("BODY_TOO_LARGE");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What needs no call to be checked; TypeBox has seen to Track and StatusCallbackMethod. */
export function siprecStart(form: SiprecCreateForm): SiprecStart {
  for (const field of ["Name", "ConnectorName"] as const) {
    if (!isPlainText(form[field] ?? "")) throw invalid(`${field} holds a control character`);
  }
  if (form.StatusCallback !== undefined && !isWebhookUrl(form.StatusCallback)) {
    const came = form.StatusCallback.slice(0, 200);
    const message = `StatusCallback must be an absolute http or https URL, came "${came}"`;
    throw invalid(message, "INVALID_STATUS_CALLBACK");
  }
  const parameters = numberedParameters(form);
  const fault = parametersFault(parameters);
  if (fault !== null) throw invalid(fault);
  return {
    name: form.Name ?? null,
    connectorName: form.ConnectorName ?? null,
    track: form.Track ?? null,
    statusCallback: form.StatusCallback ?? null,
    statusCallbackMethod: form.StatusCallbackMethod ?? null,
    parameters,
  };
}

/** Parameter1.Name, Parameter1.Value to Parameter99.…: in the order of their numbers, with gaps. */
function numberedParameters(form: SiprecCreateForm): Parameter[] {
  // The schema lets other fields through; a form has nothing but text in it.
  const fields = form as Record<string, string | undefined>;
  const parameters: Parameter[] = [];
  for (let n = 1; n <= PARAMETER_COUNT_MAX; n += 1) {
    const name = fields[`Parameter${n}.Name`];
    const value = fields[`Parameter${n}.Value`];
    if (name !== undefined) parameters.push({ name, value: value ?? "" });
    else if (value !== undefined) {
      throw invalid(`Parameter${n}.Value was given without Parameter${n}.Name`);
    }
  }
  return parameters;
}
