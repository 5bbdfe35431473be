// Bad input on every port of a running edge, while a good call is up: that call does not notice,
// memory stays, and the edge takes calls afterwards.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { FOUND_FROM, findVoice } from "../../protocol/audio/compare.ts";
import { encodeRtp } from "../../protocol/rtp/packet.ts";
import { encodeCompound } from "../../protocol/rtp/rtcp.ts";
import type { NatsLink } from "../../edge/nats/connect.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { Phone } from "../../edge/tools/phone.ts";
import type { Srs } from "../../edge/tools/srs.ts";
import { eventually } from "../support/eventually.ts";
import {
  cut, mutated, sayOnStream, sdpText, sendDatagrams, sipText, tortureMessages,
} from "../support/hostile.ts";
import { LiveEdge, recorded, voice } from "../support/live-edge.ts";
import { has, needs } from "../support/needs.ts";
import { memoryMb } from "../support/processes.ts";
import { seeded } from "../support/seeded.ts";

const liveTest = needs("nats-server");
const SEED = Number(process.env["SEED"] ?? 4475);
const random = seeded(SEED);
const encoder = new TextEncoder();
const GOOD = "+15550600";
const BAD = "+15550666";
const STRANGER = "127.0.0.2";

let edge: LiveEdge;
let srs: Srs;
let alice: Phone;
let good: PhoneCall;
let far: PhoneCall;
let link: NatsLink;
let callSid = "";
let pidsBefore: ReturnType<LiveEdge["pids"]>;

beforeAll(async () => {
  if (!has("nats-server")) return;
  edge = await LiveEdge.start();
  [srs, alice, link] = [await edge.srs(), await edge.phone("alice"), await edge.link()];
  const bob = await edge.answeringPhone();
  const { promise, resolve } = Promise.withResolvers<PhoneCall>();
  bob.onCall = (call) => {
    call.answer();
    resolve(call);
  };
  edge.app.documents.set(GOOD, recorded(edge.app, "good", "<Dial>+15559999</Dial>"));
  // Whoever gets through to the app is refused by it: nobody of them would send an ACK.
  edge.app.documents.set(BAD, () => new Response("no", { status: 404 }));
  good = await alice.call(edge.uri(GOOD));
  far = await promise;
  callSid = await edge.app.callSid(GOOD);
  await edge.app.callback("/good", "siprec-started");
  pidsBefore = edge.pids();
}, 20_000);
afterAll(async () => void await edge?.stop(), 30_000);

/** It answers at once to what is right. */
async function isAwake(): Promise<void> {
  const options = sipText("OPTIONS", { port: edge.sipPort, number: GOOD }, "", crypto.randomUUID());
  expect(await sendDatagrams([encoder.encode(options)], edge.sipPort)).toBe(1);
  expect((await edge.health())["status"]).toBe("ok");
}

const badRequests = (): Uint8Array[] => ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "FOO"]
  .map((method) => encoder.encode(
    sipText(method, { port: edge.sipPort, number: BAD }, sdpText(1), String(random.below(1e9)))));

function* mutants(count: number): Generator<Uint8Array> {
  const seeds = [...tortureMessages(), ...badRequests(), ...badRequests()];
  for (let i = 0; i < count; i += 1) {
    yield random.chance(8) ? random.bytes(1 + random.below(1400))
      : mutated(random.pick(seeds), random);
  }
}

/** The whole of it, a few seconds: repeated to see whether memory stays. */
async function attackSip(): Promise<void> {
  await sendDatagrams(tortureMessages(), edge.sipPort);
  await sendDatagrams(mutants(1_500), edge.sipPort);
  await sendDatagrams(mutants(200), edge.sipPort, STRANGER);
  for (let round = 0; round < 4; round += 1) {
    const streams = [...tortureMessages(), ...mutants(30)].map((bytes) =>
      sayOnStream(cut(bytes, random), edge.sipPort));
    await Promise.all(streams);
  }
  // One after the other on the same stream, as many as it takes before it is closed.
  await sayOnStream(tortureMessages(), edge.sipPort);
  await sayOnStream([encoder.encode("\r\n\r\n".repeat(5_000))], edge.sipPort);
  await sayOnStream([`INVITE sip:x SIP/2.0\r\n${"A".repeat(200_000)}`], edge.sipPort);
}

