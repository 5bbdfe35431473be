// XML of a recording document to a small tree (RFC 7865 §5.1): namespaces resolved, no document
// type, no entities but the five, bounded in size, depth and number of elements.
import { SaxesParser } from "saxes";

export interface XmlNode {
  /** Without its prefix. */
  name: string;
  namespace: string;
  /** By name as written: `participant_id`, `xml:lang`. */
  attributes: ReadonlyMap<string, string>;
  children: XmlNode[];
  /** Its own text, that of children left out; CDATA counts. */
  text: string;
  line: number;
}

export type TreeResult = { ok: true; root: XmlNode } | { ok: false; reason: string };

/** Recorders answer 413 above this, so a larger one is nothing to send either. */
export const METADATA_MAX_BYTES = 65_536;
const DEPTH_MAX = 16;
const ELEMENTS_MAX = 4096;
const PREDEFINED_ENTITIES = { amp: "&", gt: ">", lt: "<", quot: '"', apos: "'" };

export function readTree(text: string): TreeResult {
  if (text.length > METADATA_MAX_BYTES) {
    return { ok: false, reason: `more than ${METADATA_MAX_BYTES} octets` };
  }
  const parser = new SaxesParser({ xmlns: true });
  // Without a prototype: otherwise "&constructor;" would be found among the entities.
  parser.ENTITIES = Object.assign(Object.create(null), PREDEFINED_ENTITIES);
  const open: XmlNode[] = [];
  let root: XmlNode | null = null;
  let elements = 0;
  let reason: string | null = null;
  const fail = (sentence: string): void => {
    reason ??= `line ${parser.line}: ${sentence}`;
  };
  const addText = (run: string): void => {
    const node = open.at(-1);
    if (node !== undefined) node.text += run;
  };

  parser.on("error", (error) => fail(error.message.replace(/^\d+:\d+: /, "")));
  parser.on("doctype", () => fail("a document type declaration is not allowed"));
  parser.on("opentag", (tag) => {
    const attributes = new Map(
      Object.values(tag.attributes).map((attribute) => [attribute.name, attribute.value]),
    );
    const node: XmlNode = {
      name: tag.local, namespace: tag.uri, attributes, children: [], text: "", line: parser.line,
    };
    open.at(-1)?.children.push(node);
    root ??= node;
    if (open.push(node) > DEPTH_MAX) fail(`elements are nested deeper than ${DEPTH_MAX}`);
    if (++elements > ELEMENTS_MAX) fail(`more than ${ELEMENTS_MAX} elements`);
  });
  parser.on("closetag", () => void open.pop());
  parser.on("text", addText);
  parser.on("cdata", addText);

  parser.write(text);
  if (reason === null) parser.close();
  if (reason !== null) return { ok: false, reason };
  return root === null ? { ok: false, reason: "the document is empty" } : { ok: true, root };
}
