import { describe, expect, test } from "bun:test";
import type { Codec } from "../../../schemas/media.ts";
import { codecsNamed, EVENT_NAME } from "../../../protocol/sdp/codec.ts";
import {
  labelsIn, offerRecording, type RecordingOffer, readRecordingAnswer, type RecordingStreamAnswer,
} from "../../../protocol/sdp/recording.ts";
import {
  acceptRecording, answerRecording, readRecordingOffer,
} from "../../../protocol/sdp/recording-answer.ts";
import { parseSdp } from "../../../protocol/sdp/text.ts";
import { seeded } from "../../support/seeded.ts";

const G711 = codecsNamed(["PCMU", "PCMA"]);
const EVENTS: Codec = { name: EVENT_NAME, payloadType: 101, clockRate: 8000, channels: 1 };
const OFFER: RecordingOffer = {
  address: "192.0.2.10", sessionId: "3981523304", version: 1,
  streams: [
    {
      label: "1", rtpPort: 40000, rtcpPort: 40001, codecs: [...G711, EVENTS],
      direction: "sendonly",
    },
    { label: "2", rtpPort: 40002, rtcpPort: 40009, codecs: G711, direction: "sendonly" },
  ],
};
const TEXT = offerRecording(OFFER);

const answerOf = (media: string[], address = "192.0.2.30"): string =>
  ["v=0", "o=srs 1 1 IN IP4 192.0.2.30", "s=-", `c=IN IP4 ${address}`, "t=0 0", ...media, ""]
    .join("\r\n");
const line = (port: number, ...rest: string[]): string[] =>
  [`m=audio ${port} RTP/AVP 0`, ...rest];

function streamsOf(answer: string, offer = TEXT): RecordingStreamAnswer[] {
  const result = readRecordingAnswer(offer, answer);
  if (!result.ok) throw new Error(result.reason);
  return result.streams;
}
const refusalOf = (answer: string): string => {
  const result = readRecordingAnswer(TEXT, answer);
  return result.ok ? "it was taken" : result.reason;
};
const lines = (text: string, start: string): string[] =>
  text.split("\r\n").filter((one) => one.startsWith(start));

describe("the SDP offer of a recording session", () => {
  test("RFC 7866 §7.1.1: one sendonly audio line a track, each with its label", () => {
    expect(TEXT).toBe([
      "v=0", "o=- 3981523304 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0",
      "m=audio 40000 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=ptime:20",
      "a=sendonly", "a=label:1",
      "m=audio 40002 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
      "a=rtcp:40009", "a=ptime:20", "a=sendonly", "a=label:2", "",
    ].join("\r\n"));
    expect(labelsIn(TEXT)).toEqual(["1", "2"]);
  });

  test("telephone-event is never offered to a recorder", () => {
    expect(TEXT).not.toMatch(/101|telephone-event/);
  });

  test("a paused stream is inactive, a removed one keeps its line and label at port 0", () => {
    const [first, second] = OFFER.streams;
    if (first === undefined || second === undefined) throw new Error("two streams");
    const text = offerRecording({
      ...OFFER,
      streams: [{ ...first, direction: "inactive" }, { ...second, rtpPort: 0, rtcpPort: 0 }],
    });
    expect(lines(text, "m=")).toEqual(["m=audio 40000 RTP/AVP 0 8", "m=audio 0 RTP/AVP 0 8"]);
    expect(lines(text, "a=inactive")).toHaveLength(1);
    expect(labelsIn(text)).toEqual(["1", "2"]);
    expect(streamsOf(answerOf([...line(5000), ...line(0)]), text).map(({ accepted, direction }) =>
      [accepted, direction])).toEqual([[true, "inactive"], [false, "inactive"]]);
  });

  test("a stream without a codec can't be offered: its line is refused from the start", () => {
    const [first] = OFFER.streams;
    if (first === undefined) throw new Error("two streams");
    const text = offerRecording({ ...OFFER, streams: [{ ...first, codecs: [EVENTS] }] });
    expect(lines(text, "m=")).toEqual(["m=audio 0 RTP/AVP 0"]);
  });
});

