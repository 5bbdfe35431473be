// Snapshots as they are stored and read back: with the machine's name and version, and the TwiML
// document beside them, once. The only file that knows how XState lays a persisted snapshot out.
import type { Verb } from "../protocol/twiml/document.ts";
import { CALL_MACHINE_VERSION } from "./call.machine.ts";

export interface StoredSnapshot {
  machine: "call";
  version: number;
  savedAt: number;
  /** XState's own persisted form. */
  state: object;
}

export interface StoredDocument {
  verbs: Verb[];
}

export type Unpacked = { ok: true; snapshot: object } | { ok: false; reason: string };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** The context of the document's run inside a persisted call, if one runs. */
function twimlContext(state: unknown): Record<string, unknown> | null {
  if (!isObject(state) || !isObject(state["children"])) return null;
  const child = state["children"]["twiml"];
  if (!isObject(child) || !isObject(child["snapshot"])) return null;
  const context = child["snapshot"]["context"];
  return isObject(context) ? context : null;
}

/** Replaces the verbs of the run; everything else is shared: nothing of XState's is changed. */
function withVerbs(state: unknown, verbs: unknown): object {
  if (!isObject(state) || !isObject(state["children"])) return isObject(state) ? state : {};
  const child = state["children"]["twiml"];
  if (!isObject(child) || !isObject(child["snapshot"])) return state;
  const { snapshot } = child;
  const context = isObject(snapshot["context"]) ? { ...snapshot["context"], verbs } : {};
  return {
    ...state,
    children: {
      ...state["children"], twiml: { ...child, snapshot: { ...snapshot, context } },
    },
  };
}

export function packSnapshot(
  persisted: unknown, savedAt: number,
): { stored: StoredSnapshot; document: StoredDocument | null } {
  const context = twimlContext(persisted);
  const verbs = context?.["verbs"];
  const hasDocument = Array.isArray(verbs) && verbs.length > 0;
  return {
    stored: {
      machine: "call", version: CALL_MACHINE_VERSION, savedAt,
      // `null` marks what was taken out: a document without verbs stays where it is.
      state: hasDocument ? withVerbs(persisted, null) : isObject(persisted) ? persisted : {},
    },
    // Checked to be an array just above; its elements came from the parser.
    document: hasDocument ? { verbs: verbs as Verb[] } : null,
  };
}

export function unpackSnapshot(stored: unknown, document: unknown): Unpacked {
  if (!isObject(stored) || stored["machine"] !== "call" || !isObject(stored["state"])) {
    return { ok: false, reason: "not the snapshot of a call" };
  }
  if (stored["version"] !== CALL_MACHINE_VERSION) {
    return { ok: false, reason: `unknown version ${String(stored["version"])}` };
  }
  const context = twimlContext(stored["state"]);
  if (context === null || context["verbs"] !== null) {
    return { ok: true, snapshot: stored["state"] };
  }
  const verbs = isObject(document) ? document["verbs"] : undefined;
  if (!Array.isArray(verbs)) return { ok: false, reason: "its document is missing" };
  return { ok: true, snapshot: withVerbs(stored["state"], verbs) };
}
