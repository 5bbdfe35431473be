import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Value } from "@sinclair/typebox/value";
import { EdgeError, ERRORS, type ErrorName } from "../../../schemas/error.ts";
import { CallJson, ErrorJson, SiprecJson } from "../../../schemas/rest.ts";
import { KEY, OTHER_ACCOUNT, OTHER_TOKEN, SECOND_TOKEN, startApi, type TestApi } from "./api.ts";
import { ACCOUNT, CALL, FakeBackend, SIPREC, THEN, TOKEN } from "./fake-backend.ts";

const CALL_PATH = `/2010-04-01/Accounts/${ACCOUNT}/Calls/${CALL}`;
const CREATE = `${CALL_PATH}/Siprec.json`;

let api: TestApi;
beforeAll(() => {
  api = startApi();
});
afterAll(() => api.server.close(0));
beforeEach(() => {
  const fresh = new FakeBackend();
  api.backend.call = fresh.call;
  api.backend.failWith = null;
  api.backend.asked.length = 0;
  api.backend.sessions.clear();
  api.state.ready = true;
});

function expectError(
  answer: { status: number; json: object; headers: Headers }, status: number, code: number,
): void {
  expect(answer.json).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toContain("application/json");
  expect([...Value.Errors(ErrorJson, answer.json)]).toEqual([]);
}

describe("GET Calls/{CA}.json", () => {
  test("gives every field that Twilio's libraries read, nulls and dates included", async () => {
    api.backend.call = {
      ...api.backend.call, status: "completed", startAt: THEN + 2000, endAt: THEN + 65_400,
      to: "+15551230001",
    };
    const { status, json } = await api.ask("GET", `${CALL_PATH}.json`);
    expect(status).toBe(200);
    expect([...Value.Errors(CallJson, json)]).toEqual([]);
    expect(json).toMatchObject({
      sid: CALL, account_sid: ACCOUNT, parent_call_sid: null, status: "completed",
      date_created: "Thu, 30 Jul 2015 20:00:00 +0000", duration: "63", direction: "inbound",
      start_time: "Thu, 30 Jul 2015 20:00:02 +0000", end_time: "Thu, 30 Jul 2015 20:01:05 +0000",
      to: "+15551230001", to_formatted: "(555) 123-0001", from_formatted: "sip:anna@127.0.0.1",
      api_version: "2010-04-01", uri: `${CALL_PATH}.json`,
    });
    expect(json["subresource_uris"]).toMatchObject({ siprec: CREATE });
  });

  test("times that are not there yet are null, said in so many words", async () => {
    const { text } = await api.ask("GET", `${CALL_PATH}.json`);
    expect(text).toContain(`"start_time":null,"end_time":null`);
    expect(text).toContain(`"duration":null`);
  });

  test("a call that ended unanswered lasted 0 seconds", async () => {
    api.backend.call = { ...api.backend.call, status: "no-answer", endAt: THEN + 9000 };
    expect((await api.ask("GET", `${CALL_PATH}.json`)).json["duration"]).toBe("0");
  });

  test("the same without .json", async () => {
    const accept = { Accept: "application/json" };
    const { status, json } = await api.ask("GET", CALL_PATH, { headers: accept });
    expect([status, json["sid"]]).toEqual([200, CALL]);
  });

  test("HEAD has the status and no body", async () => {
    const { status, text } = await api.ask("HEAD", `${CALL_PATH}.json`);
    expect([status, text]).toEqual([200, ""]);
  });
});

