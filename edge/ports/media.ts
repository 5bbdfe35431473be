// The `media` port: carries a call's wanted state to its media process and its answers back. One
// order is under way at a time; a newer one replaces one that waits, for each is the whole state.
import { fromCallback } from "xstate";
import type { MediaCommand, MediaEvent, MediaPortInput } from "../../actors/ports.ts";
import type { MediaOrder, MediaReply } from "../../schemas/media.ts";
import type { Clock } from "../runtime/types.ts";

type Draft = Omit<MediaOrder, "edge" | "epoch">;

export type ApplyResult = MediaReply | { ok: false; code: "UNREACHABLE"; message: string };

export interface MediaPortOptions {
  clock: Clock;
  /** Adds edge and epoch and asks the process; never rejects. */
  apply(process: string, order: Draft): Promise<ApplyResult>;
}

/** A process that starts again, or a server that does, is back within this time. */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 100;

export const mediaOf = (options: MediaPortOptions) =>
  fromCallback<MediaCommand, MediaPortInput>(({ input, sendBack, receive }) => {
    let waiting: Draft | null = null;
    let isBusy = false;
    const run = async (): Promise<void> => {
      if (isBusy) return;
      isBusy = true;
      while (waiting !== null) {
        const order: Draft = waiting;
        waiting = null;
        const event = await carry(options, input.process, order, () => waiting !== null);
        if (event !== null) sendBack(event);
      }
      isBusy = false;
    };
    receive((command) => {
      waiting = command.order;
      // `carry` never rejects: what goes wrong is an event.
      run().catch(() => undefined);
    });
  });

/** null: a newer order waits, and this one could not be delivered. */
async function carry(
  options: MediaPortOptions, process: string, order: Draft, isReplaced: () => boolean,
): Promise<MediaEvent | null> {
  const { clock } = options;
  const givesUpAtMs = clock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    const reply = await options.apply(process, order);
    const at = clock.wallMs();
    if (reply.ok) return { type: "media.applied", reply, at };
    if (reply.code === "UNREACHABLE" && isReplaced()) return null;
    if (reply.code !== "UNREACHABLE" || clock.monotonicMs() >= givesUpAtMs) {
      const { code, message } = reply;
      return { type: "media.failed", revision: order.revision, code, message, at };
    }
    await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    if (isReplaced()) return null;
  }
}
