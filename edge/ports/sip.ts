// The `sip` port: turns a machine's commands into transactions, and what comes back into facts.
// When a machine has left, what it started is brought to a decent end here.
import { fromCallback } from "xstate";
import type { SendTarget, SipCommand, SipFact, SipPortInput } from "../../actors/ports.ts";
import type { Owner } from "../../protocol/sip/identity.ts";
import { addHeader } from "../../protocol/sip/header.ts";
import {
  inviteClient, type InviteClientState, stepInviteClient,
} from "../../protocol/sip/invite-client.ts";
import type { SipFlow, SipHeader, SipRequest, SipResponse } from "../../protocol/sip/message.ts";
import type { Clock, Log } from "../runtime/types.ts";

/** An answer waits no longer for its write: less than T1, after which the peer asks again. */
export const STORE_WAIT_MS = 400;

/** What is asked of the user agent: the part of `edge/sip` that a machine's port needs. */
export interface SipSender {
  send(
    request: SipRequest,
    options: {
      owner: Owner | null;
      target?: SendTarget | null;
      flow?: SipFlow | null;
      contact?: { params?: string } | null;
      connectTimeoutMs?: number | null;
    },
    listener: (event: SipClientEvent) => void,
  ): string;
  cancel(clientTransactionId: string): void;
  sendAck(ack: SipRequest, options: { owner: Owner | null; flow?: SipFlow | null }): void;
  respond(
    transactionId: string, response: SipResponse,
    options?: { contact?: { params?: string } | null },
  ): boolean;
  /** Makes the transaction of a request that another process received, if it is not here. */
  revive(request: SipRequest, flow: SipFlow): void;
}

export type SipClientEvent =
  | { type: "response"; response: SipResponse; flow: SipFlow }
  | { type: "timeout" }
  | { type: "transport-error"; reason: string };

export interface SipPortOptions {
  sender: SipSender;
  clock: Clock;
  log: Log;
  /** Resolves when what the call has decided so far is stored. */
  stored(callSid: string): Promise<void>;
  /** The header that carries a connector's credentials; it is in no snapshot and in no log. */
  credentials(accountSid: string, connectorName: string): SipHeader | null;
}

export const sipOf = (options: SipPortOptions) =>
  fromCallback<SipCommand, SipPortInput>(({ input, sendBack, receive }) => {
    const session = new SipSession(options, input, sendBack);
    receive((command) => session.obey(command));
    return () => session.leave();
  });

class SipSession {
  readonly #options: SipPortOptions;
  readonly #input: SipPortInput;
  readonly #tell: (fact: SipFact) => void;
  /** Client transactions by the machine's own names. */
  readonly #open = new Map<string, string>();
  /** INVITEs of a machine that has left, until their final answers. */
  readonly #orphans = new Map<string, InviteClientState>();
  /** Responses go out in the order they were given, also when one waits to be stored. */
  #queue: Promise<void> | null = null;
  #isLeft = false;

  constructor(options: SipPortOptions, input: SipPortInput, tell: (fact: SipFact) => void) {
    this.#options = options;
    this.#input = input;
    this.#tell = tell;
  }

  get #owner(): Owner {
    return { callSid: this.#input.callSid, siprecSid: this.#input.siprecSid, ordinal: 0 };
  }

  obey(command: SipCommand): void {
    switch (command.type) {
      case "send.request":
        return this.#send(command);
      case "send.cancel": {
        const transaction = this.#open.get(command.id);
        if (transaction !== undefined) this.#options.sender.cancel(transaction);
        return;
      }
      case "send.ack":
        return this.#options.sender.sendAck(command.request, {
          owner: this.#owner, flow: command.flow,
        });
      case "send.response":
        return this.#respond(command);
    }
  }

  leave(): void {
    this.#isLeft = true;
  }

  #send(command: Extract<SipCommand, { type: "send.request" }>): void {
    const { id } = command;
    const request = this.#withCredentials(command.request);
    const transaction = this.#options.sender.send(
      request,
      {
        owner: this.#owner,
        target: command.target,
        flow: command.flow,
        contact: isTargetRefresh(request) ? { params: command.contactParams } : null,
        connectTimeoutMs: command.connectTimeoutMs,
      },
      (event) => this.#isLeft ? this.#orphaned(id, request, event) : this.#answered(id, event),
    );
    this.#open.set(id, transaction);
  }

  #withCredentials(request: SipRequest): SipRequest {
    const { connectorName, accountSid } = this.#input;
    if (connectorName === null || request.method !== "INVITE") return request;
    const credentials = this.#options.credentials(accountSid, connectorName);
    return credentials === null ? request : addHeader(request, credentials.name, credentials.value);
  }

  #answered(id: string, event: SipClientEvent): void {
    const at = this.#options.clock.wallMs();
    if (event.type === "response") {
      const { response, flow } = event;
      return this.#tell({ type: "sip.response", id, response, flow, at });
    }
    this.#open.delete(id);
    const reason = event.type === "timeout" ? "timeout" : "transport";
    const message = event.type === "timeout" ? "no answer in time" : event.reason;
    this.#tell({ type: "sip.failed", id, reason, message, at });
  }

  /** A 2xx that nobody waits for any more is acknowledged and ended (RFC 3261 §13.2.2.4). */
  #orphaned(id: string, request: SipRequest, event: SipClientEvent): void {
    if (request.method !== "INVITE" || event.type !== "response") return;
    const before = this.#orphans.get(id) ??
      { ...inviteClient(request), cancel: "sent" as const, proceeding: true };
    const { state, out } = stepInviteClient(before, event);
    this.#orphans.set(id, state);
    for (const one of out) {
      const owner = this.#owner;
      if (one.type === "send-ack") {
        this.#options.sender.sendAck(one.request, { owner, flow: one.flow });
      }
      if (one.type === "send-bye") {
        this.#options.sender.send(one.request, { owner, flow: one.flow }, () => {
          // Its answer changes nothing: there is nobody left to tell.
        });
      }
    }
  }

  #respond(command: Extract<SipCommand, { type: "send.response" }>): void {
    if (!command.durable && this.#queue === null) return this.#deliver(command);
    const queued = (this.#queue ?? Promise.resolve())
      .then(() => command.durable ? this.#stored() : undefined)
      .then(() => this.#deliver(command))
      .finally(() => {
        if (this.#queue === queued) this.#queue = null;
      });
    this.#queue = queued;
  }

  /** The call matters more than its record: it is answered also when nothing can be stored. */
  async #stored(): Promise<void> {
    const { clock, log } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = clock.after(STORE_WAIT_MS, () => reject(new Error("it takes too long")));
    try {
      await Promise.race([this.#options.stored(this.#input.callSid), late]);
    } catch (error) {
      log.warn("call.not-stored", {
        call_sid: this.#input.callSid,
        reason: error instanceof Error ? error.message : String(error),
      });
    } finally {
      timer.cancel();
    }
  }

  #deliver(command: Extract<SipCommand, { type: "send.response" }>): void {
    const { transactionId, response, contactParams, revive } = command;
    if (revive !== undefined) this.#options.sender.revive(revive.request, revive.flow);
    const needsContact = response.status > 100 && response.status < 300;
    this.#options.sender.respond(transactionId, response, {
      contact: needsContact ? { params: contactParams } : null,
    });
  }
}

const isTargetRefresh = (request: SipRequest): boolean =>
  request.method === "INVITE" || request.method === "UPDATE";
