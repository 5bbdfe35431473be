import { describe, expect, test } from "bun:test";
import {
  type Actor, createActor, type EventObject, fromCallback, fromPromise, fromTransition, waitFor,
} from "xstate";
import { twimlMachine } from "../../actors/twiml.machine.ts";
import type { DocumentRequest, SiprecOrder } from "../../actors/ports.ts";
import type { DocumentSource, TwimlEvent } from "../../actors/twiml-types.ts";
import type { SiprecStart, TwimlResult } from "../../protocol/twiml/document.ts";
import { ACCOUNT_SID, CALL_SID, siprecOrder, STARTED_AT } from "../support/machine-samples.ts";

interface World {
  actor: Actor<typeof twimlMachine>;
  told: EventObject[];
  asked: DocumentRequest[];
  prepared: SiprecStart[][];
  pauses: number[];
  states: string[];
}

interface Spec {
  document?: TwimlResult | Error;
  orders?: SiprecOrder[] | Error;
}

function run(source: DocumentSource | string, spec: Spec = {}): World {
  const told: EventObject[] = [];
  const parent = createActor(fromTransition((state: null, event: EventObject) => {
    told.push(event);
    return state;
  }, null));
  parent.start();
  const world: Omit<World, "actor"> = { told, asked: [], prepared: [], pauses: [], states: [] };
  const machine = twimlMachine.provide({
    actors: {
      deadline: fromCallback<{ type: "none" }, { at: number }>(({ input }) => {
        world.pauses.push(input.at);
      }),
      document: fromPromise<{ result: TwimlResult; at: number }, DocumentRequest>(({ input }) => {
        world.asked.push(input);
        const { document = new Error("no document") } = spec;
        return document instanceof Error ? Promise.reject(document)
          : Promise.resolve({ result: document, at: STARTED_AT + 100 });
      }),
      prepare: fromPromise<
        { orders: SiprecOrder[]; at: number }, { accountSid: string; siprecs: SiprecStart[] }
      >(({ input }) => {
        world.prepared.push(input.siprecs);
        const { orders = [siprecOrder(1)] } = spec;
        return orders instanceof Error ? Promise.reject(orders)
          : Promise.resolve({ orders, at: STARTED_AT + 200 });
      }),
    },
  });
  const actor = createActor(machine, {
    parent,
    input: {
      callSid: CALL_SID, accountSid: ACCOUNT_SID, params: { CallSid: CALL_SID }, at: STARTED_AT,
      source: typeof source === "string"
        ? { kind: "inline", twiml: `<Response>${source}</Response>` } : source,
    },
  });
  actor.subscribe({ next: ({ value }) => void world.states.push(String(value)), error: () => {} });
  actor.start();
  return { ...world, actor };
}

const URL_SOURCE: DocumentSource = {
  kind: "url", url: "https://app.example.net/voice", method: "POST",
};
const START = '<Start><Siprec name="a" connectorName="Recorder"/></Start>';
const typesOf = (world: World): string[] =>
  world.told.map(({ type }) => type).filter((type) => type.startsWith("twiml."));
const settle = (world: World, state: string) =>
  waitFor(world.actor, ({ value }) => value === state, { timeout: 2_000 });

describe("the twiml machine: the document", () => {
  test("in the configuration it runs at once; without a verb it is done", () => {
    const { actor } = run("");
    expect(actor.getSnapshot().value).toBe("done");
    expect(actor.getSnapshot().output).toEqual({ failure: null, at: STARTED_AT });
  });

  test("at a URL it is asked for, with the parameters of the call", async () => {
    const world = run(URL_SOURCE, { document: { ok: true, verbs: [], warnings: [] } });
    expect(world.actor.getSnapshot().value).toBe("fetching");
    await settle(world, "done");
    expect(world.asked).toEqual([{
      callSid: CALL_SID, accountSid: ACCOUNT_SID, url: URL_SOURCE.url, method: "POST",
      params: { CallSid: CALL_SID },
    }]);
    expect(world.actor.getSnapshot().output?.at).toBe(STARTED_AT + 100);
  });

  test("that can't be had is the run's failure", async () => {
    const world = run(URL_SOURCE, { document: { ok: false, code: 11200, message: "404" } });
    await settle(world, "failed");
    expect(world.actor.getSnapshot().output?.failure).toEqual({ code: 11200, message: "404" });
  });

  test("whose port breaks is a failure too", async () => {
    const world = run(URL_SOURCE);
    await settle(world, "failed");
    expect(world.actor.getSnapshot().output?.failure?.code).toBe(20500);
  });

  test("that is no XML fails, one that has odd verbs runs and is told of", () => {
    expect(run({ kind: "inline", twiml: "<Response>" }).actor.getSnapshot().value).toBe("failed");
    const world = run("<Say>hello</Say>");
    expect(world.actor.getSnapshot().value).toBe("done");
    expect(typesOf(world)).toEqual(["twiml.alerts"]);
  });
});

