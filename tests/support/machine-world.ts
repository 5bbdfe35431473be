// A call machine with ports that only write down what is asked of them: a test plays the world.
import { type Actor, createActor, fromCallback, fromPromise, type Snapshot } from "xstate";
import { callMachine } from "../../actors/call.machine.ts";
import { siprecMachine } from "../../actors/siprec.machine.ts";
import { twimlMachine } from "../../actors/twiml.machine.ts";
import type { CallAlert, CallContext, CallInput } from "../../actors/call-types.ts";
import type {
  CallsCommand, CallsPortInput, DocumentRequest, MediaCommand, MediaPortInput, SipCommand,
  SipFact, SipPortInput, SiprecOrder,
} from "../../actors/ports.ts";
import type { SiprecContext } from "../../actors/siprec-types.ts";
import { stateText } from "../../actors/state-text.ts";
import type { SiprecStart, TwimlResult } from "../../protocol/twiml/document.ts";

type Command<T extends SipCommand["type"]> = Extract<SipCommand, { type: T }>;

/** The `sip` port of a leg (`leg`) or of a session (its SiprecSid). */
export interface SipPort {
  tell(fact: SipFact): void;
}

export interface Said {
  who: string;
  command: SipCommand;
}

export class MachineWorld {
  readonly said: Said[] = [];
  readonly calls: CallsCommand[] = [];
  readonly orders: MediaCommand["order"][] = [];
  readonly alerts: CallAlert[] = [];
  readonly deadlines = new Set<{ at: number; fire: () => void }>();
  readonly ports = new Map<string, SipPort>();
  at = 1_700_000_000_000;
  actor: Actor<typeof callMachine>;
  /** What the `prepare` port gives. */
  orderOf: (start: SiprecStart) => SiprecOrder = () => {
    throw new Error("this test prepares nothing");
  };
  /** What the `document` port gives. */
  document: TwimlResult = { ok: false, code: 11200, message: "none" };

  constructor(input: CallInput) {
    this.actor = this.#watched(createActor(this.#machine(), { input }));
    this.actor.start();
  }

  get context(): CallContext {
    return this.actor.getSnapshot().context;
  }

  get state(): string {
    return stateText(this.actor.getSnapshot().value);
  }

  /** A later moment: no two events happen at the same time. */
  tick(ms = 10): number {
    this.at += ms;
    return this.at;
  }

  /** Contexts of the sessions that are not over, by SiprecSid. */
  sessions(): Map<string, { state: string; context: SiprecContext }> {
    const found = new Map<string, { state: string; context: SiprecContext }>();
    for (const [id, child] of Object.entries(this.actor.getSnapshot().children)) {
      if (!id.startsWith("SR") || child === undefined) continue;
      // Only siprec machines are spawned under a SiprecSid.
      const snapshot = child.getSnapshot() as ReturnType<
        Actor<typeof siprecMachine>["getSnapshot"]
      >;
      if (snapshot.status !== "active") continue;
      found.set(id, { state: stateText(snapshot.value), context: snapshot.context });
    }
    return found;
  }

  sent<T extends SipCommand["type"]>(who: string, type: T): Command<T>[] {
    return this.said.filter((one) => one.who === who)
      // The type is compared: what is left is of that kind.
      .flatMap(({ command }) => command.type === type ? [command as Command<T>] : []);
  }

  persisted(): unknown {
    return this.actor.getPersistedSnapshot();
  }

  /** Another process takes the call over: the ports of the old one are gone. */
  restore(snapshot: object, told = true): void {
    this.deadlines.clear();
    this.ports.clear();
    // As the host does: XState wants an input beside a snapshot, and does not look at it.
    const options = { snapshot: snapshot as Snapshot<unknown> } as
      { snapshot: Snapshot<unknown>; input: CallInput };
    this.actor = this.#watched(createActor(this.#machine(), options));
    this.actor.start();
    if (told) this.actor.send({ type: "restored", at: this.tick() });
  }

  #watched(actor: Actor<typeof callMachine>): Actor<typeof callMachine> {
    actor.on("alert", (alert) => this.alerts.push(alert));
    return actor;
  }

  #machine(): typeof callMachine {
    const deadline = fromCallback<{ type: "none" }, { at: number }>(({ input, sendBack }) => {
      if (input.at > 8e15) return;
      const entry = {
        at: input.at,
        fire: () => {
          this.deadlines.delete(entry);
          this.at = Math.max(this.at + 1, input.at);
          sendBack({ type: "deadline", at: this.at });
        },
      };
      this.deadlines.add(entry);
      return () => void this.deadlines.delete(entry);
    });
    const sip = fromCallback<SipCommand, SipPortInput>(({ input, sendBack, receive }) => {
      const who = input.siprecSid ?? "leg";
      const port: SipPort = { tell: sendBack };
      this.ports.set(who, port);
      receive((command) => void this.said.push({ who, command }));
      return () => {
        if (this.ports.get(who) === port) this.ports.delete(who);
      };
    });
    return callMachine.provide({
      actors: {
        deadline,
        sip,
        media: fromCallback<MediaCommand, MediaPortInput>(({ receive }) => {
          receive(({ order }) => void this.orders.push(order));
        }),
        calls: fromCallback<CallsCommand, CallsPortInput>(({ receive }) => {
          receive((command) => void this.calls.push(command));
        }),
        siprec: siprecMachine.provide({ actors: { deadline, sip } }),
        twiml: twimlMachine.provide({
          actors: {
            deadline,
            document: fromPromise<{ result: TwimlResult; at: number }, DocumentRequest>(
              () => Promise.resolve({ result: this.document, at: this.tick() }),
            ),
            prepare: fromPromise<
              { orders: SiprecOrder[]; at: number },
              { accountSid: string; siprecs: SiprecStart[] }
            >(({ input }) => Promise.resolve({
              orders: input.siprecs.map((start) => this.orderOf(start)), at: this.tick(),
            })),
          },
        }),
      },
    });
  }
}
