import { describe, expect, test } from "bun:test";
import type { Direction } from "../../../protocol/sdp/description.ts";
import {
  answerLeg, type LegAnswer, type LocalLeg, offerLeg, readAnswer,
} from "../../../protocol/sdp/leg.ts";
import { parseSdp } from "../../../protocol/sdp/text.ts";
import { MediaOrder, type MediaRemote } from "../../../schemas/media.ts";
import { Value } from "@sinclair/typebox/value";
import { seeded } from "../../support/seeded.ts";

const OURS: LocalLeg = {
  address: "192.0.2.10", rtpPort: 40000, rtcpPort: 40001, codecs: ["PCMU", "PCMA"],
  sessionId: "77", version: 1,
};
const PHONE: LocalLeg = {
  ...OURS, address: "192.0.2.20", rtpPort: 50000, rtcpPort: 50001, sessionId: "88",
};

const offerOf = (media: string[], session: string[] = ["c=IN IP4 192.0.2.20"]): string =>
  ["v=0", "o=- 5 5 IN IP4 192.0.2.20", "s=-", ...session, "t=0 0", ...media, ""].join("\r\n");
const audio = (...attributes: string[]): string[] => ["m=audio 50000 RTP/AVP 0", ...attributes];

function taken(answer: LegAnswer): { text: string; remote: MediaRemote } {
  if (!answer.ok) throw new Error(`${answer.status} ${answer.reason}`);
  return answer;
}
const answerTo = (offer: string, ours = OURS): ReturnType<typeof taken> =>
  taken(answerLeg(offer, ours));
const refusal = (offer: string, ours = OURS): [number, string] => {
  const answer = answerLeg(offer, ours);
  if (answer.ok) throw new Error("it was taken");
  return [answer.status, answer.reason];
};
const lines = (text: string, start: string): string[] =>
  text.split("\r\n").filter((line) => line.startsWith(start));
const types = (codecs: { payloadType: number }[]): number[] =>
  codecs.map(({ payloadType }) => payloadType);

/** The schema that media processes check orders against. */
function isOrderable(remote: MediaRemote): boolean {
  return Value.Check(MediaOrder, {
    version: 1, edge: "a", epoch: 1, callSid: `CA${"0".repeat(32)}`, revision: 1, forks: [],
    endpoint: { remote, hears: { kind: "silence" }, timeoutMs: 0 },
  });
}

describe("a leg's SDP offer", () => {
  test("lists G.711 and telephone-event, with everything that a plain phone needs", () => {
    expect(offerLeg(OURS)).toBe([
      "v=0", "o=- 77 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0",
      "m=audio 40000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
      "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", "a=sendrecv", "",
    ].join("\r\n"));
  });

  test("RFC 7587 §7: opus is opus/48000/2, and has telephone-event in its own clock", () => {
    const text = offerLeg({ ...OURS, codecs: ["opus", "PCMU", "g722", "no such", "pcmu"] });
    expect(lines(text, "m=")).toEqual(["m=audio 40000 RTP/AVP 111 0 9 110 101"]);
    expect(lines(text, "a=rtpmap")).toContain("a=rtpmap:111 opus/48000/2");
    expect(lines(text, "a=rtpmap")).toContain("a=rtpmap:110 telephone-event/48000");
    expect(lines(text, "a=rtpmap")).toContain("a=rtpmap:9 G722/8000");
  });

  test("RFC 3605: an RTCP port that is not the next one is said, over IPv6 too", () => {
    const text = offerLeg({ ...OURS, address: "2001:db8::1", rtcpPort: 40007 });
    expect(lines(text, "a=rtcp")).toEqual(["a=rtcp:40007"]);
    expect(lines(text, "c=")).toEqual(["c=IN IP6 2001:db8::1"]);
    expect(lines(text, "o=")).toEqual(["o=- 77 1 IN IP6 2001:db8::1"]);
  });

  test("RFC 3264 §8: a later offer keeps the place of every m-line", () => {
    const offer = offerOf(["m=video 6000 RTP/AVP 96", ...audio(), "m=image 7000 udptl t38"]);
    const again = offerLeg({ ...OURS, version: 2, direction: "sendonly" }, answerTo(offer).text);
    expect(lines(again, "m=")).toEqual([
      "m=video 0 RTP/AVP 96", "m=audio 40000 RTP/AVP 0 8 101", "m=image 0 udptl t38",
    ]);
    expect(lines(again, "a=send")).toEqual(["a=sendonly"]);
    expect(lines(offerLeg(OURS, "no SDP"), "m=")).toHaveLength(1);
  });
});

