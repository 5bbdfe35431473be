// XML text to a small tree, for TwiML only: no DTD, the five predefined entities, bounded depth.
import { SaxesParser } from "saxes";

export interface XmlElement {
  name: string;
  attributes: ReadonlyMap<string, string>;
  /** Elements and runs of text in document order; CDATA counts as text. */
  children: (XmlElement | string)[];
  line: number;
}

export type XmlResult = { ok: true; root: XmlElement } | { ok: false; reason: string };

export const XML_DEPTH_MAX = 32;
const PREDEFINED_ENTITIES = { amp: "&", gt: ">", lt: "<", quot: '"', apos: "'" };

export function readXml(text: string): XmlResult {
  const parser = new SaxesParser();
  // The parser's own table inherits from Object.prototype: "&constructor;" would be found in it.
  parser.ENTITIES = Object.assign(Object.create(null), PREDEFINED_ENTITIES);
  const open: XmlElement[] = [];
  let root: XmlElement | null = null;
  let reason: string | null = null;
  const fail = (sentence: string): void => {
    reason ??= `line ${parser.line}: ${sentence}`;
  };
  const addText = (run: string): void => void open.at(-1)?.children.push(run);

  parser.on("error", (error) => fail(error.message.replace(/^\d+:\d+: /, "")));
  // A document type can define entities that grow without bound, and TwiML has no use for one.
  parser.on("doctype", () => fail("a document type declaration is not allowed"));
  parser.on("opentag", (tag) => {
    const attributes = new Map(Object.entries(tag.attributes));
    const element: XmlElement = { name: tag.name, attributes, children: [], line: parser.line };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
    if (open.length > XML_DEPTH_MAX) fail(`elements are nested deeper than ${XML_DEPTH_MAX}`);
  });
  parser.on("closetag", () => void open.pop());
  parser.on("text", addText);
  parser.on("cdata", addText);

  parser.write(text);
  if (reason === null) parser.close();
  if (reason !== null) return { ok: false, reason };
  return root === null ? { ok: false, reason: "the document is empty" } : { ok: true, root };
}

/** The element's own text, children's text left out. */
export const textOf = (element: XmlElement): string =>
  element.children.filter((child) => typeof child === "string").join("");

export const elementsOf = (element: XmlElement): XmlElement[] =>
  element.children.filter((child) => typeof child !== "string");
