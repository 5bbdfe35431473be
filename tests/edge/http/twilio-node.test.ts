// Twilio's own library against our API: the one line that an app changes is the base URL.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import twilio from "twilio";
import { KEY, startApi, type TestApi } from "./api.ts";
import { ACCOUNT, CALL, SIPREC, THEN, TOKEN } from "./fake-backend.ts";

let api: TestApi;
let client: ReturnType<typeof twilio>;
beforeAll(() => {
  api = startApi();
  client = twilio(ACCOUNT, TOKEN);
  client.api.baseUrl = api.server.url;
});
afterAll(() => api.server.close(0));
beforeEach(() => {
  api.backend.asked.length = 0;
  api.backend.sessions.clear();
});

/** What the library throws, as plain fields. */
async function refusal(promise: Promise<unknown>): Promise<object> {
  const error = await promise.then(() => null, (thrown: unknown) => thrown);
  if (!(error instanceof Error)) throw new Error("expected to be refused");
  return { ...error, message: error.message };
}

describe("twilio-node", () => {
  test("fetches a call", async () => {
    const call = await client.calls(CALL).fetch();
    expect(call.sid).toBe(CALL);
    expect(call.status).toBe("in-progress");
    expect(call.dateCreated).toEqual(new Date(THEN));
    // A date that was left out would be now.
    expect(call.startTime).toBeNull();
    expect(call.endTime).toBeNull();
    expect(call.subresourceUris["siprec"]).toContain("/Siprec.json");
  });

  test("starts a session without parameters, and stops it by SID", async () => {
    const siprec = await client.calls(CALL).siprec.create();
    expect(siprec.sid).toBe(SIPREC);
    expect(siprec.name).toBeNull();
    expect(siprec.status).toBe("in-progress");
    expect(siprec.dateUpdated).toEqual(new Date(THEN));
    const stopped = await client.calls(CALL).siprec(SIPREC).update({ status: "stopped" });
    expect(stopped.status).toBe("stopped");
  });

  test("starts with everything it can send", async () => {
    await client.calls(CALL).siprec.create({
      name: "My SIPREC Stream é+%", connectorName: "Gridspace_1", track: "both_tracks",
      statusCallback: "https://app.example/cb?x=1&y=2", statusCallbackMethod: "GET",
      "parameter1.name": "Custom1", "parameter1.value": "Bob Smith",
      "parameter99.name": "Last", "parameter99.value": "ü&=+",
    });
    expect(api.backend.asked).toEqual([{
      start: {
        name: "My SIPREC Stream é+%", connectorName: "Gridspace_1", track: "both_tracks",
        statusCallback: "https://app.example/cb?x=1&y=2", statusCallbackMethod: "GET",
        parameters: [
          { name: "Custom1", value: "Bob Smith" }, { name: "Last", value: "ü&=+" },
        ],
      },
    }]);
  });

  test("stops by a name that it puts raw into the URL", async () => {
    for (const name of ["My SIPREC Stream é", "a+b", "x.json", SIPREC]) {
      api.backend.sessions.clear();
      await client.calls(CALL).siprec.create({ name });
      const stopped = await client.calls(CALL).siprec(name).update({ status: "stopped" });
      expect([stopped.sid, stopped.status]).toEqual([SIPREC, "stopped"]);
    }
  });

  test("stops a name with a # in it, although the .json is lost on the way", async () => {
    await client.calls(CALL).siprec.create({ name: "x" });
    const stopped = await client.calls(CALL).siprec("x#y").update({ status: "stopped" });
    expect(stopped.status).toBe("stopped");
  });

  test("works with an API key and the account as an option", async () => {
    const byKey = twilio(KEY.sid, KEY.secret, { accountSid: ACCOUNT });
    byKey.api.baseUrl = api.server.url;
    expect((await byKey.calls(CALL).fetch()).sid).toBe(CALL);
  });

  test("reports our refusals as its own exceptions", async () => {
    const wrong = twilio(ACCOUNT, "0".repeat(32));
    wrong.api.baseUrl = api.server.url;
    expect(await refusal(wrong.calls(CALL).fetch())).toMatchObject({ status: 401, code: 20003 });
    const unknown = `CA${"0".repeat(32)}`;
    expect(await refusal(client.calls(unknown).fetch())).toMatchObject({
      status: 404, code: 20404, moreInfo: "https://www.twilio.com/docs/errors/20404",
      message: `The requested resource /2010-04-01/Accounts/${ACCOUNT}/Calls/${unknown}.json ` +
        "was not found",
    });
    const siprec = client.calls(CALL).siprec;
    await siprec.create({ name: "x" });
    expect(await refusal(siprec.create({ name: "x" }))).toMatchObject({ status: 409, code: 20409 });
    expect(await refusal(siprec.create({ statusCallback: "/cb" })))
      .toMatchObject({ status: 400, code: 21609 });
    expect(await refusal(client.calls(CALL).remove())).toMatchObject({ status: 405, code: 20004 });
  });
});
