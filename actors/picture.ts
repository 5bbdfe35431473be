// A machine as a picture for people: Mermaid's stateDiagram-v2, and a table of its states below.
// Pure: read from the machine's constant by XState's own graph, so it can't say anything else.
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { type DirectedGraphNode, toDirectedGraph } from "xstate/graph";

export interface PictureOptions {
  title: string;
  /** Events that the machine raises for itself: they are drawn in parentheses. */
  isRaised(eventType: string): boolean;
}

type Transition = DirectedGraphNode["edges"][number]["transition"];

const INDENT = "    ";
/** Events that one line of an arrow's label holds. */
const EVENTS_A_LINE_MAX = 2;

/** The whole page: diagram, legend, and what each state is. */
export function picture(machine: AnyStateMachine, options: PictureOptions): string {
  const root = toDirectedGraph(machine);
  return [
    `# ${options.title}`, "", "```mermaid", diagram(root, options), "```", "",
    "On the arrows: events; (events in parentheses) are raised by a step of the machine itself; " +
    "[guards] in brackets, alone where no event is waited for.", "",
    ...everywhere(root, options), ...stateTable(root, options), "",
  ].join("\n");
}

function diagram(root: DirectedGraphNode, options: PictureOptions): string {
  return [
    "stateDiagram-v2",
    ...stateLines(root, 1),
    ...arrows(allNodes(root).filter((node) => node !== root), options),
  ].join("\n");
}

const allNodes = (node: DirectedGraphNode): DirectedGraphNode[] =>
  [node, ...node.children.flatMap(allNodes)];

/** Mermaid takes a hyphen in a name for the start of an arrow. */
const idOf = (state: AnyStateNode): string => state.path.join("_").replaceAll("-", "_");

function stateLines(node: DirectedGraphNode, depth: number): string[] {
  const pad = INDENT.repeat(depth);
  const lines: string[] = [];
  const first = node.stateNode.initial.target[0];
  if (first !== undefined) lines.push(`${pad}[*] --> ${idOf(first)}`);
  for (const child of node.children) {
    const { stateNode } = child;
    const name = `state "${stateNode.key}" as ${idOf(stateNode)}`;
    if (child.children.length === 0) lines.push(`${pad}${name}`);
    else lines.push(`${pad}${name} {`, ...stateLines(child, depth + 1), `${pad}}`);
    if (stateNode.type === "final") lines.push(`${pad}${idOf(stateNode)} --> [*]`);
  }
  return lines;
}

/** One arrow from a state to another, whatever leads there. */
function arrows(nodes: readonly DirectedGraphNode[], options: PictureOptions): string[] {
  const labels = new Map<string, string[]>();
  for (const transition of nodes.flatMap(transitionsOf)) {
    for (const target of transition.target ?? []) {
      const arrow = `${idOf(transition.source)} --> ${idOf(target)}`;
      const label = labelOf(transition, options);
      const known = labels.get(arrow) ?? [];
      labels.set(arrow, known.includes(label) ? known : [...known, label]);
    }
  }
  return [...labels].map(([arrow, texts]) => `${INDENT}${arrow} : ${wrapped(texts)}`);
}

/** Those of events, and those that wait for none (`always`), which the graph leaves out. */
const transitionsOf = (node: DirectedGraphNode): Transition[] =>
  [...node.edges.map(({ transition }) => transition), ...node.stateNode.always ?? []];

const hasTarget = (transition: Transition): boolean => transition.target !== undefined;

function wrapped(texts: readonly string[]): string {
  const lines: string[] = [];
  for (let from = 0; from < texts.length; from += EVENTS_A_LINE_MAX) {
    lines.push(texts.slice(from, from + EVENTS_A_LINE_MAX).join(", "));
  }
  return lines.join("<br/>");
}

function labelOf({ eventType, guard: condition }: Transition, options: PictureOptions): string {
  const guard = guardText(condition);
  const event = eventType === "" ? "" : eventText(eventType, options);
  const label = [event, guard].filter((part) => part !== "").join(" ");
  return label === "" ? "at once" : label;
}

function eventText(eventType: string, options: PictureOptions): string {
  const ended = /^xstate\.(done|error)\.actor\.(.+)$/.exec(eventType);
  if (ended !== null) {
    const who = ended[2] === "*" ? "a child" : ended[2];
    return ended[1] === "done" ? `${who} is done` : `${who} fails`;
  }
  return options.isRaised(eventType) ? `(${eventType})` : eventType;
}

function guardText(guard: unknown): string {
  if (guard === undefined) return "";
  if (typeof guard === "string") return `[${guard}]`;
  if (typeof guard !== "object" || guard === null || !("type" in guard)) return "[condition]";
  const params = "params" in guard && typeof guard.params === "object" && guard.params !== null
    ? Object.values(guard.params).map((value) => ` ${String(value)}`).join("") : "";
  return `[${String(guard.type)}${params}]`;
}

/** What the machine takes in every state: no arrows, or the picture would be full of them. */
function everywhere(root: DirectedGraphNode, options: PictureOptions): string[] {
  const stays = staying(root, options);
  const leaves = transitionsOf(root).flatMap((transition) =>
    (transition.target ?? []).map((target) =>
      `- ${labelOf(transition, options)}: to ${target.path.join(".")}`
    )
  );
  return [
    ...(stays === "" ? [] : [`In every state it also takes: ${stays}.`, ""]),
    ...(leaves.length === 0 ? [] : ["From every state:", "", ...leaves, ""]),
  ];
}

const hasActions = (transition: Transition): boolean => transition.actions.length > 0;

/** Events that do something without a change of state. */
const staying = (node: DirectedGraphNode, options: PictureOptions): string =>
  unique(transitionsOf(node).filter((one) => !hasTarget(one) && hasActions(one))
    .map((one) => labelOf(one, options)));

/** Events that would mean something elsewhere, and mean nothing here. */
const ignoring = (node: DirectedGraphNode, options: PictureOptions): string =>
  unique(transitionsOf(node).filter((one) => !hasTarget(one) && !hasActions(one))
    .filter(({ eventType }) => eventType !== "*" && !eventType.startsWith("xstate."))
    .map((one) => labelOf(one, options)));

const unique = (texts: readonly string[]): string => [...new Set(texts)].join(", ");

function stateTable(root: DirectedGraphNode, options: PictureOptions): string[] {
  const rows = allNodes(root).filter((node) => node !== root).map((node) => {
    const { stateNode } = node;
    const name = `\`${stateNode.path.join(".")}\``;
    const cells = [name, stateNode.description ?? "", staying(node, options),
      ignoring(node, options)];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return [
    "| state | what it is | takes and stays | ignores |", "| --- | --- | --- | --- |", ...rows,
  ];
}
