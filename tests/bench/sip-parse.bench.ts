// Parse and serialize of an ordinary INVITE: microseconds a message. Run: bun <this file>.

import { parseMessage } from "../../protocol/sip/parse.ts";
import { serializeMessage } from "../../protocol/sip/serialize.ts";
import { StreamFramer } from "../../protocol/sip/framing.ts";

const SDP = [
  "v=0", "o=- 3724394400 3724394405 IN IP4 198.51.100.10", "s=-", "c=IN IP4 198.51.100.10",
  "t=0 0", "m=audio 22378 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
  "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20", "a=sendrecv", "",
].join("\r\n");

const INVITE = new TextEncoder().encode([
  "INVITE sip:+13105550100@edge.example.com SIP/2.0",
  "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776asdhds;rport",
  "Via: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK99;received=198.51.100.9;rport=5060",
  "Record-Route: <sip:198.51.100.7;lr>",
  "Max-Forwards: 69",
  'From: "Alice Example" <sip:+13105550111@carrier.example.com>;tag=1928301774',
  "To: <sip:+13105550100@edge.example.com>",
  "Call-ID: a84b4c76e66710@pc33.carrier.example.com",
  "CSeq: 314159 INVITE",
  "Contact: <sip:alice@198.51.100.10:5060;transport=udp>",
  "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, NOTIFY, REFER",
  "Supported: 100rel, timer, replaces",
  "User-Agent: Example Phone 1.2.3",
  "P-Asserted-Identity: <sip:+13105550111@carrier.example.com>",
  "Content-Type: application/sdp",
  `Content-Length: ${SDP.length}`,
  "",
  SDP,
].join("\r\n"));

const WARM_UP_ROUNDS = 20_000;
const ROUNDS = 50_000;
const REPEATS = 5;

function measure(name: string, round: () => void): void {
  for (let i = 0; i < WARM_UP_ROUNDS; i++) round();
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const startedAt = Bun.nanoseconds();
    for (let i = 0; i < ROUNDS; i++) round();
    best = Math.min(best, (Bun.nanoseconds() - startedAt) / ROUNDS / 1000);
  }
  console.log(`${name.padEnd(32)} ${best.toFixed(2)} µs`);
}

const parsed = parseMessage(INVITE);
if (!parsed.ok) throw new Error(parsed.reason);
const { message } = parsed;
const framer = new StreamFramer();

const lines = message.headers.length;
console.log(`INVITE of ${INVITE.length} bytes, ${lines} headers; best of ${REPEATS} runs`);
measure("parse", () => void parseMessage(INVITE));
measure("serialize", () => void serializeMessage(message));
measure("parse + serialize", () => {
  const result = parseMessage(INVITE);
  if (result.ok) serializeMessage(result.message);
});
measure("frame from a stream", () => void framer.push(INVITE));
