import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../edge/tools/free-port.ts";
import { findVoice, FOUND_FROM } from "../../../protocol/audio/compare.ts";
import { decodeWav, type Sound } from "../../../protocol/rtp/wav.ts";
import { RecordingClient } from "../../support/recording-client.ts";

const MAIN = join(import.meta.dir, "../../../edge/main.ts");
const VOICE = join(import.meta.dir, "../../assets/voice-a.wav");

let folder: string;
const running: ToolProcess[] = [];

/** A command in a process of its own, with what it prints. */
class ToolProcess {
  readonly #process;
  readonly exited: Promise<number>;
  text = "";
  #watcher: () => void = () => {};

  constructor(args: string[]) {
    this.#process = Bun.spawn([process.execPath, "run", MAIN, ...args], {
      cwd: folder, stdout: "pipe", stderr: "pipe", stdin: "ignore",
    });
    running.push(this);
    const read = [this.#process.stdout, this.#process.stderr].map((stream) => this.#read(stream));
    this.exited = Promise.all(read).then(() => this.#process.exited);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.text += decoder.decode(chunk, { stream: true });
      this.#watcher();
    }
  }

  /** Resolves when it has printed that. */
  async prints(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#watcher = () => {
        if (this.text.includes(text)) resolve();
      };
      this.#watcher();
      void this.exited.then(() => reject(new Error(`it ended without ${text}:\n${this.text}`)));
    });
  }

  async end(): Promise<number> {
    this.#process.kill("SIGTERM");
    return this.exited;
  }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tools-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((tool) => tool.end()));
  rmSync(folder, { recursive: true });
});

function wav(path: string): Sound {
  const read = decodeWav(readFileSync(path));
  if (!read.ok) throw new Error(read.reason);
  return read.sound;
}

describe("siprec call", () => {
  test("plays a WAV to a phone that answers, and both keep what they hear", async () => {
    const port = await freePort("127.0.0.1");
    const listen = `udp:127.0.0.1:${port},tcp:127.0.0.1:${port}`;
    const called = new ToolProcess(["call", "--answer", "--listen", listen, "--out", "b.wav"]);
    await called.prints("waiting for a call");
    const caller = new ToolProcess([
      "call", "--to", `sip:bob@127.0.0.1:${port}`, "--from", "sip:alice@example.com",
      "--wav", VOICE, "--seconds", "2", "--out", "a.wav",
    ]);
    expect(await caller.exited).toBe(0);
    expect(await called.exited).toBe(0);
    expect(caller.text).toContain("ended by us after 2.");
    expect(called.text).toContain("ended by them after 2.");
    const said = { ...wav(VOICE), samples: wav(VOICE).samples.subarray(0, 12_000) };
    expect(findVoice(wav(join(folder, "b.wav")), said).score).toBeGreaterThan(FOUND_FROM);
    expect(findVoice(wav(join(folder, "a.wav")), said).score).toBe(0);
  });

  test("ends with 1 when the call is refused, and says why", async () => {
    const port = await freePort("127.0.0.1");
    const srs = new ToolProcess(["srs", "--listen", `tcp:127.0.0.1:${port}`]);
    await srs.prints("listening");
    const caller = new ToolProcess(["call", "--to", `sip:x@127.0.0.1:${port};transport=tcp`]);
    expect(await caller.exited).toBe(1);
    expect(caller.text).toContain("not answered: 421");
    expect(existsSync(join(folder, "heard.wav"))).toBe(false);
  });

  test("SIGTERM while it waits ends it with 0", async () => {
    const port = await freePort("127.0.0.1");
    const called = new ToolProcess(["call", "--answer", "--listen", `udp:127.0.0.1:${port}`]);
    await called.prints("waiting");
    expect(await called.end()).toBe(0);
  });

  test.each([
    [["call"], "one of --to and --answer is needed"],
    [["call", "--to", "sip:a@b", "--answer"], "one of --to and --answer is needed"],
    [["call", "--to", "not a uri"], '--to is "not a uri"; expected a SIP URI'],
    [["call", "--to", "sip:a@b", "--seconds", "ten"], '--seconds is "ten"; expected a number'],
    [["call", "--to", "sip:a@b", "--wav", "none.wav"], "--wav: none.wav can't be read"],
    [["call", "--to", "sip:a@b", "--wav", MAIN], "not a RIFF WAVE file"],
    [["call", "--too", "sip:a@b"], "--too"],
    [["srs", "--listen", "udp:nowhere:1"], '--listen has "udp:nowhere:1"'],
    [["srs", "--answer", "200"], '--answer is "200"; expected a status from 300 to 699'],
    [["srs", "--bye-after", "soon"], '--bye-after is "soon"; expected a duration such as 5s'],
  ])("%j is wrong usage: 2, and what is wrong", async (args, message) => {
    const tool = new ToolProcess(args);
    expect(await tool.exited).toBe(2);
    expect(tool.text).toContain(message);
    expect(tool.text).toContain("usage: siprec");
  });
});

describe("siprec srs", () => {
  test("keeps a recording in --out, also one that is cut off by SIGTERM", async () => {
    const port = await freePort("127.0.0.1");
    const srs = new ToolProcess([
      "srs", "--listen", `udp:127.0.0.1:${port},tcp:127.0.0.1:${port}`, "--out", "kept",
    ]);
    await srs.prints("listening on udp:127.0.0.1");
    const client = new RecordingClient();
    await client.agent.start();
    expect(await client.invite({ transport: "tcp", address: "127.0.0.1", port })).toBe(200);
    const bye = client.next("BYE");
    expect(await srs.end()).toBe(0);
    await bye;
    await client.stop();
    expect(srs.text).toContain("ended by stop");
    const [recording = ""] = readdirSync(join(folder, "kept"));
    expect(readdirSync(join(folder, "kept", recording)).sort())
      .toEqual(["1.wav", "2.wav", "metadata-1.xml", "receipt.json"]);
  });

  test("a port that is taken is named, and ends it with 1", async () => {
    const port = await freePort("127.0.0.1");
    const first = new ToolProcess(["srs", "--listen", `udp:127.0.0.1:${port}`]);
    await first.prints("listening");
    const second = new ToolProcess(["srs", "--listen", `udp:127.0.0.1:${port}`]);
    expect(await second.exited).toBe(1);
    expect(second.text).toContain(`udp:127.0.0.1:${port}`);
  });
});
