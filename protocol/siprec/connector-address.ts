// A connector's "Session Recording Server" text: a SIP URI (RFC 3261 §19.1.1) whose parameters
// are joined by ; or &, with `edge` and `secure` of our own taken out of the Request-URI.
import type { ConnectorAddress } from "../../schemas/connector.ts";

export const ADDRESS_MAX_CHARS = 1024;

export type ConnectorAddressResult =
  | { ok: true; address: ConnectorAddress }
  | { ok: false; reason: string };

// RFC 3261 §25.1: unreserved, user-unreserved, escapes; and ; which a user part may hold too.
const USER = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+$/;
const PASSWORD = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*$/;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const IPV6 = /^\[([0-9A-Fa-f:.]{2,45})\]$/;
const PARAMETER = /^(?:[A-Za-z0-9\-_.!~*'()[\]/:+$]|%[0-9A-Fa-f]{2})+$/;
const EDGE = /^[a-z0-9][a-z0-9-]{0,31}$/;
const PORT = /^[0-9]{1,5}$/;
const PORT_MAX = 65_535;

const fail = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });

/** Takes the text apart; nothing of a password is in `reason`. */
export function parseConnectorAddress(text: string): ConnectorAddressResult {
  if (text.length > ADDRESS_MAX_CHARS) return fail(`longer than ${ADDRESS_MAX_CHARS} characters`);
  const scheme = /^(sips?):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return fail("it does not start with sip: or sips:");
  const rest = text.slice(scheme.length + 1);
  const at = rest.lastIndexOf("@");
  const user = at < 0 ? "" : rest.slice(0, at);
  if (at >= 0 && !isUserInfo(user)) return fail("the part before @ is no SIP user");
  const [hostPort = "", ...parameters] = rest.slice(at + 1).split(/[;&]/);
  if (rest.slice(at + 1).includes("?")) return fail("headers after ? are not taken");
  const place = parseHostPort(hostPort);
  if (!place.ok) return place;
  const read = readParameters(parameters);
  if (!read.ok) return read;
  const transport = transportOf(scheme, read.transport, read.secure);
  if (transport === undefined) return fail("sips: does not go with transport=udp");
  const kept = read.kept.map((parameter) => `;${parameter}`).join("");
  const uri = `${scheme}:${at < 0 ? "" : `${user}@`}${hostPort}${kept}`;
  const { host, port } = place;
  return {
    ok: true, address: { uri, transport, secure: read.secure, edge: read.edge, host, port },
  };
}

function isUserInfo(text: string): boolean {
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  return USER.test(user) && (colon < 0 || PASSWORD.test(text.slice(colon + 1)));
}

const isHostName = (text: string): boolean =>
  (text.endsWith(".") ? text.slice(0, -1) : text).split(".").every((label) => LABEL.test(label));

function parseHostPort(
  text: string,
): { ok: true; host: string; port: number | null } | { ok: false; reason: string } {
  const found = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
  const written = found?.[1] ?? "";
  const host = IPV6.exec(written)?.[1] ?? (isHostName(written) ? written : "");
  if (host === "") return fail("the host is missing or is no host name or IP address");
  const portText = found?.[2];
  if (portText === undefined) return { ok: true, host, port: null };
  const port = PORT.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > PORT_MAX) return fail("the port is not a number from 1 to 65535");
  return { ok: true, host, port };
}

type Transport = "udp" | "tcp" | "tls";
type Parameters =
  | { ok: true; secure: boolean; edge: string | null; transport: Transport | null; kept: string[] }
  | { ok: false; reason: string };

function readParameters(parameters: string[]): Parameters {
  const seen = new Set<string>();
  const read = {
    ok: true as const, secure: false, edge: null as string | null,
    transport: null as Transport | null, kept: [] as string[],
  };
  for (const parameter of parameters) {
    // A separator with nothing behind it, as in "sip:a.example.com;", is no parameter.
    if (parameter === "") continue;
    const equals = parameter.indexOf("=");
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? null : parameter.slice(equals + 1);
    const problem = takeParameter(read, name, value?.toLowerCase() ?? null);
    if (problem !== null) return fail(problem);
    if (!PARAMETER.test(name) || (value !== null && !PARAMETER.test(value))) {
      return fail("a parameter has a character that is not allowed there");
    }
    if (seen.has(name)) return fail(`the parameter ${name} is there twice`);
    seen.add(name);
    if (name !== "edge" && name !== "secure") read.kept.push(parameter);
  }
  return read;
}

function takeParameter(
  read: { secure: boolean; edge: string | null; transport: Transport | null },
  name: string, value: string | null,
): string | null {
  if (name === "edge") {
    if (value === null || !EDGE.test(value)) return "edge= names no edge";
    read.edge = value;
  } else if (name === "secure") {
    if (value !== "true" && value !== "false") return "secure= is true or false";
    read.secure = value === "true";
  } else if (name === "transport") {
    if (value !== "udp" && value !== "tcp" && value !== "tls") {
      return "transport= is udp, tcp or tls";
    }
    read.transport = value;
  }
  return null;
}

// RFC 3261 §26.2.2: with sips: transport=tcp means TLS over TCP.
function transportOf(
  scheme: string, written: Transport | null, secure: boolean,
): Transport | null | undefined {
  if (scheme === "sips") return written === "udp" ? undefined : "tls";
  return written ?? (secure ? "tls" : null);
}
