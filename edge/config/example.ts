// The configuration that is written when there is none: every key with its meaning, and something
// to call at once on this machine.
import { createText, PRIVATE_MODE } from "../runtime/files.ts";
import type { Random } from "../runtime/types.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Writes it with an account and token of its own; false when there is a file already. */
export const writeExample = (path: string, random: Random): boolean =>
  createText(path, exampleConfig(`AC${hex(random(16))}`, hex(random(16))), PRIVATE_MODE);

export const exampleConfig = (accountSid: string, authToken: string): string =>
  `${GENERAL}${LISTENING}${callers(accountSid, authToken)}${RECORDERS}`;

const GENERAL = `# The configuration of one edge. Every key may be overridden by an environment
# variable SIPREC_<SECTION>_<KEY>: SIPREC_HTTP_LISTEN, SIPREC_MEDIA_PORTS="[10000, 11999]".
# Durations: "500ms", "5s", "10m", "24h", "7d". Paths start from the working directory.
# A key that ends in _env names an environment variable that holds the secret.

edge = "ashburn"                       # this edge's name, one of [edges]
data = "data"                          # folder for the embedded NATS store and logs
history = "7d"                         # how long ended calls, receipts and alerts are kept
drain = "60s"                          # how long SIGTERM waits for calls to end

[edges]                                # the whole cluster, the same at every edge: the number is
dublin = 1                             # the first byte of its CallSids
umatilla = 2
ashburn = 3

[security]
key_env = ""                           # 32 bytes (hexadecimal or base64), the same at every edge;
previous_key_env = ""                  # made and kept in the data folder when empty
`;

const LISTENING = `
[http]
listen = "127.0.0.1:8080"
open_console = false                   # loopback only: console and metrics without a password
public_url = ""                        # what webhooks and the API call us; default from listen
tls = { cert = "", key = "" }

[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]   # and "tls:127.0.0.1:5061"
advertise = ""                         # public address behind NAT
tls = { cert = "", key = "", ca = "" } # also the client certificate where none is named below

[media]
listen = "127.0.0.1"
advertise = ""                         # public address behind NAT
ports = [10000, 19999]                 # a leg and a fork stream take a pair each
rest = "5s"                            # at least this long before a pair is lent again
processes = 1                          # 0: media processes are started elsewhere
codecs = ["PCMU", "PCMA"]              # besides telephone-event; G722, opus, G729 pass through
timeout = "60s"                        # no RTP and no RTCP where audio is due: the call ends
pre_roll = "0s"                        # audio kept until the recorder is ready

# [[networks]]                         # which of our addresses a destination sees
# to = "10.0.0.0/8"
# sip = ""
# media = ""

[nats]
servers = []                           # empty: one is started here
listen = "127.0.0.1:4222"              # of the embedded server
cluster = { listen = "", routes = [] } # of the embedded server
tls = { cert = "", key = "", ca = "" } # clients and routes
secret_env = ""                        # user:password; required when not on loopback

[webhooks]
allow_private = true                   # false: refuse webhooks to private and loopback addresses
`;

const callers = (accountSid: string, authToken: string): string => `
[[accounts]]
sid = "${accountSid}"
auth_token = "${authToken}"   # made for this file; or auth_token_env, auth_token_file
secondary_auth_token = ""
api_keys = []                          # { sid = "SK…", secret = "" } or secret_env

[[trunks]]                             # whose calls are taken, and where <Dial><Number> goes
name = "local"
uri = "sip:127.0.0.1:5080"
allow = ["127.0.0.0/8"]                # other sources are dropped without an answer
media_allow = []                       # other addresses its audio may come from
accounts = []                          # who may dial out here; empty: all
numbers = ["*"]                        # what <Dial><Number> may send here
max_calls = 0                          # 0: no limit
max_cps = 0
username = ""                          # digest, both ways
password_env = ""

# [[phones]]                           # who may call in with digest, from anywhere
# username = "alice"
# password_env = "ALICE_PASSWORD"
# account = "${accountSid}"

# An app of yours, asked with Twilio's webhook:
# [[numbers]]
# match = "+15551230001"
# account = "${accountSid}"
# voice_url = "http://127.0.0.1:3000/voice"
# voice_method = "POST"
# fallback_url = ""
# status_callback = ""

[[numbers]]                            # first match wins; * matches anything
match = "*"                            # user part of the Request-URI, or a whole SIP URI
account = "${accountSid}"
twiml = """
<Response>
  <Start><Siprec name="example" connectorName="Recorder"/></Start>
  <Pause length="60"/>
</Response>
"""
`;

const RECORDERS = `
[[connectors]]                         # try it with: bun run siprec srs --listen udp:127.0.0.1:5090
name = "Recorder"                      # connectorName; "Default" serves when none is named
account = ""                           # empty: every account
session_recording_server = "sip:srs@127.0.0.1:5090;transport=udp"  # or a list: the next takes over
credentials_header_name = ""           # such as "X-Auth-Token"
credentials_env = ""
username = ""                          # digest towards the recorder
password_env = ""
parameters = "metadata"                # where <Parameter> goes: metadata, headers, both
profile = "rfc7865"                    # what this recorder tolerates
connect_timeout = "2s"                 # then the next address
answer_timeout = "5s"                  # any 1xx stops this clock
fill = "none"                          # silence: gaps are sent as silence
require_secure = false                 # true: a secure call is not recorded in the clear
on_bye = "stop"                        # the recorder hangs up: stop, or takeover
`;
