// The lists of the configuration: accounts, trunks, phones, numbers, connectors.
import { parseConnectorAddress } from "../../protocol/siprec/connector-address.ts";
import { parseTwiml } from "../../protocol/twiml/parse.ts";
import type { Account, ConfigFile, NumberRoute, Phone, Trunk } from "../../schemas/config.ts";
import type { Connector, ConnectorAddress } from "../../schemas/connector.ts";
import { isAccountSid } from "../../schemas/sid.ts";
import { nearestWord } from "./problem.ts";
import type { ConfigReader } from "./reader.ts";

const AUTH_TOKEN = /^[0-9a-f]{32}$/;
const API_KEY_SID = /^SK[0-9a-fA-F]{32}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** Twilio's unique names are any text. */
const CONNECTOR_NAME = /^[^\u0000-\u001f\u007f]{1,64}$/;
const HEADER_NAME = /^[A-Za-z0-9\-.!%*_+`'~]{1,64}$/;
/** What the INVITE carries of its own: a credential there would break the request. */
const RESERVED_HEADERS = [
  "accept", "allow", "call-id", "contact", "content-length", "content-type", "cseq", "expires",
  "from", "max-forwards", "record-route", "require", "route", "supported", "to", "user-agent",
  "via", "f", "t", "v", "i", "m", "l", "c", "k",
];
const A_TOKEN = "32 characters of 0-9a-f";

export function readAccounts(reader: ConfigReader, file: ConfigFile): Account[] {
  const accounts = file.accounts.map((given, at): Account => {
    const key = `accounts[${at}]`;
    if (!isAccountSid(given.sid)) {
      reader.wrong(`${key}.sid`, given.sid, "AC and 32 hexadecimal digits");
    }
    const token = reader.secret(key, "auth_token", given);
    checkToken(reader, `${key}.auth_token`, token);
    const secondary = given.secondary_auth_token || null;
    if (secondary !== null) checkToken(reader, `${key}.secondary_auth_token`, secondary);
    const apiKeys = given.api_keys.map((apiKey, index) => {
      const place = `${key}.api_keys[${index}]`;
      if (!API_KEY_SID.test(apiKey.sid)) {
        reader.wrong(`${place}.sid`, apiKey.sid, "SK and 32 hexadecimal digits");
      }
      const secret = reader.secret(place, "secret", apiKey);
      if (secret === null && apiKey.secret_env === "") {
        reader.problem(`${place}.secret`, "nothing is given", "a secret, or secret_env");
      }
      return { sid: apiKey.sid, secret: secret ?? "" };
    });
    return { sid: given.sid, authToken: token ?? "", secondaryAuthToken: secondary, apiKeys };
  });
  reader.unique(accounts.map(({ sid }, at) => ({ key: `accounts[${at}].sid`, name: sid })));
  reader.unique(accounts.flatMap(({ apiKeys }, at) => apiKeys.map(({ sid }, index) =>
    ({ key: `accounts[${at}].api_keys[${index}].sid`, name: sid }))));
  return accounts;
}

function checkToken(reader: ConfigReader, key: string, token: string | null): void {
  if (token === null) {
    // A variable or file that cannot be read has been named already.
    const named = reader.found.problems.some((problem) => problem.key.startsWith(key));
    if (!named) reader.problem(key, "nothing is given", `${A_TOKEN}, or auth_token_env or _file`);
  } else if (!AUTH_TOKEN.test(token)) {
    reader.problem(key, `a secret of ${token.length} characters`, A_TOKEN);
  }
}

/** Whether the sid is one of the accounts. */
function checkAccount(
  reader: ConfigReader, key: string, sid: string, accounts: Account[],
): void {
  if (!accounts.some((account) => account.sid === sid)) {
    reader.wrong(key, sid, "the sid of one of [[accounts]]");
  }
}

export function readTrunks(
  reader: ConfigReader, file: ConfigFile, accounts: Account[],
): Trunk[] {
  const trunks = file.trunks.map((given, at): Trunk => {
    const key = `trunks[${at}]`;
    checkName(reader, `${key}.name`, given.name);
    const address = readAddress(reader, `${key}.uri`, given.uri);
    if (address.edge !== null || address.secure) {
      reader.wrong(`${key}.uri`, given.uri, "a SIP URI without edge= and secure=");
    }
    given.accounts.forEach((sid, index) =>
      checkAccount(reader, `${key}.accounts[${index}]`, sid, accounts));
    return {
      name: given.name, address,
      allow: reader.networks(`${key}.allow`, given.allow),
      mediaAllow: reader.networks(`${key}.media_allow`, given.media_allow),
      accounts: given.accounts, numbers: given.numbers,
      maxCalls: given.max_calls, maxCps: given.max_cps,
      username: given.username || null, password: reader.secret(key, "password", given),
      tls: reader.tls(`${key}.tls`, given.tls),
    };
  });
  reader.unique(trunks.map(({ name }, at) => ({ key: `trunks[${at}].name`, name })));
  return trunks;
}

export function readPhones(
  reader: ConfigReader, file: ConfigFile, accounts: Account[],
): Phone[] {
  const phones = file.phones.map((given, at): Phone => {
    const key = `phones[${at}]`;
    checkAccount(reader, `${key}.account`, given.account, accounts);
    const password = reader.secret(key, "password", given);
    if (password === null && given.password_env === "") {
      reader.problem(`${key}.password_env`, "nothing is given",
        "the name of an environment variable");
    }
    return { username: given.username, password: password ?? "", account: given.account };
  });
  reader.unique(phones.map(({ username }, at) =>
    ({ key: `phones[${at}].username`, name: username })));
  return phones;
}

export function readNumbers(
  reader: ConfigReader, file: ConfigFile, accounts: Account[],
): NumberRoute[] {
  return file.numbers.map((given, at): NumberRoute => {
    const key = `numbers[${at}]`;
    checkAccount(reader, `${key}.account`, given.account, accounts);
    if ((given.voice_url === "") === (given.twiml === "")) {
      const came = given.twiml === "" ? "neither is given" : "both are given";
      reader.problem(`${key}.voice_url`, came, "either voice_url or twiml");
    }
    const url = reader.url(`${key}.voice_url`, given.voice_url);
    if (given.twiml !== "") checkTwiml(reader, `${key}.twiml`, given.twiml);
    return {
      match: given.match, account: given.account,
      voice: url === null
        ? { kind: "twiml", twiml: given.twiml }
        : { kind: "url", url, method: given.voice_method },
      fallbackUrl: reader.url(`${key}.fallback_url`, given.fallback_url),
      statusCallback: reader.url(`${key}.status_callback`, given.status_callback),
    };
  });
}

function checkTwiml(reader: ConfigReader, key: string, twiml: string): void {
  const parsed = parseTwiml(twiml);
  if (!parsed.ok) {
    reader.problem(key, `${parsed.message} (${parsed.code})`, "a TwiML document");
    return;
  }
  for (const { code, message } of parsed.warnings) {
    reader.warning(key, `${message} (${code})`, "a verb and attributes of docs/TWILIO.md");
  }
}

export function readConnectors(
  reader: ConfigReader, file: ConfigFile, accounts: Account[],
): Connector[] {
  const connectors = file.connectors.map((given, at): Connector => {
    const key = `connectors[${at}]`;
    if (!CONNECTOR_NAME.test(given.name)) {
      reader.wrong(`${key}.name`, given.name, "64 characters at most, on one line");
    }
    if (given.account !== "") checkAccount(reader, `${key}.account`, given.account, accounts);
    const servers = given.session_recording_server;
    const addressKey = `${key}.session_recording_server`;
    const addresses = typeof servers === "string"
      ? [readRecorder(reader, addressKey, servers, file.edges)]
      : servers.map((text, index) =>
        readRecorder(reader, `${addressKey}[${index}]`, text, file.edges));
    checkCredentials(reader, key, given.credentials_header_name,
      given.credentials !== "" || given.credentials_env !== "");
    return {
      name: given.name, account: given.account || null, sessionRecordingServers: addresses,
      credentialsHeaderName: given.credentials_header_name || null,
      credentials: reader.secret(key, "credentials", given),
      username: given.username || null, password: reader.secret(key, "password", given),
      parameters: given.parameters, profile: given.profile,
      connectTimeoutMs: reader.duration(`${key}.connect_timeout`, given.connect_timeout),
      answerTimeoutMs: reader.duration(`${key}.answer_timeout`, given.answer_timeout),
      fill: given.fill, requireSecure: given.require_secure,
      tls: reader.tls(`${key}.tls`, given.tls), onBye: given.on_bye, source: "file",
    };
  });
  // The same name may serve different accounts.
  reader.unique(connectors.map(({ name, account }, at) =>
    ({ key: `connectors[${at}].name`, name: account === null ? name : `${name} of ${account}` })));
  return connectors;
}

function checkCredentials(
  reader: ConfigReader, key: string, header: string, hasCredentials: boolean,
): void {
  const place = `${key}.credentials_header_name`;
  if (header === "") {
    if (hasCredentials) reader.problem(place, "nothing is given", "the name of a header");
  } else if (!HEADER_NAME.test(header) || RESERVED_HEADERS.includes(header.toLowerCase())) {
    reader.wrong(place, header, 'the name of a header of its own, such as "X-Auth-Token"');
  }
}

function readRecorder(
  reader: ConfigReader, key: string, text: string, edges: Record<string, number>,
): ConnectorAddress {
  const address = readAddress(reader, key, text);
  if (address.edge !== null && !Object.hasOwn(edges, address.edge)) {
    const names = Object.keys(edges);
    const near = nearestWord(address.edge, names);
    reader.problem(key, `edge=${address.edge} is no edge (31942)`,
      `one of ${names.join(", ")}${near === null ? "" : `; perhaps ${near}`}`);
  }
  return address;
}

function readAddress(reader: ConfigReader, key: string, text: string): ConnectorAddress {
  const parsed = parseConnectorAddress(text);
  if (parsed.ok) return parsed.address;
  reader.wrong(key, text, `a SIP URI such as "sip:srs@127.0.0.1:5090" (${parsed.reason})`);
  return { uri: "", transport: null, secure: false, edge: null, host: "", port: null };
}

function checkName(reader: ConfigReader, key: string, name: string): void {
  if (!NAME.test(name)) reader.wrong(key, name, "letters, digits, - _ and . (64 at most)");
}