describe("a leg's SDP answer", () => {
  test("keeps the payload types and the order of the offer, limited to our codecs", () => {
    const { text, remote } = answerTo(offerOf([
      "m=audio 50000 RTP/AVP 18 96 8 0 97 13 98", "a=rtpmap:96 PCMU/8000",
      "a=rtpmap:97 telephone-event/8000", "a=rtpmap:98 telephone-event/16000",
    ]));
    expect(lines(text, "m=")).toEqual(["m=audio 40000 RTP/AVP 96 8 97"]);
    expect(lines(text, "a=fmtp")).toEqual(["a=fmtp:97 0-16"]);
    expect(types(remote.send)).toEqual([96, 8]);
    expect(types(remote.receive)).toEqual([96, 8]);
    expect(types(remote.sendEvents)).toEqual([97]);
    expect(isOrderable(remote)).toBe(true);
  });

  test("telephone-event goes in the clock of the codec that was taken", () => {
    const offer = offerOf([
      "m=audio 50000 RTP/AVP 111 0 100 101", "a=rtpmap:111 opus/48000/2",
      "a=rtpmap:100 telephone-event/48000", "a=rtpmap:101 telephone-event/8000",
    ]);
    expect(types(answerTo(offer).remote.receiveEvents)).toEqual([101]);
    expect(types(answerTo(offer, { ...OURS, codecs: ["opus"] }).remote.receiveEvents))
      .toEqual([100]);
  });

  test("every m-line is mirrored: the first usable audio taken, the others at port 0", () => {
    const offer = offerOf([
      "m=video 6000 RTP/AVP 96 97", "a=rtpmap:96 H264/90000", "m=audio 0 RTP/AVP 0",
      "m=audio 5002 RTP/SAVP 0", ...audio(), "m=audio 5006 RTP/AVP 8", "m=text 9 TCP/MSRP *",
    ]);
    expect(lines(answerTo(offer).text, "m=")).toEqual([
      "m=video 0 RTP/AVP 96 97", "m=audio 0 RTP/AVP 0", "m=audio 0 RTP/SAVP 0",
      "m=audio 40000 RTP/AVP 0", "m=audio 0 RTP/AVP 8", "m=text 0 TCP/MSRP *",
    ]);
  });

  test("RFC 3264 §6.1: the direction is the offer's turned round, limited to our wish", () => {
    const table: [Direction, Record<Direction, Direction>][] = [
      ["sendrecv", { sendrecv: "sendrecv", sendonly: "sendonly", recvonly: "recvonly",
        inactive: "inactive" }],
      ["sendonly", { sendrecv: "recvonly", sendonly: "inactive", recvonly: "recvonly",
        inactive: "inactive" }],
      ["recvonly", { sendrecv: "sendonly", sendonly: "sendonly", recvonly: "inactive",
        inactive: "inactive" }],
      ["inactive", { sendrecv: "inactive", sendonly: "inactive", recvonly: "inactive",
        inactive: "inactive" }],
    ];
    for (const [offered, row] of table) {
      for (const direction of Object.keys(row) as Direction[]) { // The keys are written above.
        const atMedia = answerTo(offerOf(audio(`a=${offered}`)), { ...OURS, direction });
        expect([offered, direction, atMedia.remote.direction])
          .toEqual([offered, direction, row[direction]]);
        expect(atMedia.text).toContain(`a=${row[direction]}\r\n`);
        const atSession = offerOf(audio(), ["c=IN IP4 192.0.2.20", `a=${offered}`]);
        expect(answerTo(atSession, { ...OURS, direction }).remote.direction).toBe(row[direction]);
      }
    }
  });

  test("RFC 3264 §8.4: three kinds of hold, and by 0.0.0.0 nothing is sent, RTCP neither", () => {
    expect(answerTo(offerOf(audio("a=sendonly"))).remote)
      .toMatchObject({ direction: "recvonly", rtp: { port: 50000 }, rtcp: { port: 50001 } });
    expect(answerTo(offerOf(audio("a=inactive"))).remote).toMatchObject({ direction: "inactive" });
    for (const connection of ["c=IN IP4 0.0.0.0", "c=IN IP6 ::"]) {
      const { remote, text } = answerTo(offerOf(audio(), [connection]));
      expect(remote).toMatchObject({ direction: "recvonly", rtp: null, rtcp: null });
      expect(text).toContain("m=audio 40000");
      expect(isOrderable(remote)).toBe(true);
    }
  });

  test("RTCP goes to the next port, or where a=rtcp says, if that is one host", () => {
    const rtcpOf = (...attributes: string[]): MediaRemote["rtcp"] =>
      answerTo(offerOf(audio(...attributes))).remote.rtcp;
    expect(rtcpOf()).toEqual({ address: "192.0.2.20", port: 50001 });
    expect(rtcpOf("a=rtcp:6000")).toEqual({ address: "192.0.2.20", port: 6000 });
    expect(rtcpOf("a=rtcp:6000 IN IP4 192.0.2.99")).toEqual({ address: "192.0.2.99", port: 6000 });
    expect(rtcpOf("a=rtcp:6000 IN IP4 224.0.0.1")).toBeNull();
    expect(answerTo(offerOf(["m=audio 65535 RTP/AVP 0"])).remote.rtcp).toBeNull();
  });

  test("RTP/AVPF is answered as RTP/AVPF; rtcp-mux, crypto and labels are not answered", () => {
    const { text } = answerTo(offerOf([
      "m=audio 50000 RTP/AVPF 0", "a=rtcp-mux", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a",
      "a=label:9",
    ]));
    expect(lines(text, "m=")).toEqual(["m=audio 40000 RTP/AVPF 0"]);
    expect(text).not.toMatch(/rtcp-mux|crypto|label/);
  });

  test("RFC 7261 §3.1: annexb=no of G729 is kept, other parameters are each side's own", () => {
    const offer = offerOf([
      "m=audio 50000 RTP/AVP 18 111", "a=fmtp:18 annexb=no", "a=rtpmap:111 opus/48000/2",
      "a=fmtp:111 useinbandfec=1",
    ]);
    expect(lines(answerTo(offer, { ...OURS, codecs: ["G729", "opus"] }).text, "a=fmtp"))
      .toEqual(["a=fmtp:18 annexb=no"]);
  });

  test("ptime is the phone's wish, kept inside what we can do", () => {
    const ptimeOf = (...attributes: string[]): number =>
      answerTo(offerOf(audio(...attributes))).remote.ptimeMs;
    expect([ptimeOf(), ptimeOf("a=ptime:30"), ptimeOf("a=ptime:0"), ptimeOf("a=ptime:1"),
      ptimeOf("a=ptime:500"), ptimeOf("a=ptime:x"), ptimeOf("a=ptime:60", "a=maxptime:40"),
      ptimeOf("a=ptime:22.5")]).toEqual([20, 30, 20, 10, 120, 20, 40, 23]);
  });

  test("an offer that can't be used is 488, one that can't be read is 400", () => {
    const cases: [string, number, RegExp][] = [
      ["", 400, /SDP offer/], ["v=0\r\nnonsense", 400, /line 2/],
      [offerOf([]), 488, /no audio/], [offerOf(["m=video 6000 RTP/AVP 96"]), 488, /no audio/],
      [offerOf(["m=audio 0 RTP/AVP 0"]), 488, /no audio/],
      [offerOf(["m=audio 5000 RTP/SAVP 0"]), 488, /SRTP/],
      [offerOf(["m=audio 5000 RTP/SAVPF 0"]), 488, /SRTP/],
      [offerOf(["m=audio 5000 UDP/TLS/RTP/SAVPF 0"]), 488, /profile/],
      [offerOf(["m=audio 5000 RTP/AVP 18 101"]), 488, /codec/],
      [offerOf(["m=audio 5000 RTP/AVP"]), 488, /codec/],
      [offerOf(audio(), []), 488, /no c=/],
      [offerOf(audio(), ["c=IN IP4 phone.example"]), 488, /IP literal/],
      [offerOf(audio(), ["c=IN IP4 239.1.1.1/16"]), 488, /one host/],
      [offerOf(audio(), ["c=IN IP4 255.255.255.255"]), 488, /one host/],
      [offerOf(audio(), ["c=IN IP6 2001:db8::9"]), 488, /other IP version/],
      [offerOf(Array<string>(65).fill("m=audio 5000 RTP/AVP 0")), 488, /64 media/],
    ];
    for (const [offer, status, reason] of cases) {
      const [got, sentence] = refusal(offer);
      expect([offer, got]).toEqual([offer, status]);
      expect(sentence).toMatch(reason);
    }
  });
});

