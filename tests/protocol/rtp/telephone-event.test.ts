import { describe, expect, test } from "bun:test";
import { decodeTelephoneEvent, DigitDetector, encodeTelephoneEvent }
  from "../../../protocol/rtp/telephone-event.ts";

const event = (key: number, end: boolean, durationTicks = 160): Uint8Array =>
  encodeTelephoneEvent({ event: key, end, volume: 10, durationTicks });

function heard(packets: [timestamp: number, payload: Uint8Array][]): string[] {
  const detector = new DigitDetector();
  return packets.map(([timestamp, payload]) => detector.push(timestamp, payload));
}

describe("telephone-event", () => {
  test("RFC 4733 §2.3: what is encoded decodes to the same, octet by octet as drawn", () => {
    const one = { event: 11, end: true, volume: 63, durationTicks: 0xfedc };
    expect([...encodeTelephoneEvent(one)]).toEqual([11, 0x80 | 63, 0xfe, 0xdc]);
    expect(decodeTelephoneEvent(encodeTelephoneEvent(one))).toEqual(one);
    expect(decodeTelephoneEvent(Uint8Array.of(1, 2, 3))).toBeNull();
  });

  test("a key is said once, at the first of the packets that end it", () => {
    expect(heard([
      [1000, event(5, false)], [1000, event(5, false, 320)],
      [1000, event(5, true, 480)], [1000, event(5, true, 480)], [1000, event(5, true, 480)],
    ])).toEqual(["", "", "5", "", ""]);
  });

  test("the same key twice is two keys", () => {
    expect(heard([[1000, event(5, true)], [3000, event(5, false)], [3000, event(5, true)]]))
      .toEqual(["5", "", "5"]);
  });

  test("a key whose end was lost is said when the next begins", () => {
    expect(heard([[1000, event(1, false)], [3000, event(2, true)]])).toEqual(["", "12"]);
  });

  test("a packet of the key before, come late, says nothing", () => {
    expect(heard([
      [1000, event(1, true)], [3000, event(2, false)], [1000, event(1, true)],
      [3000, event(2, true)],
    ])).toEqual(["1", "", "", "2"]);
  });

  test("every key has its sign; what is no key, or no event, says nothing", () => {
    const all = heard(Array.from({ length: 17 }, (_, key) => [key * 2000, event(key, true)]));
    expect(all.join("")).toBe("0123456789*#ABCD");
    expect(heard([[1, event(16, true)], [2, new Uint8Array(2)]])).toEqual(["", ""]);
  });
});
