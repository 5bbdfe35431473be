import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleConfig, writeExample } from "../../../edge/config/example.ts";
import { loadConfig, parseConfig } from "../../../edge/config/load.ts";
import { problemLine } from "../../../edge/config/problem.ts";
import { systemRandom } from "../../../edge/runtime/random.ts";
import type { Config } from "../../../schemas/config.ts";

const SID = `AC${"a".repeat(32)}`;
const TOKEN = "0123456789abcdef0123456789abcdef";
const ACCOUNT = `[[accounts]]\nsid = "${SID}"\nauth_token = "${TOKEN}"\n`;

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "siprec-config-"));
  folders.push(path);
  return path;
}

function good(text: string, env: Record<string, string> = {}): Config {
  const result = parseConfig(text, env);
  if (!result.ok) throw new Error(result.problems.map(problemLine).join("\n"));
  return result.config;
}

function bad(text: string, env: Record<string, string> = {}): string[] {
  const result = parseConfig(text, env);
  return result.ok ? [] : result.problems.map(problemLine);
}

describe("the configuration", () => {
  test("an empty file is the documented defaults", () => {
    const config = good("");
    expect(config).toMatchObject({
      edge: "ashburn", edgeNumber: 3, historyMs: 7 * 86_400_000, drainMs: 60_000,
      http: { listen: { host: "127.0.0.1", port: 8080 }, publicUrl: "http://127.0.0.1:8080" },
      media: { ports: { min: 10000, max: 19999 }, restMs: 5_000, codecs: ["PCMU", "PCMA"] },
      nats: { servers: ["nats://127.0.0.1:4222"], embedded: true, cluster: null },
      accounts: [], webhooks: { allowPrivate: true },
    });
    expect(config.dataDir.endsWith("/data")).toBe(true);
    expect(config.sip.listen).toEqual([
      { transport: "udp", address: "127.0.0.1", port: 5060 },
      { transport: "tcp", address: "127.0.0.1", port: 5060 },
    ]);
  });

  test("the example loads clean, without a warning, and is private", () => {
    const path = join(folder(), "siprec.toml");
    expect(writeExample(path, systemRandom)).toBe(true);
    expect(writeExample(path, systemRandom)).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const result = loadConfig(path, {});
    expect(result).toMatchObject({ ok: true, warnings: [] });
    if (!result.ok) return;
    const { config } = result;
    expect(config.numbers[0]?.account).toBe(config.accounts[0]?.sid ?? "none");
    expect(config.connectors[0]?.sessionRecordingServers[0]).toMatchObject({ port: 5090 });
  });

  test("the example's commented tables are right too", () => {
    const text = exampleConfig(SID, TOKEN).replace(
      /^# (\[\[|[a-z_]+ = )/gm, "$1");
    const config = good(text, { ALICE_PASSWORD: "x" });
    expect(config.phones).toEqual([{ username: "alice", password: "x", account: SID }]);
    expect(config.networks).toEqual([{ to: "10.0.0.0/8", sip: null, media: null }]);
    expect(config.numbers.map(({ voice }) => voice.kind)).toEqual(["url", "twiml"]);
  });

  test("a file that is not there is a problem, not a throw", () => {
    expect(loadConfig("/nowhere/siprec.toml", {})).toMatchObject({ ok: false });
  });

  test("every mistake is named at once, with its key, what came and what was expected", () => {
    const found = bad(`
      edge = "dublln"
      history = "7 days"
      [http]
      lisen = "127.0.0.1:8080"
      listen = "127.0.0.1"
      open_console = "yes"
      [media]
      ports = [10001, 10000]
      [[numbers]]
      match = "*"
    `);
    expect(found).toEqual([
      expect.stringMatching(/^http\.lisen: .*perhaps listen/),
      expect.stringMatching(/^http\.open_console: "yes" is given; expected true or false/),
      expect.stringMatching(/^numbers\[0\]\.account: nothing is given; expected the sid/),
      expect.stringMatching(/^edge: "dublln" .*perhaps dublin/),
      expect.stringMatching(/^history: "7 days" is given; expected a duration/),
      expect.stringMatching(/^http\.listen: "127.0.0.1" is given; expected an IP address with/),
      expect.stringMatching(/^media\.ports: \[10001, 10000\]/),
      expect.stringMatching(/^numbers\[0\]\.voice_url: neither is given/),
    ]);
    // What refers to a broken table is not blamed for it.
    expect(bad(`
      [[accounts]]
      sid = 5
      [[numbers]]
      match = "*"
      account = "AC${"1".repeat(32)}"
      twiml = "<Response/>"
    `).filter((line) => line.startsWith("numbers"))).toEqual([]);
    const deeper = bad(`
      edge = "dublln"
      history = "7 days"
      [http]
      listen = "127.0.0.1"
      [media]
      ports = [10001, 10000]
      codecs = ["PCMU", "AMR"]
    `);
    expect(deeper).toEqual([
      expect.stringMatching(/^edge: "dublln" .*perhaps dublin/),
      expect.stringMatching(/^history: "7 days" is given; expected a duration/),
      expect.stringMatching(/^http\.listen: "127.0.0.1" is given; expected an IP address with/),
      expect.stringMatching(/^media\.ports: \[10001, 10000\]/),
      expect.stringMatching(/^media\.codecs\[1\]: "AMR"/),
    ]);
  });

  test.each([
    ['edge = "constructor"', /^edge:/],
    ["[edges]\nashburn = 3\ndublin = 3", /^edges\.ashburn:.*edges\.dublin/],
    ["[edges]\nashburn = 300", /^edges\.ashburn: 300/],
    ["[edges]\nAsh = 1\nashburn = 3", /^edges\.Ash/],
    ['drain = "4000d"', /^drain:/],
    ['[sip]\nlisten = ["sctp:127.0.0.1:5060"]', /^sip\.listen\[0\]/],
    ['[sip]\nlisten = []', /^sip\.listen/],
    ['[sip]\nlisten = ["tls:127.0.0.1:5061"]', /^sip\.listen: none of them/],
    ['[sip]\nlisten = ["udp:1.2.3.4:1", "udp:1.2.3.4:1"]', /^sip\.listen\[1\]/],
    ['[sip]\ntls = { cert = "/nowhere.pem", key = "" }', /^sip\.tls/],
    ['[media]\nlisten = "0.0.0.0"', /^media\.advertise/],
    ['[media]\nprocesses = 65', /^media\.processes/],
    ['[media]\nports = [10000, 10031]\nprocesses = 4', /^media\.ports/],
    ['[media]\nports = [10000]', /^media\.ports/],
    ['[nats]\nlisten = "0.0.0.0:4222"', /^nats\.secret_env/],
    ['[nats]\nservers = ["http://x y"]', /^nats\.servers\[0\]/],
    ['[nats]\ncluster = { listen = "", routes = ["127.0.0.12:6222"] }', /^nats\.cluster\.listen/],
    ['[nats]\ncluster = { listen = "127.0.0.1:6222", routes = [] }', /^nats\.cluster\.routes/],
    ['[nats]\nsecret_env = "UNSET_NAME"', /^nats\.secret_env: "UNSET_NAME" is not set/],
    ['[security]\nkey_env = "UNSET_NAME"', /^security\.key_env/],
    ['[http]\nlisten = "10.0.0.1:80"\nopen_console = true', /^http\.open_console/],
    ['[http]\npublic_url = "ftp://x"', /^http\.public_url/],
    ['[[networks]]\nto = "10.0.0.0/33"', /^networks\[0\]\.to/],
    ['[[accounts]]\nsid = "AC1"\nauth_token = "00"', /^accounts\[0\]\.sid/],
    [`[[accounts]]\nsid = "${SID}"`, /^accounts\[0\]\.auth_token: nothing is given/],
    [`${ACCOUNT}auth_token_env = "A"`, /^accounts\[0\]\.auth_token: it is given in more than/],
    [`${ACCOUNT}${ACCOUNT}`, /^accounts\[1\]\.sid.*accounts\[0\]\.sid/],
    [`${ACCOUNT}api_keys = [{ sid = "SK1" }]`, /^accounts\[0\]\.api_keys\[0\]\.sid/],
    [`${ACCOUNT}[[trunks]]\nname = "a b"\nuri = "sip:h"`, /^trunks\[0\]\.name/],
    [`[[trunks]]\nname = "a"\nuri = "h"`, /^trunks\[0\]\.uri/],
    [`[[trunks]]\nname = "a"\nuri = "sip:h;secure=true"`, /^trunks\[0\]\.uri/],
    [`[[trunks]]\nname = "a"\nuri = "sip:h"\nallow = ["h"]`, /^trunks\[0\]\.allow\[0\]/],
    [`[[trunks]]\nname = "a"\nuri = "sip:h"\naccounts = ["${SID}"]`, /^trunks\[0\]\.accounts/],
    [`[[phones]]\nusername = "a"\naccount = "${SID}"`, /^phones\[0\]\.account/],
    [`${ACCOUNT}[[numbers]]\nmatch = "*"\naccount = "${SID}"`, /voice_url: neither/],
    [`${ACCOUNT}[[numbers]]\nmatch = "*"\naccount = "${SID}"\ntwiml = "<Response/>"
      voice_url = "http://h"`, /^numbers\[0\]\.voice_url: both/],
    [`${ACCOUNT}[[numbers]]\nmatch = "*"\naccount = "${SID}"\ntwiml = "<Answer/>"`,
      /^numbers\[0\]\.twiml: .*12102/],
    [`${ACCOUNT}[[numbers]]\nmatch = "*"\naccount = "${SID}"\ntwiml = "<Response/>"
      voice_method = "PUT"`, /^numbers\[0\]\.voice_method: "PUT" is given; expected "GET" or/],
    ['[[connectors]]\nname = "a"', /^connectors\[0\]\.session_recording_server/],
    ['[[connectors]]\nname = "a"\nsession_recording_server = []', /session_recording_server/],
    ['[[connectors]]\nname = "a"\nsession_recording_server = ["sip:h", "sip:h;edge=mars"]',
      /^connectors\[0\]\.session_recording_server\[1\]: edge=mars is no edge \(31942\)/],
    ['[[connectors]]\nname = "a"\nsession_recording_server = "sip:h"\n'
      + 'credentials_header_name = "Via"', /credentials_header_name: "Via"/],
    ['[[connectors]]\nname = "a"\nsession_recording_server = "sip:h"\ncredentials = "x"',
      /credentials_header_name: nothing/],
    ['[[connectors]]\nname = "a"\nsession_recording_server = "sip:h"\n'.repeat(2),
      /^connectors\[1\]\.name/],
    ["edge = ", /^line 1/],
    ["a = 1\na = 2", /^line 2/],
    ["accounts = 5", /^accounts: 5 is given; expected a list of tables/],
    ["http = []", /^http: a list of 0 is given; expected a table/],
  ])("%j is a mistake", (text, expected) => {
    const found = bad(text);
    expect(found.length).toBeGreaterThan(0);
    expect(found.find((line) => expected.test(line)) ?? found.join("\n")).toMatch(expected);
  });

  test("no secret is ever printed", () => {
    const secret = "hunter2hunter2hunter2";
    const lines = [
      ...bad(`[[accounts]]\nsid = "${SID}"\nauth_token = "${secret}"`),
      ...bad(`[[accounts]]\nsid = "${SID}"\nauth_token_env = "${secret}"`),
      ...bad(`[[accounts]]\nsid = "${SID}"\nauth_token = ["${secret}"]`),
      ...bad(`[[accounts]]\nsid = "${SID}"\nauth_token = "${secret}`),
      ...bad(`[[trunks]]\nname = "a"\nuri = "sip:u/x:${secret}@h h"`),
      ...bad(`${ACCOUNT}[[numbers]]\nmatch = "*"\naccount = "${SID}"\nvoice_url = "ftp://u:${
        secret}@h/?token=${secret}"`),
      ...bad("", { SIPREC_NATS_SECRET_ENV: "X", X: secret }),
      ...bad("", { SIPREC_ACCOUNTS: `[{"x":"${secret}"}]` }),
      ...bad('[nats]\nsecret_env = "X"', { X: secret }),
      ...bad('[security]\nkey_env = "X"', { X: secret }),
    ];
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.join("\n")).not.toContain(secret);
  });

  test("secrets come from the file, a variable, or a file of their own", () => {
    const path = join(folder(), "token");
    writeFileSync(path, `${TOKEN}\n`);
    const second = `AC${"c".repeat(32)}`;
    const key = Buffer.alloc(32, 7);
    const config = good(`
      [security]
      key_env = "KEY"
      [nats]
      secret_env = "NATS"
      [[accounts]]
      sid = "${SID}"
      auth_token_env = "TOKEN"
      api_keys = [{ sid = "SK${"b".repeat(32)}", secret_env = "API" }]
      [[accounts]]
      sid = "${second}"
      auth_token_file = "${path}"
      [[connectors]]
      name = "Gridspace 1"
      account = "${SID}"
      session_recording_server = ["sip:srs@rec1.example.com;edge=dublin", "sip:r2;secure=true"]
      credentials_header_name = "X-Auth-Token"
      credentials_env = "CRED"
      connect_timeout = "1.5s"
    `, { KEY: key.toString("base64"), NATS: "u:p:q", TOKEN, API: "s", CRED: "c" });
    expect(config.security.key).toEqual(new Uint8Array(key));
    expect(config.nats.credentials).toEqual({ user: "u", password: "p:q" });
    expect(config.accounts[0]).toEqual({
      sid: SID, authToken: TOKEN, secondaryAuthToken: null,
      apiKeys: [{ sid: `SK${"b".repeat(32)}`, secret: "s" }],
    });
    expect(config.accounts[1]?.authToken).toBe(TOKEN);
    expect(config.connectors[0]).toMatchObject({
      credentials: "c", connectTimeoutMs: 1500, source: "file", account: SID,
      sessionRecordingServers: [{ edge: "dublin" }, { secure: true, transport: "tls" }],
    });
  });

  test("a variable that the file names is no unknown override", () => {
    const result = parseConfig('[nats]\nsecret_env = "SIPREC_NATS_SECRET"',
      { SIPREC_NATS_SECRET: "u:p" });
    expect(result).toMatchObject({ ok: true, warnings: [] });
  });

  test("a TLS listener without a certificate is left out, with a warning", () => {
    const result = parseConfig(
      '[sip]\nlisten = ["udp:127.0.0.1:5060", "tls:127.0.0.1:5061"]', {});
    expect(result.warnings.map(({ key }) => key)).toEqual(["sip.listen[1]"]);
    if (result.ok) expect(result.config.sip.listen).toHaveLength(1);
  });
});

