// The edge of the demo: a real one, in processes of its own, on free ports and in a folder of its
// own.
import { join } from "node:path";
import { environment, ownProgram } from "../runtime/env.ts";
import { appendText, writeText } from "../runtime/files.ts";
import { type Child, spawnChild } from "../runtime/spawn.ts";
import type { Random } from "../runtime/types.ts";
import { freePort } from "./free-port.ts";
import { hexText } from "../../schemas/sid.ts";

const ADDRESS = "127.0.0.1";
const MEDIA_PORT_MIN = 41_000;
const MEDIA_PORTS = 200;
const MEDIA_RANGES = 90;
const ACCOUNT_BYTES = 16;

export interface DemoAccount {
  sid: string;
  authToken: string;
}

export const demoAccount = (random: Random): DemoAccount =>
  ({ sid: `AC${hexText(random(ACCOUNT_BYTES))}`, authToken: hexText(random(ACCOUNT_BYTES)) });

export interface DemoEdgeOptions {
  /** For its configuration and its log. */
  folder: string;
  dataFolder: string;
  mainPath: string;
  account: DemoAccount;
  number: string;
  voiceUrl: string;
  /** The connector's address. */
  recorder: string;
  random: Random;
}

export interface DemoEdge {
  httpUrl: string;
  sipPort: number;
  logPath: string;
  /** Drains and ends it; gives its exit code. */
  stop(): Promise<number | null>;
  /** Resolves when it ends, wanted or not. */
  exited: Promise<void>;
}

/** Resolves when the edge says that it is ready, rejects when it ends instead. */
export async function startDemoEdge(options: DemoEdgeOptions): Promise<DemoEdge> {
  const { folder, mainPath } = options;
  const [http, sip, nats] = [
    await freePort(ADDRESS), await freePort(ADDRESS), await freePort(ADDRESS),
  ];
  const configPath = join(folder, "siprec.toml");
  const logPath = join(folder, "edge.log");
  writeText(configPath, configOf(options, { http, sip, nats }), 0o600);
  writeText(logPath, "");
  const ready = Promise.withResolvers<void>();
  const child: Child = await spawnChild(
    [...ownProgram(mainPath), "edge", "--config", configPath],
    {
      env: { ...environment(), SIPREC_SUPERVISED: "1" }, stdout: "ignore",
      onLine: (line) => {
        appendText(logPath, `${line}\n`);
        if (line.includes('"edge.ready"') || line.includes(" edge.ready ")) ready.resolve();
      },
    },
  );
  const exited = child.exited.then(({ code, signal }) => {
    ready.reject(new Error(`the edge ended (${code ?? signal}); its log is ${logPath}`));
  });
  await ready.promise;
  return {
    httpUrl: `http://${ADDRESS}:${http}`, sipPort: sip, logPath, exited,
    async stop() {
      child.kill("SIGTERM");
      return (await child.exited).code;
    },
  };
}

function configOf(
  options: DemoEdgeOptions, ports: { http: number; sip: number; nats: number },
): string {
  const { account, dataFolder, number, voiceUrl, recorder } = options;
  const text = (value: string): string => JSON.stringify(value);
  const lowest = MEDIA_PORT_MIN + MEDIA_PORTS * ((options.random(1)[0] ?? 0) % MEDIA_RANGES);
  return `# Made by the demo.
edge = "ashburn"
data = ${text(dataFolder)}
drain = "2s"

[http]
listen = "${ADDRESS}:${ports.http}"

[sip]
listen = ["udp:${ADDRESS}:${ports.sip}", "tcp:${ADDRESS}:${ports.sip}"]

[media]
listen = "${ADDRESS}"
ports = [${lowest}, ${lowest + MEDIA_PORTS - 1}]

[nats]
listen = "${ADDRESS}:${ports.nats}"

[[accounts]]
sid = ${text(account.sid)}
auth_token = ${text(account.authToken)}

[[trunks]]
name = "phones"
uri = "sip:${ADDRESS}:9"
allow = ["127.0.0.0/8"]

[[numbers]]
match = ${text(number)}
account = ${text(account.sid)}
voice_url = ${text(voiceUrl)}

[[connectors]]
name = "Recorder"
session_recording_server = ${text(recorder)}
`;
}