describe("the recorder's SDP answer", () => {
  test("is matched by the place of its lines, whatever labels it has", () => {
    for (const labels of [[], ["a=label:1", "a=label:2"], ["a=label:2", "a=label:1"]]) {
      const [one, two] = labels;
      const answer = answerOf([
        ...line(5000, "a=recvonly", ...(one === undefined ? [] : [one])),
        ...line(5002, "a=recvonly", ...(two === undefined ? [] : [two])),
      ]);
      expect(streamsOf(answer).map(({ label, rtp, rtcp }) => [label, rtp?.port, rtcp?.port]))
        .toEqual([["1", 5000, 5001], ["2", 5002, 5003]]);
    }
  });

  test("RFC 3264 §5.1: its payload types are the ones to send", () => {
    const offer = offerRecording({
      ...OFFER, streams: OFFER.streams.map((one) => ({ ...one, codecs: codecsNamed(["opus"]) })),
    });
    const answer = answerOf([
      "m=audio 5000 RTP/AVP 96", "a=rtpmap:96 OPUS/48000/2", "m=audio 5002 RTP/AVP 97",
      "a=rtpmap:97 opus/48000",
    ]);
    const [first, second] = streamsOf(answer, offer);
    expect(first?.codecs.map(({ payloadType }) => payloadType)).toEqual([96]);
    expect(second).toMatchObject({ accepted: false, reason: "no codec in common" });
  });

  test("codecs that were not offered are not sent, telephone-event neither", () => {
    const answer = answerOf([
      "m=audio 5000 RTP/AVP 9 101 8", "a=rtpmap:101 telephone-event/8000", ...line(5002),
    ]);
    expect(streamsOf(answer)[0]?.codecs.map(({ name }) => name)).toEqual(["PCMA"]);
  });

  test("recvonly, sendrecv and silence about it are listening; inactive is waiting", () => {
    const directionOf = (...attributes: string[]): string | undefined =>
      streamsOf(answerOf([...line(5000, ...attributes), ...line(5002)]))[0]?.direction;
    expect([directionOf("a=recvonly"), directionOf("a=sendrecv"), directionOf(),
      directionOf("a=inactive")]).toEqual(["sendonly", "sendonly", "sendonly", "inactive"]);
    const held = streamsOf(answerOf([...line(5000), ...line(5002)], "0.0.0.0"));
    expect(held.map(({ accepted, direction, rtp }) => [accepted, direction, rtp]))
      .toEqual([[true, "inactive", null], [true, "inactive", null]]);
  });

  test("port 0 refuses one stream and leaves the other", () => {
    expect(streamsOf(answerOf([...line(5000), ...line(0)])).map(({ accepted }) => accepted))
      .toEqual([true, false]);
  });

  test("one line more than offered is looked past", () => {
    expect(streamsOf(answerOf([...line(5000), ...line(5002), ...line(5004)]))).toHaveLength(2);
  });

  test("what breaks the exchange fails the whole answer, with the reason", () => {
    const cases: [string, RegExp][] = [
      ["", /SDP answer/], ["v=0\r\n", /o=/],
      [answerOf(line(5000)), /1 m-lines answer the 2/],
      [answerOf([...line(5000), ...line(5002, "a=sendonly")]), /m-line 2: .*send/],
      [answerOf([...line(5000), "m=video 5002 RTP/AVP 0"]), /m-line 2: m=video/],
      [answerOf([...line(5000), ...line(5002)], "239.0.0.1"), /one host/],
      [answerOf([...line(5000), ...line(5002)], "255.255.255.255"), /one host/],
      [answerOf([...line(5000), ...line(5002)], "rec.example"), /literal/],
      [answerOf([...line(5000), ...line(5002)]).replace("c=IN IP4 192.0.2.30\r\n", ""), /c=/],
    ];
    for (const [answer, reason] of cases) expect(refusalOf(answer)).toMatch(reason);
  });

  test("a profile that was not offered refuses the stream: no RTP in the clear for SRTP", () => {
    const answer = answerOf([...line(5000), "m=audio 5002 RTP/SAVP 0"]);
    expect(streamsOf(answer)[1]).toMatchObject({ accepted: false, rtp: null, codecs: [] });
  });

  test("property: damaged answers give a value, never an accepted stream without a codec", () => {
    const good = answerOf([...line(5000, "a=recvonly"), ...line(5002, "a=rtcp:9 IN IP4 1.2.3.4")]);
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seeded(seed);
      const at = random.below(good.length);
      const answer = good.slice(0, at) + random.pick(["", "0", "\r\n", "m=", "9", "😀"]) +
        good.slice(at + random.below(5));
      const result = readRecordingAnswer(TEXT, answer);
      if (!result.ok) continue;
      expect(result.streams.map(({ label }) => label)).toEqual(["1", "2"]);
      for (const { accepted, codecs, rtp } of result.streams) {
        expect({ seed, fits: accepted ? codecs.length > 0 : rtp === null })
          .toEqual({ seed, fits: true });
      }
    }
  });
});

