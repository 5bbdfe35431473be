import { describe, expect, test } from "bun:test";
import { mintBranch, mintIdentity, parseIdentity } from "../../../protocol/sip/identity.ts";
import { isToken } from "../../../protocol/sip/grammar.ts";

const callSid = `CA${"0123456789abcdef".repeat(2)}`;
const siprecSid = `SR${"fedcba9876543210".repeat(2)}`;
const random = Uint8Array.from([0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 10, 99]);
const tail = "0001027f80feff0a";
const call = { callSid, siprecSid: null, ordinal: 0 };
const siprec = { callSid, siprecSid, ordinal: 12 };

describe("identity", () => {
  test("a call's own leg and a recording session's dialog", () => {
    expect(mintIdentity(call, random)).toBe(`${callSid}-${tail}`);
    expect(mintIdentity(siprec, random)).toBe(`${callSid}-${siprecSid}-12-${tail}`);
  });

  test("a branch has RFC 3261's cookie before, and may have no owner", () => {
    expect(mintBranch(call, random)).toBe(`z9hG4bK-${callSid}-${tail}`);
    expect(mintBranch(null, random)).toBe(`z9hG4bK-${tail}`);
  });

  test("what is minted names its owner again, and is a token", () => {
    for (const owner of [call, siprec, { ...siprec, ordinal: 0 }]) {
      for (const text of [mintIdentity(owner, random), mintBranch(owner, random)]) {
        expect(parseIdentity(text)).toEqual(owner);
        expect(isToken(text)).toBe(true);
      }
    }
  });

  const minted = mintIdentity(siprec, random);
  const FOREIGN = [
    "", "x", mintBranch(null, random), minted.toUpperCase(), ` ${minted}`, `${minted}\n`,
    `${minted}.x`, `${minted}@h`, minted.slice(0, -1), `${minted}0`, `CA*-${tail}`,
    minted.replace("-12-", "-012-"), minted.replace("-12-", "--1-"), minted.replace("-12-", "-"),
    minted.replace("-12-", "-1234567890-"), minted.replace("CA", "CB"), `${callSid}->-${tail}`,
    `z9hG4bK${minted}`, `z9hG4bK-z9hG4bK-${minted}`, `${callSid}.${siprecSid}-1-${tail}`,
  ];
  for (const text of FOREIGN) {
    test(`is not found in ${JSON.stringify(text.slice(0, 60))}`, () => {
      expect(parseIdentity(text)).toBeNull();
    });
  }
});