async function attackMedia(): Promise<void> {
  const { call } = await edge.mediaStats(link, callSid);
  if (call?.ok !== true || call.endpoint === null) throw new Error("the call has no media");
  const { rtpPort, rtcpPort } = call.endpoint.port;
  const rtp = function* (): Generator<Uint8Array> {
    for (let i = 0; i < 1_000; i += 1) {
      yield random.chance(2) ? random.bytes(1 + random.below(400)) : encodeRtp({
        payloadType: random.below(128), marker: false, sequence: random.below(65_536),
        timestamp: random.below(2 ** 31), ssrc: 0xbad, csrcs: [], payload: random.bytes(160),
      });
    }
  };
  const rtcp = function* (): Generator<Uint8Array> {
    for (let i = 0; i < 300; i += 1) {
      yield random.chance(2) ? random.bytes(1 + random.below(200))
        : encodeCompound({ ssrc: 0xbad, cname: "mallory", sender: null, bye: "over" });
    }
  };
  // From another host, and from another port of the phone's own.
  const answers = await Promise.all([
    sendDatagrams(rtp(), rtpPort, STRANGER), sendDatagrams(rtcp(), rtcpPort, STRANGER),
    sendDatagrams(rtp(), rtpPort), ...call.forks.map(({ port }) =>
      sendDatagrams(rtp(), port.rtpPort, STRANGER)),
  ]);
  expect(answers.every((count) => count === 0)).toBe(true);
}

const HTTP_NONSENSE = [
  "GET / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n\r\n", "POST / HTTP/9.9\r\nHost: x\r\n\r\n",
  `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: x\r\n${"X-A: b\r\n".repeat(20_000)}\r\n`,
  "POST /2010-04-01/Accounts/AC/Calls/CA/Siprec.json HTTP/1.1\r\nHost: x\r\n"
    + "Transfer-Encoding: chunked\r\n\r\nZZ\r\nnonsense\r\n",
  "POST /2010-04-01/Accounts/AC HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc",
  "GET /2010-04-01/Accounts/%ZZ/Calls/%00%FF..%2F.json HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %%%\r\n\r\n",
];

async function attackHttp(): Promise<void> {
  const bytes = HTTP_NONSENSE.map((text) => encoder.encode(text));
  await Promise.all([
    ...bytes.map((one) => sayOnStream(cut(one, random), edge.httpPort)),
    ...Array.from({ length: 60 }, () =>
      sayOnStream([mutated(random.pick(bytes), random)], edge.httpPort)),
    ...Array.from({ length: 40 }, () => sayOnStream([random.bytes(500)], edge.httpPort)),
  ]);
}

describe("a good call while others send nonsense", () => {
  liveTest(`SIP on UDP and TCP: torture, random and mutated (SEED=${SEED})`, async () => {
    await Promise.all([good.say(voice("a")), far.say(voice("b")), attackSip()]);
    await isAwake();
  }, 60_000);

  liveTest("strangers get no answer to their INVITEs, not even a refusal", async () => {
    const invites = Array.from({ length: 5 }, (_, i) => encoder.encode(
      sipText("INVITE", { port: edge.sipPort, number: GOOD }, sdpText(1), `stranger-${i}`)));
    expect(await sendDatagrams(invites, edge.sipPort, STRANGER)).toBe(0);
  }, 20_000);

  liveTest("SDP: 200 m-lines, more than 64 kB, nonsense: refused, and no call", async () => {
    const asked = edge.app.webhooks.length;
    const bodies = [sdpText(200), sdpText(1) + "a=x\r\n".repeat(14_000), "v=0\r\nm=",
      sdpText(1).replace("audio 20000", "audio 99999999"), "\0".repeat(2_000)];
    for (const [index, body] of bodies.entries()) {
      const invite = sipText("INVITE", { port: edge.sipPort, number: BAD }, body, `sdp-${index}`)
        .replace("SIP/2.0/UDP", "SIP/2.0/TCP");
      const answer = await sayOnStream([invite], edge.sipPort);
      expect([index, /^SIP\/2\.0 (?:100 [\s\S]*?SIP\/2\.0 )?(488|400|413|513) /.test(answer)])
        .toEqual([index, true]);
    }
    expect(edge.app.webhooks.length).toBe(asked);
    await isAwake();
  }, 20_000);

  liveTest("RTP and RTCP of strangers are counted, and not relayed", async () => {
    const before = await edge.mediaStats(link, callSid);
    await attackMedia();
    const after = await edge.mediaStats(link, callSid);
    const dropped = [before, after].map(({ call }) =>
      call?.ok === true ? call.endpoint?.received.dropped ?? 0 : 0);
    expect((dropped[1] ?? 0) - (dropped[0] ?? 0)).toBeGreaterThan(1_000);
    await isAwake();
  }, 30_000);

  liveTest("HTTP nonsense is refused or closed, and too much of a body is 413", async () => {
    await attackHttp();
    const large = await edge.rest(`Calls/${callSid}/Siprec.json`, { Name: "x".repeat(2_000_000) });
    expect(large.status).toBe(413);
    await isAwake();
  }, 30_000);
});

