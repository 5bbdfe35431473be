import { describe, expect, test } from "bun:test";
import {
  type MediaDescription, MEDIA_LINES_MAX, SDP_MAX_BYTES, type SessionDescription,
} from "../../../protocol/sdp/description.ts";
import { parseSdp, serializeSdp } from "../../../protocol/sdp/text.ts";
import { seeded } from "../../support/seeded.ts";

const HEAD = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"];
const sdpOf = (...lines: string[]): string => [...HEAD, ...lines].map((line) => `${line}\r\n`)
  .join("");

function read(text: string): SessionDescription {
  const result = parseSdp(text);
  if (!result.ok) throw new Error(result.reason);
  return result.sdp;
}

function firstMedia(...lines: string[]): MediaDescription {
  const media = read(sdpOf(...lines)).media[0];
  if (media === undefined) throw new Error("no media");
  return media;
}

const reasonOf = (text: string): string => {
  const result = parseSdp(text);
  return result.ok ? "" : result.reason;
};

describe("SDP text", () => {
  test("RFC 3551 §6: static payload types need no rtpmap, 19 and dynamic ones do", () => {
    const { codecs, formats } = firstMedia("m=audio 4000 RTP/AVP 0 8 9 13 18 19 97");
    expect(codecs.map(({ name, payloadType }) => `${payloadType} ${name}`))
      .toEqual(["0 PCMU", "8 PCMA", "9 G722", "13 CN", "18 G729"]);
    expect(formats).toEqual(["0", "8", "9", "13", "18", "19", "97"]);
  });

  test("codec names are read without case, with clock and channels", () => {
    const { codecs } = firstMedia(
      "m=audio 4000 RTP/AVP 97 98", "a=rtpmap:97 oPuS/48000/2", "a=rtpmap:98 pcmu/8000/1",
    );
    expect(codecs).toEqual([
      { name: "OPUS", payloadType: 97, clockRate: 48000, channels: 2 },
      { name: "PCMU", payloadType: 98, clockRate: 8000, channels: 1 },
    ]);
  });

  test("a mapping that no codec can have makes the format unusable, and nothing else", () => {
    const { codecs } = firstMedia(
      "m=audio 4000 RTP/AVP 96 97 98 99 0", "a=rtpmap:96 A/0", "a=rtpmap:97 B/8000/9",
      "a=rtpmap:98 C", "a=rtpmap:99 /8000",
    );
    expect(codecs.map(({ payloadType }) => payloadType)).toEqual([0]);
  });

  test("RFC 8866 §5.2: ids of 64 bits keep every digit", () => {
    for (const id of ["18446744073709551615", "9007199254740993", "007", "0"]) {
      const text = sdpOf("m=audio 4 RTP/AVP 0").replace("o=- 1 1", `o=- ${id} ${id}`);
      const sdp = read(text);
      expect(sdp.origin).toMatchObject({ sessionId: id, version: id });
      expect(serializeSdp(sdp)).toContain(`o=- ${id} ${id} IN IP4 192.0.2.1\r\n`);
    }
  });

  test("direction and connection are inherited from the session, and the media's own win", () => {
    const { media, address } = read(sdpOf(
      "a=sendonly", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0",
      "c=IN IP6 2001:db8::2", "a=inactive", "m=audio 4004 RTP/AVP 0", "c=IN IP4 198.51.100.1/127",
    ));
    expect(address).toBe("192.0.2.1");
    expect(media.map((one) => [one.address, one.direction])).toEqual([
      ["192.0.2.1", "sendonly"], ["2001:db8::2", "inactive"], ["198.51.100.1", "sendonly"],
    ]);
  });

  test("without a direction anywhere it is sendrecv, and a longer word is no direction", () => {
    expect(firstMedia("m=audio 4000 RTP/AVP 0").direction).toBe("sendrecv");
    expect(firstMedia("m=audio 4000 RTP/AVP 0", "a=inactivex").direction).toBe("sendrecv");
  });

  test("RFC 3605 §2.1: a=rtcp is read in both forms, and only at media level", () => {
    expect(firstMedia("m=audio 4000 RTP/AVP 0", "a=rtcp:53020").rtcp)
      .toEqual({ port: 53020, address: null });
    expect(firstMedia("m=audio 4000 RTP/AVP 0", "a=rtcp:53020 IN IP4 126.16.64.4").rtcp)
      .toEqual({ port: 53020, address: "126.16.64.4" });
    expect(firstMedia("a=rtcp:53020", "m=audio 4000 RTP/AVP 0").rtcp).toBeNull();
    expect(firstMedia("m=audio 4000 RTP/AVP 0", "a=rtcp:70000").rtcp).toBeNull();
  });

  test("labels, ptime, fmtp and crypto are read as text or number", () => {
    const media = firstMedia(
      "m=audio 4000 RTP/SAVP 18", "a=fmtp:18 annexb=no", "a=ptime:30", "a=maxptime:40",
      "a=label:01", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20",
    );
    expect(media).toMatchObject({
      label: "01", ptimeMs: 30, maxPtimeMs: 40, protocol: "RTP/SAVP",
      formatParameters: [{ payloadType: 18, config: "annexb=no" }],
      crypto: ["1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20"],
    });
    expect(firstMedia("m=audio 4000 RTP/AVP 0", "a=label:7").label).toBe("7");
  });

  test("LF alone, a missing s= or t=, unknown types and unknown attributes are tolerated", () => {
    const text = "v=0\no=a 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\nx=odd\nb=AS:64\n" +
      "k=prompt\na=__proto__:1\na=toString\nm=audio 4000 RTP/AVP 0\na=candidate:1\n\n";
    expect(read(text).media.map(({ port }) => port)).toEqual([4000]);
  });

  test("an m-line that the library does not know keeps its place", () => {
    const { media } = read(sdpOf(
      "m=x-odd.kind 9 UDP/TLS/RTP/SAVPF 1 *", "m=audio 5000/2 RTP/AVP 0", "m=image 6000 udptl t38",
    ));
    expect(media.map(({ type, port, protocol, formats }) => [type, port, protocol, formats]))
      .toEqual([
        ["x-odd.kind", 9, "UDP/TLS/RTP/SAVPF", ["1", "*"]],
        ["audio", 5000, "RTP/AVP", ["0"]], ["image", 6000, "udptl", ["t38"]],
      ]);
  });

  test("what can't be read is refused with the line and the reason", () => {
    const good = sdpOf("m=audio 4000 RTP/AVP 0");
    const cases: [string, RegExp][] = [
      ["", /v=0/], ["garbage", /v=0/], [good.replace("v=0", "v=1"), /v=0/],
      [good.replace(/o=.*\r\n/, ""), /o=/], [good.replace("o=- 1 1", "o=- a b"), /o=/],
      [good.replace("IN IP4 192.0.2.1\r\nt", "ATM x\r\nt"), /line 4: c=/],
      [good.replace("audio 4000", "audio x"), /line 6: m=/],
      [good.replace("audio 4000", "audio 65536"), /line 6: m=/],
      [good.replace("t=0 0", "nonsense"), /line 5: not <type>/],
      [good + "=\r\n", /line 7/],
    ];
    for (const [text, reason] of cases) expect(reasonOf(text)).toMatch(reason);
  });

  test("limits: 64 m-lines are read, 200 are refused, and so are 65 kB and 20,000 lines", () => {
    const lines = (count: number): string[] =>
      Array.from({ length: count }, () => "m=audio 4000 RTP/AVP 0");
    expect(read(sdpOf(...lines(MEDIA_LINES_MAX))).media).toHaveLength(MEDIA_LINES_MAX);
    expect(reasonOf(sdpOf(...lines(200)))).toContain("64 media descriptions");
    expect(reasonOf(sdpOf("x".repeat(SDP_MAX_BYTES)))).toContain("octets");
    expect(reasonOf(sdpOf(...Array<string>(20_001).fill("i=")))).toContain("octets");
    expect(reasonOf("v=0\n" + "\n".repeat(30_000))).toContain("lines");
  });

  test("9,000 attributes and 64 kB in one line cost no more than their reading", () => {
    const many = sdpOf(
      "m=audio 4000 RTP/AVP 0", ...Array<string>(9_000).fill("a=x:1"),
    );
    expect(read(many).media).toHaveLength(1);
    const longLines = [
      "imageattr:1 send " + "[]".repeat(30_000), "rtpmap:" + " ".repeat(60_000),
      "fmtp:" + "1".repeat(60_000), "ptime:" + "1.".repeat(30_000),
      "simulcast: " + "+ ".repeat(30_000), "rtpmap:96 a" + " /".repeat(30_000),
      "crypto:1 " + "_".repeat(60_000),
    ];
    for (const line of longLines) {
      expect(read(sdpOf("m=audio 4000 RTP/AVP 0", `a=${line}`)).media).toHaveLength(1);
    }
    const formats = Array.from({ length: 9_000 }, (_, index) => index % 200).join(" ");
    expect(firstMedia(`m=audio 4000 RTP/AVP ${formats}`).codecs.length).toBeLessThan(128);
  });

  test("property: what is written is read back the same", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const sdp = randomSdp(seed);
      expect({ seed, sdp: read(serializeSdp(sdp)) }).toEqual({ seed, sdp });
    }
  });

  test("property: any text gives a value, never a throw", () => {
    const good = sdpOf("a=sendrecv", "m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 a/8000",
      "a=rtcp:4 IN IP4 1.2.3.4", "a=label:1", "a=ptime:20", "a=crypto:1 A inline:b");
    for (let seed = 1; seed <= 2000; seed++) {
      const result = parseSdp(damaged(good, seed));
      if (!result.ok) expect(result.reason).not.toBe("");
      else expect(() => serializeSdp(result.sdp)).not.toThrow();
    }
  });
});

