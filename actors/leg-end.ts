// How a leg ends from our side: BYE, CANCEL, or a refusal (RFC 3261 §9, §15). Pure steps of the
// call's context.
import { nextHopFlow, requestInDialog } from "../protocol/sip/dialog.ts";
import { bye, BYE_ID, refuse, refuseAgain } from "./leg.ts";
import { clientStep } from "./leg-uac.ts";
import type { CallContext, CallStep } from "./call-types.ts";

/** Ends the leg from our side: BYE, CANCEL, or a refusal, whichever its state asks for. */
export function endLeg(context: CallContext, at: number): CallStep {
  const { leg } = context;
  if (leg.over) return {};
  if (leg.role === "uas" && !leg.answered) return refuse(context, context.endSipStatus);
  if (!leg.answered) {
    if (leg.client === null) return { context: { leg: { ...leg, over: true } } };
    return clientStep(context, { type: "cancel" }, at);
  }
  // §15: the callee must not send BYE before its 2xx has been acknowledged.
  return leg.acked ? sendBye(context) : {};
}

/** Once: whoever asks again finds the dialog terminated. */
export function sendBye(context: CallContext): CallStep {
  const { leg } = context;
  if (leg.dialog === null) return { context: { leg: { ...leg, over: true } } };
  if (leg.dialog.state === "terminated") return { context: { leg } };
  const { dialog, request } = requestInDialog(leg.dialog, "BYE");
  const sent = { ...leg, dialog: { ...dialog, state: "terminated" as const } };
  return {
    context: { leg: sent },
    send: [bye(BYE_ID, request, nextHopFlow(leg.dialog))],
  };
}

/** RFC 3261 §13.3.1.4, §14.2: a 2xx that is never acknowledged ends in BYE. */
export function unacknowledged(context: CallContext, at: number): CallStep {
  const acked = { ...context, leg: { ...context.leg, acked: true } };
  const step = sendBye(acked);
  // To a re-INVITE: they have talked.
  const status = context.leg.acked ? "completed" : "failed";
  return { ...step, raise: [{ type: "leg.ended", status, at }] };
}

/**
 * A call that was ending when another process took it over: what is answered to the old one's BYE
 * or CANCEL, nobody hears. BYE goes again, with a number of its own; an INVITE ends by its timers.
 */
export function endLegAgain(context: CallContext): CallStep {
  const { leg } = context;
  if (leg.over) return {};
  if (leg.role === "uas" && !leg.answered) return refuseAgain(context, context.endSipStatus);
  if (!leg.answered || leg.dialog === null) return { context: { leg: { ...leg, over: true } } };
  const dialog = { ...leg.dialog, state: "confirmed" as const };
  return sendBye({ ...context, leg: { ...leg, dialog, acked: true } });
}
