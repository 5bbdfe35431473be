// TwiML text to a document: the verbs offered now, and a warning for each thing that is skipped.
// Names and attributes are case sensitive; what is not understood never stops the document.
import { ERRORS } from "../../schemas/error.ts";
import { isWebhookUrl } from "../webhook/url.ts";
import type {
  DialTarget, HttpMethod, Parameter, SiprecStart, TwimlResult, TwimlWarning, Verb,
} from "./document.ts";
import { elementsOf, readXml, textOf, type XmlElement } from "./xml.ts";

export const TWIML_MAX_BYTES = 65_536;
export const TWIML_WARNINGS_MAX = 100;
export const DIAL_TARGETS_MAX = 10;
export const DIAL_TIMEOUT_DEFAULT_SECONDS = 30;
export const DIAL_TIMEOUT_MAX_SECONDS = 600;
export const SIP_URI_MAX_CHARS = 2048;
export const PAUSE_DEFAULT_SECONDS = 1;
export const PAUSE_MAX_SECONDS = 14_400;

/** Twilio's numbers for what a document can have wrong. */
const CODE = {
  tooLarge: ERRORS.TWIML_TOO_LARGE.code, unparsable: ERRORS.TWIML_UNPARSABLE.code,
  badRoot: ERRORS.TWIML_BAD_ROOT.code, schema: ERRORS.TWIML_SCHEMA.code,
  statusCallback: ERRORS.INVALID_STATUS_CALLBACK.code,
  dialTimeout: 13212, dialNumber: 13223, dialSip: 13243, dialTargets: 13226, pauseLength: 13910,
} as const;

/** Twilio's verbs and nouns that this product does not run: named in their warning. */
const NOT_OFFERED = new Set([
  "Say", "Play", "Gather", "Record", "Redirect", "Reject", "Enqueue", "Leave", "Connect", "Queue",
  "Conference", "Client", "Sim", "Application", "WhatsApp", "Stream", "Recording", "Transcription",
  "Sms", "Message", "Pay", "Prompt", "Refer", "Echo",
]);
const OFFERED = [
  "Response", "Start", "Stop", "Siprec", "Parameter", "Dial", "Number", "Sip", "Pause", "Hangup",
];

class Warnings {
  readonly list: TwimlWarning[] = [];

  add(code: number, message: string): void {
    if (this.list.length < TWIML_WARNINGS_MAX) this.list.push({ code, message });
    else if (this.list.length === TWIML_WARNINGS_MAX) {
      this.list.push({ code: CODE.schema, message: "There are more warnings than are listed" });
    }
  }
}

export function parseTwiml(text: string): TwimlResult {
  // A character is at least one byte: the cheap test first.
  if (text.length > TWIML_MAX_BYTES || byteLength(text) > TWIML_MAX_BYTES) {
    const message = `The TwiML document is larger than ${TWIML_MAX_BYTES} bytes`;
    return { ok: false, code: CODE.tooLarge, message };
  }
  const xml = readXml(text);
  if (!xml.ok) {
    return { ok: false, code: CODE.unparsable, message: `Document parse failure: ${xml.reason}` };
  }
  if (xml.root.name !== "Response") {
    const message = `Document root must be <Response>, came <${clip(xml.root.name)}>`;
    return { ok: false, code: CODE.badRoot, message };
  }
  const warnings = new Warnings();
  attributes(xml.root, [], warnings);
  noText(xml.root, warnings);
  const verbs = elementsOf(xml.root).flatMap((element) => readVerb(element, warnings) ?? []);
  return { ok: true, verbs, warnings: warnings.list };
}

function readVerb(element: XmlElement, warnings: Warnings): Verb | null {
  switch (element.name) {
    case "Start": return readStart(element, warnings);
    case "Stop": return readStop(element, warnings);
    case "Dial": return readDial(element, warnings);
    case "Pause": return readPause(element, warnings);
    case "Hangup":
      attributes(element, [], warnings);
      noChildren(element, warnings);
      return { kind: "hangup" };
    default:
      skipped(element, "Response", warnings);
      return null;
  }
}

