// How a recording ends, and what the recorder may ask while it runs.
import { afterEach, expect, test } from "bun:test";
import { LEGACY_METADATA_TYPE } from "../../protocol/siprec/body.ts";
import {
  ADDRESSES, answerAsPhone, answerAsRecorder, EdgeBench,
} from "../support/edge-bench/bench.ts";
import { statusesOf, textBody } from "../support/edge-bench/exchange.ts";
import { recorderAnswer } from "../support/edge-bench/sdp.ts";

let bench: EdgeBench;
afterEach(async () => {
  bench.caller.calls[0]?.bye();
  await bench.finish();
});

const UDP = `sip:srs@${ADDRESSES.srs};transport=udp`;
const reason = (value: string) => [{ name: "Reason", value }];

async function recording(): Promise<void> {
  bench = await EdgeBench.open();
  await bench.call();
  expect(bench.session.state).toBe("in-progress.recording");
}

test("a stop before any answer waits for a 1xx, then cancels: siprec-stopped alone", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  bench.srs.onCall = () => {};
  // The 100 of the recorder's user agent comes 200 ms after the INVITE.
  await bench.call({ ms: 100 });
  await bench.stop("one");
  expect(bench.witness.matching(/edge>srs/)).toEqual(["edge>srs INVITE"]);
  expect(bench.session.status).toBe("stopped");
  await bench.run(500);
  expect(bench.srs.call.isCancelled).toBe(true);
  expect(bench.witness.between("srs")).toEqual([
    "> INVITE", "< 100 INVITE", "> CANCEL", "< 487 INVITE", "< 200 CANCEL", "> ACK",
  ]);
  expect(bench.session).toMatchObject({ state: "stopped", startedAt: null, fault: null });
  expect(bench.app.events()).toEqual(["siprec-stopped"]);
  expect(bench.alertCodes).toEqual([]);
});

test("a recorder that never answers a CANCEL is let go after 64*T1", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  bench.srs.onCall = (call) => {
    call.progress(180);
    call.onCancel = () => {};
  };
  await bench.call();
  await bench.stop("one");
  await bench.run(31_000);
  expect(bench.session).toMatchObject({ state: "inviting.cancelling", status: "stopped" });
  await bench.run(2_000);
  expect(bench.session.state).toBe("stopped");
  expect(bench.app.events()).toEqual(["siprec-stopped"]);
});

test("a 200 that crosses our CANCEL gets ACK and BYE: siprec-stopped alone", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  bench.srs.onCall = (call) => {
    call.progress(180);
    call.onCancel = () => answerAsRecorder(call);
  };
  await bench.call();
  await bench.stop("one");
  await bench.run(200);
  expect(bench.srs.call.heard).toEqual(["ACK", "BYE"]);
  expect(bench.session).toMatchObject({ state: "stopped", startedAt: null });
  expect(bench.app.events()).toEqual(["siprec-stopped"]);
  expect(bench.media.open(bench.callSid)).toEqual({});
});

test("a recorder that hangs up stops the session, the call goes on", async () => {
  await recording();
  const bye = bench.srs.call.bye();
  await bench.run(200);
  expect(statusesOf(bye)).toEqual([200]);
  expect(bench.session).toMatchObject({ state: "stopped", fault: null });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
  expect(bench.srs.call.heard).not.toContain("BYE");
  expect(bench.media.open(bench.callSid)).toEqual({});
  expect(bench.status).toBe("in-progress");
});

test("a recorder that hangs up because it fails ends the session in error", async () => {
  await recording();
  bench.srs.call.bye(reason('SIP ;cause=500 ;text="disk full"'));
  await bench.run(200);
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-error"]);
  expect(bench.alertCodes).toEqual([32011]);
  expect(bench.status).toBe("in-progress");
});

test("a BYE whose Reason names no failure is a stop", async () => {
  await recording();
  bench.srs.call.bye(reason("SIP ;cause=200, Q.850;cause=16"));
  await bench.run(200);
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
});

