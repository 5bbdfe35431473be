// What must, and must not, stand in the messages of a call and of its recording.
import { expect, test } from "bun:test";
import type { SipRequest } from "../../protocol/sip/message.ts";
import { header, headersOf } from "../../protocol/sip/header.ts";
import { buildRequest } from "../../protocol/sip/build.ts";
import { METADATA_TYPE } from "../../protocol/siprec/body.ts";
import { ADDRESSES, answerAsPhone, EDGE_URI, EdgeBench } from "../support/edge-bench/bench.ts";
import { EDGE_ADDRESS } from "../support/edge-bench/control.ts";
import { statusesOf, textBody } from "../support/edge-bench/exchange.ts";
import { phoneOffer, recorderAnswer } from "../support/edge-bench/sdp.ts";

const SNAPSHOT_REQUEST = {
  ...textBody(
    "<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\"/>", METADATA_TYPE,
  ),
  headers: [{ name: "Content-Disposition", value: "recording-session" }],
};

test("RFC 3261 §13.3.1.4: our 2xx to INVITE bears Contact, Allow and Record-Route", async () => {
  const bench = await EdgeBench.open();
  const route = { name: "Record-Route", value: "<sip:192.0.2.99;lr>" };
  const call = bench.caller.invite(EDGE_URI, {
    sdp: phoneOffer({ address: ADDRESSES.caller }), headers: [route],
  });
  await bench.run(500);
  const answer = call.responses.at(-1)!;
  expect(answer.status).toBe(200);
  expect(header(answer, "Contact")).toContain(EDGE_ADDRESS);
  expect(header(answer, "Allow")).toContain("UPDATE");
  expect(headersOf(answer, "Record-Route")).toEqual([route.value]);
});

test("RFC 3261 §8.2.2.1, §8.2.3: another scheme is 416, an encoded body 415", async () => {
  const bench = await EdgeBench.open();
  const invite = (uri: string, headers: { name: string; value: string }[]) =>
    bench.caller.send(buildRequest({
      method: "INVITE", uri, to: `<${EDGE_URI}>`, callId: bench.caller.token(), cseq: 1,
      from: `<${EDGE_URI}>;tag=${bench.caller.token()}`,
      headers: [{ name: "Route", value: `<sip:${EDGE_ADDRESS};lr>` }, ...headers],
      ...textBody(phoneOffer({ address: ADDRESSES.caller })),
    }));
  const scheme = invite("http://example.com/", []);
  const encoded = invite(EDGE_URI, [{ name: "Content-Encoding", value: "gzip" }]);
  await bench.run(100);
  expect([scheme, encoded].map(statusesOf)).toEqual([[416], [415]]);
  expect(header(encoded.responses[0]!, "Accept-Encoding")).toBe("identity");
  await bench.finish();
});

test("RFC 7866 §6.1.1: +sip.src in every answer of ours, siprec in no Supported", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const { call: srs } = bench.srs;
  const sdp = recorderAnswer(srs.offer ?? "", { address: ADDRESSES.srs, version: 2 });
  const required = [{ name: "Require", value: "siprec" }];
  for (const [method, spec] of [
    ["INVITE", { sdp, headers: required }], ["INVITE", { headers: required }],
    ["UPDATE", { sdp }], ["UPDATE", {}], ["OPTIONS", {}],
  ] as const) {
    srs.answerOffer = () => sdp;
    const exchange = srs.request(method, { ...spec, headers: [...(spec.headers ?? [])] });
    await bench.run(50);
    const [answer] = exchange.responses;
    expect(answer?.status).toBe(200);
    expect(header(answer!, "Contact")).toMatch(/>;\+sip\.src$/);
    expect(header(answer!, "Supported")).toBeNull();
  }
  call.bye();
  await bench.finish();
});

test("RFC 7866 §9.1: no metadata in answers, ACK and BYE", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const { call: srs } = bench.srs;
  const update = srs.request("UPDATE", SNAPSHOT_REQUEST);
  await bench.run(100);
  expect(update.responses[0]?.body.length).toBe(0);
  call.bye();
  await bench.finish();
  const bodies = srs.requests.filter(({ request }) => request.method !== "INVITE")
    .map(({ request }) => [request.method, request.body.length]);
  expect(bodies).toContainEqual(["BYE", 0]);
  expect(bodies).toContainEqual(["ACK", 0]);
  expect(bodies.filter(([, octets]) => octets !== 0)).toEqual([]);
});

test("RFC 7866 §9.2: a snapshot asked for while our offer is open follows it", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (one) => one.progress(180);
  const call = await bench.call();
  const { call: srs } = bench.srs;
  const open: (() => void)[] = [];
  srs.onRequest = (incoming) => {
    if (incoming.request.method !== "INVITE") return srs.answerDecently(incoming);
    open.push(() => srs.answerDecently(incoming));
  };
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  const update = srs.request("UPDATE", SNAPSHOT_REQUEST);
  await bench.run(100);
  expect(statusesOf(update)).toEqual([200]);
  expect(open).toHaveLength(1);
  open[0]?.();
  await bench.run(100);
  expect(open).toHaveLength(2);
  open[1]?.();
  call.bye();
  await bench.finish();
});

test("a session refresh of the recorder by UPDATE is 200, and asks for nothing", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const { call: srs } = bench.srs;
  const before = srs.snapshots.length;
  const refresh = srs.request("UPDATE");
  await bench.run(500);
  expect(statusesOf(refresh)).toEqual([200]);
  expect(srs.snapshots.length).toBe(before);
  call.bye();
  await bench.finish();
});

test("an answer to a snapshot that breaks the exchange changes nothing", async () => {
  const cut = (offer: string): string => {
    const answer = recorderAnswer(offer, { address: ADDRESSES.srs, port: 9000, version: 2 });
    return answer.slice(0, answer.lastIndexOf("m=audio"));
  };
  for (const answerOffer of [cut, () => ""]) {
    const bench = await EdgeBench.open();
    bench.callee.onCall = (one) => one.progress(180);
    const call = await bench.call();
    bench.srs.call.answerOffer = answerOffer;
    const before = bench.media.open(bench.callSid);
    answerAsPhone(bench.callee.call);
    await bench.run(300);
    expect(bench.session.state).toBe("in-progress.recording");
    expect(bench.media.open(bench.callSid)).toEqual(before);
    call.bye();
    await bench.finish();
  }
});

test("digits in SIP INFO reach neither the recorder nor its metadata", async () => {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const { call: srs } = bench.srs;
  const before = srs.requests.length;
  for (const type of ["application/dtmf-relay", "application/dtmf"]) {
    const info = call.request("INFO", textBody("Signal=7\r\nDuration=160\r\n", type));
    await bench.run(200);
    expect(statusesOf(info)).toEqual([200]);
  }
  srs.request("UPDATE", SNAPSHOT_REQUEST);
  await bench.run(200);
  const since = srs.requests.slice(before).map(({ request }): SipRequest => request);
  expect(since.map(({ method }) => method)).toEqual(["INVITE", "ACK"]);
  expect(new TextDecoder().decode(since[0]?.body)).not.toMatch(/Signal|dtmf/i);
  call.bye();
  await bench.finish();
});
