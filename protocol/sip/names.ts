// Header names: one canonical spelling each (RFC 3261 §7.3.1, §7.3.3; IANA SIP parameters).

const COMPACT: Record<string, string> = {
  a: "Accept-Contact", b: "Referred-By", c: "Content-Type", d: "Request-Disposition",
  e: "Content-Encoding", f: "From", i: "Call-ID", j: "Reject-Contact", k: "Supported",
  l: "Content-Length", m: "Contact", n: "Identity-Info", o: "Event", r: "Refer-To",
  s: "Subject", t: "To", u: "Allow-Events", v: "Via", x: "Session-Expires", y: "Identity",
};

const LONG = [
  "Accept", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Authentication-Info",
  "Authorization", "CSeq", "Call-Info", "Content-Disposition", "Content-ID", "Content-Language",
  "Date", "Error-Info", "Expires", "Feature-Caps", "Flow-Timer", "Geolocation", "Info-Package",
  "History-Info", "In-Reply-To", "Join", "MIME-Version", "Max-Breadth", "Max-Forwards",
  "Min-Expires", "Min-SE", "Organization", "P-Asserted-Identity", "P-Preferred-Identity", "Path",
  "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck",
  "RSeq", "Reason", "Record-Route", "Recv-Info", "Replaces", "Reply-To", "Require",
  "Resource-Priority", "Retry-After", "Route",
  "SIP-ETag", "SIP-If-Match", "Server", "Service-Route", "Session-ID",
  "Subscription-State", "Target-Dialog", "Timestamp", "Unsupported", "User-Agent", "User-to-User",
  "Warning", "WWW-Authenticate",
];

const byName = new Map<string, string>();
for (const [compact, name] of Object.entries(COMPACT)) {
  for (const spelling of [compact, compact.toUpperCase(), name, name.toLowerCase()]) {
    byName.set(spelling, name);
  }
}
for (const name of LONG) {
  byName.set(name, name);
  byName.set(name.toLowerCase(), name);
}

/** The long form as the RFC spells it; a name that we do not know stays as it came. */
export function canonicalName(name: string): string {
  return byName.get(name) ?? byName.get(name.toLowerCase()) ?? name;
}

export function sameName(a: string, b: string): boolean {
  return a === b || (a.length === b.length && a.toLowerCase() === b.toLowerCase());
}
