// Input from people who wish us no good, or whose software is broken: bytes, and ways to send them.
import { connect, type Socket } from "node:net";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Seeded } from "./seeded.ts";

const TORTURE = join(import.meta.dir, "..", "vectors", "rfc4475");
const encoder = new TextEncoder();
/** A peer that says nothing for so long will say nothing. */
const ANSWER_WAIT_MS = 300;

export const tortureMessages = (): Uint8Array[] =>
  readdirSync(TORTURE).sort().map((name) => new Uint8Array(readFileSync(join(TORTURE, name))));

/** An ordinary request, from which the others are made. */
export function sipText(
  method: string, to: { port: number; number: string }, body = "", id = "1",
): string {
  const uri = `sip:${to.number}@127.0.0.1:${to.port}`;
  const lines = [
    `${method} ${uri} SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK-${id}`,
    "Max-Forwards: 70", `From: "Mallory" <sip:mallory@127.0.0.1>;tag=m${id}`, `To: <${uri}>`,
    `Call-ID: hostile-${id}`, `CSeq: 1 ${method}`, "Contact: <sip:mallory@127.0.0.1:9>",
    ...(body === "" ? [] : ["Content-Type: application/sdp"]),
    `Content-Length: ${encoder.encode(body).length}`, "", body,
  ];
  return lines.join("\r\n");
}

export function sdpText(mediaLines: number): string {
  const media = Array.from({ length: mediaLines }, (_, i) =>
    `m=audio ${20_000 + 2 * i} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n`);
  const session = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", ""];
  return `${session.join("\r\n")}${media.join("")}`;
}

/** One to four changes: flipped, cut out, doubled, put in, cut off. */
export function mutated(message: Uint8Array, random: Seeded): Uint8Array {
  let bytes = [...message];
  for (let changes = 1 + random.below(4); changes > 0 && bytes.length > 0; changes -= 1) {
    const at = random.below(bytes.length);
    const length = 1 + random.below(40);
    const change = random.below(5);
    if (change === 0) bytes[at] = random.below(256);
    else if (change === 1) bytes.splice(at, length);
    else if (change === 2) bytes.splice(at, 0, ...bytes.slice(at, at + length));
    else if (change === 3) bytes.splice(at, 0, ...random.bytes(length));
    else bytes = bytes.slice(0, at);
  }
  return Uint8Array.from(bytes);
}

/** Datagrams from one socket, a few at a time so that none is lost on the way; counts answers. */
export async function sendDatagrams(
  datagrams: Iterable<Uint8Array>, port: number, from = "127.0.0.1",
): Promise<number> {
  let answers = 0;
  const socket = await Bun.udpSocket({
    hostname: from, port: 0,
    socket: {
      data: () => {
        answers += 1;
      },
      error: () => {},
    },
  });
  let sent = 0;
  for (const datagram of datagrams) {
    if (datagram.length > 0) trySend(socket, datagram, port);
    sent += 1;
    if (sent % 20 === 0) await Bun.sleep(2);
  }
  await Bun.sleep(ANSWER_WAIT_MS);
  socket.close();
  return answers;
}

function trySend(socket: Bun.udp.Socket<"buffer">, bytes: Uint8Array, port: number): void {
  try {
    socket.send(bytes, port, "127.0.0.1");
  } catch {
    // An ICMP answer to an earlier one; or larger than a datagram can be.
  }
}

/** Says these chunks on a new connection; gives what came back until it was quiet or closed. */
export function sayOnStream(chunks: Iterable<Uint8Array | string>, port: number): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const socket: Socket = connect(port, "127.0.0.1");
    const done = (): void => {
      socket.destroy();
      resolve(heard);
    };
    socket.setTimeout(ANSWER_WAIT_MS, done);
    socket.on("data", (data) => {
      heard += data.toString("latin1");
    });
    socket.on("error", done);
    socket.on("close", done);
    socket.on("connect", () => {
      for (const chunk of chunks) socket.write(chunk);
    });
  });
}

/** The same bytes in pieces of any size. */
export function* cut(bytes: Uint8Array, random: Seeded): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(200);
    yield bytes.subarray(at, end);
    at = end;
  }
}