describe("a recorder that answers", () => {
  const RECORDER = {
    address: "192.0.2.30", sessionId: "9", version: 1, codecs: ["PCMA", "PCMU"],
    direction: "recvonly" as const,
    streams: [{ rtpPort: 5000, rtcpPort: 5001 }, { rtpPort: 5002, rtcpPort: 5007 }],
  };

  test("takes every labelled line; both ends then agree on ports, codecs and labels", () => {
    expect(readRecordingOffer(TEXT)).toMatchObject({
      ok: true,
      streams: [{ label: "1", live: true, direction: "sendonly" }, { label: "2", live: true }],
    });
    const answer = acceptRecording(TEXT, RECORDER);
    if (!answer.ok) throw new Error(answer.reason);
    expect(lines(answer.text, "a=recvonly")).toHaveLength(2);
    expect(labelsIn(answer.text)).toEqual(["1", "2"]);
    expect(answer.streams.map(({ label, rtp, rtcp }) => [label, rtp?.port, rtcp?.port]))
      .toEqual([["1", 40000, 40001], ["2", 40002, 40009]]);
    expect(streamsOf(answer.text).map(({ label, direction, rtp, rtcp, codecs }) =>
      [label, direction, rtp?.port, rtcp?.port, codecs.map(({ name }) => name)]
    )).toEqual([
      ["1", "sendonly", 5000, 5001, ["PCMU", "PCMA"]],
      ["2", "sendonly", 5002, 5007, ["PCMU", "PCMA"]],
    ]);
  });

  test("may answer inactive, and refuse one line", () => {
    const waiting = acceptRecording(TEXT, { ...RECORDER, direction: "inactive" });
    expect(waiting.ok && streamsOf(waiting.text).map(({ direction }) => direction))
      .toEqual(["inactive", "inactive"]);
    const second = { rtpPort: 6, rtcpPort: 7 };
    const one = acceptRecording(TEXT, { ...RECORDER, streams: [null, second] });
    expect(one.ok && streamsOf(one.text).map(({ accepted }) => accepted)).toEqual([false, true]);
    expect(one.ok && one.streams.map(({ accepted }) => accepted)).toEqual([false, true]);
  });

  test("says 488 when there is nothing that it can take, 400 to what it can't read", () => {
    for (const offer of [
      TEXT.replaceAll("RTP/AVP", "RTP/SAVP"), TEXT.replaceAll("m=audio", "m=video"),
      TEXT.replaceAll("AVP 0 8", "AVP 18"),
    ]) expect(acceptRecording(offer, RECORDER)).toMatchObject({ ok: false, status: 488 });
    expect(acceptRecording("v=1", RECORDER)).toMatchObject({ ok: false, status: 400 });
    expect(readRecordingOffer("v=1").ok).toBe(false);
  });
});

describe("our answer when the recorder offers", () => {
  const fromSrs = (...media: string[]): ReturnType<typeof answerRecording> =>
    answerRecording(answerOf(media), { ...OFFER, version: 2 });

  test("RFC 7866 §7.2: recvonly is answered sendonly, with labels", () => {
    const answer = fromSrs(...line(5000, "a=recvonly"), ...line(5002, "a=recvonly"));
    if (!answer.ok) throw new Error(answer.reason);
    expect(lines(answer.text, "a=sendonly")).toHaveLength(2);
    expect(labelsIn(answer.text)).toEqual(["1", "2"]);
    expect(answer.text).toContain("o=- 3981523304 2 ");
    expect(answer.streams.map(({ direction, rtp }) => [direction, rtp?.port]))
      .toEqual([["sendonly", 5000], ["sendonly", 5002]]);
  });

  test("port 0 ends one stream, inactive pauses the other", () => {
    const answer = fromSrs(...line(5000, "a=inactive"), ...line(0));
    if (!answer.ok) throw new Error(answer.reason);
    expect(lines(answer.text, "m=")).toEqual(["m=audio 40000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"]);
    expect(labelsIn(answer.text)).toEqual(["1", "2"]);
    expect(answer.streams.map(({ accepted, direction }) => [accepted, direction]))
      .toEqual([[true, "inactive"], [false, "inactive"]]);
  });

  test("a line that the recorder adds is refused, one that it leaves out is not sent", () => {
    const more = fromSrs(...line(5000), ...line(5002), ...line(5004));
    expect(more.ok && lines(more.text, "m=").at(-1)).toBe("m=audio 0 RTP/AVP 0");
    expect(more.ok && more.streams).toHaveLength(2);
    const fewer = fromSrs(...line(5000));
    expect(fewer.ok && fewer.streams[1]).toMatchObject({ accepted: false, rtp: null });
  });

  test("a recorder that wants to send, or to group addresses, gets nothing", () => {
    const sending = fromSrs(...line(5000, "a=sendonly"), ...line(5002, "c=IN IP4 224.0.0.1"));
    if (!sending.ok) throw new Error(sending.reason);
    expect(sending.streams.map(({ accepted, direction }) => [accepted, direction]))
      .toEqual([[true, "inactive"], [false, "inactive"]]);
    expect(answerRecording("nonsense", OFFER)).toMatchObject({ ok: false, status: 400 });
  });

  test("property: as many m-lines as the offer, all ours labelled, whatever is offered", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = seeded(seed);
      const media = Array.from({ length: 1 + random.below(4) }, () => line(
        random.pick([0, 5000]), random.pick(["a=recvonly", "a=sendonly", "a=inactive", "a=x"]),
      )).flat();
      const answer = fromSrs(...media);
      if (!answer.ok) throw new Error(answer.reason);
      const said = parseSdp(answer.text);
      if (!said.ok) throw new Error(said.reason);
      const count = media.length / 2;
      expect(said.sdp.media).toHaveLength(count);
      expect(said.sdp.media.slice(0, 2).map(({ label }) => label))
        .toEqual(["1", "2"].slice(0, count));
    }
  });
});
