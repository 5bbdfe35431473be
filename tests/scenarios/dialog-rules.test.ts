// Rules that hold for every request inside a dialog, of a phone and of a recorder.
import { expect, test } from "bun:test";
import { header } from "../../protocol/sip/header.ts";
import { serializeMultipart } from "../../protocol/sip/multipart.ts";
import { ADDRESSES, answerAsPhone, EDGE_URI, EdgeBench } from "../support/edge-bench/bench.ts";
import { type Exchange, statusesOf, textBody } from "../support/edge-bench/exchange.ts";
import { phoneAnswer, phoneOffer, recorderAnswer } from "../support/edge-bench/sdp.ts";

const caller = { address: ADDRESSES.caller };
const moved = phoneOffer({ ...caller, port: 4300, version: 2 });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const requires = (...tags: string[]) => [{ name: "Require", value: tags.join(", ") }];

/** A call that is recorded, and its two dialogs. */
async function recorded() {
  const bench = await EdgeBench.open();
  const call = await bench.call();
  const portOf = () => bench.media.last(bench.callSid)?.endpoint?.remote?.rtp?.port;
  const end = async () => {
    call.bye();
    await bench.finish();
  };
  return { bench, call, portOf, end };
}

test("RFC 3261 §8.2.2.3: what is required and we don't know is named in a 420", async () => {
  const { bench, call, portOf, end } = await recorded();
  const { call: srs } = bench.srs;
  const before = portOf();
  const asks = [
    () => call.request("INVITE", { sdp: moved, headers: requires("x-one", "x-two") }),
    () => call.request("OPTIONS", { headers: requires("100rel") }),
    () => bench.caller.ask("OPTIONS", EDGE_URI, { headers: requires("x-one") }),
    () => srs.request("INVITE", { headers: requires("siprec", "x-one") }),
    () => srs.request("OPTIONS", { headers: requires("siprec") }),
  ];
  const asked: Exchange[] = [];
  for (const ask of asks) {
    asked.push(ask());
    await bench.run(50);
  }
  expect(asked.map(statusesOf)).toEqual([[420], [420], [420], [420], [200]]);
  expect(asked.map(({ responses }) => header(responses[0]!, "Unsupported")))
    .toEqual(["x-one, x-two", "100rel", "x-one", "x-one", null]);
  expect(portOf()).toBe(before);
  await end();
});

test("an end needs no extension: BYE is taken whatever it requires", async () => {
  const { bench, call } = await recorded();
  const bye = call.bye(requires("x-one"));
  await bench.run(100);
  expect(statusesOf(bye)).toEqual([200]);
  await bench.finish();
});

test("RFC 5621: an offer inside a multipart body is an offer, not a missing one", async () => {
  const { bench, call, portOf, end } = await recorded();
  const parts = [
    { headers: [{ name: "Content-Type", value: "application/sdp" }], body: bytes(moved) },
    {
      headers: [
        { name: "Content-Type", value: "text/x-note" },
        { name: "Content-Disposition", value: "x-note;handling=optional" },
      ],
      body: bytes("hello"),
    },
  ];
  const exchange = call.request("INVITE", serializeMultipart(parts, "b"));
  await bench.run(100);
  expect(statusesOf(exchange)).toEqual([200]);
  expect(portOf()).toBe(4300);
  await end();
});

test("a body of another kind is 415 in a dialog too, and no offerless re-INVITE", async () => {
  const { bench, call, portOf, end } = await recorded();
  const before = portOf();
  const exchange = call.request("INVITE", textBody("<x/>", "application/x-unknown"));
  await bench.run(100);
  expect(statusesOf(exchange)).toEqual([415]);
  expect(header(exchange.responses[0]!, "Accept")).toContain("application/sdp");
  expect(portOf()).toBe(before);
  await end();
});

