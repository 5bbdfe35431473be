import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findVoice, FOUND_FROM } from "../../../protocol/audio/compare.ts";
import { encodeCompound } from "../../../protocol/rtp/rtcp.ts";
import { decodeWav, type Sound } from "../../../protocol/rtp/wav.ts";
import { header } from "../../../protocol/sip/header.ts";
import { systemClock } from "../../../edge/runtime/clock.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import { Srs } from "../../../edge/tools/srs.ts";
import type { SrsBehaviour } from "../../../edge/tools/srs-options.ts";
import type { SrsSession } from "../../../edge/tools/srs-session.ts";
import { quietLog } from "../../support/quiet-log.ts";
import { metadata, RecordingClient, SRC_HEADERS } from "../../support/recording-client.ts";

let out: string;
const closing: { stop(): Promise<void> }[] = [];

beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "srs-"));
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.stop()));
  rmSync(out, { recursive: true });
});

async function srs(behaviour: Partial<SrsBehaviour> = {}, transport: "udp" | "tcp" = "tcp") {
  const made = new Srs({
    listen: [{ transport, address: "127.0.0.1", port: 0 }], out, behaviour,
    clock: systemClock, random: systemRandom, log: quietLog,
  });
  await made.start();
  closing.push(made);
  const client = new RecordingClient(transport);
  await client.agent.start();
  closing.push(client);
  const [address] = made.listening();
  if (address === undefined) throw new Error("it listens nowhere");
  const ended = new Promise<SrsSession>((resolve) => {
    made.onEnded = resolve;
  });
  return { srs: made, client, address, ended };
}

/** The first 0.9 s of a voice. */
function voice(name: string): Sound {
  const read = decodeWav(readFileSync(`${import.meta.dir}/../../assets/${name}`));
  if (!read.ok) throw new Error(read.reason);
  return { ...read.sound, samples: read.sound.samples.subarray(0, 7200) };
}

function recorded(folder: string | null, label: string): Sound {
  const read = decodeWav(readFileSync(join(folder ?? "", `${label}.wav`)));
  if (!read.ok) throw new Error(read.reason);
  return read.sound;
}

const receiptOf = (folder: string | null) =>
  JSON.parse(readFileSync(join(folder ?? "", "receipt.json"), "utf8"));