describe("POST Calls/{CA}/Siprec.json", () => {
  test("without any parameter starts a session", async () => {
    const { status, json } = await api.ask("POST", CREATE, { form: "" });
    expect(status).toBe(200);
    expect([...Value.Errors(SiprecJson, json)]).toEqual([]);
    expect(json).toEqual({
      sid: SIPREC, account_sid: ACCOUNT, call_sid: CALL, name: null, status: "in-progress",
      date_updated: "Thu, 30 Jul 2015 20:00:00 +0000", uri: `${CALL_PATH}/Siprec/${SIPREC}.json`,
    });
    expect(api.backend.asked).toEqual([{
      start: {
        name: null, connectorName: null, track: null, statusCallback: null,
        statusCallbackMethod: null, parameters: [],
      },
    }]);
  });

  test("without a body and a Content-Type too", async () => {
    expect((await api.ask("POST", CREATE)).status).toBe(200);
  });

  test("reads every field, both encodings of a space, and UTF-8", async () => {
    const form = "Name=My%20SIPREC+Str%C3%A9am%2B&ConnectorName=Gridspace_1&Track=outbound_track" +
      "&StatusCallback=https%3A%2F%2Fapp.example%2Fcb%3Fa%3D1&StatusCallbackMethod=GET" +
      "&Parameter1.Name=Custom1&Parameter1.Value=Bob%20Smith&Unknown=1" +
      "&Parameter99.Value=&Parameter99.Name=last&Parameter7.Name=seven&Parameter7.Value=a+b" +
      "&Parameter100.Name=x&Parameter0.Name=x&Parameter01.Name=x&parameter2.name=x";
    const { status, json } = await api.ask("POST", CREATE, { form });
    expect([status, json["name"]]).toEqual([200, "My SIPREC Stréam+"]);
    expect(api.backend.asked).toEqual([{
      start: {
        name: "My SIPREC Stréam+", connectorName: "Gridspace_1", track: "outbound_track",
        statusCallback: "https://app.example/cb?a=1", statusCallbackMethod: "GET",
        parameters: [
          { name: "Custom1", value: "Bob Smith" }, { name: "seven", value: "a b" },
          { name: "last", value: "" },
        ],
      },
    }]);
  });

  test("an empty field counts as not given", async () => {
    const form = "Name=&ConnectorName=&Track=&StatusCallback=&StatusCallbackMethod=" +
      "&Parameter1.Name=&Parameter1.Value=";
    expect((await api.ask("POST", CREATE, { form })).status).toBe(200);
    expect(api.backend.asked).toMatchObject([{ start: { name: null, track: null } }]);
  });

  for (const [form, code] of [
    ["Track=both", 31941],
    ["Track=Inbound_Track", 31941],
    ["StatusCallback=/cb", 21609],
    ["StatusCallback=ftp%3A%2F%2Fa%2Fb", 21609],
    ["StatusCallback=http%3A%2F%2F", 21609],
    ["StatusCallback=http%3A%2F%2Fa%3A99999%2F", 21609],
    ["StatusCallback=https%3A%2F%2Fa%2F%23rc%3D9", 21609],
    ["StatusCallbackMethod=PUT", 20001],
    ["StatusCallbackMethod=get", 20001],
    [`Name=${"x".repeat(257)}`, 20001],
    ["Name=a%0d%0aX-Evil%3A%20b", 20001],
    ["ConnectorName=%00", 20001],
    ["Parameter1.Value=orphan", 20001],
    ["Parameter1.Name=a%0ab&Parameter1.Value=c", 20001],
    ["Parameter1.Name=a&Parameter1.Value=%1b", 20001],
    [`Parameter1.Name=a&Parameter1.Value=${"x".repeat(40_000)}`, 20001],
  ] as const) {
    test(`${form.slice(0, 60)} is refused with ${code}, the call is not asked`, async () => {
      expectError(await api.ask("POST", CREATE, { form }), 400, code);
      expect(api.backend.asked).toEqual([]);
    });
  }

  test("another kind of body is refused with 400", async () => {
    const headers = { "Content-Type": "application/json" };
    expectError(await api.ask("POST", CREATE, { form: `{"Name":"x"}`, headers }), 400, 20001);
  });

  test("a name in use is refused with 409", async () => {
    await api.ask("POST", CREATE, { form: "Name=x" });
    expectError(await api.ask("POST", CREATE, { form: "Name=x" }), 409, 20409);
  });

  for (const name of [
    "CONNECTOR_UNKNOWN", "CONNECTOR_INVALID", "SLOTS_FULL", "INVALID_CALL_STATE", "UNAVAILABLE",
  ] as const satisfies ErrorName[]) {
    test(`the call's ${name} is told with its number`, async () => {
      api.backend.failWith = new EdgeError(name, "A sentence of its own");
      const answer = await api.ask("POST", CREATE, { form: "" });
      expectError(answer, ERRORS[name].status, ERRORS[name].code);
      expect(answer.json["message"]).toBe("A sentence of its own");
      expect(answer.headers.get("retry-after")).toBe(name === "UNAVAILABLE" ? "1" : null);
    });
  }

  test("a bug of ours is 500 with 20500, logged and not told", async () => {
    api.backend.failWith = new TypeError("secret detail");
    const answer = await api.ask("POST", CREATE, { form: "" });
    expectError(answer, 500, 20500);
    expect(answer.text).not.toContain("secret detail");
    expect(api.logged.join("\n")).toContain("secret detail");
  });
});