test("BYEs that cross are both answered, and the session stops once", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  await bench.call();
  bench.wire.weather = () => [50];
  const bye = bench.srs.call.bye();
  await bench.stop("one");
  await bench.run(500);
  expect(statusesOf(bye)).toEqual([200]);
  expect(bench.session.state).toBe("stopped");
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-stopped"]);
});

test("a BYE that nobody answers ends the session after 2 s", async () => {
  await recording();
  bench.srs.call.onRequest = ({ transactionId }) => {
    if (transactionId !== null) bench.srs.agent.ignore(transactionId);
  };
  await bench.stop("one");
  await bench.run(1_900);
  expect(bench.session.state).toBe("in-progress.stopping");
  await bench.run(200);
  expect(bench.session.state).toBe("stopped");
});

test("a recorder that asks for a snapshot by UPDATE gets one in a re-INVITE", async () => {
  await recording();
  const { call } = bench.srs;
  const before = call.snapshots.length;
  const update = call.request("UPDATE", {
    ...textBody(
      "<?xml version=\"1.0\"?><requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\">" +
        "<requestreason>state lost</requestreason></requestsnapshot>",
      LEGACY_METADATA_TYPE,
    ),
    headers: [{ name: "Content-Disposition", value: "recording-session" }],
  });
  await bench.run(200);
  expect(statusesOf(update)).toEqual([200]);
  expect(call.snapshots.length).toBe(before + 1);
  expect(call.snapshots.at(-1)).toEqual(call.snapshots.at(-2)!);
  expect(bench.session.state).toBe("in-progress.recording");
});

test("our re-INVITE that is answered 491 goes again 2.1 to 4 s later", async () => {
  bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  const { call } = bench.srs;
  let crossed = 0;
  call.onRequest = (incoming) => {
    if (incoming.request.method === "INVITE" && crossed++ === 0) {
      return bench.srs.respond(incoming, 491);
    }
    call.answerDecently(incoming);
  };
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.waiting");
  expect(bench.session.status).toBe("in-progress");
  await bench.run(1_900);
  expect(bench.session.state).toBe("in-progress.waiting");
  await bench.run(2_200);
  expect(bench.session.state).toBe("in-progress.recording");
  expect(crossed).toBe(2);
  expect(call.snapshots.at(-1)?.participants[1]?.names[0]?.aor).toBe("tel:+15550000002");
});

test("a session that waits after a 491 can be stopped", async () => {
  bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  bench.srs.call.onRequest = (incoming) => incoming.request.method === "INVITE"
    ? bench.srs.respond(incoming, 491) : bench.srs.call.answerDecently(incoming);
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  await bench.stop("one");
  await bench.run(100);
  expect(bench.session.state).toBe("stopped");
});

test("an offer of the recorder while ours is open is answered 491", async () => {
  bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  const { call } = bench.srs;
  call.onRequest = (incoming) => {
    if (incoming.request.method !== "INVITE") call.answerDecently(incoming);
  };
  answerAsPhone(bench.callee.call);
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.updating");
  const offer = call.request("INVITE", {
    sdp: recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, version: 2 }),
  });
  await bench.run(100);
  expect(statusesOf(offer)).toEqual([491]);
  call.answerDecently(call.requests.findLast(({ request }) => request.method === "INVITE")!);
  await bench.run(100);
  expect(bench.session.state).toBe("in-progress.recording");
});

test("a recorder that refuses a snapshot keeps the session as it was", async () => {
  bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  const { call } = bench.srs;
  call.onRequest = (incoming) => incoming.request.method === "INVITE"
    ? bench.srs.respond(incoming, 488) : call.answerDecently(incoming);
  answerAsPhone(bench.callee.call);
  await bench.run(300);
  expect(bench.session.state).toBe("in-progress.recording");
  expect(Object.keys(bench.media.open(bench.callSid))).toEqual(["1", "2"]);
  expect(call.heard.filter((method) => method === "INVITE")).toHaveLength(1);
});

