import { describe, expect, test } from "bun:test";
import type { TwimlResult, Verb } from "../../../protocol/twiml/document.ts";
import {
  DIAL_TARGETS_MAX, parseTwiml, TWIML_MAX_BYTES, TWIML_WARNINGS_MAX,
} from "../../../protocol/twiml/parse.ts";
import twilio from "twilio";

function accepted(result: TwimlResult): { verbs: Verb[]; codes: number[]; messages: string } {
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return {
    verbs: result.verbs,
    codes: result.warnings.map(({ code }) => code),
    messages: result.warnings.map(({ message }) => message).join("\n"),
  };
}
const inside = (body: string): ReturnType<typeof accepted> =>
  accepted(parseTwiml(`<?xml version="1.0" encoding="UTF-8"?>\n<Response>${body}</Response>\n`));

const NOTHING = {
  name: null, connectorName: null, track: null, statusCallback: null, statusCallbackMethod: null,
  parameters: [],
};

describe("TwiML document", () => {
  test("what Twilio's own library writes is read back whole and without a warning", () => {
    const response = new twilio.twiml.VoiceResponse();
    const siprec = response.start().siprec({
      name: "My SIPREC Stream", connectorName: "Gridspace_1", track: "outbound_track",
      statusCallback: "https://app.example/cb?a=1&b=2", statusCallbackMethod: "GET",
    });
    siprec.parameter({ name: "Custom1", value: "Bob & <Alice> \"é\"" });
    siprec.parameter({ name: "Empty", value: "" });
    const dial = response.dial({ timeout: 12, callerId: "+15550001111" });
    dial.number("+1 (555) 000-2222");
    dial.sip("sip:a@b.example:5060;transport=tcp?x-h=1&x-g=2");
    response.pause({ length: 3 });
    response.stop().siprec({ name: "My SIPREC Stream" });
    response.hangup();
    const { verbs, codes } = accepted(parseTwiml(response.toString()));
    expect(codes).toEqual([]);
    expect(verbs).toEqual([
      {
        kind: "start",
        siprecs: [{
          name: "My SIPREC Stream", connectorName: "Gridspace_1", track: "outbound_track",
          statusCallback: "https://app.example/cb?a=1&b=2", statusCallbackMethod: "GET",
          parameters: [
            { name: "Custom1", value: "Bob & <Alice> \"é\"" }, { name: "Empty", value: "" },
          ],
        }],
      },
      {
        kind: "dial", timeoutSeconds: 12, callerId: "+15550001111",
        targets: [
          { kind: "number", number: "+15550002222" },
          { kind: "sip", uri: "sip:a@b.example:5060;transport=tcp?x-h=1&x-g=2" },
        ],
      },
      { kind: "pause", lengthSeconds: 3 },
      { kind: "stop", siprecs: [{ name: "My SIPREC Stream" }] },
      { kind: "hangup" },
    ]);
  });

  test("defaults are Twilio's, and an empty attribute counts as not given", () => {
    const { verbs, codes } = inside(
      `<Start><Siprec name="" track="" statusCallback=""/></Start>` +
        `<Dial timeout="">12</Dial><Pause/>`,
    );
    expect(codes).toEqual([]);
    expect(verbs).toEqual([
      { kind: "start", siprecs: [NOTHING] },
      {
        kind: "dial", targets: [{ kind: "number", number: "12" }], timeoutSeconds: 30,
        callerId: null,
      },
      { kind: "pause", lengthSeconds: 1 },
    ]);
  });

  test("an unknown track is kept as written: it is refused when it is started", () => {
    const { verbs } = inside(`<Start><Siprec track="sideways"/></Start>`);
    expect(verbs).toEqual([{ kind: "start", siprecs: [{ ...NOTHING, track: "sideways" }] }]);
  });

  test("an empty response is a document without verbs", () => {
    expect(accepted(parseTwiml("<Response/>")).verbs).toEqual([]);
    expect(accepted(parseTwiml("\uFEFF<Response/>")).verbs).toEqual([]);
    expect(accepted(parseTwiml("\n <Response/> \n")).verbs).toEqual([]);
  });

  test("comments, CDATA and processing instructions mean what XML says", () => {
    const { verbs, codes } = inside("<!-- <Hangup/> --><?php x?><Dial><![CDATA[+1]]>5</Dial>");
    expect(codes).toEqual([]);
    expect(verbs).toMatchObject([{ targets: [{ kind: "number", number: "+15" }] }]);
  });

  for (const [what, text, code] of [
    ["nothing at all", "", 12100],
    ["plain words", "hello", 12100],
    ["white space before the XML declaration", ' <?xml version="1.0"?><Response/>', 12100],
    ["an unclosed element", "<Response><Dial></Response>", 12100],
    ["a cut document", "<Response><Dial", 12100],
    ["an unknown entity", "<Response>&nbsp;</Response>", 12100],
    ["an entity that JavaScript knows", "<Response>&constructor;</Response>", 12100],
    ["a document type", "<!DOCTYPE Response><Response/>", 12100],
    [
      "entities that grow",
      `<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><Response>&b;</Response>`, 12100,
    ],
    ["two roots", "<Response/><Response/>", 12100],
    ["a repeated attribute", `<Response><Pause length="1" length="2"/></Response>`, 12100],
    ["a NUL", "<Response>\0</Response>", 12100],
    ["a reference to a forbidden character", "<Response>&#0;</Response>", 12100],
    ["a bare ampersand", `<Response><Sip x="http://a/?a=1&b=2"/></Response>`, 12100],
    ["too deep", `<Response>${"<a>".repeat(40)}${"</a>".repeat(40)}</Response>`, 12100],
    ["another root", "<html/>", 12102],
    ["a root in the wrong case", "<response/>", 12102],
    ["more than 64 kB", `<Response>${" ".repeat(TWIML_MAX_BYTES)}</Response>`, 11750],
    ["more than 64 kB of UTF-8", `<Response>${"é".repeat(TWIML_MAX_BYTES / 2)}</Response>`, 11750],
  ] as const) {
    test(`${what} is refused with ${code}`, () => {
      expect(parseTwiml(text)).toMatchObject({ ok: false, code });
    });
  }

  test("a document of exactly 64 kB is read", () => {
    const padding = " ".repeat(TWIML_MAX_BYTES - "<Response></Response>".length);
    expect(parseTwiml(`<Response>${padding}</Response>`).ok).toBe(true);
  });
});

