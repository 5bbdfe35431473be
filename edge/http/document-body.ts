// What a response to a Voice URL holds: a TwiML text, or the reason why it is none.
import type { HttpResponse } from "../../protocol/webhook/response.ts";
import type { ErrorName } from "../../schemas/error.ts";

export type DocumentBody =
  | { ok: true; body: string; contentType: string; url: string }
  | { ok: false; error: ErrorName; message: string };

/** Types that are read as TwiML; plain text is TwiML if it parses. */
const TWIML_TYPES = ["text/xml", "application/xml", "text/html", "text/plain"];

export function documentOf(response: HttpResponse, url: string): DocumentBody {
  const { status, headers, body } = response;
  const refused = (error: ErrorName, message: string): DocumentBody =>
    ({ ok: false, error, message });
  if (status < 200 || status >= 300) {
    return refused("HTTP_FAILED", `The app's server answered with ${status}`);
  }
  const header = headers.get("content-type") ?? "";
  const contentType = header.split(";")[0]?.trim().toLowerCase() ?? "";
  if (contentType === "") return refused("HTTP_FAILED", "The response has no Content-Type");
  if (!TWIML_TYPES.includes(contentType)) {
    const message = `Invalid Content-Type: ${contentType.slice(0, 80)} is not offered`;
    return refused("TWIML_CONTENT_TYPE", message);
  }
  const coding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity" && coding !== "") {
    const message = `Content-Encoding ${coding.slice(0, 40)} was not asked for`;
    return refused("TWIML_CONTENT_TYPE", message);
  }
  return { ok: true, body: decode(body, header), contentType, url };
}

/** The header's charset goes before the document's own encoding; without either it is UTF-8. */
function decode(body: Uint8Array, header: string): string {
  const named = /;\s*charset\s*=\s*"?([\w.:-]+)/i.exec(header)?.[1] ?? declaredEncoding(body);
  try {
    // Any label may come; one that is not known throws.
    return new TextDecoder(named as Bun.Encoding).decode(body);
  } catch {
    return new TextDecoder().decode(body); // An encoding that nobody knows: most often it is UTF-8.
  }
}

/** XML 1.0 §4.3.3. A document in UTF-16 begins with a byte order mark instead. */
function declaredEncoding(body: Uint8Array): string {
  if (body[0] === 0xfe && body[1] === 0xff) return "utf-16be";
  if (body[0] === 0xff && body[1] === 0xfe) return "utf-16le";
  const start = new TextDecoder("latin1").decode(body.subarray(0, 200));
  return /^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? "utf-8";
}