describe("POST Calls/{CA}/Siprec/{SidOrName}.json", () => {
  const stop = (segment: string, form = "Status=stopped"): ReturnType<TestApi["ask"]> =>
    api.ask("POST", `${CALL_PATH}/Siprec/${segment}`, { form });

  test("stops by SID; the answer has the SID's URI", async () => {
    await api.ask("POST", CREATE, { form: "Name=x" });
    const { status, json } = await stop(`${SIPREC}.json`);
    expect(status).toBe(200);
    expect(json).toMatchObject({ sid: SIPREC, status: "stopped", name: "x" });
  });

  test("stops by name; the answer has the SID's URI all the same", async () => {
    await api.ask("POST", CREATE, { form: "Name=My%20SIPREC%20Stream%20%C3%A9" });
    const { json } = await stop("My%20SIPREC%20Stream%20%C3%A9.json");
    expect(json).toMatchObject({ status: "stopped", uri: `${CALL_PATH}/Siprec/${SIPREC}.json` });
  });

  for (const [segment, candidates] of [
    ["x.json", ["x", "x.json"]],
    ["x", ["x"]],
    ["a+b%2Bc.json", ["a+b+c", "a b+c", "a+b+c.json", "a b+c.json"]],
    ["a%2Fb.json", ["a/b", "a/b.json"]],
    ["100%25.json", ["100%", "100%.json"]],
    ["%2525.json", ["%25", "%25.json"]],
    ["x.json.json", ["x.json", "x.json.json"]],
    ["a%3Fb%23c.json", ["a?b#c", "a?b#c.json"]],
  ] as const) {
    test(`the segment ${segment} is read as ${candidates.join(", ")}`, async () => {
      await stop(segment);
      expect(api.backend.asked).toEqual([{ stop: [...candidates] }]);
    });
  }

  test("a query does not belong to the name", async () => {
    await stop("x.json?y=z");
    expect(api.backend.asked).toEqual([{ stop: ["x", "x.json"] }]);
  });

  for (const form of ["", "Status=", "Status=in-progress", "Status=Stopped", "status=stopped"]) {
    test(`"${form}" instead of Status=stopped is refused with 400`, async () => {
      expectError(await stop("x.json", form), 400, 20001);
      expect(api.backend.asked).toEqual([]);
    });
  }

  test("an unknown one is 404, and the message says the path as asked for", async () => {
    const answer = await stop("no%20such.json");
    expectError(answer, 404, 20404);
    const path = `${CALL_PATH}/Siprec/no%20such.json`;
    expect(answer.json["message"]).toBe(`The requested resource ${path} was not found`);
    expect(answer.json["more_info"]).toBe("https://www.twilio.com/docs/errors/20404");
  });

  for (const segment of ["%.json", "%zz.json", "%ff.json", "%C3.json", ".json"]) {
    test(`the segment ${segment} names nothing: 404`, async () => {
      const answer = await stop(segment);
      // ".json" is the one that is text: it may be a name.
      expectError(answer, 404, 20404);
      expect(api.backend.asked).toEqual(segment === ".json" ? [{ stop: [".json"] }] : []);
    });
  }
});

describe("Authentication", () => {
  for (const [what, as] of [
    ["the auth token", `${ACCOUNT}:${TOKEN}`],
    ["the secondary auth token", `${ACCOUNT}:${SECOND_TOKEN}`],
    ["an API key", `${KEY.sid}:${KEY.secret}`],
  ] as const) {
    test(`${what} opens the account`, async () => {
      expect((await api.ask("GET", `${CALL_PATH}.json`, { as })).status).toBe(200);
    });
  }

  for (const [what, as] of [
    ["no credentials", null],
    ["a wrong token", `${ACCOUNT}:${TOKEN.replace("0", "1")}`],
    ["the token cut", `${ACCOUNT}:${TOKEN.slice(0, -1)}`],
    ["an empty token", `${ACCOUNT}:`],
    ["an unknown account", `AC${"0".repeat(32)}:${TOKEN}`],
    ["another account's credentials", `${OTHER_ACCOUNT}:${OTHER_TOKEN}`],
    ["another account's token", `${ACCOUNT}:${OTHER_TOKEN}`],
    ["a key's secret under the account's name", `${ACCOUNT}:${KEY.secret}`],
    ["a key without a secret", "SKunset:"],
    ["an account without a token", "ACunset:"],
    ["no colon", ACCOUNT],
    ["a name that JavaScript knows", "__proto__:x"],
  ] as const) {
    test(`${what} gives 401 with the challenge`, async () => {
      const answer = await api.ask("POST", CREATE, { as, form: "Track=bad" });
      expectError(answer, 401, 20003);
      expect(answer.headers.get("www-authenticate")).toBe(`Basic realm="Twilio API"`);
      expect(answer.json["detail"]).toBe("");
      expect(api.backend.asked).toEqual([]);
    });
  }

  for (const header of [
    "Bearer abc", "Basic", "Basic ", "Basic !!!!", "Basic YQ", `Basic ${"A".repeat(4000)}`,
  ]) {
    test(`the header "${header.slice(0, 20)}" gives 401`, async () => {
      const headers = { Authorization: header };
      const answer = await api.ask("GET", CALL_PATH, { as: null, headers });
      expectError(answer, 401, 20003);
    });
  }

  test("the scheme's name is in any case", async () => {
    const Authorization = `bAsIc ${Buffer.from(`${ACCOUNT}:${TOKEN}`).toString("base64")}`;
    const answer = await api.ask("GET", CALL_PATH, { as: null, headers: { Authorization } });
    expect(answer.status).toBe(200);
  });

  test("unknown paths of the API want credentials first", async () => {
    expectError(await api.ask("GET", "/2010-04-01/Nothing.json", { as: null }), 401, 20003);
  });
});