describe("the twiml machine: verbs", () => {
  test("Start asks for its sessions and goes on at once", async () => {
    const world = run(`${START}<Pause length="5"/>`);
    await settle(world, "pausing");
    expect(world.prepared.map((siprecs) => siprecs.map(({ name }) => name))).toEqual([["a"]]);
    expect(typesOf(world)).toEqual(["twiml.siprec.start", "twiml.answer"]);
    expect(world.told[0]).toMatchObject({ order: siprecOrder(1), at: STARTED_AT + 200 });
  });

  test("a Start whose connectors can't be looked up is skipped", async () => {
    const world = run(`${START}<Dial>+15550077</Dial>`, { orders: new Error("gone") });
    await settle(world, "dialling");
    expect(typesOf(world)).toEqual(["twiml.dial"]);
  });

  test("Stop names the sessions to stop, one after the other", () => {
    const world = run('<Stop><Siprec name="a"/><Siprec name="b"/></Stop>');
    expect(world.told.filter(({ type }) => type === "twiml.siprec.stop"))
      .toMatchObject([{ name: "a" }, { name: "b" }]);
    expect(world.actor.getSnapshot().value).toBe("done");
  });

  test("Pause as the first verb leaves the call ringing; a later one has it answered", () => {
    const first = run('<Pause length="3"/>');
    expect(first.pauses).toEqual([STARTED_AT + 3_000]);
    expect(typesOf(first)).toEqual([]);
    const later = run('<Stop><Siprec name="a"/></Stop><Pause length="3"/>');
    expect(typesOf(later)).toContain("twiml.answer");
  });

  test("Pause ends at its deadline, and time goes on from there", () => {
    const world = run('<Pause length="3"/><Pause length="2"/>');
    world.actor.send({ type: "deadline", at: STARTED_AT + 3_001 });
    expect(world.pauses).toEqual([STARTED_AT + 3_000, STARTED_AT + 5_001]);
    world.actor.send({ type: "deadline", at: STARTED_AT + 5_001 });
    expect(world.actor.getSnapshot().output).toEqual({ failure: null, at: STARTED_AT + 5_001 });
  });

  test("Dial asks for the call and waits for its end", () => {
    const world = run('<Dial timeout="20" callerId="+15550099">+15550077</Dial><Hangup/>');
    expect(world.told).toMatchObject([{
      type: "twiml.dial", target: { kind: "number", number: "+15550077" }, timeoutMs: 20_000,
      callerId: "+15550099",
    }]);
    world.actor.send({ type: "dial.ended", status: "busy", at: STARTED_AT + 9 });
    expect(world.actor.getSnapshot().value).toBe("done");
  });

  test("nothing after Hangup is run", () => {
    const world = run("<Hangup/><Dial>+15550077</Dial>");
    expect(world.actor.getSnapshot().value).toBe("done");
    expect(typesOf(world)).toEqual([]);
  });
});

describe("the twiml machine ignores", () => {
  const rows: [string, string, TwimlEvent][] = [
    ['<Pause length="3"/>', "pausing", { type: "dial.ended", status: "busy", at: STARTED_AT }],
    ["<Dial>+15550077</Dial>", "dialling", { type: "deadline", at: STARTED_AT }],
    [START, "starting", { type: "deadline", at: STARTED_AT }],
    [START, "starting", { type: "dial.ended", status: "busy", at: STARTED_AT }],
  ];
  for (const [twiml, state, event] of rows) {
    test(`${event.type} in ${state}`, () => {
      const { actor, told } = run(twiml);
      const before = told.length;
      actor.send(event);
      expect<unknown>(actor.getSnapshot().value).toBe(state);
      expect(told.length).toBe(before);
    });
  }
});