describe("the answer to our leg's offer", () => {
  const offer = offerLeg({ ...OURS, codecs: ["PCMU", "PCMA", "opus"] });
  const answered = (...media: string[]): ReturnType<typeof readAnswer> =>
    readAnswer(offer, offerOf(media));

  test("what we send has the answer's payload types, what we receive has ours", () => {
    const result = answered(
      "m=audio 50000 RTP/AVP 96 8 97", "a=rtpmap:96 opus/48000/2",
      "a=rtpmap:97 telephone-event/8000",
    );
    if (!result.ok) throw new Error(result.reason);
    const { remote, codec } = result;
    expect(codec.name).toBe("OPUS");
    expect(types(remote.send)).toEqual([96, 8]);
    expect(types(remote.sendEvents)).toEqual([97]);
    // Their own numbers are understood as well, where our offer left them free.
    expect(types(remote.receive)).toEqual([111, 8, 96]);
    expect(types(remote.receiveEvents)).toEqual([101, 97]);
    expect(isOrderable(remote)).toBe(true);
  });

  test("a number of theirs that is another codec in our offer is not understood", () => {
    const result = answered("m=audio 50000 RTP/AVP 8", "a=rtpmap:8 PCMU/8000");
    if (!result.ok) throw new Error(result.reason);
    expect(types(result.remote.send)).toEqual([8]);
    expect(types(result.remote.receive)).toEqual([0]);
  });

  test("the direction is what both sides want", () => {
    const directionOf = (attribute: string): string => {
      const result = answered("m=audio 50000 RTP/AVP 0", `a=${attribute}`);
      return result.ok ? result.remote.direction : result.reason;
    };
    expect(["sendrecv", "sendonly", "recvonly", "inactive"].map(directionOf))
      .toEqual(["sendrecv", "recvonly", "sendonly", "inactive"]);
    const held = readAnswer(offerLeg({ ...OURS, direction: "sendonly" }), offerOf(audio()));
    expect(held.ok && held.remote.direction).toBe("sendonly");
    const silent = readAnswer(offer, offerOf(audio(), ["c=IN IP4 0.0.0.0"]));
    expect(silent.ok && silent.remote).toMatchObject({ direction: "recvonly", rtp: null });
  });

  test("an answer that breaks the exchange is refused with its reason", () => {
    const cases: [string[], RegExp][] = [
      [[], /0 m-lines answer the 1/], [["m=audio 0 RTP/AVP 0"], /port 0/],
      [["m=video 50000 RTP/AVP 0"], /m=video answers m=audio/],
      [["m=audio 50000 RTP/SAVP 0"], /RTP\/SAVP answers RTP\/AVP/],
      [["m=audio 50000 RTP/AVP 9"], /no codec/], [["m=audio 50000 RTP/AVP 101"], /no codec/],
    ];
    for (const [media, reason] of cases) {
      const result = answered(...media);
      expect(result.ok ? "taken" : result.reason).toMatch(reason);
    }
    for (const text of ["", "v=0", offerOf(audio(), ["c=IN IP4 224.1.1.1"])]) {
      expect(readAnswer(offer, text).ok).toBe(false);
    }
    expect(readAnswer("", offerOf(audio())).ok).toBe(false);
    expect(readAnswer(offerLeg({ ...OURS, codecs: ["no such"] }), offerOf(audio())).ok).toBe(false);
  });

  test("our own answer is understood by our own offerer: both see the same stream", () => {
    for (const codecs of [["PCMU"], ["PCMA", "PCMU"], ["opus", "PCMU"], ["G722", "G729", "PCMA"]]) {
      const theirs = offerLeg({ ...PHONE, codecs });
      const answer = answerLeg(theirs, { ...OURS, codecs: ["PCMU", "PCMA", "G722", "opus"] });
      if (!answer.ok) throw new Error(answer.reason);
      const read = readAnswer(theirs, answer.text);
      if (!read.ok) throw new Error(read.reason);
      expect(read.codec).toEqual(answer.codec);
      expect(read.remote.send).toEqual(answer.remote.receive);
      expect(read.remote.receive).toEqual(answer.remote.send);
      expect(read.remote.sendEvents).toEqual(answer.remote.receiveEvents);
      expect(read.remote.rtp).toEqual({ address: OURS.address, port: OURS.rtpPort });
      expect(answer.remote.rtp).toEqual({ address: PHONE.address, port: PHONE.rtpPort });
    }
  });
});

