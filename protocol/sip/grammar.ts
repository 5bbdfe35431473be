// The small pieces of SIP's grammar (RFC 3261 §25.1) that URIs and headers share.

import { sameName } from "./names.ts";

export type Param = [name: string, value: string | null];
/** In wire order; a value keeps its quotes and escapes, so that it is written as it was read. */
export type Params = Param[];

export interface Failure {
  ok: false;
  reason: string;
}

export const failure = (reason: string): Failure => ({ ok: false, reason });

const tokenTable = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/[A-Za-z0-9\-.!%*_+`'~]/.test(char)) tokenTable[code] = 1;
}

export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) {
    if (tokenTable[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

export const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** The index of the first blank or tab, or -1. */
export function indexOfBlank(text: string): number {
  for (let i = 0; i < text.length; i++) if (isBlank(text.charCodeAt(i))) return i;
  return -1;
}

/** Digits only, no sign, at most `max`; null for anything else. */
export function parseNumber(text: string, max: number): number | null {
  if (text.length === 0) return null;
  let number = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    number = number * 10 + digit;
    if (number > max) return null;
  }
  return number;
}

/** `from` is at an opening quote: the index after the closing one, or -1 without one. */
export function quotedEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i++;
    else if (code === 0x22) return i + 1;
  }
  return -1;
}

/** The index of `separator` outside quotes and angle brackets, or -1. */
export function indexOutside(text: string, separator: string, from: number): number {
  const wanted = separator.charCodeAt(0);
  let inBrackets = false;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inBrackets) {
      inBrackets = code !== 0x3e;
    } else if (code === wanted) {
      return i;
    } else if (code === 0x3c) {
      inBrackets = true;
    } else if (code === 0x22) {
      const end = quotedEnd(text, i);
      if (end < 0) return -1;
      i = end - 1;
    }
  }
  return -1;
}

/** The elements of a comma list, trimmed; empty elements are left out. */
export function splitList(text: string): string[] {
  if (!text.includes(",")) {
    const only = text.trim();
    return only === "" ? [] : [only];
  }
  const items: string[] = [];
  let from = 0;
  while (from <= text.length) {
    const comma = indexOutside(text, ",", from);
    const item = text.slice(from, comma < 0 ? undefined : comma).trim();
    if (item !== "") items.push(item);
    if (comma < 0) break;
    from = comma + 1;
  }
  return items;
}

/** A line end inside a value would start a header of somebody's choosing. */
export function oneLine(text: string): string {
  if (!text.includes("\n") && !text.includes("\r")) return text;
  return text.replace(/[\r\n]+[ \t]*/g, " ");
}

export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== 0x22 || !text.endsWith('"')) return text;
  const inner = text.slice(1, -1);
  return inner.includes("\\") ? inner.replace(/\\(.)/gs, "$1") : inner;
}

/** A quoted-string; line ends cannot be quoted (RFC 3261 §25.1) and become blanks. */
export function quote(text: string): string {
  return `"${text.replace(/[\r\n]+/g, " ").replace(/["\\]/g, "\\$&")}"`;
}

/** `;name=value;name` from `from` to the end of the text, blanks allowed around `;` and `=`. */
export function parseParams(text: string, from: number): Params | null {
  const params: Params = [];
  const plain = !text.includes('"', from) && !text.includes("<", from);
  let at = from;
  while (at < text.length && isBlank(text.charCodeAt(at))) at++;
  while (at < text.length) {
    if (text.charCodeAt(at) !== 0x3b) return null;
    const next = plain ? text.indexOf(";", at + 1) : indexOutside(text, ";", at + 1);
    const end = next < 0 ? text.length : next;
    const param = parseParam(text.slice(at + 1, end));
    if (param === null) return null;
    params.push(param);
    at = end;
  }
  return params;
}

function parseParam(text: string): Param | null {
  const equals = text.indexOf("=");
  const name = (equals < 0 ? text : text.slice(0, equals)).trim();
  if (!isToken(name)) return null;
  if (equals < 0) return [name, null];
  const value = text.slice(equals + 1).trim();
  return isParamValue(value) ? [name, value] : null;
}

// gen-value = token / host / quoted-string. Peers put more into a bare value ("/", "?", ":", "@"):
// only what would end the value or the header is refused.
function isParamValue(value: string): boolean {
  if (value.length === 0) return false;
  if (value.charCodeAt(0) === 0x22) return quotedEnd(value, 0) === value.length;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f) return false;
    if (code === 0x22 || code === 0x2c || code === 0x3c || code === 0x3e) return false;
  }
  return true;
}

export function serializeParams(params: Params): string {
  let text = "";
  for (const [name, value] of params) text += value === null ? `;${name}` : `;${name}=${value}`;
  return text;
}

/** The value without its quotes; "" when present without a value; null when absent. */
export function param(params: Params, name: string): string | null {
  for (const [key, value] of params) {
    if (sameName(key, name)) return value === null ? "" : unquote(value);
  }
  return null;
}
