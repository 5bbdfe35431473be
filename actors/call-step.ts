// Joining what several parts of a call's transition want done.
import type { CallContext, CallStep } from "./call-types.ts";

/** Joins the lists of steps; contexts are the caller's to join. */
export function joinCallSteps(...steps: CallStep[]): CallStep {
  return {
    context: Object.assign({}, ...steps.map((s) => s.context ?? {})) as Partial<CallContext>,
    send: steps.flatMap((s) => s.send ?? []),
    calls: steps.flatMap((s) => s.calls ?? []),
    sessions: steps.flatMap((s) => s.sessions ?? []),
    spawn: steps.flatMap((s) => s.spawn ?? []),
    twiml: steps.flatMap((s) => s.twiml ?? []),
    alerts: steps.flatMap((s) => s.alerts ?? []),
    raise: steps.flatMap((s) => s.raise ?? []),
    media: steps.some((s) => s.media === true),
  };
}
