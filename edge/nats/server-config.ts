// The configuration file of the embedded nats-server, from ours.
import type { Config } from "../../schemas/config.ts";

const LOG_LIMIT_BYTES = 10_000_000;
const CLUSTER_NAME = "siprec";

export interface ServerFiles {
  storeDir: string;
  logPath: string;
}

/** Quoted as JSON is, which the server reads. */
const quote = (text: string): string => JSON.stringify(text);
const address = (host: string, port: number): string =>
  quote(`${host.includes(":") ? `[${host}]` : host}:${port}`);

export function serverConfig(
  edge: string, nats: Config["nats"], files: ServerFiles,
): string {
  return [
    `server_name: ${quote(edge)}`,
    `server_tags: [${quote(`edge:${edge}`)}]`,
    `listen: ${address(nats.listen.host, nats.listen.port)}`,
    `jetstream { store_dir: ${quote(files.storeDir)} }`,
    `log_file: ${quote(files.logPath)}`,
    `logfile_size_limit: ${LOG_LIMIT_BYTES}`,
    // A client that is gone without a word is noticed within seconds.
    `ping_interval: "5s"`,
    `ping_max: 2`,
    ...authorization(nats),
    ...tls(nats),
    ...cluster(nats),
    "",
  ].join("\n");
}

function authorization({ credentials }: Config["nats"]): string[] {
  if (credentials === null) return [];
  const { user, password } = credentials;
  return [`authorization { user: ${quote(user)}, password: ${quote(password)} }`];
}

function tls({ tls: files }: Config["nats"]): string[] {
  if (files.cert === null || files.key === null) return [];
  const ca = files.ca === null ? "" : `, ca_file: ${quote(files.ca)}, verify: true`;
  return [`tls { cert_file: ${quote(files.cert)}, key_file: ${quote(files.key)}${ca} }`];
}

function cluster(nats: Config["nats"]): string[] {
  if (nats.cluster === null) return [];
  const { listen, routes } = nats.cluster;
  const user = nats.credentials;
  const login = user === null
    ? ""
    : `${encodeURIComponent(user.user)}:${encodeURIComponent(user.password)}@`;
  const urls = routes.map((route) =>
    quote(`nats-route://${login}${route.replace(/^[a-z]+:\/\//, "")}`));
  return [
    "cluster {", `  name: ${quote(CLUSTER_NAME)}`,
    `  listen: ${address(listen.host, listen.port)}`,
    // Clients stay at the server of their edge.
    "  no_advertise: true",
    `  routes: [${urls.join(", ")}]`,
    ...authorization(nats).map((line) => `  ${line}`), ...tls(nats).map((line) => `  ${line}`),
    "}",
  ];
}
