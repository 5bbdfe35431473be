// SIPp is the recorder: it checks our INVITE by its own eyes, answers, refuses, asks, hangs up.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "bun:test";
import { mediaSockets } from "../../edge/runtime/media-socket.ts";
import { systemRandom } from "../../edge/runtime/random.ts";
import type { PhoneCall } from "../../edge/tools/phone-call.ts";
import type { Phone } from "../../edge/tools/phone.ts";
import { openRtpPort, type RtpPort } from "../../edge/tools/rtp-port.ts";
import { eventually } from "../support/eventually.ts";
import { LiveEdge } from "../support/live-edge.ts";
import { has } from "../support/needs.ts";
import { freeSipPort } from "../support/ports.ts";
import { endSipps, Sipp, type SippOptions, sippTest } from "../support/sipp.ts";

let edge: LiveEdge;
let alice: Phone;
let sippPort = 0;
let deafPort = 0;
let streams: { port: RtpPort; packets: number }[] = [];
let nextNumber = 15550300;

beforeAll(async () => {
  if (!has("nats-server", "sipp")) return;
  [sippPort, deafPort] = [await freeSipPort(), await freeSipPort()];
  const at = `sip:srs@127.0.0.1:${sippPort}`;
  edge = await LiveEdge.start({
    connectors: {
      udp: { uris: [`${at};transport=udp`] },
      tcp: { uris: [`${at};transport=tcp`] },
      plain: { uris: [at] },
      two: {
        uris: [`sip:srs@127.0.0.1:${deafPort};transport=udp`, `${at};transport=tcp`],
        more: "answer_timeout = \"1s\"",
      },
      nobody: { uris: [`sip:srs@127.0.0.1:${deafPort};transport=tcp`] },
    },
  });
  alice = await edge.phone("alice");
}, 20_000);
afterAll(async () => void await edge?.stop(), 30_000);
beforeEach(async () => {
  streams = [];
  for (let i = 0; i < 2; i += 1) {
    const stream = { packets: 0 };
    const port = await openRtpPort({
      address: "127.0.0.1", sockets: mediaSockets, random: systemRandom, onRtcp: () => {},
      onRtp: () => {
        stream.packets += 1;
      },
    });
    streams.push(Object.assign(stream, { port }));
  }
});
afterEach(async () => {
  for (const { port } of streams) port.close();
  await endSipps();
});

interface Recording {
  sipp: Sipp;
  call: PhoneCall;
  callSid: string;
  path: string;
}

/** Alice calls; her call is recorded by SIPp, which runs the scenario. */
async function records(
  scenario: string, connector: string, more: Partial<SippOptions> = {},
): Promise<Recording> {
  const transport = connector === "udp" ? "udp" : "tcp";
  const [one, two] = streams.map(({ port }) => String(port.rtpPort));
  const sipp = await Sipp.start({
    scenario, transport, port: sippPort, ...more,
    keys: { port1: one ?? "", port2: two ?? "", more: "X-More: none", ...more.keys },
  });
  return { sipp, ...await recordedCall(connector) };
}

async function recordedCall(connector: string) {
  nextNumber += 1;
  const [number, path] = [`+${nextNumber}`, `/cb-${nextNumber}`];
  edge.app.documents.set(number, `<Response><Start><Siprec name="r" connectorName="${connector}" `
    + `statusCallback="${edge.app.url}${path}"/></Start><Pause length="30"/></Response>`);
  const call = await alice.call(edge.uri(number));
  return { call, callSid: await edge.app.callSid(number), path };
}

const events = (path: string): string[] =>
  edge.app.callbacks(path).map(({ params }) => params["SiprecEvent"] ?? "");

/** The call goes on as if nothing had been: it hears audio, and ends when Alice ends it. */
async function callIsFine({ call, callSid }: Pick<Recording, "call" | "callSid">): Promise<void> {
  expect(call.state).toBe("answered");
  const before = call.heard.counters.packets;
  await eventually("audio goes on", () => call.heard.counters.packets > before + 5);
  await call.hangUp();
  await edge.becomes(callSid, "completed");
}

describe("SIPp as recorder", () => {
  for (const connector of ["udp", "tcp", "plain"] as const) {
    sippTest(`connector ${connector}: is invited as RFC 7866 says, gets both streams`, async () => {
      const { sipp, call, path } = await records("srs", connector);
      await edge.app.callback(path, "siprec-started");
      await eventually("both streams flow", () => streams.every(({ packets }) => packets > 10));
      await call.hangUp();
      await sipp.done();
      await edge.app.callback(path, "siprec-stopped");
      expect(events(path)).toEqual(["siprec-started", "siprec-stopped"]);
    }, 20_000);
  }

  for (const [status, reason, more] of [
    ["420", "Bad Extension", "Unsupported: siprec"], ["486", "Busy Here", "Retry-After: 5"],
    ["503", "Service Unavailable", "Retry-After: 60"],
  ] as const) {
    for (const connector of ["udp", "tcp"] as const) {
      sippTest(`${status} over ${connector}: siprec-error, and the call goes on`, async () => {
        const recording = await records("srs-refuses", connector, {
          keys: { status, reason, more },
        });
        const told = await edge.app.callback(recording.path, "siprec-error");
        await recording.sipp.done();
        expect(told.params["SiprecError"]).toContain(status);
        expect(Number(told.params["SiprecErrorCode"])).toBeGreaterThan(0);
        await callIsFine(recording);
        expect(events(recording.path)).toEqual(["siprec-error"]);
      }, 20_000);
    }
  }

  sippTest("hangs up: siprec-stopped, and the call goes on", async () => {
    const recording = await records("srs-hangs-up", "tcp", { pauseMs: 300 });
    await recording.sipp.done();
    await edge.app.callback(recording.path, "siprec-stopped");
    await callIsFine(recording);
    expect(events(recording.path)).toEqual(["siprec-started", "siprec-stopped"]);
  }, 20_000);

  sippTest("hangs up and names a failure: siprec-error", async () => {
    const recording = await records("srs-hangs-up", "udp", {
      pauseMs: 300, keys: { more: "Reason: SIP;cause=503;text=\"disk full\"" },
    });
    await recording.sipp.done();
    await edge.app.callback(recording.path, "siprec-error");
    await callIsFine(recording);
    expect(events(recording.path)).toEqual(["siprec-started", "siprec-error"]);
  }, 20_000);

  for (const connector of ["udp", "tcp"] as const) {
    sippTest(`over ${connector}: asks for a snapshot and gets it in a re-INVITE`, async () => {
      const { sipp, call, path } = await records("srs-snapshot", connector);
      await eventually("the re-INVITE is acknowledged", () => sipp.count(/^ACK /) === 2);
      await call.hangUp();
      await sipp.done();
      await edge.app.callback(path, "siprec-stopped");
    }, 20_000);
  }

  sippTest("the first address is silent: the next one records in time", async () => {
    const { sipp, call, path } = await records("srs", "two");
    await edge.app.callback(path, "siprec-started");
    await call.hangUp();
    await sipp.done();
    await edge.app.callback(path, "siprec-stopped");
  }, 20_000);

  sippTest("nobody listens: siprec-error, and the call goes on", async () => {
    const recording = await recordedCall("nobody");
    await edge.app.callback(recording.path, "siprec-error");
    await callIsFine(recording);
  }, 20_000);
});
