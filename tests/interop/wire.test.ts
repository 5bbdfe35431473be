// A recorded call as others see it: tshark reads what went over the wire, xmllint what was told.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ABSENT_BELOW, FOUND_FROM, findVoice } from "../../protocol/audio/compare.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { SrsSession } from "../../edge/tools/srs-session.ts";
import type { StreamReceipt } from "../../edge/tools/srs-stream.ts";
import type { Srs } from "../../edge/tools/srs.ts";
import { Capture, captureAbsence } from "../support/capture.ts";
import { eventually } from "../support/eventually.ts";
import { LiveEdge, recorded, voice } from "../support/live-edge.ts";
import { has, needs } from "../support/needs.ts";
import { freeSipPort } from "../support/ports.ts";

const SCHEMA = resolve(import.meta.dir, "../../../shared/vectors/rfc7865.xsd");
const liveTest = needs("nats-server");
const absence = captureAbsence();
/** Skipped by name where nothing can be captured. */
const wireTest = (name: string, body: () => void | Promise<void>, timeoutMs?: number): void =>
  absence === null ? liveTest(name, body, timeoutMs) : test.skip(`${name} [${absence}]`, body);

let edge: LiveEdge;
let srs: Srs;
let capture: Capture | null = null;
let session: SrsSession;
let digits = "";

beforeAll(async () => {
  if (!has("nats-server")) return;
  edge = await LiveEdge.start({
    connectors: {
      Plain: { uris: ["sip:srs@127.0.0.1:1"], more: "parameters = \"both\"" },
    },
  });
  srs = await edge.srs({ snapshotAfterMs: 1_000 });
  if (absence === null) {
    capture = await Capture.start(join(edge.folder, "call.pcapng"), {
      sip: [edge.sipPort, edge.srsPort, edge.callee.tcp, await freeSipPort()],
      media: edge.mediaPorts,
    });
  }
  await recordOneCall();
  await capture?.stop();
}, 40_000);
afterAll(async () => void await edge?.stop(), 30_000);

/** Both speak, Alice presses keys; the recorder asks for a snapshot; it is stopped by REST. */
async function recordOneCall(): Promise<void> {
  const number = "+15550400";
  const bob = await edge.phone("bob", "tcp", edge.callee.tcp);
  const { promise: rung, resolve: rings } = Promise.withResolvers<PhoneCall>();
  bob.onCall = (call) => {
    call.ring();
    rings(call);
  };
  edge.app.documents.set(number, recorded(edge.app, "wire", "<Dial>+15569999</Dial>"));
  const alice = await edge.phone("alice");
  const call = await alice.call(edge.uri(number));
  await call.answered;
  const far = await rung;
  await edge.app.callback("/wire", "siprec-started");
  // The bridge comes after the recording, and makes a new snapshot necessary.
  far.answer();
  await Promise.all([call.say(voice("a")), far.say(voice("b"))]);
  call.press("42#");
  await eventually("the keys are heard", () => far.digitsHeard === "42#");
  // Two more reports of each stream are due by then (RFC 3550 §6.2).
  await eventually("SRs came", () => srs.live[0]?.streams.every(({ senderReports }) =>
    senderReports > 0) === true, 8_000);
  digits = far.digitsHeard ?? "";
  const callSid = await edge.app.callSid(number);
  await edge.rest(`Calls/${callSid}/Siprec/wire.json`, { Status: "stopped" });
  await edge.app.callback("/wire", "siprec-stopped");
  await call.hangUp();
  await edge.quiet();
  session = await eventually("the recording is over", () => srs.ended[0] ?? null);
}

/** Of the fork: where it comes from is what the recorder saw. */
const stream = (label: string): StreamReceipt => {
  const found = session.streams.find((one) => one.label === label);
  if (found === undefined) throw new Error(`no stream ${label}`);
  return found;
};

interface Rtp {
  ssrc: string;
  sequence: number;
  timestamp: number;
  payloadType: number;
  marker: boolean;
}

const rtpFrom = (port: number): Rtp[] =>
  (capture?.rows(`rtp and udp.srcport == ${port}`,
    ["rtp.ssrc", "rtp.seq", "rtp.timestamp", "rtp.p_type", "rtp.marker"]) ?? []).map(
    ([ssrc = "", sequence, timestamp, type, marker]) => ({
      ssrc, sequence: Number(sequence), timestamp: Number(timestamp), payloadType: Number(type),
      marker: marker === "1" || marker === "True",
    }));