describe("What is not there", () => {
  for (const path of [
    "/", "/nothing", "/2010-04-01", "/2010-04-01/", "/2010-04-01/Nothing.json",
    `/2010-04-01/Accounts/${ACCOUNT}/calls/${CALL}.json`,
    `/2010-04-01/Accounts/${ACCOUNT}/Calls/${CALL.toLowerCase()}.json`,
    `/2010-04-01/Accounts/${ACCOUNT}/Calls/${CALL}.xml`,
    `/2010-04-01/Accounts/${ACCOUNT}/Calls/CA${"0".repeat(31)}*.json`,
    `/2010-04-01/Accounts/${ACCOUNT}/Calls/CA${"0".repeat(32)}.json`,
    `/2010-04-01/Accounts/${ACCOUNT}/Calls/%.json`, `/2010-04-01/Accounts/${ACCOUNT}/Calls/`,
    `${CALL_PATH}/Siprec/a/b.json`,
  ]) {
    test(`GET ${path} is 404 in Twilio's form`, async () => {
      const answer = await api.ask("GET", path);
      expectError(answer, 404, 20404);
      expect(answer.json["message"]).toBe(`The requested resource ${path} was not found`);
    });
  }

  for (const [method, path, allow] of [
    ["PUT", `${CALL_PATH}.json`, "GET"], ["GET", CREATE, "POST"], ["DELETE", CREATE, "POST"],
    ["GET", `${CALL_PATH}/Siprec/x.json`, "POST"], ["POST", "/healthz", "GET"],
    ["PATCH", `${CALL_PATH}/Siprec/x`, "POST"],
  ] as const) {
    test(`${method} ${path} is 405, and says what is allowed`, async () => {
      const answer = await api.ask(method, path);
      expectError(answer, 405, 20004);
      expect(answer.headers.get("allow")).toBe(allow);
    });
  }

  test("OPTIONS is answered without credentials, for browsers", async () => {
    const answer = await api.ask("OPTIONS", CREATE, { as: null });
    expect([answer.status, answer.text]).toEqual([204, ""]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("access-control-allow-headers")).toContain("Authorization");
    const got = await api.ask("GET", `${CALL_PATH}.json`);
    expect(got.headers.get("access-control-allow-origin")).toBe("*");
  });
});

describe("Health", () => {
  test("/healthz and /readyz want no credentials; readiness follows the edge", async () => {
    expect((await api.ask("GET", "/healthz", { as: null })).json).toEqual({ status: "ok" });
    expect((await api.ask("GET", "/readyz", { as: null })).status).toBe(200);
    api.state.ready = false;
    expect((await api.ask("GET", "/readyz", { as: null })).status).toBe(503);
    expect((await api.ask("GET", "/healthz", { as: null })).status).toBe(200);
  });
});

const OAI = "../shared/reference/oai/calls_siprec_streams.json";
describe.skipIf(!existsSync(OAI))("Twilio's OpenAPI document", () => {
  const keys = (schema: string): string[] =>
    Object.keys(JSON.parse(readFileSync(OAI, "utf8")).components.schemas[schema].properties).sort();

  test("the call has exactly its properties", async () => {
    const { json } = await api.ask("GET", `${CALL_PATH}.json`);
    expect(Object.keys(json).sort()).toEqual(keys("api.v2010.account.call"));
  });

  test("the Siprec resource has exactly its properties", async () => {
    const { json } = await api.ask("POST", CREATE, { form: "" });
    expect(Object.keys(json).sort()).toEqual(keys("api.v2010.account.call.siprec"));
  });
});
