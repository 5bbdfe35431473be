// The sections of the configuration that stand once: HTTP, SIP, media, NATS, edges, security.
import type { Config, ConfigFile, ListenAddress, SipListenAddress } from "../../schemas/config.ts";
import { nearestWord } from "./problem.ts";
import type { ConfigReader } from "./reader.ts";
import { hostPort, isLoopback, parseListen, parseSipListen } from "./text.ts";

const KEY_BYTES = 32;
const CODECS = ["PCMU", "PCMA", "G722", "OPUS", "G729"];
const EDGE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const NATS_SERVER = /^(?:(?:nats|tls):\/\/)?(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?$/;
const A_LISTEN = 'an IP address with a port such as "127.0.0.1:8080"';
const NOWHERE: ListenAddress = { host: "127.0.0.1", port: 0 };
/** RTP and RTCP of a leg and of a few fork streams. */
const PORTS_PER_PROCESS_MIN = 16;

function listen(reader: ConfigReader, key: string, text: string): ListenAddress {
  const address = parseListen(text);
  if (address === null) reader.wrong(key, text, A_LISTEN);
  return address ?? NOWHERE;
}

const isAnyAddress = (host: string): boolean => host === "0.0.0.0" || host === "::";

export function readEdge(reader: ConfigReader, file: ConfigFile): number {
  const names = Object.keys(file.edges);
  for (const name of names) {
    if (!EDGE_NAME.test(name)) {
      reader.wrong(`edges.${name}`, name, "lower case letters, digits and - (32 at most)");
    }
  }
  reader.unique(Object.entries(file.edges).map(([name, number]) =>
    ({ key: `edges.${name}`, name: String(number) })));
  const number = Object.hasOwn(file.edges, file.edge) ? file.edges[file.edge] : undefined;
  if (number === undefined) {
    const near = nearestWord(file.edge, names);
    reader.wrong("edge", file.edge,
      `one of [edges]: ${names.join(", ")}${near === null ? "" : `; perhaps ${near}`}`);
  }
  return number ?? 0;
}

export function readSecurity(reader: ConfigReader, file: ConfigFile): Config["security"] {
  const key = (name: "key_env" | "previous_key_env"): Uint8Array | null => {
    const text = reader.fromEnv(`security.${name}`, file.security[name]);
    if (text === null) return null;
    const isHex = /^[0-9A-Fa-f]{64}$/.test(text.trim());
    const bytes = Buffer.from(text.trim(), isHex ? "hex" : "base64");
    if (bytes.length !== KEY_BYTES) {
      reader.problem(`security.${name}`, `a secret of ${bytes.length} bytes`,
        `${KEY_BYTES} bytes as hexadecimal digits or base64`);
    }
    return new Uint8Array(bytes);
  };
  return { key: key("key_env"), previousKey: key("previous_key_env") };
}

export function readHttp(reader: ConfigReader, file: ConfigFile): Config["http"] {
  const given = file.http;
  const address = listen(reader, "http.listen", given.listen);
  const tls = reader.tls("http.tls", given.tls);
  if (given.open_console && !isLoopback(address.host)) {
    reader.problem("http.open_console", "true, and http.listen is not on loopback", "false");
  }
  const host = isAnyAddress(address.host) ? "localhost" : address.host;
  const own = `${tls.cert === null ? "http" : "https"}://${hostPort({ ...address, host })}`;
  const publicUrl = reader.url("http.public_url", given.public_url) ?? own;
  return {
    listen: address, openConsole: given.open_console, publicUrl: publicUrl.replace(/\/+$/, ""), tls,
  };
}

export function readSip(reader: ConfigReader, file: ConfigFile): Config["sip"] {
  const tls = reader.tls("sip.tls", file.sip.tls);
  const addresses = file.sip.listen.flatMap((text, at): SipListenAddress[] => {
    const key = `sip.listen[${at}]`;
    const address = parseSipListen(text);
    if (address === null) {
      reader.wrong(key, text, 'udp:, tcp: or tls:, an IP address and a port, "udp:127.0.0.1:5060"');
      return [];
    }
    if (address.transport !== "tls" || tls.cert !== null) return [address];
    reader.warning(key, `"${text}" is not opened: there is no certificate`, "sip.tls.cert and key");
    return [];
  });
  reader.unique(file.sip.listen.map((text, at) => ({ key: `sip.listen[${at}]`, name: text })));
  if (addresses.length === 0 && reader.found.problems.length === 0) {
    reader.problem("sip.listen", "none of them can be opened", "at least one");
  }
  return { listen: addresses, advertise: reader.ip("sip.advertise", file.sip.advertise), tls };
}

export function readMedia(reader: ConfigReader, file: ConfigFile): Config["media"] {
  const given = file.media;
  const [min = 0, max = 0] = given.ports;
  if (min % 2 !== 0 || max <= min) {
    reader.problem("media.ports", `[${min}, ${max}] is given`,
      "[lowest, highest], the lowest even, such as [10000, 19999]");
  } else if (max - min + 1 < PORTS_PER_PROCESS_MIN * Math.max(1, given.processes)) {
    reader.problem("media.ports", `${max - min + 1} ports for ${given.processes} processes`,
      `at least ${PORTS_PER_PROCESS_MIN} for each`);
  }
  const address = reader.ip("media.listen", given.listen) ?? "127.0.0.1";
  const advertise = reader.ip("media.advertise", given.advertise);
  if (isAnyAddress(address) && advertise === null) {
    // An SDP with c=0.0.0.0 would mean hold (RFC 3264 §8.4).
    reader.problem("media.advertise", "nothing is given, and media.listen is any address",
      "the IP address that others send to");
  }
  const codecs = given.codecs.map((name, at) => {
    if (!CODECS.includes(name.toUpperCase())) {
      reader.wrong(`media.codecs[${at}]`, name, `one of ${CODECS.join(", ")}`);
    }
    return name.toUpperCase();
  });
  reader.unique(codecs.map((name, at) => ({ key: `media.codecs[${at}]`, name })));
  return {
    listen: address, advertise, ports: { min, max }, processes: given.processes, codecs,
    restMs: reader.duration("media.rest", given.rest),
    timeoutMs: reader.duration("media.timeout", given.timeout),
    preRollMs: reader.duration("media.pre_roll", given.pre_roll),
  };
}

export function readNats(reader: ConfigReader, file: ConfigFile): Config["nats"] {
  const given = file.nats;
  const embedded = given.servers.length === 0;
  const address = listen(reader, "nats.listen", given.listen);
  const clusterListen = given.cluster.listen === ""
    ? null
    : listen(reader, "nats.cluster.listen", given.cluster.listen);
  if (clusterListen === null && given.cluster.routes.length > 0) {
    reader.problem("nats.cluster.listen", "nothing is given, and there are routes", A_LISTEN);
  }
  if (clusterListen !== null && given.cluster.routes.length === 0) {
    // A JetStream cluster of one server waits for ever for the others.
    reader.problem("nats.cluster.routes", "nothing is given", "the other servers of the cluster");
  }
  checkServers(reader, "nats.servers", given.servers);
  checkServers(reader, "nats.cluster.routes", given.cluster.routes);
  const credentials = readNatsSecret(reader, given.secret_env);
  const open = [address, clusterListen].some((one) => one !== null && !isLoopback(one.host));
  if (embedded && open && given.secret_env === "") {
    reader.problem("nats.secret_env", "nothing is given, and NATS listens beyond loopback",
      "the name of a variable that holds user:password");
  }
  const tls = reader.tls("nats.tls", given.tls);
  const own = `${tls.cert === null ? "nats" : "tls"}://`
    + hostPort({ ...address, host: isAnyAddress(address.host) ? "127.0.0.1" : address.host });
  return {
    servers: embedded ? [own] : given.servers, embedded, listen: address,
    cluster: clusterListen === null
      ? null
      : { listen: clusterListen, routes: given.cluster.routes },
    tls, credentials,
  };
}

function checkServers(reader: ConfigReader, key: string, texts: string[]): void {
  texts.forEach((text, at) => {
    if (NATS_SERVER.test(text)) return;
    reader.wrong(`${key}[${at}]`, text, 'a server such as "nats://127.0.0.1:4222"');
  });
}

function readNatsSecret(reader: ConfigReader, name: string): Config["nats"]["credentials"] {
  const text = reader.fromEnv("nats.secret_env", name);
  if (text === null) return null;
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    reader.problem("nats.secret_env", "a secret without user or password", "user:password");
  }
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
