// The schema of recording metadata (RFC 7865 §11) as a table, and what a document does against it.
import type { XmlNode } from "./tree.ts";

interface ChildRule {
  name: string;
  /** Most that may stand; any number when it is not said. */
  max?: number;
  min?: number;
}

interface ElementRule {
  attributes: readonly { name: string; type: TextType; required: boolean }[];
  /** In the order in which they must stand; then elements of other namespaces if `open`. */
  children: readonly ChildRule[];
  open: boolean;
  text?: TextType;
}

type TextType = "any" | "id" | "time" | "mode" | "short";

const TIMES: readonly ChildRule[] = [
  { name: "associate-time", max: 1 }, { name: "disassociate-time", max: 1 },
];
const id = (name: string, required = true): ElementRule["attributes"][number] =>
  ({ name, type: "id", required });
const optional = (name: string): ElementRule["attributes"][number] =>
  ({ name, type: "any", required: false });
const leaf = (text: TextType, attributes: ElementRule["attributes"] = []): ElementRule =>
  ({ attributes, children: [], open: false, text });
const association = (...names: string[]): ElementRule =>
  ({ attributes: names.map((name) => id(name)), children: TIMES, open: true });

const RULES: Readonly<Record<string, ElementRule>> = {
  recording: {
    attributes: [], open: true,
    children: [
      { name: "datamode", max: 1 }, { name: "group" }, { name: "session" },
      { name: "participant" }, { name: "stream" }, { name: "sessionrecordingassoc" },
      { name: "participantsessionassoc" }, { name: "participantstreamassoc" },
    ],
  },
  group: association("group_id"),
  session: {
    attributes: [id("session_id")], open: true,
    children: [
      { name: "sipSessionID" }, { name: "reason" }, { name: "group-ref", max: 1 },
      { name: "start-time", max: 1 }, { name: "stop-time", max: 1 },
    ],
  },
  participant: {
    attributes: [id("participant_id")], open: true, children: [{ name: "nameID", min: 1 }],
  },
  nameID: {
    attributes: [{ name: "aor", type: "any", required: true }], open: false,
    children: [{ name: "name", max: 1 }],
  },
  stream: {
    attributes: [id("stream_id"), id("session_id", false)], open: true,
    children: [{ name: "label", max: 1 }],
  },
  sessionrecordingassoc: association("session_id"),
  participantsessionassoc: {
    ...association("participant_id", "session_id"), children: [...TIMES, { name: "param" }],
  },
  participantstreamassoc: {
    ...association("participant_id"), children: [{ name: "send" }, { name: "recv" }, ...TIMES],
  },
  param: {
    attributes: ["pname", "pval"].map((name) => ({ name, type: "any", required: true })),
    children: [], open: false,
  },
  requestsnapshot: {
    attributes: [], open: true, children: [{ name: "requestreason", max: 1 }],
  },
  datamode: leaf("mode"),
  sipSessionID: leaf("any"),
  reason: leaf("any", [{ name: "cause", type: "short", required: true }, optional("protocol")]),
  "group-ref": leaf("id"),
  "start-time": leaf("time"),
  "stop-time": leaf("time"),
  "associate-time": leaf("time"),
  "disassociate-time": leaf("time"),
  name: leaf("any", [optional("xml:lang")]),
  requestreason: leaf("any", [optional("xml:lang")]),
  label: leaf("any"),
  send: leaf("id"),
  recv: leaf("id"),
};

/** What is looked at before more is not worth the reading. */
const PROBLEMS_MAX = 50;

/** Everything in the document that the schema refuses, with its line; empty when it is valid. */
export function schemaProblems(root: XmlNode): string[] {
  const problems: string[] = [];
  check(root, root.namespace, problems);
  return problems.slice(0, PROBLEMS_MAX);
}

function check(node: XmlNode, namespace: string, problems: string[]): void {
  const rule = Object.hasOwn(RULES, node.name) ? RULES[node.name] : undefined;
  if (rule === undefined || problems.length >= PROBLEMS_MAX) return;
  const report = (sentence: string, at: XmlNode = node): void =>
    void problems.push(`line ${at.line}: ${sentence}`);
  checkAttributes(node, rule, report);
  if (rule.text !== undefined && !fits(node.text, rule.text)) {
    report(`<${node.name}> is not ${DESCRIPTIONS[rule.text]}`);
  }
  checkChildren(node, rule, namespace, report);
  for (const child of node.children) {
    if (child.namespace === namespace) check(child, namespace, problems);
  }
}

type Report = (sentence: string, at?: XmlNode) => void;

function checkAttributes(node: XmlNode, rule: ElementRule, report: Report): void {
  for (const { name, type, required } of rule.attributes) {
    const value = node.attributes.get(name);
    if (value === undefined) {
      if (required) report(`<${node.name}> has no ${name}`);
    } else if (!fits(value, type)) report(`${name} is not ${DESCRIPTIONS[type]}`);
  }
  for (const name of node.attributes.keys()) {
    const known = name === "xmlns" || name.startsWith("xmlns:") || name.startsWith("xsi:") ||
      rule.attributes.some((attribute) => attribute.name === name);
    if (!known) report(`<${node.name}> has an unknown attribute ${name}`);
  }
}

function checkChildren(
  node: XmlNode, rule: ElementRule, namespace: string, report: Report,
): void {
  const counts = new Map<string, number>();
  let place = 0;
  for (const child of node.children) {
    const foreign = child.namespace !== namespace;
    if (foreign && !(rule.open && child.namespace !== "")) {
      report(`<${child.name}> of another namespace is not allowed in <${node.name}>`, child);
    }
    const at = foreign ? rule.children.length
      : rule.children.findIndex((one) => one.name === child.name);
    if (at < 0) report(`<${child.name}> is not known in <${node.name}>`, child);
    else if (at < place) report(`<${child.name}> stands too late in <${node.name}>`, child);
    else place = at;
    counts.set(child.name, (counts.get(child.name) ?? 0) + (foreign ? 0 : 1));
  }
  for (const { name, min = 0, max = Infinity } of rule.children) {
    const count = counts.get(name) ?? 0;
    if (count < min) report(`<${node.name}> has no <${name}>`);
    if (count > max) report(`<${node.name}> has more than one <${name}>`);
  }
}

const DESCRIPTIONS: Readonly<Record<TextType, string>> = {
  any: "text", id: "base64", mode: "complete or partial",
  time: "an RFC 3339 time with its zone", short: "a number from -32768 to 32767",
};

function fits(text: string, type: TextType): boolean {
  switch (type) {
    case "any": return true;
    case "id": return isBase64(text);
    case "time": return parseTime(text) !== null;
    case "mode": return text === "complete" || text === "partial";
    case "short": return /^\s*[+-]?\d{1,5}\s*$/.test(text) && Math.abs(Number(text)) <= 32_767;
    default: return type satisfies never;
  }
}

/** xs:base64Binary, which lets blanks stand. */
function isBase64(text: string): boolean {
  const digits = text.replace(/\s/g, "");
  return digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** An RFC 3339 time as epoch milliseconds; null for anything else, also without a zone. */
export function parseTime(text: string): number | null {
  const value = text.trim();
  const at = TIME.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
