// Keys that the configuration knows and this version does not serve yet: who sets one is told at
// the start, rather than left to believe that it works.
import type { Config } from "../../schemas/config.ts";

export interface UnservedKey {
  key: string;
  instead: string;
}

export function unservedKeys(config: Config): UnservedKey[] {
  const found: UnservedKey[] = [];
  const say = (isSet: boolean, key: string, instead: string): void => {
    if (isSet) found.push({ key, instead });
  };
  const { http, sip, media, networks, phones, numbers, connectors, trunks } = config;
  say(http.tls.cert !== null, "http.tls", "HTTP is served in the clear");
  say(http.openConsole, "http.open_console", "there is no console yet");
  say(sip.listen.some(({ transport }) => transport === "tls"), "sip.listen tls:",
    "SIP is served over UDP and TCP only");
  say(media.preRollMs > 0, "media.pre_roll", "recordings begin when the recorder has answered");
  say(networks.length > 0, "networks", "sip.advertise and media.advertise serve every destination");
  say(phones.length > 0, "phones", "digest is not served: calls come from trunks' addresses");
  say(numbers.some(({ fallbackUrl }) => fallbackUrl !== null), "numbers.fallback_url",
    "a document that fails ends the call");
  say(numbers.some(({ statusCallback }) => statusCallback !== null), "numbers.status_callback",
    "it is not called");
  say(trunks.some(({ username }) => username !== null), "trunks.username", "digest is not served");
  say(connectors.some(({ username }) => username !== null), "connectors.username",
    "digest is not served");
  say(connectors.some(({ profile }) => profile !== "rfc7865"), "connectors.profile",
    "every recorder is spoken to as RFC 7865 says");
  say(connectors.some(({ fill }) => fill !== "none"), "connectors.fill",
    "gaps stay gaps in the timestamps");
  say(connectors.some(({ requireSecure }) => requireSecure), "connectors.require_secure",
    "calls are in the clear, so every one may be recorded");
  say(connectors.some(({ onBye }) => onBye !== "stop"), "connectors.on_bye",
    "a recorder that hangs up ends the recording");
  return found;
}
