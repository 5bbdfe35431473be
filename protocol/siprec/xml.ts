// XML as we write it (XML 1.0): UTF-8, escaped, without the characters that XML can't hold.

export interface XmlElement {
  name: string;
  attributes: readonly (readonly [name: string, value: string])[];
  /** Either elements or one text. */
  children: readonly XmlElement[] | string;
}

/** null and undefined children are left out, so that optional ones can stand in a list. */
export function element(
  name: string, attributes: Readonly<Record<string, string | null>>,
  children: readonly (XmlElement | null)[] | string = [],
): XmlElement {
  return {
    name,
    attributes: Object.entries(attributes).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const]
    ),
    children: typeof children === "string"
      ? children : children.filter((child) => child !== null),
  };
}

export const serializeXml = (root: XmlElement): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${elementText(root, "")}`;

function elementText(node: XmlElement, indent: string): string {
  const attributes = node.attributes.map(([name, value]) => ` ${name}="${escaped(value)}"`);
  const start = `${indent}<${node.name}${attributes.join("")}`;
  if (typeof node.children === "string") {
    return `${start}>${escaped(node.children)}</${node.name}>\n`;
  }
  if (node.children.length === 0) return `${start}/>\n`;
  const inner = node.children.map((child) => elementText(child, `${indent}  `)).join("");
  return `${start}>\n${inner}${indent}</${node.name}>\n`;
}

const REFERENCES: Readonly<Record<string, string>> = {
  "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;",
  // A parser turns these into blanks in attributes, and CR into LF in text.
  "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
};

const escaped = (text: string): string =>
  xmlCharacters(text).replace(/[&<>"'\t\n\r]/g, (character) => REFERENCES[character] ?? "");

/**
 * XML 1.0 §2.2: control characters, U+FFFE and U+FFFF can't be written at all; half a
 * character becomes U+FFFD.
 */
export const xmlCharacters = (text: string): string =>
  text.toWellFormed().replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "");
