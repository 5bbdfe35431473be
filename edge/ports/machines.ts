// The machines with their ports: the only place where pure and real meet.
import { callbackMachine } from "../../actors/callback.machine.ts";
import { callMachine } from "../../actors/call.machine.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { twimlMachine } from "../../actors/twiml.machine.ts";
import type { Clock } from "../runtime/types.ts";
import { callsOf, type CallsPortOptions } from "./calls.ts";
import { deadlineOf } from "./deadline.ts";
import { deliverOf, type DeliverPortOptions } from "./deliver.ts";
import { documentOf, type DocumentPortOptions } from "./document.ts";
import { mediaOf, type MediaPortOptions } from "./media.ts";
import { prepareOf, type PrepareOptions } from "./prepare.ts";
import { sipOf, type SipPortOptions } from "./sip.ts";

export interface PortOptions {
  clock: Clock;
  sip: SipPortOptions;
  media: MediaPortOptions;
  calls: CallsPortOptions;
  document: DocumentPortOptions;
  prepare: PrepareOptions;
}

/** The call machine, its sessions and its document with everything they ask for. */
export function providedCall(options: PortOptions): typeof callMachine {
  const deadline = deadlineOf(options.clock);
  const sip = sipOf(options.sip);
  return callMachine.provide({
    actors: {
      deadline,
      sip,
      media: mediaOf(options.media),
      calls: callsOf(options.calls),
      siprec: siprecMachine.provide({ actors: { deadline, sip } }),
      twiml: twimlMachine.provide({
        actors: {
          deadline,
          document: documentOf(options.document),
          prepare: prepareOf(options.prepare),
        },
      }),
    },
  });
}

export const providedCallback = (
  options: DeliverPortOptions,
): typeof callbackMachine =>
  callbackMachine.provide({
    actors: { deliver: deliverOf(options), deadline: deadlineOf(options.clock) },
  });
