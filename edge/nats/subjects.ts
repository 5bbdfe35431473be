// The subjects of the product (docs/ARCHITECTURE.md, "NATS"). Every part of a subject is checked:
// a wildcard or a dot in a name from outside would reach somebody else's subject.

export const SUBJECT_PREFIX = "siprec.v1";
const TOKEN = /^[A-Za-z0-9_+-]{1,64}$/;

export const isSubjectToken = (text: string): boolean => TOKEN.test(text);

/** Names were checked before a subject is made of them: anything else here is our bug. */
function subject(...tokens: string[]): string {
  for (const token of tokens) {
    if (!isSubjectToken(token)) throw new Error("a subject is made of checked names only");
  }
  return `${SUBJECT_PREFIX}.${tokens.join(".")}`;
}

/** `siprec.v1.call.<CallSid>`: the owner of that call serves all verbs below it. */
export const callPrefix = (callSid: string): string => subject("call", callSid);
export const callSubject = (callSid: string, verb: string): string =>
  subject("call", callSid, ...verb.split("."));

/** `siprec.v1.edge.<edge>`: the active control process of that edge. */
export const edgePrefix = (edge: string): string => subject("edge", edge);
export const edgeSubject = (edge: string, verb: string): string =>
  subject("edge", edge, ...verb.split("."));

/** `siprec.v1.media.<edge>.<id>`: one media process. */
export const mediaPrefix = (edge: string, id: string): string => subject("media", edge, id);
export const mediaSubject = (
  edge: string, id: string, verb: "apply" | "stats" | "hello",
): string => subject("media", edge, id, verb);
/** Each media process of the edge says hello here once a second. */
export const mediaHelloSubject = (edge: string): string => subject("media", edge, "hello");

/** Live events, for watchers only. */
export const eventSubject = (
  edge: string, accountSid: string, callSid: string, ...more: string[]
): string => subject("event", edge, accountSid, callSid, ...more);

/** The alerts of an edge, kept in its own NATS stream. */
export const alertSubject = (edge: string, accountSid: string): string =>
  subject("alert", edge, accountSid);
export const alertSubjects = (edge: string): string => `${subject("alert", edge)}.*`;