describe("the recorder", () => {
  test("keeps each stream, each metadata document and a receipt", async () => {
    const { srs: recorder, client, address, ended } = await srs();
    const [a, b] = [voice("voice-a.wav"), voice("voice-b.wav")];
    expect(await client.invite(address)).toBe(200);
    expect(header(client.response ?? { headers: [] }, "Contact")).toEndWith(";+sip.srs");
    await Promise.all([client.say(0, a), client.say(1, b)]);
    const update = await client.request("UPDATE", await client.body(metadata("Alice B."), {}, 2));
    expect(update.status).toBe(200);
    const sender = { wallMs: 0, rtpTimestamp: 0, packets: 1, octets: 1 };
    client.sendRtcp(0, encodeCompound({ ssrc: 1, cname: "x", sender, bye: "over" }));
    expect((await client.request("BYE")).status).toBe(200);
    const { folder, problems, documents } = await ended;
    expect(problems).toEqual([]);
    expect(documents).toEqual([metadata("Alice"), metadata("Alice B.")]);
    expect(recorder.live).toEqual([]);

    expect(readdirSync(folder ?? "").sort())
      .toEqual(["1.wav", "2.wav", "metadata-1.xml", "metadata-2.xml", "receipt.json"]);
    expect(findVoice(recorded(folder, "1"), a).score).toBeGreaterThan(FOUND_FROM);
    expect(findVoice(recorded(folder, "2"), b).score).toBeGreaterThan(FOUND_FROM);
    expect(readFileSync(join(folder ?? "", "metadata-2.xml"), "utf8")).toBe(metadata("Alice B."));
    const receipt = receiptOf(folder);
    expect(receipt.headers.Require).toEqual(["siprec"]);
    expect(receipt.ended_by).toBe("src");
    expect(receipt.streams).toMatchObject([
      { label: "1", codec: "PCMU", packets: 45, lost: 0, out_of_order: 0, duration_ms: 900,
        srtp_suite: null, remote_address: "127.0.0.1", remote_port: expect.any(Number) },
      { label: "2", codec: "PCMU", packets: 45 },
    ]);
  });

  test("a client without siprec in Require is told what is missing", async () => {
    const { srs: recorder, client, address } = await srs();
    expect(await client.invite(address, { headers: SRC_HEADERS.slice(1) })).toBe(421);
    expect(header(client.response ?? { headers: [] }, "Require")).toBe("siprec");
    expect(recorder.live).toEqual([]);
    expect(readdirSync(out)).toEqual([]);
  });

  test("an extension that it does not know is refused by its name", async () => {
    const { client, address } = await srs();
    const headers = [...SRC_HEADERS, { name: "Require", value: "100rel, foo" }];
    expect(await client.invite(address, { headers })).toBe(420);
    expect(header(client.response ?? { headers: [] }, "Unsupported")).toBe("100rel, foo");
  });

  test("an Accept that leaves no place for its SDP is refused", async () => {
    const { client, address } = await srs();
    const headers = [
      { name: "Require", value: "siprec" },
      { name: "Accept", value: "application/rs-metadata+xml" },
    ];
    expect(await client.invite(address, { headers })).toBe(406);
  });

  test("bodies that it can't use get the status of their fault", async () => {
    const { client, address } = await srs();
    const encoder = new TextEncoder();
    const bad = (contentType: string, text: string) =>
      client.invite(address, { body: { contentType, body: encoder.encode(text) } });
    expect(await bad("application/sdp", "this is no SDP")).toBe(400);
    expect(await bad("multipart/mixed;boundary=x", "no boundary anywhere")).toBe(400);
    expect(await bad("image/png", "PNG")).toBe(415);
    expect(await bad("application/rs-metadata+xml", metadata())).toBe(488);
    expect(await client.invite(address, { codecs: ["OPUS"] })).toBe(488);
  });

  test("what breaks the RFC and can be recorded is recorded, and named", async () => {
    const { client, address, ended } = await srs();
    const options = { contact: { user: "src", params: "" }, labels: ["left", "../../right"] };
    expect(await client.invite(address, options)).toBe(200);
    await client.say(1, voice("voice-a.wav"));
    await client.request("BYE");
    const { folder, problems } = await ended;
    expect(problems).toEqual([
      "Contact has no +sip.src (RFC 7866 §6.1.1)",
      "metadata: label 1 is not in the SDP",
      "metadata: label 2 is not in the SDP",
    ]);
    // A label is no path.
    expect(readdirSync(folder ?? "").sort())
      .toEqual(["left.wav", "metadata-1.xml", "receipt.json", "stream-2.wav"]);
  });

  test("answers OPTIONS, and 481 to a dialog that it does not know", async () => {
    const { client, address } = await srs();
    await client.invite(address);
    expect((await client.request("OPTIONS")).status).toBe(405);
    if (client.dialog !== null) client.dialog = { ...client.dialog, remoteTag: "other" };
    expect((await client.request("UPDATE")).status).toBe(481);
  });

  test("a session refresh without an offer gets the same description again", async () => {
    const { client, address } = await srs();
    await client.invite(address);
    const again = await client.request("INVITE");
    expect(again.status).toBe(200);
    expect(again.body).toEqual(client.response?.body ?? new Uint8Array(1));
    expect((await client.request("UPDATE")).body.length).toBe(0);
  });

  test("reports back what it received", async () => {
    const { client, address } = await srs();
    await client.invite(address);
    for (let i = 0; i < 3 && client.rtcpReceived === 0; i += 1) {
      await client.say(0, voice("voice-a.wav"));
    }
    expect(client.rtcpReceived).toBeGreaterThan(0);
  });

  test("stopping it ends its recordings, and keeps them", async () => {
    const { srs: recorder, client, address, ended } = await srs({}, "udp");
    await client.invite(address);
    const bye = client.next("BYE");
    await recorder.stop();
    await bye;
    const { folder } = await ended;
    expect(receiptOf(folder).ended_by).toBe("stop");
  });
});

describe("the recorder misbehaves when it is told to", () => {
  test("--answer refuses", async () => {
    const { client, address } = await srs({ answer: 486 });
    expect(await client.invite(address)).toBe(486);
  });

  test("--inactive takes the recording, and wants no audio", async () => {
    const { client, address } = await srs({ inactive: true });
    expect(await client.invite(address)).toBe(200);
    expect(client.answer.map(({ direction }) => direction)).toEqual(["inactive", "inactive"]);
  });

  test("--snapshot-after asks for the metadata in an UPDATE", async () => {
    const { client, address } = await srs({ snapshotAfterMs: 20 });
    const coming = client.next("UPDATE");
    await client.invite(address);
    const { request } = await coming;
    expect(header(request, "Content-Disposition")).toBe("recording-session");
    expect(header(request, "Content-Type")).toBe("application/rs-metadata+xml");
    expect(new TextDecoder().decode(request.body)).toContain("<requestsnapshot");
  });

  test("--bye-after hangs up", async () => {
    const { client, address, ended } = await srs({ byeAfterMs: 20 });
    const coming = client.next("BYE");
    await client.invite(address);
    await coming;
    expect((await ended).endedBy).toBe("srs");
  });

  test("--silent answers nothing at all, not even 100", async () => {
    const { srs: recorder, client, address } = await srs({ silent: true });
    const statuses: (number | string)[] = [];
    client.onEvent = (event) => {
      statuses.push(event.type === "response" ? event.response.status : event.type);
    };
    void client.invite(address);
    // Past the 200 ms after which a 100 Trying would come.
    await new Promise<void>((done) => systemClock.after(250, done));
    expect(statuses).toEqual([]);
    expect(recorder.live).toEqual([]);
  });
});
