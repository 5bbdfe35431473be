// The `deliver` port: one attempt to tell a status callback.
import { fromPromise } from "xstate";
import type { DeliveryResult } from "../../actors/ports.ts";
import type { OutboxEntry } from "../../schemas/call.ts";
import type { Clock } from "../runtime/types.ts";

/** What is asked of the webhook client. */
export interface CallbackSender {
  deliverCallback(
    request: {
      url: string; method: "GET" | "POST"; params: Record<string, string>; authToken: string;
      idempotencyToken: string;
    },
    signal?: AbortSignal,
  ): Promise<
    | { ok: true }
    | { ok: false; kind: string; code: number; message: string; mayRetry: boolean }
  >;
}

export interface DeliverPortOptions {
  clock: Clock;
  sender: CallbackSender;
  authToken(accountSid: string): string | null;
}

export const deliverOf = (options: DeliverPortOptions) =>
  fromPromise<DeliveryResult, { accountSid: string; entry: OutboxEntry }>(
    async ({ input, signal }) => {
      const { url, method, params, id } = input.entry;
      const authToken = options.authToken(input.accountSid) ?? "";
      const result = await options.sender.deliverCallback(
        { url, method, params, authToken, idempotencyToken: id }, signal,
      );
      const at = options.clock.wallMs();
      if (result.ok) return { kind: "delivered", at };
      const { code, message } = result;
      if (result.kind === "status") return { kind: "refused", code, message, at };
      return { kind: "unreachable", code, message, final: !result.mayRetry, at };
    },
  );
