// Twilio's own library against a running edge: as an app would use it, webhooks and all.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import twilio from "twilio";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { Srs } from "../../edge/tools/srs.ts";
import { eventually } from "../support/eventually.ts";
import type { Webhook } from "../support/live-app.ts";
import { ACCOUNT, LiveEdge, recorded, TOKEN } from "../support/live-edge.ts";
import { has, needs } from "../support/needs.ts";

const liveTest = needs("nats-server");
let edge: LiveEdge;
let srs: Srs;
let client: ReturnType<typeof twilio>;
let call: PhoneCall;
let callSid = "";
const NUMBER = "+15550500";

beforeAll(async () => {
  if (!has("nats-server")) return;
  edge = await LiveEdge.start({
    numbers: [{ match: "+15550501", method: "GET", path: "/voice?app=1&x=%20y" }],
  });
  srs = await edge.srs();
  client = twilio(ACCOUNT, TOKEN);
  client.api.baseUrl = edge.http;
  edge.app.documents.set(NUMBER, "<Response><Dial>+15559999</Dial></Response>");
  await edge.answeringPhone();
  const alice = await edge.phone("alice");
  call = await alice.call(edge.uri(NUMBER));
  await call.answered;
  callSid = await edge.app.callSid(NUMBER);
}, 20_000);
afterAll(async () => void await edge?.stop(), 30_000);

/** As Twilio's documentation tells apps to do it. */
function isSigned({ method, url, headers, params }: Webhook): boolean {
  const signature = headers.get("x-twilio-signature") ?? "";
  return twilio.validateRequest(TOKEN, signature, url, method === "POST" ? params : {});
}

describe("twilio-node and a running edge", () => {
  liveTest("creates, finds and stops a Siprec; the call is told as it is", async () => {
    const before = await client.calls(callSid).fetch();
    expect(before).toMatchObject({ status: "in-progress", to: NUMBER, direction: "inbound" });
    expect(before.endTime).toBeNull();
    const created = await client.calls(callSid).siprec.create({
      name: "by node", connectorName: "Recorder", track: "both_tracks",
      statusCallback: `${edge.app.url}/node?a=b%20c`, statusCallbackMethod: "POST",
      "parameter1.name": "Agent", "parameter1.value": "Zoë & co",
    });
    expect([created.callSid, created.name, created.status])
      .toEqual([callSid, "by node", "in-progress"]);
    await edge.app.callback("/node", "siprec-started");
    expect(srs.live.at(-1)?.documents[0]).toContain("Zoë &amp; co");
    const stopped = await client.calls(callSid).siprec(created.sid).update({ status: "stopped" });
    expect([stopped.sid, stopped.status]).toEqual([created.sid, "stopped"]);
    const told = await edge.app.callback("/node", "siprec-stopped");
    expect(told.params).toMatchObject({
      AccountSid: ACCOUNT, CallSid: callSid, SiprecSid: created.sid, SiprecName: "by node",
    });
    await eventually("the recorder is done", () => srs.live.length === 0);
  }, 20_000);

  liveTest("stops by name, and takes the same name again", async () => {
    for (let round = 1; round <= 2; round += 1) {
      await client.calls(callSid).siprec.create({ name: "again", connectorName: "Recorder" });
      const stopped = await client.calls(callSid).siprec("again").update({ status: "stopped" });
      expect(stopped.name).toBe("again");
    }
  }, 20_000);

  liveTest("is refused with Twilio's codes, and says so as Twilio's errors do", async () => {
    const refusal = async (promise: Promise<unknown>): Promise<unknown[]> => {
      const error: unknown = await promise.then(() => null, (thrown: unknown) => thrown);
      if (!(error instanceof Error)) throw new Error("expected to be refused");
      const { status, code } = { status: 0, code: 0, ...error };
      return [status, code];
    };
    const siprec = client.calls(callSid).siprec;
    expect(await refusal(siprec.create({ connectorName: "No such" }))).toEqual([400, 31940]);
    expect(await refusal(client.calls(callSid).siprec("never").update({ status: "stopped" })))
      .toEqual([404, 20404]);
    expect(await refusal(client.calls(`CA${"0".repeat(32)}`).fetch())).toEqual([404, 20404]);
    const stranger = twilio(ACCOUNT, "3".repeat(32));
    stranger.api.baseUrl = edge.http;
    expect(await refusal(stranger.calls(callSid).fetch())).toEqual([401, 20003]);
  }, 20_000);

  for (const method of ["GET", "POST"] as const) {
    liveTest(`every status callback by ${method} bears a signature that the library accepts`,
      async () => {
        const path = `/signed-${method}`;
        await client.calls(callSid).siprec.create({
          name: method, connectorName: "Recorder", statusCallbackMethod: method,
          statusCallback: `${edge.app.url}${path}?x=1&y=%C3%A9+z`,
        });
        await edge.app.callback(path, "siprec-started");
        await client.calls(callSid).siprec(method).update({ status: "stopped" });
        await edge.app.callback(path, "siprec-stopped");
        const hooks = edge.app.callbacks(path);
        expect(hooks.map((hook) => [hook.method, isSigned(hook)]))
          .toEqual([[method, true], [method, true]]);
        // What was changed on the way is not accepted.
        const [first] = hooks;
        if (first === undefined) throw new Error("no webhook");
        expect(isSigned({ ...first, url: `${first.url}&z=1` })).toBe(false);
      }, 20_000);
  }

  liveTest("the Voice URL is asked by POST and by GET, signed both ways", async () => {
    const alice = await edge.phone("alice");
    edge.app.documents.set("+15550501", recorded(edge.app, "get", "<Hangup/>"));
    const got = await alice.call(edge.uri("+15550501"));
    await got.ended;
    const asked = edge.app.callbacks("/voice");
    expect(asked.map((hook) => [hook.method, hook.params["To"], isSigned(hook)]))
      .toEqual([["POST", NUMBER, true], ["GET", "+15550501", true]]);
    expect(asked[1]?.url).toContain("?app=1&x=%20y&");
  }, 20_000);

  liveTest("an ended call is still told, and takes no Siprec", async () => {
    await call.hangUp();
    await edge.becomes(callSid, "completed");
    const ended = await client.calls(callSid).fetch();
    expect(Number(ended.duration)).toBeGreaterThanOrEqual(0);
    expect(ended.endTime).toBeInstanceOf(Date);
    const refused: unknown = await client.calls(callSid).siprec.create({
      connectorName: "Recorder",
    }).then(() => null, (error: unknown) => error);
    expect(refused).toMatchObject({ status: 400, code: 21220 });
    await edge.quiet();
  }, 20_000);
});
