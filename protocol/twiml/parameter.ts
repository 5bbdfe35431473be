// What a custom parameter may be: it travels in the metadata (XML) or in header lines of an INVITE.
import type { Parameter } from "./document.ts";

/** Names and values of one session together: they have to fit into one SIP message. */
export const PARAMETERS_MAX_BYTES = 32_768;

/** What is wrong with the parameters of one session as a sentence; null: nothing. */
export function parametersFault(parameters: readonly Parameter[]): string | null {
  let size = 0;
  for (const { name, value } of parameters) {
    const shown = name.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
    if (!isPlainText(name)) return `The parameter name "${shown}" holds a control character`;
    if (!isXmlText(value)) return `The value of parameter "${shown}" holds a control character`;
    size += byteLength(name) + byteLength(value);
  }
  if (size <= PARAMETERS_MAX_BYTES) return null;
  return `The parameters are ${size} bytes together, ${PARAMETERS_MAX_BYTES} are allowed`;
}

/** XML 1.0 §2.2: the characters that a document can hold at all. */
export const isXmlText = (text: string): boolean =>
  !/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\uFFFE\uFFFF]/.test(text) && text.isWellFormed();

export const isPlainText = (text: string): boolean => isXmlText(text) && !/[\t\n\r]/.test(text);

const byteLength = (text: string): number => new TextEncoder().encode(text).length;
