// What goes over the loopback, on the ports of one test only, and what tshark makes of it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { eventually } from "./eventually.ts";
import { programPath } from "./needs.ts";
import { freeSipPort } from "./ports.ts";

const INTERFACE = "lo";
/** A capture that nobody stops ends by itself. */
const LONGEST_S = 60;

/** Why nothing can be captured here; null when it can. */
export function captureAbsence(): string | null {
  if (programPath("tshark") === null) return "needs tshark: tshark";
  const tried = spawnSync("dumpcap", ["-L", "-i", INTERFACE], { stdio: "ignore" });
  return tried.status === 0 ? null : "needs the right to capture on the loopback";
}

export interface CapturePorts {
  sip: number[];
  media: { first: number; last: number };
  /** Of the tools: each has a pair of its own, which is not known before the call. */
  others?: number[];
}

export class Capture {
  private constructor(
    private readonly child: ReturnType<typeof Bun.spawn>, readonly file: string,
    private readonly sip: number[], private readonly markerPort: number,
  ) {}

  static async start(file: string, ports: CapturePorts): Promise<Capture> {
    const marker = await freeSipPort();
    const { first, last } = ports.media;
    const filter = [
      ...ports.sip.map((port) => `port ${port}`), `udp portrange ${first}-${last}`,
      `udp port ${marker}`,
    ].join(" or ");
    const command = ["-i", INTERFACE, "-f", filter, "-w", file, "-q", "-B", "16"];
    const child = Bun.spawn(["dumpcap", ...command, "-a", `duration:${LONGEST_S}`], {
      stdin: "ignore", stdout: "ignore", stderr: "ignore",
    });
    const capture = new Capture(child, file, ports.sip, marker);
    await eventually("the capture has begun", async () => {
      if (child.exitCode !== null) throw new Error(`dumpcap ended with ${child.exitCode}`);
      return capture.#sees("the capture begins");
    });
    return capture;
  }

  /** Ends it, once everything until now is in the file. */
  async stop(): Promise<void> {
    await eventually("the capture is written", () => this.#sees("the capture ends"));
    this.child.kill("SIGINT");
    await this.child.exited;
  }

  /** Rows of fields of the packets that a display filter lets through. */
  rows(filter: string, fields: string[]): string[][] {
    const asSip = this.sip.flatMap((port) =>
      ["-d", `udp.port==${port},sip`, "-d", `tcp.port==${port},sip`]);
    const tshark = spawnSync("tshark", [
      "-r", this.file, "-n", ...asSip, "-Y", filter, "-T", "fields", "-E", "separator=/t",
      ...fields.flatMap((field) => ["-e", field]),
    ], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
    if (tshark.status !== 0) throw new Error(`tshark: ${tshark.stderr}`);
    return tshark.stdout.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
  }

  /** A datagram of ours that is looked for in the file. */
  async #sees(text: string): Promise<boolean> {
    const socket = await Bun.udpSocket({ socket: {} });
    socket.send(text, this.markerPort, "127.0.0.1");
    socket.close();
    await Bun.sleep(50);
    return existsSync(this.file) && readFileSync(this.file).includes(text);
  }
}
