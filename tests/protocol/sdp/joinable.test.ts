import { describe, expect, test } from "bun:test";
import { joinableCodecs } from "../../../protocol/sdp/codec.ts";

describe("codecs that the legs of one call may use", () => {
  const configured = ["G722", "PCMA", "OPUS", "PCMU"];

  test("a first leg with G.711 leaves both laws, in the configured order", () => {
    expect(joinableCodecs(configured, "PCMU")).toEqual(["PCMA", "PCMU"]);
  });

  test("a first leg with another codec leaves that one alone: nothing translates it", () => {
    expect(joinableCodecs(configured, "OPUS")).toEqual(["OPUS"]);
  });

  test("a first leg that offered nothing gets G.711, or what there is", () => {
    expect(joinableCodecs(configured, null)).toEqual(["PCMA", "PCMU"]);
    expect(joinableCodecs(["G722"], null)).toEqual(["G722"]);
  });
});
