import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import {
  applied, closeForks, failed, forksFor, mediaOrder, openForks,
} from "../../actors/call-media.ts";
import { initialCall } from "../../actors/call-record.ts";
import type { CallContext } from "../../actors/call-types.ts";
import { codecsNamed } from "../../protocol/sdp/codec.ts";
import { MediaOrder } from "../../schemas/media.ts";
import {
  appliedFact, inboundCall, siprecOrder, siprecSid, STARTED_AT,
} from "../support/machine-samples.ts";

const base = (spec: Partial<CallContext> = {}): CallContext => ({
  ...initialCall(inboundCall(null)), revision: 4, forks: forksFor(siprecOrder(1)), ...spec,
});

const destination = {
  label: "1", accepted: true, reason: null, direction: "sendonly" as const,
  rtp: { address: "192.0.2.9", port: 50_000 }, rtcp: null, codecs: codecsNamed(["PCMU"]),
};

describe("the wanted state of a call's media", () => {
  test("is what its schema says", () => {
    const order = { ...mediaOrder(base()), edge: "ashburn", epoch: 1 };
    expect([...Value.Errors(MediaOrder, order)]).toEqual([]);
  });

  test("a leg hears nothing and owes nothing before it is answered", () => {
    expect(mediaOrder(base()).endpoint).toEqual({
      remote: null, hears: { kind: "nothing" }, timeoutMs: 0,
    });
  });

  test("a call that has ended gives everything back", () => {
    expect(mediaOrder(base({ endStatus: "completed" }))).toMatchObject({
      endpoint: null, forks: [],
    });
  });
});

describe("forks", () => {
  test("label 1 is always the inbound track, also alone", () => {
    const labels = (track: "both_tracks" | "inbound_track" | "outbound_track") =>
      forksFor(siprecOrder(1, { track })).map((fork) => [fork.id.slice(-2), fork.track]);
    expect(labels("both_tracks")).toEqual([[".1", "inbound_track"], [".2", "outbound_track"]]);
    expect(labels("outbound_track")).toEqual([[".2", "outbound_track"]]);
  });

  test("go where the recorder said, RTCP on the next port where it said nothing", () => {
    const step = openForks(base(), {
      type: "forks.open", siprecSid: siprecSid(1),
      streams: [{ label: "1", destination }, { label: "2", destination: null }],
    });
    expect(step.media).toBe(true);
    expect(step.context?.forks?.map((fork) => fork.destination)).toEqual([{
      rtp: destination.rtp, rtcp: { address: "192.0.2.9", port: 50_001 },
      codecs: destination.codecs,
    }, null]);
  });

  test("said again, or for a session that has none, nothing is ordered", () => {
    const streams = [{ label: "1", destination: null }, { label: "2", destination: null }];
    expect(openForks(base(), { type: "forks.open", siprecSid: siprecSid(1), streams })).toEqual({});
    const none = { type: "forks.close" as const, siprecSid: siprecSid(9) };
    expect(closeForks(base(), none)).toEqual({});
  });

  test("are closed by the next order; its answer brings the receipt of both streams", () => {
    const context = base();
    const closing = closeForks(context, { type: "forks.close", siprecSid: siprecSid(1) });
    expect(closing.context).toMatchObject({
      forks: [], closingForks: [{ siprecSid: siprecSid(1), revision: 5 }],
    });
    const next: CallContext = { ...context, ...closing.context, revision: 5 };
    const early = applied(next, appliedFact({ ...mediaOrder(next), revision: 4 }, STARTED_AT));
    expect(early.sessions).toEqual([]);
    const ended = context.forks.map(({ id }) => id);
    const late = applied(next, appliedFact(mediaOrder(next), STARTED_AT, ended));
    expect(late.sessions).toMatchObject([{
      siprecSid: siprecSid(1),
      event: {
        type: "streams.closed",
        receipt: [{ label: "1", packets: 50 }, { label: "2", track: "outbound_track" }],
      },
    }]);
    expect(late.context?.closingForks).toEqual([]);
  });

  test("whose closing order fails are closed all the same, without a receipt", () => {
    const context = base({
      forks: [], closingForks: [{ siprecSid: siprecSid(1), revision: 4 }],
      port: { address: "192.0.2.1", rtpPort: 40_000, rtcpPort: 40_001 },
    });
    const step = failed(context, {
      type: "media.failed", revision: 4, code: "UNREACHABLE", message: "gone", at: STARTED_AT,
    });
    expect(step.context).toMatchObject({ appliedRevision: 4, closingForks: [] });
    expect(step.sessions).toMatchObject([{ event: { type: "streams.closed", receipt: [] } }]);
  });
});