describe("overrides by the environment", () => {
  test("scalars, lists, tables and edges win over the file", () => {
    const config = good('edge = "dublin"\n[media]\nports = [10000, 10999]', {
      SIPREC_EDGE: "mars-1", SIPREC_EDGES_MARS_1: "9", SIPREC_HTTP_LISTEN: "127.0.0.1:0",
      SIPREC_MEDIA_PORTS: "[20000, 20999]", SIPREC_MEDIA_PROCESSES: "2",
      SIPREC_HTTP_OPEN_CONSOLE: "true", SIPREC_MEDIA_CODECS: "['PCMA']",
      SIPREC_NATS_CLUSTER: '{ listen = "127.0.0.1:6222", routes = ["127.0.0.12:6222"] }',
      SIPREC_NATS_CLUSTER_LISTEN: "127.0.0.1:6333",
      SIPREC_ACCOUNTS: `[{"sid":"${SID}","auth_token":"${TOKEN}"}]`,
      SIPREC_WEBHOOKS_ALLOW_PRIVATE: "false", SIPREC_LOG: "debug",
    });
    expect(config).toMatchObject({
      edge: "mars-1", edgeNumber: 9, media: { ports: { min: 20000, max: 20999 }, processes: 2,
        codecs: ["PCMA"] },
      http: { listen: { port: 0 }, openConsole: true }, webhooks: { allowPrivate: false },
      nats: { cluster: { listen: { port: 6333 }, routes: ["127.0.0.12:6222"] } },
      accounts: [{ sid: SID }],
    });
  });

  test("a bad value is named by its key, an unknown name is a warning", () => {
    expect(bad("", { SIPREC_MEDIA_PROCESSES: "two" }))
      .toEqual([expect.stringMatching(/^media\.processes: "two" is given/)]);
    expect(bad("", { SIPREC_HTTP_OPEN_CONSOLE: "1" })).toHaveLength(1);
    expect(bad("", { SIPREC_ACCOUNTS: "[" })).toHaveLength(1);
    const result = parseConfig("", { SIPREC_HTTP_LISEN: "x", SIPREC_NATS_PASSWORD: "x" });
    expect(result.ok).toBe(true);
    expect(result.warnings.map(problemLine)).toEqual([
      expect.stringMatching(/^SIPREC_HTTP_LISEN: .*perhaps SIPREC_HTTP_LISTEN/),
      expect.stringMatching(/^SIPREC_NATS_PASSWORD/),
    ]);
  });
});
