// A message as octets (RFC 3261 §7). Content-Length is always ours to say.

import { oneLine } from "./grammar.ts";
import type { SipMessage } from "./message.ts";

const encoder = new TextEncoder();

export function serializeMessage(message: SipMessage): Uint8Array {
  let head = message.kind === "request"
    ? `${oneLine(message.method)} ${oneLine(message.uri)} SIP/2.0\r\n`
    : `SIP/2.0 ${message.status} ${oneLine(message.reason)}\r\n`;
  let counted = false;
  for (const { name, value } of message.headers) {
    if (name !== "Content-Length") {
      head += `${oneLine(name)}: ${oneLine(value)}\r\n`;
    } else if (!counted) {
      head += `Content-Length: ${message.body.length}\r\n`;
      counted = true;
    }
  }
  head += counted ? "\r\n" : `Content-Length: ${message.body.length}\r\n\r\n`;
  const text = encoder.encode(head);
  if (message.body.length === 0) return text;
  const bytes = new Uint8Array(text.length + message.body.length);
  bytes.set(text);
  bytes.set(message.body, text.length);
  return bytes;
}