function damaged(text: string, seed: number): string {
  const random = seeded(seed);
  let result = text;
  for (let edits = random.below(8); edits >= 0; edits--) {
    const at = random.below(result.length);
    const cut = random.below(6);
    const added = random.pick(["", "\r\n", "=", ":", " ", "/", "\0", "%s", "99999999999", "😀",
      "\ud800"]);
    result = result.slice(0, at) + added + result.slice(at + cut);
  }
  return result;
}

function randomSdp(seed: number): SessionDescription {
  const random = seeded(seed);
  const address = random.pick(["192.0.2.7", "2001:db8::7"]);
  const media = Array.from({ length: 1 + random.below(4) }, (): MediaDescription => {
    const types = Array.from({ length: 1 + random.below(4) }, (_, index) => 96 + index);
    return {
      type: "audio", port: 1 + random.below(65_535), protocol: random.pick(["RTP/AVP", "RTP/AVPF"]),
      formats: types.map(String),
      address: random.chance(2) ? address : random.pick(["198.51.100.9", "2001:db8::9"]),
      rtcp: random.chance(2) ? null : {
        port: 1 + random.below(65_535), address: random.chance(2) ? null : "198.51.100.3",
      },
      rtcpMux: random.chance(2),
      direction: random.pick(["sendrecv", "sendonly", "recvonly", "inactive"] as const),
      codecs: types.map((payloadType) => ({
        name: random.pick(["PCMU", "OPUS", "TELEPHONE-EVENT", "X-1"]), payloadType,
        clockRate: random.pick([8000, 48000]), channels: 1 + random.below(2),
      })),
      formatParameters: random.chance(2) ? [] : [{ payloadType: 96, config: "0-16" }],
      ptimeMs: random.chance(2) ? null : 20, maxPtimeMs: random.chance(2) ? null : 60,
      label: random.chance(2) ? null : random.pick(["1", "2", "a_leg", "01"]), crypto: [],
    };
  });
  return {
    origin: { username: "-", sessionId: String(random.below(1e9)), version: "1", address },
    name: "-", address, media,
  };
}