test("a recorder that no longer knows the dialog (481) ends the session in error", async () => {
  bench = await EdgeBench.open();
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  bench.srs.call.onRequest = (incoming) => bench.srs.respond(incoming, 481);
  answerAsPhone(bench.callee.call);
  await bench.run(300);
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.app.events()).toEqual(["siprec-started", "siprec-error"]);
});

test("a recorder that died is noticed at the next snapshot, after 32 s", async () => {
  bench = await EdgeBench.open({ recorders: [UDP] });
  bench.callee.onCall = (call) => call.progress(180);
  await bench.call();
  await bench.srs.agent.stop();
  answerAsPhone(bench.callee.call);
  await bench.run(31_000);
  expect(bench.session.state).toBe("in-progress.updating");
  await bench.run(4_000);
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32011 } });
  expect(bench.media.open(bench.callSid)).toEqual({});
  expect(bench.status).toBe("in-progress");
});

test("OPTIONS in the recording dialog is answered 200, unknown methods 405", async () => {
  await recording();
  const options = bench.srs.call.request("OPTIONS");
  await bench.run(50);
  const message = bench.srs.call.request("MESSAGE");
  await bench.run(50);
  expect(statusesOf(options)).toEqual([200]);
  expect(statusesOf(message)).toEqual([405]);
});

test("a recorder's offerless re-INVITE gets our description, its ACK moves the forks", async () => {
  await recording();
  const { call } = bench.srs;
  call.answerOffer = (offer) =>
    recorderAnswer(offer, { address: ADDRESSES.srs, port: 8000, version: 2 });
  const exchange = call.request("INVITE");
  await bench.run(200);
  expect(statusesOf(exchange)).toEqual([200]);
  expect(bench.media.open(bench.callSid)).toEqual({
    1: `${ADDRESSES.srs}:8000`, 2: `${ADDRESSES.srs}:8002`,
  });
});

test("a recorder whose ACK refuses what it asked us to offer has lost the session", async () => {
  await recording();
  const { call } = bench.srs;
  call.answerOffer = (offer) =>
    recorderAnswer(offer, { address: ADDRESSES.srs, accepts: (index) => index === 0, version: 2 });
  call.request("INVITE");
  await bench.run(200);
  expect(bench.session).toMatchObject({ state: "error", fault: { code: 32102 } });
  expect(call.heard.at(-1)).toBe("BYE");
});

test("a recorder that ends one stream by port 0 gets the other one still", async () => {
  await recording();
  const { call } = bench.srs;
  const offer = recorderAnswer(call.offer ?? "", {
    address: ADDRESSES.srs, accepts: (index) => index === 0, version: 2,
  });
  const exchange = call.request("INVITE", { sdp: offer });
  await bench.run(200);
  expect(statusesOf(exchange)).toEqual([200]);
  expect(bench.media.open(bench.callSid)).toEqual({ 1: `${ADDRESSES.srs}:6000` });
});

test("an offer of the recorder without one codec in common is answered 488", async () => {
  await recording();
  const { call } = bench.srs;
  const offer = recorderAnswer(call.offer ?? "", { address: ADDRESSES.srs, version: 2 })
    .replace(/m=audio (\d+) RTP\/AVP [^\r]*/g, "m=audio $1 RTP/AVP 96")
    .replace(/a=rtpmap:[^\r]*\r\n/g, "a=rtpmap:96 opus/48000/2\r\n");
  const exchange = call.request("INVITE", { sdp: offer });
  await bench.run(200);
  expect(statusesOf(exchange)).toEqual([488]);
  expect(Object.keys(bench.media.open(bench.callSid))).toEqual(["1", "2"]);
});

test("a request for an ended session is answered 481", async () => {
  await recording();
  const { call } = bench.srs;
  await bench.stop("one");
  await bench.run(100);
  const late = call.request("OPTIONS");
  await bench.run(50);
  expect(statusesOf(late)).toEqual([481]);
});