function readStart(element: XmlElement, warnings: Warnings): Verb {
  attributes(element, [], warnings);
  noText(element, warnings);
  const siprecs = children(element, ["Siprec"], warnings)
    .map((child) => readSiprecStart(child, warnings));
  return { kind: "start", siprecs };
}

function readSiprecStart(element: XmlElement, warnings: Warnings): SiprecStart {
  const given = attributes(
    element,
    ["name", "connectorName", "track", "statusCallback", "statusCallbackMethod"],
    warnings,
  );
  noText(element, warnings);
  return {
    name: given("name"),
    connectorName: given("connectorName"),
    track: given("track"),
    statusCallback: readCallback(element, given("statusCallback"), warnings),
    statusCallbackMethod: readMethod(element, given("statusCallbackMethod"), warnings),
    parameters: children(element, ["Parameter"], warnings)
      .flatMap((child) => readParameter(child, warnings) ?? []),
  };
}

function readParameter(element: XmlElement, warnings: Warnings): Parameter | null {
  const given = attributes(element, ["name", "value"], warnings);
  noChildren(element, warnings);
  const name = given("name");
  if (name !== null) return { name, value: given("value") ?? "" };
  warnings.add(CODE.schema, `${at(element)} has no name: skipped`);
  return null;
}

function readCallback(element: XmlElement, url: string | null, warnings: Warnings): string | null {
  if (url === null || isWebhookUrl(url)) return url;
  warnings.add(CODE.statusCallback, `statusCallback of ${at(element)} is not an absolute URL`);
  return null;
}

function readMethod(
  element: XmlElement, method: string | null, warnings: Warnings,
): HttpMethod | null {
  if (method === null || method === "GET" || method === "POST") return method;
  const came = `came "${clip(method)}"`;
  warnings.add(CODE.schema, `statusCallbackMethod of ${at(element)} must be GET or POST, ${came}`);
  return null;
}

function readStop(element: XmlElement, warnings: Warnings): Verb {
  attributes(element, [], warnings);
  noText(element, warnings);
  const siprecs = children(element, ["Siprec"], warnings).map((child) => {
    const given = attributes(child, ["name"], warnings);
    noChildren(child, warnings);
    return { name: given("name") };
  });
  return { kind: "stop", siprecs };
}

function readDial(element: XmlElement, warnings: Warnings): Verb {
  const given = attributes(element, ["timeout", "callerId"], warnings);
  const nouns = children(element, ["Number", "Sip"], warnings);
  const targets = nouns.flatMap((noun) => readNoun(noun, warnings) ?? []);
  // The text of a Dial that has nouns is white space, or a mistake.
  const text = textOf(element).trim();
  if (text !== "" && nouns.length > 0) noText(element, warnings);
  else if (text !== "") targets.push(...(readNumber(element, warnings) ?? []));
  if (targets.length > DIAL_TARGETS_MAX) {
    const message = `${at(element)} has more than ${DIAL_TARGETS_MAX} targets: the rest is skipped`;
    warnings.add(CODE.dialTargets, message);
  }
  const range = { min: 1, max: DIAL_TIMEOUT_MAX_SECONDS, fallback: DIAL_TIMEOUT_DEFAULT_SECONDS };
  const rule = { ...range, code: CODE.dialTimeout };
  return {
    kind: "dial",
    targets: targets.slice(0, DIAL_TARGETS_MAX),
    timeoutSeconds: readSeconds(element, "timeout", given("timeout"), rule, warnings),
    callerId: given("callerId"),
  };
}

