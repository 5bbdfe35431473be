// A state's value as one dotted text: `in-progress.talking`.
import type { StateValue } from "xstate";

export function stateText(value: StateValue): string {
  if (typeof value === "string") return value;
  const [entry] = Object.entries(value);
  if (entry === undefined) return "";
  const [name, inner] = entry;
  return inner === undefined ? name : `${name}.${stateText(inner)}`;
}
