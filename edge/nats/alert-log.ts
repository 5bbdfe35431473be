// The alerts of an edge: a NATS stream that is only added to, in order, each alert once.
import { jetstream, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { Alert } from "../../schemas/alert.ts";
import { openStream, type StreamPlace } from "./bucket.ts";
import { parsePayload } from "./rpc.ts";
import { alertSubject, alertSubjects } from "./subjects.ts";

export const ALERTS_WAITING_MAX = 1_000;
const SCANNED_MAX = 2_000;
const RETRY_MS = 500;
const PUBLISH_TIMEOUT_MS = 1_000;

export interface AlertLog {
  /** Returns at once; the oldest waiting ones are dropped when the server is away for long. */
  append(alert: Alert): void;
  /** The newest first. Rejects when the server is away. */
  recent(options: { limit: number; accountSid?: string }): Promise<Alert[]>;
  /** How many could not be kept. */
  dropped(): number;
  /** Resolves when nothing waits any more. */
  flushed(): Promise<void>;
}

export async function openAlertLog(place: StreamPlace, historyMs: number): Promise<AlertLog> {
  const stream = `siprec_alerts_${place.edge}`;
  const jsm = await openStream(place, {
    name: stream, subjects: [alertSubjects(place.edge)], max_age: nanos(historyMs),
  });
  const js = jetstream(place.link.nc, { timeout: PUBLISH_TIMEOUT_MS });
  const waiting: Alert[] = [];
  let dropped = 0;
  let pumping: Promise<void> | null = null;
  const pump = async (): Promise<void> => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (await publishAlert(place, js, first)) {
        // The first may have been dropped for newer ones while it was sent.
        if (waiting[0] === first) waiting.shift();
      } else {
        await new Promise<void>((resolve) => void place.clock.after(RETRY_MS, resolve));
      }
    }
    pumping = null;
  };
  return {
    append(alert) {
      waiting.push(alert);
      if (waiting.length > ALERTS_WAITING_MAX) {
        waiting.shift();
        dropped += 1;
      }
      pumping ??= pump();
    },
    recent: ({ limit, accountSid }) => readBack(jsm, stream, limit, accountSid ?? null),
    dropped: () => dropped,
    flushed: () => pumping ?? Promise.resolve(),
  };
}

async function publishAlert(
  place: StreamPlace, js: JetStreamClient, alert: Alert,
): Promise<boolean> {
  if (!place.link.isConnected()) return false;
  try {
    // The sid as message id: a retry after a lost answer adds nothing.
    await js.publish(alertSubject(place.edge, alert.accountSid), JSON.stringify(alert),
      { msgID: alert.sid });
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    place.log.warn("alerts.failed", { reason });
    return false;
  }
}

// Reads by sequence, newest first: a cut-off edge can make no consumer.
async function readBack(
  jsm: JetStreamManager, stream: string, limit: number, accountSid: string | null,
): Promise<Alert[]> {
  const { state } = await jsm.streams.info(stream);
  const lowest = Math.max(state.first_seq, state.last_seq - SCANNED_MAX + 1);
  const alerts: Alert[] = [];
  for (let seq = state.last_seq; seq >= lowest && alerts.length < limit; seq--) {
    if (state.messages === 0) break;
    const found = await jsm.direct.getMessage(stream, { seq });
    if (found === null) continue;
    const parsed = parsePayload(Alert, found.data);
    if (!parsed.ok) continue;
    if (accountSid === null || parsed.value.accountSid === accountSid) alerts.push(parsed.value);
  }
  return alerts;
}
