// The `calls` port: a call asks for another one, and the two tell each other how it goes.
import { fromCallback } from "xstate";
import type { CallsCommand, CallsPortInput, RelationEvent } from "../../actors/ports.ts";
import type { Clock } from "../runtime/types.ts";

export type Originate = Extract<CallsCommand, { type: "call.originate" }>;

export type OriginateResult =
  | { ok: true; childSid: string }
  | { ok: false; code: number; message: string };

export interface CallsPortOptions {
  clock: Clock;
  originate(parent: CallsPortInput, command: Originate): OriginateResult;
  /** To a call of this edge or of another; retried by its owner's rules. */
  tell(callSid: string, event: RelationEvent): void;
}

export const callsOf = (options: CallsPortOptions) =>
  fromCallback<CallsCommand, CallsPortInput>(({ input, sendBack, receive }) => {
    receive((command) => {
      if (command.type === "call.tell") return options.tell(command.callSid, command.event);
      const result = options.originate(input, command);
      const at = options.clock.wallMs();
      sendBack(result.ok
        ? { type: "child.created", childSid: result.childSid, at }
        : { type: "child.refused", code: result.code, message: result.message, at });
    });
  });
