import { describe, expect, test } from "bun:test";
import { applicationId, partyAddress, partyId } from "../../../protocol/siprec/party.ts";
import { seeded } from "../../support/seeded.ts";
import { awkward, CALL_SID, CHILD_SID } from "./documents.ts";

describe("parties of a call", () => {
  test("addresses of record come out of headers, URIs and numbers", () => {
    const cases: [string, string, string | null][] = [
      ['"Dana Ruiz" <sip:dana:secret@example.net:5070;transport=tcp>;tag=1',
        "sip:dana@example.net:5070", "Dana Ruiz"],
      ["sip:+1312@example.net;tag=9", "sip:+1312@example.net", null],
      ["<sips:a@example.net?subject=x>", "sips:a@example.net", null],
      ["+13125550142", "tel:+13125550142", null], ["4410", "tel:4410", null],
      ["<tel:863;phone-context=+1;ext=5>", "tel:863;phone-context=+1", null],
      ['"" <sip:a@x>', "sip:a@x", null], ["Bob <sip:bob@[2001:db8::1]>", "sip:bob@[2001:db8::1]",
        "Bob"],
    ];
    for (const [value, aor, name] of cases) {
      expect({ value, ...partyAddress(value) }).toEqual({ value, aor, name });
    }
  });

  test("RFC 3323: who is anonymous stays so, the name beside it too", () => {
    for (const value of [
      '"Dana" <sip:anonymous@anonymous.invalid>;tag=1', '"Dana" <sip:Anonymous@example.net>',
      "<sip:x@anonymous.invalid>", "", "nonsense", "<sip:",
    ]) {
      expect({ value, ...partyAddress(value) })
        .toEqual({ value, aor: "sip:anonymous@anonymous.invalid", name: null });
    }
  });

  test("a name is bounded, and any text gives an address", () => {
    expect(partyAddress(`"${"n".repeat(5000)}" <sip:a@x>`).name).toHaveLength(256);
    for (let seed = 1; seed <= 500; seed++) {
      expect(partyAddress(awkward(seeded(seed))).aor).not.toBe("");
    }
  });

  test("a party has one id whichever call tells of it, another than its application", () => {
    expect(new Set([
      partyId(CALL_SID), applicationId(CALL_SID), partyId(CHILD_SID), applicationId(CHILD_SID),
    ]).size).toBe(4);
  });
});