const EXPERT_WARNING = 0x600000;

describe("a recorded call on the wire", () => {
  liveTest("the recorder found nothing wrong, each stream is the right party's", () => {
    expect(session.problems).toEqual([]);
    const scores = (["1", "2"] as const).map((label) => {
      const sound = session.sound(label);
      if (sound === null) throw new Error("nothing was recorded");
      return (["a", "b"] as const).map((name) => findVoice(sound, voice(name)).score);
    });
    const [[aInOne = 0, bInOne = 1] = [], [aInTwo = 1, bInTwo = 0] = []] = scores;
    expect([aInOne > FOUND_FROM, bInOne < ABSENT_BELOW, aInTwo < ABSENT_BELOW,
      bInTwo > FOUND_FROM]).toEqual([true, true, true, true]);
    expect(session.streams.map(({ lost, outOfOrder, dropped }) => [lost, outOfOrder, dropped]))
      .toEqual([[0, 0, 0], [0, 0, 0]]);
    expect(digits).toBe("42#");
  });

  wireTest("tshark finds no packet of ours malformed, and nothing to warn of", () => {
    const unseen = ["sip", "sdp", "rtp", "rtcp", "mime_multipart"].filter((protocol) =>
      capture?.rows(protocol, ["frame.number"]).length === 0);
    expect(unseen).toEqual([]);
    const layers = "(sip or sdp or rtp or rtcp or mime_multipart)";
    const wrong = capture?.rows(
      `_ws.malformed or (${layers} and _ws.expert.severity >= ${EXPERT_WARNING})`,
      ["frame.number", "frame.protocols", "_ws.expert.message"],
    );
    expect(wrong).toEqual([]);
  }, 20_000);

  wireTest("each fork: no gap, an SSRC of its own, one payload type, no telephone-event", () => {
    const [one, two] = [stream("1"), stream("2")];
    const forks = [one, two].map(({ remote }) => rtpFrom(remote?.port ?? 0));
    for (const [index, packets] of forks.entries()) {
      const receipt = [one, two][index];
      // The last one or two may find the recorder gone.
      const unheard = packets.length - (receipt?.packets ?? 0);
      expect([unheard, unheard >= 0 && unheard <= 2]).toEqual([unheard, true]);
      const steps = packets.slice(1).map(({ sequence }, i) =>
        (sequence - (packets[i]?.sequence ?? 0)) & 0xffff);
      expect(new Set(steps)).toEqual(new Set([1]));
      // In steps of 20 ms, more than one where keys were left out; or a new talkspurt begins:
      // the silence before the answer and the far party have different clocks.
      const odd = packets.slice(1).filter(({ timestamp, marker }, i) => {
        const step = (timestamp - (packets[i]?.timestamp ?? 0)) >>> 0;
        return step === 0 || step > 0x7fffffff || (step % 160 !== 0 && !marker);
      });
      expect(odd).toEqual([]);
      expect(new Set(packets.map(({ payloadType }) => payloadType))).toEqual(new Set([0]));
      expect(packets[0]?.marker).toBe(true);
    }
    const ssrcs = forks.map((packets) => new Set(packets.map(({ ssrc }) => ssrc)));
    expect(ssrcs.map(({ size }) => size)).toEqual([1, 1]);
    // Four more: what Alice and Bob send, each relayed as it is to the other, and silence before.
    const forkPorts = [one, two].map(({ remote }) => `udp.srcport == ${remote?.port}`).join(" or ");
    const others = new Set(capture?.rows(`rtp and not (${forkPorts})`, ["rtp.ssrc"]).flat());
    const own = ssrcs.flatMap((set) => [...set]);
    expect([new Set(own).size, own.filter((ssrc) => others.has(ssrc))]).toEqual([2, []]);
    const events = capture?.rows("rtpevent", ["udp.dstport"]).flat() ?? [];
    expect(events.length).toBeGreaterThan(0);
  }, 20_000);

  wireTest("RTCP of each fork: sender reports, a CNAME that tells nothing, BYE at the end", () => {
    const cnames = ["1", "2"].map((label) => {
      const port = (stream(label).remote?.port ?? 0) + 1;
      const types = new Set(capture?.rows(`rtcp and udp.srcport == ${port}`, ["rtcp.pt"])
        .flatMap(([list = ""]) => list.split(",")));
      expect(["200", "202", "203"].filter((type) => !types.has(type))).toEqual([]);
      // The second text of a BYE is its reason.
      const names = new Set(capture?.rows(`rtcp.sdes.text and udp.srcport == ${port}`,
        ["rtcp.sdes.text"]).map(([list = ""]) => list.split(",")[0]));
      expect(names.size).toBe(1);
      return [...names][0] ?? "";
    });
    expect(new Set(cnames).size).toBe(2);
    for (const cname of cnames) expect(cname).not.toMatch(/127\.0|alice|bob|@/);
    const lengths = capture?.rows("rtcp.length_check.bad or rtcp.length_check == 0",
      ["frame.number"]);
    expect(lengths).toEqual([]);
  }, 20_000);

  wireTest("the recording session is on TCP, and each request of it says what it must", () => {
    const invites = capture?.rows(
      `sip.Method == "INVITE" and tcp.dstport == ${edge.srsPort}`,
      ["sip.Require", "sip.Contact", "sip.Content-Type", "sip.CSeq.seq"],
    ) ?? [];
    // The first, the bridged call, the snapshot that was asked for.
    expect(invites.length).toBe(3);
    for (const [require, contact, type] of invites) {
      expect(require).toBe("siprec");
      expect(contact).toMatch(/>;\+sip\.src$/);
      expect(type).toMatch(/^multipart\/mixed;/);
    }
    const udp = capture?.rows(`udp.port == ${edge.srsPort}`, ["frame.number"]);
    expect(udp).toEqual([]);
  }, 20_000);
});