/** What a Voice URL may answer, and the code of the alert that tells of it. */
const DOCUMENTS: [name: string, answer: () => Response, code: number][] = [
  ["a bomb of entities", () => xml(bomb()), 12100],
  ["an entity from a file", () => xml(
    "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Response><Say>&x;</Say></Response>",
  ), 12100],
  ["more than 64 kB", () => xml(`<Response>${"<Pause/>".repeat(9_000)}</Response>`), 11750],
  ["no end", () => new Response(endless(), { headers: { "content-type": "text/xml" } }), 11750],
  ["another root", () => xml("<Answer><Pause/></Answer>"), 12102],
  ["depth without bounds", () => xml("<Response>".repeat(5_000)), 12100],
  ["octets that are no UTF-8", () => new Response(random.bytes(2_000), {
    headers: { "content-type": "text/xml" },
  }), 12100],
  ["nothing", () => xml(""), 12100],
  ["a picture", () => new Response(random.bytes(99), { headers: { "content-type": "image/png" } }),
    12300],
];

const xml = (text: string): Response =>
  new Response(text, { headers: { "content-type": "text/xml" } });

const bomb = (): string => {
  const entities = Array.from({ length: 9 }, (_, i) =>
    `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join("");
  return `<!DOCTYPE r [<!ENTITY e0 "boom">${entities}]><Response><Say>&e9;</Say></Response>`;
};

const endless = (): ReadableStream<Uint8Array> => new ReadableStream({
  pull: (controller) => controller.enqueue(encoder.encode("<Response>".padEnd(10_000))),
});

describe("a good call while the Voice URL of others answers nonsense", () => {
  for (const [index, [name, answer, code]] of DOCUMENTS.entries()) {
    liveTest(`${name}: the call is refused, an alert says ${code}`, async () => {
      const number = `+155506${70 + index}`;
      edge.app.documents.set(number, answer);
      const call = await alice.call(edge.uri(number));
      const end = await call.ended;
      expect(end.by).toBe("refused");
      const sid = await edge.app.callSid(number);
      const alert = await eventually("an alert", () =>
        edge.logs.find((line) => line.event === "alert" && line["call_sid"] === sid) ?? null);
      expect(alert["code"]).toBe(code);
      expect(await edge.callStatus(sid)).toBe("failed");
    }, 20_000);
  }
});

describe("after all that", () => {
  liveTest("memory of control and media stays where it is", async () => {
    const { control, media } = edge.pids();
    const look = (): number[] => [memoryMb(control), memoryMb(media)];
    const attack = async (): Promise<void> => {
      await attackSip();
      await attackMedia();
      await attackHttp();
    };
    await attack();
    const before = look();
    await attack();
    await attack();
    const growth = look().map((now, index) => now - (before[index] ?? 0));
    // Garbage that is not collected yet is some of it; what is kept would be more each time.
    expect(growth.map((mb) => mb < 30)).toEqual([true, true]);
  }, 90_000);

  liveTest("the good call has lost nothing, and was recorded whole", async () => {
    await good.hangUp();
    await edge.app.callback("/good", "siprec-stopped");
    await edge.becomes(callSid, "completed");
    for (const call of [good, far]) {
      expect(call.heard.counters).toMatchObject({ lost: 0, late: 0, dropped: 0 });
    }
    const session = srs.ended[0];
    expect(session?.streams.map(({ lost, dropped }) => [lost, dropped])).toEqual([[0, 0], [0, 0]]);
    for (const [label, name] of [["1", "a"], ["2", "b"]] as const) {
      const sound = session?.sound(label);
      if (sound === null || sound === undefined) throw new Error("nothing was recorded");
      expect(findVoice(sound, voice(name)).score).toBeGreaterThan(FOUND_FROM);
    }
    expect(findVoice(good.heard.sound(), voice("b")).score).toBeGreaterThan(FOUND_FROM);
  }, 20_000);

  liveTest("no process was started anew, and none reports a fault of ours", async () => {
    expect(edge.pids()).toEqual(pidsBefore);
    const faults = edge.logs.filter(({ level, event }) => level === "error" && event !== "alert");
    expect(faults).toEqual([]);
    await edge.quiet();
  }, 20_000);

  liveTest("a new call is answered, bridged and recorded", async () => {
    const number = "+15550699";
    edge.app.documents.set(number, recorded(edge.app, "new", "<Dial>+15559999</Dial>"));
    const call = await alice.call(edge.uri(number));
    expect(await call.answered).toBe(true);
    await edge.app.callback("/new", "siprec-started");
    await eventually("audio", () =>
      srs.live[0]?.streams.every(({ packets }) => packets > 5) === true);
    await call.hangUp();
    await edge.app.callback("/new", "siprec-stopped");
    await edge.quiet();
    expect((await edge.mediaHello(link)).calls).toBe(0);
  }, 20_000);
});
