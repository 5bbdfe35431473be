import { describe, expect, test } from "bun:test";
import { metadataId, nameBasedId } from "../../../protocol/siprec/identifier.ts";
import { seeded } from "../../support/seeded.ts";
import { CALL_SID, CHILD_SID } from "./documents.ts";

const bytesOf = (id: string): Buffer => Buffer.from(id, "base64");

describe("metadata ids", () => {
  test("RFC 7865 §6.10: 16 octets in standard base64, a UUID of version 4 or 5", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seeded(seed).bytes(16);
      for (const [id, version] of [
        [metadataId(random), 4], [nameBasedId(CALL_SID, `purpose ${seed}`), 5],
      ] as const) {
        expect(id).toMatch(/^[A-Za-z0-9+/]{22}==$/);
        expect(bytesOf(id)).toHaveLength(16);
        expect((bytesOf(id)[6] ?? 0) >> 4).toBe(version);
        expect((bytesOf(id)[8] ?? 0) >> 6).toBe(2);
      }
    }
  });

  test("random ids keep every random bit but the six of version and variant", () => {
    const bytes = bytesOf(metadataId(new Uint8Array(16).fill(0xff)));
    expect(bytes.toString("hex")).toBe("ffffffffffff4fffbfffffffffffffff");
    expect(bytesOf(metadataId(new Uint8Array(3)))).toHaveLength(16);
  });

  test("name-based ids are the same each time, and differ by SID and by purpose", () => {
    const ids = [
      nameBasedId(CALL_SID, "session"), nameBasedId(CALL_SID, "group"),
      nameBasedId(CHILD_SID, "session"), nameBasedId(CHILD_SID, "group"),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(nameBasedId(CALL_SID, "session")).toBe(ids[0] ?? "");
  });
});
