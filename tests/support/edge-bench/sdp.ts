// Descriptions that the peers of a scenario offer and answer.
import { answerLeg, offerLeg } from "../../../protocol/sdp/leg.ts";
import { acceptRecording, readRecordingOffer } from "../../../protocol/sdp/recording-answer.ts";
import type { Direction } from "../../../protocol/sdp/description.ts";

interface PhoneSide {
  address: string;
  port?: number;
  codecs?: string[];
  direction?: Direction;
  version?: number;
}

const local = (side: PhoneSide) => ({
  address: side.address, rtpPort: side.port ?? 4000, rtcpPort: (side.port ?? 4000) + 1,
  codecs: side.codecs ?? ["PCMU", "PCMA"], sessionId: "7", version: side.version ?? 1,
  direction: side.direction ?? "sendrecv",
});

export const phoneOffer = (side: PhoneSide): string => offerLeg(local(side));

export function phoneAnswer(offer: string, side: PhoneSide): string {
  const answer = answerLeg(offer, local(side));
  if (!answer.ok) throw new Error(`the phone can't answer: ${answer.reason}`);
  return answer.text;
}

interface RecorderSide {
  address: string;
  /** Of the first stream; the others follow. */
  port?: number;
  direction?: "recvonly" | "inactive";
  /** Which m-lines are taken; all without it. */
  accepts?: (index: number) => boolean;
  version?: number;
}

/** As a recorder answers; its first stream goes to port 6000, the next to 6002. */
export function recorderAnswer(offer: string, side: RecorderSide): string {
  const { port = 6000, accepts = () => true, direction = "recvonly" } = side;
  const read = readRecordingOffer(offer);
  if (!read.ok) throw new Error(`not the offer of a recording session: ${read.reason}`);
  const answer = acceptRecording(offer, {
    address: side.address, sessionId: "9", version: side.version ?? 1, direction,
    codecs: ["PCMU", "PCMA"],
    streams: read.streams.map((_, index) =>
      accepts(index) ? { rtpPort: port + 2 * index, rtcpPort: port + 2 * index + 1 } : null
    ),
  });
  if (!answer.ok) throw new Error(`the recorder can't answer: ${answer.reason}`);
  return answer.text;
}

/** What a recorder offers of its own accord: the m-lines of our offer, its own addresses. */
export function recorderOffer(offer: string, side: RecorderSide): string {
  return recorderAnswer(offer, side);
}