function readNoun(element: XmlElement, warnings: Warnings): DialTarget[] | null {
  attributes(element, [], warnings);
  for (const child of elementsOf(element)) skipped(child, element.name, warnings);
  if (element.name === "Number") return readNumber(element, warnings);
  const uri = textOf(element).trim();
  const plain = uri.length <= SIP_URI_MAX_CHARS && /^sips?:[^\s<>"]+$/i.test(uri);
  if (plain && uri.split("@").length <= 2) return [{ kind: "sip", uri }];
  warnings.add(CODE.dialSip, `${at(element)} does not hold a SIP URI`);
  return null;
}

function readNumber(element: XmlElement, warnings: Warnings): DialTarget[] | null {
  // RFC 3966 §5.1.1: visual separators carry no meaning.
  const number = textOf(element).replace(/[\s().-]/g, "");
  if (/^\+?[0-9*#]{1,32}$/.test(number)) return [{ kind: "number", number }];
  warnings.add(CODE.dialNumber, `${at(element)} does not hold a phone number`);
  return null;
}

function readPause(element: XmlElement, warnings: Warnings): Verb {
  const given = attributes(element, ["length"], warnings);
  noChildren(element, warnings);
  const range = { min: 0, max: PAUSE_MAX_SECONDS, fallback: PAUSE_DEFAULT_SECONDS };
  const rule = { ...range, code: CODE.pauseLength };
  return {
    kind: "pause", lengthSeconds: readSeconds(element, "length", given("length"), rule, warnings),
  };
}

interface SecondsRule { min: number; max: number; fallback: number; code: number }

function readSeconds(
  element: XmlElement, name: string, value: string | null, rule: SecondsRule, warnings: Warnings,
): number {
  if (value === null) return rule.fallback;
  const seconds = /^\d{1,9}$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (seconds >= rule.min && seconds <= rule.max) return seconds;
  const used = seconds > rule.max ? rule.max : rule.fallback;
  const expected = `expects whole seconds, ${rule.min} to ${rule.max}`;
  const came = `came "${clip(value)}": ${used} is used`;
  warnings.add(rule.code, `${name} of ${at(element)} ${expected}, ${came}`);
  return used;
}

/** Reads the attributes that are known; an empty one counts as not given. */
function attributes(
  element: XmlElement, known: readonly string[], warnings: Warnings,
): (name: string) => string | null {
  for (const name of element.attributes.keys()) {
    if (known.includes(name) || /^xml(ns)?(:|$)/.test(name)) continue;
    const meant = known.find((other) => other.toLowerCase() === name.toLowerCase());
    const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    const what = `Attribute ${clip(name)} of ${at(element)} is not known or not offered`;
    warnings.add(CODE.schema, `${what}: ignored${hint}`);
  }
  return (name) => element.attributes.get(name) || null;
}

function children(
  element: XmlElement, known: readonly string[], warnings: Warnings,
): XmlElement[] {
  return elementsOf(element).filter((child) => {
    if (known.includes(child.name)) return true;
    skipped(child, element.name, warnings);
    return false;
  });
}

function noChildren(element: XmlElement, warnings: Warnings): void {
  for (const child of elementsOf(element)) skipped(child, element.name, warnings);
  noText(element, warnings);
}

function noText(element: XmlElement, warnings: Warnings): void {
  if (textOf(element).trim() === "") return;
  warnings.add(CODE.schema, `Text directly inside ${at(element)} is ignored`);
}

function skipped(element: XmlElement, parent: string, warnings: Warnings): void {
  const { name } = element;
  const meant = [...OFFERED, ...NOT_OFFERED].find((n) => n.toLowerCase() === name.toLowerCase());
  const why = NOT_OFFERED.has(name)
    ? "is not offered"
    : OFFERED.includes(name)
    ? `does not belong inside <${parent}>`
    : meant === undefined ? "is not TwiML" : `is not TwiML (names are case sensitive: <${meant}>)`;
  warnings.add(CODE.schema, `${at(element)} ${why}: skipped`);
}

const at = (element: XmlElement): string => `<${clip(element.name)}> on line ${element.line}`;
const clip = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
const byteLength = (text: string): number => new TextEncoder().encode(text).length;