describe("TwiML warnings", () => {
  for (const [what, body, says] of [
    ["an unknown verb", "<Frobnicate/>", "<Frobnicate> on line 2 is not TwiML"],
    ["a verb in the wrong case", "<hangup/>", "case sensitive: <Hangup>"],
    ["a verb that is not offered", "<Say>hi</Say>", "<Say> on line 2 is not offered"],
    ["a noun in the wrong place", "<Siprec/>", "does not belong inside <Response>"],
    ["Siprec inside Connect", "<Connect><Siprec/></Connect>", "<Connect> on line 2 is not offered"],
    ["an unknown attribute", `<Hangup now="1"/>`, "Attribute now of <Hangup>"],
    ["text between the verbs", "words", "Text directly inside <Response>"],
    ["a name that JavaScript knows", "<__proto__/>", "<__proto__> on line 2 is not TwiML"],
  ] as const) {
    test(`${what} is skipped with 12200, and the next verb is kept`, () => {
      const { verbs, codes, messages } = inside(`${body}<Pause/>`);
      expect(verbs.at(-1)).toEqual({ kind: "pause", lengthSeconds: 1 });
      expect(codes).toEqual([12200]);
      expect(messages).toContain(says);
    });
  }

  test("an attribute in the wrong case is ignored, and the right one is named", () => {
    const { verbs, codes, messages } = inside(`<Start><Siprec connectorname="x"/></Start>`);
    expect(verbs).toEqual([{ kind: "start", siprecs: [NOTHING] }]);
    expect(codes).toEqual([12200]);
    expect(messages).toContain("did you mean connectorName?");
  });

  test("a status callback that is not absolute and a wrong method are dropped", () => {
    const { verbs, codes } = inside(
      `<Start><Siprec statusCallback="/cb" statusCallbackMethod="PUT"/></Start>`,
    );
    expect(verbs).toEqual([{ kind: "start", siprecs: [NOTHING] }]);
    expect(codes).toEqual([21609, 12200]);
  });

  test("a Parameter without a name is skipped", () => {
    const { verbs, codes } = inside(`<Start><Siprec><Parameter value="x"/></Siprec></Start>`);
    expect(verbs).toEqual([{ kind: "start", siprecs: [NOTHING] }]);
    expect(codes).toEqual([12200]);
  });

  for (const [attribute, used] of [
    ["abc", 30], ["-1", 30], ["0", 30], ["1.5", 30], ["1e2", 30], ["601", 600], ["99999999", 600],
  ] as const) {
    test(`a Dial timeout of ${attribute} becomes ${used} with 13212`, () => {
      const { verbs, codes } = inside(`<Dial timeout="${attribute}">12</Dial>`);
      expect(verbs).toMatchObject([{ timeoutSeconds: used }]);
      expect(codes).toEqual([13212]);
    });
  }

  test("targets that are no number and no SIP URI are left out, the others are dialled", () => {
    const { verbs, codes } = inside(
      "<Dial><Number>call me</Number><Sip>http://x</Sip><Sip>sip:a b</Sip>" +
        "<Number>7</Number></Dial>",
    );
    expect(verbs).toMatchObject([{ targets: [{ kind: "number", number: "7" }] }]);
    expect(codes).toEqual([13223, 13243, 13243]);
  });

  test("a Dial of what is not offered stays a Dial without targets", () => {
    const { verbs, messages } = inside("<Dial><Conference>room</Conference></Dial>");
    expect(verbs).toMatchObject([{ kind: "dial", targets: [] }]);
    expect(messages).toContain("<Conference> on line 2 is not offered");
  });

  test("an eleventh target is left out", () => {
    const { verbs, codes } = inside(`<Dial>${"<Number>7</Number>".repeat(11)}</Dial>`);
    expect(verbs[0]?.kind === "dial" && verbs[0].targets.length).toBe(DIAL_TARGETS_MAX);
    expect(codes).toEqual([13226]);
  });

  test("ten thousand mistakes give a bounded list", () => {
    expect(inside("<a/>".repeat(10_000)).codes.length).toBe(TWIML_WARNINGS_MAX + 1);
  });
});

test("any cut of a document gives a value, never a throw", () => {
  const text = `<?xml version="1.0"?><Response><Start><Siprec name="é&amp;"><Parameter name="a"/>` +
    `</Siprec></Start><!-- c --><Dial><![CDATA[1]]></Dial></Response>`;
  for (let end = 0; end < text.length; end += 1) {
    expect(parseTwiml(text.slice(0, end))).toMatchObject({ ok: false, code: 12100 });
  }
  expect(parseTwiml(text).ok).toBe(true);
});
