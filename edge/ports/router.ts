// Brings each SIP request to its call: by the tag that we minted, checked; to nobody else.
import { stateText } from "../../actors/state-text.ts";
import { buildResponse } from "../../protocol/sip/build.ts";
import { header, tagOf } from "../../protocol/sip/header.ts";
import { type Owner, parseIdentity } from "../../protocol/sip/identity.ts";
import type { Clock } from "../runtime/types.ts";
import type { CallHost } from "./call-host.ts";
import type { Inbound, Incoming } from "./inbound.ts";

export interface RouterOptions {
  host: CallHost;
  inbound: Inbound;
  clock: Clock;
  respond(transactionId: string, response: ReturnType<typeof buildResponse>): void;
}

export class SipRouter {
  readonly #options: RouterOptions;
  /** Calls by the transaction of their INVITE, for CANCEL and for a 2xx without ACK. */
  readonly #invites = new Map<string, string>();
  /** The newest re-INVITE of each dialog, by its transaction: for a 2xx without ACK. */
  readonly #reinvites = new Map<string, Owner>();

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  receive(incoming: Incoming): void {
    const tag = tagOf(header(incoming.request, "To") ?? "");
    if (tag === null) return this.#options.inbound.receive(incoming);
    const owner = parseIdentity(tag);
    if (owner === null || !this.#deliver(owner, incoming)) return this.#unknown(incoming);
    if (incoming.request.method === "INVITE") this.#follow(owner, incoming.transactionId);
  }

  /** From now on this INVITE is that call's. */
  own(transactionId: string, callSid: string): void {
    this.#invites.set(transactionId, callSid);
  }

  disown(callSid: string): void {
    for (const [transactionId, owner] of this.#invites) {
      if (owner === callSid) this.#invites.delete(transactionId);
    }
    for (const [transactionId, owner] of this.#reinvites) {
      if (owner.callSid === callSid) this.#reinvites.delete(transactionId);
    }
  }

  cancelled(transactionId: string): void {
    const at = this.#options.clock.wallMs();
    const callSid = this.#invites.get(transactionId);
    if (callSid !== undefined) this.#options.host.send(callSid, { type: "sip.cancelled", at });
  }

  unacknowledged(transactionId: string): void {
    const at = this.#options.clock.wallMs();
    const callSid = this.#invites.get(transactionId);
    const fact = { type: "sip.unacknowledged" as const, at };
    if (callSid !== undefined) this.#options.host.send(callSid, fact);
    const owner = this.#reinvites.get(transactionId);
    if (owner === undefined) return;
    this.#options.host.send(owner.callSid, owner.siprecSid === null ? fact
      : { type: "siprec.sip", siprecSid: owner.siprecSid, fact });
  }

  #follow(owner: Owner, transactionId: string | null): void {
    if (transactionId === null) return;
    for (const [id, { callSid, siprecSid }] of this.#reinvites) {
      if (callSid === owner.callSid && siprecSid === owner.siprecSid) this.#reinvites.delete(id);
    }
    this.#reinvites.set(transactionId, owner);
  }

  #deliver(owner: Owner, { request, flow, transactionId }: Incoming): boolean {
    const { host, clock } = this.#options;
    const fact = {
      type: "sip.request" as const, request, flow, transactionId, at: clock.wallMs(),
    };
    if (owner.siprecSid === null) return host.send(owner.callSid, fact);
    const session = host.record(owner.callSid)?.siprecs.find(({ sid }) => sid === owner.siprecSid);
    if (session === undefined || session.state === "stopped" || session.state === "error") {
      return false;
    }
    return host.send(owner.callSid, { type: "siprec.sip", siprecSid: owner.siprecSid, fact });
  }

  /** RFC 3261 §12.2.2: 481; an ACK is never answered. */
  #unknown({ request, transactionId }: Incoming): void {
    if (transactionId === null) return;
    this.#options.respond(transactionId, buildResponse(request, 481, null));
  }
}

/** For logs and tests: where a call stands. */
export const callState = (host: CallHost, callSid: string): string | null => {
  const snapshot = host.snapshot(callSid);
  return snapshot === null ? null : stateText(snapshot.value);
};

