// What a dialled call says of who is calling.
import { expect, test } from "bun:test";
import { fromValue } from "../../../edge/ports/originate.ts";
import { parseNameAddr } from "../../../protocol/sip/header.ts";

const HOST = "edge.example.net";

test("a number or the user of a SIP URI calls from our host", () => {
  expect(fromValue("+15550001", HOST)).toBe(`<sip:+15550001@${HOST}>`);
  expect(fromValue("sip:ann@192.0.2.7", HOST)).toBe(`<sip:ann@${HOST}>`);
  expect(fromValue("sip:a%20b@192.0.2.7;transport=tcp", HOST)).toBe(`<sip:a%20b@${HOST}>`);
  expect(fromValue("client:joe", HOST)).toBe(`<sip:client%3Ajoe@${HOST}>`);
});

test("who is withheld is anonymous", () => {
  for (const from of ["anonymous", "Anonymous", "sip:anonymous@x", "sip:192.0.2.7", ""]) {
    expect(fromValue(from, HOST)).toBe('"Anonymous" <sip:anonymous@anonymous.invalid>');
  }
});

test("nothing that a caller id says ends the address or adds to the header", () => {
  const bad = [
    "sip:a>;tag=evil,<sip:x@h", "sip:a\r\nX-Evil: 1@h", '+1"<sip:x@y>\n', "sip:a@b@c",
    "sip:\u0000@h", "a;tag=x", "sip:a@h>;tag=x",
  ];
  for (const from of bad) {
    const value = fromValue(from, HOST);
    expect(value).toMatch(/^<sip:[^<>"\r\n\u0000]+@edge\.example\.net>$/);
    const read = parseNameAddr(`${value};tag=ours`);
    expect(read).toMatchObject({ ok: true, params: [["tag", "ours"]] });
  }
});
