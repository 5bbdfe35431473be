// A backend for tests: one call, what it was asked, and an error to throw when told so.
import type { SiprecStart } from "../../../protocol/twiml/document.ts";
import type {
  CallResource, CallsBackend, SiprecResource,
} from "../../../edge/http/backend.ts";
import { EdgeError } from "../../../schemas/error.ts";

export const ACCOUNT = `AC${"a1".repeat(16)}`;
export const TOKEN = "0123456789abcdef0123456789abcdef";
export const CALL = `CA03${"b2".repeat(15)}`;
export const SIPREC = `SR${"c3".repeat(16)}`;
/** Thu, 30 Jul 2015 20:00:00 */
export const THEN = Date.UTC(2015, 6, 30, 20);

export class FakeBackend implements CallsBackend {
  readonly asked: unknown[] = [];
  readonly sessions = new Map<string, SiprecResource>();
  failWith: unknown = null;
  call: CallResource = {
    sid: CALL, accountSid: ACCOUNT, parentCallSid: null, to: "+15551230001",
    from: "sip:anna@127.0.0.1", status: "in-progress", direction: "inbound", createdAt: THEN,
    updatedAt: THEN + 1000, startAt: null, endAt: null, callerName: null,
  };

  async fetchCall(accountSid: string, callSid: string): Promise<CallResource> {
    this.#enter({ fetch: callSid }, accountSid, callSid);
    return this.call;
  }

  async startSiprec(
    accountSid: string, callSid: string, input: SiprecStart,
  ): Promise<SiprecResource> {
    this.#enter({ start: input }, accountSid, callSid);
    const { name } = input;
    if (name !== null && this.sessions.has(name)) {
      throw new EdgeError("CONFLICT", `The name "${name}" is in use on this call`);
    }
    const siprec: SiprecResource = {
      sid: SIPREC, accountSid, callSid, name, status: "in-progress", updatedAt: THEN,
    };
    this.sessions.set(SIPREC, siprec);
    if (name !== null) this.sessions.set(name, siprec);
    return siprec;
  }

  async stopSiprec(
    accountSid: string, callSid: string, sidOrName: string[],
  ): Promise<SiprecResource> {
    this.#enter({ stop: sidOrName }, accountSid, callSid);
    const found = sidOrName.flatMap((key) => this.sessions.get(key) ?? [])[0];
    if (found === undefined) throw new EdgeError("NOT_FOUND");
    return { ...found, status: "stopped" };
  }

  #enter(what: unknown, accountSid: string, callSid: string): void {
    this.asked.push(what);
    if (this.failWith !== null) throw this.failWith;
    if (accountSid !== ACCOUNT || callSid !== this.call.sid) throw new EdgeError("NOT_FOUND");
  }
}