/** Documents of more kinds of call: one track, names to be escaped, parameters, started by REST. */
async function recordOtherCalls(): Promise<void> {
  const alice = await edge.phone("alice");
  const kinds = ["track=\"inbound_track\"", "track=\"outbound_track\"", "track=\"both_tracks\""];
  for (const [index, kind] of kinds.entries()) {
    const number = `+1555041${index}`;
    const name = `kind-${index}`;
    edge.app.documents.set(number, recorded(edge.app, name, "<Pause length=\"30\"/>", kind)
      .replace("/></Start>", "><Parameter name=\"A &amp; b\" value=\"&lt;Ž😀&gt; &quot;'\"/>"
        + "<Parameter name=\"Empty\" value=\"\"/></Siprec></Start>"));
    const call = await alice.call(edge.uri(number), {
      from: "\"Ž & <B> 😀\" <sip:al%20ice&co@127.0.0.1>",
    });
    await edge.app.callback(`/${name}`, "siprec-started");
    const callSid = await edge.app.callSid(number);
    await edge.rest(`Calls/${callSid}/Siprec.json`, {
      Name: "by rest", ConnectorName: "Recorder", "Parameter1.Name": "a]]>b",
      "Parameter1.Value": "x\ty\nz", StatusCallback: `${edge.app.url}/rest-${index}`,
    });
    await edge.app.callback(`/rest-${index}`, "siprec-started");
    await call.hangUp();
    await edge.app.callback(`/rest-${index}`, "siprec-stopped");
  }
  await edge.quiet();
}

describe("metadata of real calls", () => {
  const name = "xmllint accepts every document that the recorder was given";
  const schemaTest = existsSync(SCHEMA) ? needs("nats-server", "xmllint")
    : (_: string, body: () => Promise<void>, _timeoutMs: number) =>
      test.skip(`${name} [RFC 7865's schema is not beside the repository]`, body);
  schemaTest(name, async () => {
    await recordOtherCalls();
    const folder = join(edge.folder, "recordings");
    const files = await Array.fromAsync(new Bun.Glob("*/metadata-*.xml").scan(folder));
    expect(files.length).toBeGreaterThanOrEqual(3 + 6);
    expect(srs.ended.flatMap(({ problems }) => problems)).toEqual([]);
    const lint = spawnSync("xmllint",
      ["--nonet", "--noout", "--schema", SCHEMA, ...files.map((file) => join(folder, file))],
      { encoding: "utf8" });
    expect(lint.stderr.split("\n").filter((line) => line !== "" && !line.endsWith(" validates")))
      .toEqual([]);
    expect(lint.status).toBe(0);
  }, 30_000);
});
