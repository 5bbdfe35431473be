// What a recording leaves behind: a folder with its metadata documents, a WAV a stream, and a
// receipt of what was received.
import { join } from "node:path";
import type { SipRequest } from "../../protocol/sip/message.ts";
import { encodeWav, type Sound } from "../../protocol/rtp/wav.ts";
import { namesIn, writeBytes, writeText } from "../runtime/files.ts";
import type { StreamReceipt } from "./srs-stream.ts";

const NAME_MAX = 80;

export interface Receipt {
  callId: string;
  invite: SipRequest;
  startedAt: string;
  endedAt: string;
  /** "src", "srs", "no-ack", "stop". */
  endedBy: string;
  /** Names of the metadata documents, in order. */
  documents: string[];
  /** What the SRC did against the RFCs. */
  problems: string[];
  streams: StreamReceipt[];
}

/** A folder that is not there yet, named by time and Call-ID. */
export function recordingFolder(out: string, startedAt: string, callId: string): string {
  const time = startedAt.slice(0, 19).replaceAll(":", "-");
  const name = `${time}_${safeName(callId).slice(0, NAME_MAX)}`;
  const taken = new Set(namesIn(out));
  let folder = name;
  for (let n = 2; taken.has(folder); n += 1) folder = `${name}_${n}`;
  return join(out, folder);
}

export function writeDocument(folder: string, number: number, xml: string): string {
  const name = `metadata-${number}.xml`;
  writeText(join(folder, name), xml);
  return name;
}

/** `fallback` names a stream whose label can't be a file's name. */
export function writeSound(folder: string, label: string, fallback: string, sound: Sound): string {
  const path = join(folder, `${/^[\w-]{1,64}$/.test(label) ? label : fallback}.wav`);
  writeBytes(path, encodeWav(sound));
  return path;
}

export function writeReceipt(folder: string, receipt: Receipt): void {
  const { invite } = receipt;
  const headers: Record<string, string[]> = {};
  for (const { name, value } of invite.headers) {
    // A header may be called "__proto__": it must not become the table's own.
    const known = Object.hasOwn(headers, name) ? headers[name] ?? [] : [];
    Object.defineProperty(headers, name, {
      value: [...known, value], enumerable: true, configurable: true, writable: true,
    });
  }
  writeText(join(folder, "receipt.json"), `${JSON.stringify({
    call_id: receipt.callId,
    request_uri: invite.uri,
    headers,
    started_at: receipt.startedAt,
    ended_at: receipt.endedAt,
    ended_by: receipt.endedBy,
    metadata: receipt.documents,
    problems: receipt.problems,
    streams: receipt.streams.map(streamJson),
  }, null, 2)}\n`);
}

const streamJson = (stream: StreamReceipt) => ({
  label: stream.label,
  codec: stream.codec,
  packets: stream.packets,
  lost: stream.lost,
  out_of_order: stream.outOfOrder,
  dropped: stream.dropped,
  duration_ms: stream.durationMs,
  srtp_suite: stream.srtp,
  remote_address: stream.remote?.address ?? null,
  remote_port: stream.remote?.port ?? null,
  ssrc: stream.ssrc,
  first_at: stream.firstAt,
  last_at: stream.lastAt,
  sender_reports: stream.senderReports,
  rtcp_bye: stream.rtcpBye,
});

const safeName = (text: string): string => text.replace(/[^\w.-]/g, "_").replace(/^\.+/, "_");