test("property: a damaged offer is answered with all its m-lines, or refused with a reason", () => {
  const good = offerOf([
    "m=audio 50000 RTP/AVP 0 8 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15",
    "a=rtcp:50003 IN IP4 192.0.2.9", "a=ptime:20", "a=sendonly", "m=video 6 RTP/AVP 97",
    "c=IN IP6 2001:db8::1", "m=audio 70 RTP/SAVP 0", "a=crypto:1 A inline:b",
  ]);
  let answers = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const random = seeded(seed);
    let offer = good;
    for (let edits = random.below(4); edits >= 0; edits--) {
      const at = random.below(offer.length);
      const added = random.pick(["", "\r\n", "0", "9", "-", " ", "m=", "😀", "\0", "$&"]);
      offer = offer.slice(0, at) + added + offer.slice(at + random.below(4));
    }
    const answer = answerLeg(offer, OURS);
    if (!answer.ok) {
      expect(answer.reason).not.toBe("");
      continue;
    }
    answers++;
    const offered = parseSdp(offer);
    const said = parseSdp(answer.text);
    if (!offered.ok || !said.ok) throw new Error(`seed ${seed}: ${offer}`);
    expect({ seed, kept: said.sdp.media.map(({ type, protocol }) => type + protocol) })
      .toEqual({ seed, kept: offered.sdp.media.map(({ type, protocol }) => type + protocol) });
    expect(said.sdp.media.filter(({ port }) => port !== 0)).toHaveLength(1);
    expect({ seed, orderable: isOrderable(answer.remote) }).toEqual({ seed, orderable: true });
  }
  expect(answers).toBeGreaterThan(200);
});
