// Recording documents read back into the model (RFC 7865): for the recorder's side, and to check
// our own. Faults are named, and read around where that is possible.
import {
  METADATA_NAMESPACE, type MetadataReason, type MetadataSession, PARAMETERS_NAMESPACE,
  type RecordingMetadata,
} from "./metadata.ts";
import { parseTime, schemaProblems } from "./schema.ts";
import { readTree, type XmlNode } from "./tree.ts";

export type MetadataResult =
  /** `problems`: what the schema refuses; a strict recorder takes only documents without any. */
  | { ok: true; metadata: RecordingMetadata; problems: string[] }
  | { ok: false; reason: string };

export type SnapshotRequestResult =
  | { ok: true; reason: string | null }
  | { ok: false; reason: string };

export function readMetadata(xml: string): MetadataResult {
  const tree = readTree(xml);
  if (!tree.ok) return tree;
  const { root } = tree;
  if (root.name !== "recording") return { ok: false, reason: "the root is not <recording>" };
  const problems = schemaProblems(root);
  // Drafts of the RFC had other namespaces: their documents are read, as far as they are alike.
  if (root.namespace !== METADATA_NAMESPACE) problems.unshift(`not in ${METADATA_NAMESPACE}`);
  return { ok: true, metadata: metadataOf(root), problems };
}

/** RFC 7865 §7: what an SRS sends when it has lost its state. */
export function readSnapshotRequest(xml: string): SnapshotRequestResult {
  const tree = readTree(xml);
  if (!tree.ok) return tree;
  const { root } = tree;
  if (root.name !== "requestsnapshot") {
    return { ok: false, reason: "the root is not <requestsnapshot>" };
  }
  return { ok: true, reason: textOf(root, "requestreason") };
}

function metadataOf(root: XmlNode): RecordingMetadata {
  const all = (name: string): XmlNode[] => childrenOf(root, name);
  return {
    dataMode: textOf(root, "datamode") === "partial" ? "partial" : "complete",
    groups: all("group").map((node) => ({ id: idOf(node, "group_id"), ...timesOf(node) })),
    sessions: all("session").map(sessionOf),
    participants: all("participant").map((node) => ({
      id: idOf(node, "participant_id"),
      names: childrenOf(node, "nameID").map((name) => ({
        aor: name.attributes.get("aor") ?? "", name: textOf(name, "name"),
      })),
    })),
    streams: all("stream").map((node) => ({
      id: idOf(node, "stream_id"),
      sessionId: node.attributes.get("session_id")?.trim() ?? null,
      label: textOf(node, "label"),
    })),
    sessionRecordings: all("sessionrecordingassoc").map((node) => ({
      sessionId: idOf(node, "session_id"), ...timesOf(node),
    })),
    participantSessions: all("participantsessionassoc").map((node) => ({
      participantId: idOf(node, "participant_id"), sessionId: idOf(node, "session_id"),
      ...timesOf(node),
    })),
    participantStreams: all("participantstreamassoc").map((node) => ({
      participantId: idOf(node, "participant_id"),
      sends: childrenOf(node, "send").map((child) => child.text.trim()),
      receives: childrenOf(node, "recv").map((child) => child.text.trim()),
      ...timesOf(node),
    })),
  };
}

const sessionOf = (node: XmlNode): MetadataSession => ({
  id: idOf(node, "session_id"),
  sipSessionIds: childrenOf(node, "sipSessionID").map((child) => child.text.trim()),
  reasons: childrenOf(node, "reason").map(reasonOf),
  groupId: textOf(node, "group-ref"),
  startedAt: timeOf(node, "start-time"),
  stoppedAt: timeOf(node, "stop-time"),
  parameters: node.children
    .filter((child) => child.name === "parameters" && child.namespace === PARAMETERS_NAMESPACE)
    .flatMap((child) => childrenOf(child, "parameter"))
    .map((child) => ({
      name: child.attributes.get("name") ?? "", value: child.attributes.get("value") ?? "",
    })),
});

const reasonOf = (node: XmlNode): MetadataReason => ({
  cause: Number.parseInt(node.attributes.get("cause") ?? "", 10) || 0,
  protocol: node.attributes.get("protocol") ?? "SIP",
  text: node.text,
});

const childrenOf = (node: XmlNode, name: string): XmlNode[] =>
  node.children.filter((child) => child.name === name && child.namespace === node.namespace);

const idOf = (node: XmlNode, attribute: string): string =>
  node.attributes.get(attribute)?.trim() ?? "";

const textOf = (node: XmlNode, name: string): string | null =>
  childrenOf(node, name)[0]?.text.trim() ?? null;

function timeOf(node: XmlNode, name: string): number | null {
  const text = textOf(node, name);
  return text === null ? null : parseTime(text);
}

const timesOf = (
  node: XmlNode,
): { associatedAt: number | null; disassociatedAt: number | null } => ({
  associatedAt: timeOf(node, "associate-time"),
  disassociatedAt: timeOf(node, "disassociate-time"),
});