test("RFC 3311 §5.2: a phone's offer while ours waits for its answer is 491", async () => {
  const { bench, call, portOf, end } = await recorded();
  call.answerOffer = (offer) => phoneAnswer(offer, { ...caller, port: 4200, version: 2 });
  call.autoAck = false;
  const offerless = call.request("INVITE");
  await bench.run(50);
  const offer = call.request("UPDATE", { sdp: moved });
  await bench.run(50);
  expect([offerless, offer].map((one) => statusesOf(one)[0])).toEqual([200, 491]);
  call.ackAgain();
  await bench.run(50);
  expect(portOf()).toBe(4200);
  const again = call.request("UPDATE", { sdp: moved });
  await bench.run(100);
  expect(statusesOf(again)).toEqual([200]);
  await end();
});

test("a recorder's offer while ours waits for its answer is 491", async () => {
  const { bench, end } = await recorded();
  const { call } = bench.srs;
  const answer = (offer: string) =>
    recorderAnswer(offer, { address: ADDRESSES.srs, port: 8000, version: 2 });
  call.answerOffer = answer;
  call.autoAck = false;
  const offerless = call.request("INVITE");
  await bench.run(50);
  const offer = call.request("UPDATE", { sdp: answer(call.offer ?? "") });
  await bench.run(50);
  expect([offerless, offer].map((one) => statusesOf(one)[0])).toEqual([200, 491]);
  call.ackAgain();
  await bench.run(50);
  expect(bench.media.open(bench.callSid)).toMatchObject({ 1: `${ADDRESSES.srs}:8000` });
  await end();
});

/** The recorder re-INVITEs and keeps its ACK back. */
async function withoutAck(bench: EdgeBench): Promise<void> {
  const { call } = bench.srs;
  call.autoAck = false;
  const exchange = call.request("INVITE", {
    sdp: recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, version: 2 }),
  });
  await bench.run(100);
  expect(statusesOf(exchange)).toEqual([200]);
}

test("RFC 3261 §14.1: no re-INVITE of ours before the ACK to our 2xx to the other's", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (one) => one.progress(180);
  const call = await bench.call();
  await withoutAck(bench);
  const { call: srs } = bench.srs;
  const before = srs.snapshots.length;
  answerAsPhone(bench.callee.call);
  await bench.run(1_000);
  expect(srs.snapshots.length).toBe(before);
  srs.ackAgain();
  await bench.run(100);
  expect(srs.snapshots.length).toBe(before + 1);
  call.bye();
  await bench.finish();
});

test("RFC 3261 §14.2: a recorder's re-INVITE without ACK ends the recording", async () => {
  const { bench, end } = await recorded();
  await withoutAck(bench);
  await bench.run(33_000);
  expect(bench.srs.call.heard.at(-1)).toBe("BYE");
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.status).toBe("in-progress");
  await end();
});

test("RFC 3261 §14.2: a phone's re-INVITE without ACK ends the call", async () => {
  const { bench, call } = await recorded();
  call.autoAck = false;
  const exchange = call.request("INVITE", { sdp: moved });
  await bench.run(33_000);
  expect(statusesOf(exchange)[0]).toBe(200);
  expect(call.heard.at(-1)).toBe("BYE");
  expect(bench.status).toBe("completed");
  await bench.finish();
});

test("RFC 3264 §6: a stream that a recorder refuses later gets no more audio", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (one) => one.progress(180);
  const call = await bench.call();
  bench.srs.call.answerOffer = (offer) =>
    recorderAnswer(offer, { address: ADDRESSES.srs, accepts: (index) => index === 0, version: 2 });
  answerAsPhone(bench.callee.call);
  await bench.run(300);
  expect(bench.session.state).toBe("in-progress.recording");
  expect(bench.media.open(bench.callSid)).toEqual({ 1: `${ADDRESSES.srs}:6000` });
  call.bye();
  await bench.finish();
});

test("a recorder whose answer refuses every stream has lost the session", async () => {
  const bench = await EdgeBench.open();
  bench.callee.onCall = (one) => one.progress(180);
  const call = await bench.call();
  bench.srs.call.answerOffer = (offer) =>
    recorderAnswer(offer, { address: ADDRESSES.srs, version: 2 })
      .replace(/m=audio \d+/g, "m=audio 0");
  answerAsPhone(bench.callee.call);
  await bench.run(300);
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.srs.call.heard.at(-1)).toBe("BYE");
  call.bye();
  await bench.finish();
});
