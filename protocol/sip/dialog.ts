// A dialog as plain data (RFC 3261 §12). Every function gives a new dialog and what goes out; it
// changes only in the machine that owns it.
import { buildRequest } from "./build.ts";
import {
  header, headerList, parseCseq, parseNameAddr, serializeNameAddr, tagOf,
} from "./header.ts";
import type { SipFlow, SipHeader, SipRequest, SipResponse } from "./message.ts";
import { parseUri, serializeUri, uriParam } from "./uri.ts";

export interface Dialog {
  callId: string;
  localTag: string;
  /** "" where a peer of RFC 2543 sent none (§12.1.1). */
  remoteTag: string;
  /** From and To as we write them, without their tags. */
  localUri: string;
  remoteUri: string;
  localSeq: number;
  /** null until the peer has sent a request. */
  remoteSeq: number | null;
  /** The peer's Contact: the Request-URI of what we send. */
  remoteTarget: string;
  /** In the order in which our requests visit them. */
  routeSet: string[];
  role: "uac" | "uas";
  state: "early" | "confirmed" | "terminated";
  /** On which the peer was last heard: requests to a phone behind NAT go back there. */
  flow: SipFlow | null;
}

export interface InDialogSpec {
  headers?: SipHeader[];
  body?: Uint8Array;
  contentType?: string;
}

export type Verdict = { ok: true } | { ok: false; status: number; headers: SipHeader[] };

const OK: Verdict = { ok: true };

/** Drops the tag of a From or To value: the tags of a dialog are kept apart. */
function withoutTag(value: string): string {
  const address = parseNameAddr(value);
  return address.ok ? serializeNameAddr({ ...address, params: [] }) : value;
}

const tagged = (value: string, tag: string): string => tag === "" ? value : `${value};tag=${tag}`;

function contactUri(message: SipRequest | SipResponse): string | null {
  const [first] = headerList(message, "Contact");
  if (first === undefined) return null;
  const contact = parseNameAddr(first);
  return contact.ok ? contact.uri : null;
}

/** The dialog that an INVITE of the peer opens; it is confirmed when we answer 2xx (§12.1.1). */
export function uasDialog(request: SipRequest, localTag: string, flow: SipFlow): Dialog {
  const from = header(request, "From") ?? "";
  return {
    callId: header(request, "Call-ID") ?? "",
    localTag,
    remoteTag: tagOf(from) ?? "",
    localUri: withoutTag(header(request, "To") ?? ""),
    remoteUri: withoutTag(from),
    localSeq: 0,
    remoteSeq: parseCseq(request)?.number ?? null,
    remoteTarget: contactUri(request) ?? request.uri,
    routeSet: headerList(request, "Record-Route"),
    role: "uas",
    state: "early",
    flow,
  };
}

/** The dialog that a 101-299 to our INVITE opens (§12.1.2): the route set is reversed. */
export function uacDialog(invite: SipRequest, response: SipResponse, flow: SipFlow): Dialog {
  return {
    callId: header(invite, "Call-ID") ?? "",
    localTag: tagOf(header(invite, "From") ?? "") ?? "",
    remoteTag: tagOf(header(response, "To") ?? "") ?? "",
    localUri: withoutTag(header(invite, "From") ?? ""),
    remoteUri: withoutTag(header(invite, "To") ?? ""),
    localSeq: parseCseq(invite)?.number ?? 1,
    remoteSeq: null,
    remoteTarget: contactUri(response) ?? invite.uri,
    routeSet: headerList(response, "Record-Route").reverse(),
    role: "uac",
    state: response.status < 200 ? "early" : "confirmed",
    flow,
  };
}

/** §13.2.2.4: a 2xx computes the route set anew and confirms; after that it is frozen. */
export function confirmDialog(dialog: Dialog, response: SipResponse, flow: SipFlow): Dialog {
  if (dialog.state !== "early") return dialog;
  return {
    ...dialog,
    state: "confirmed",
    remoteTarget: contactUri(response) ?? dialog.remoteTarget,
    routeSet: headerList(response, "Record-Route").reverse(),
    flow,
  };
}

/** Does a message bear this dialog's Call-ID and tags? From is the peer's on requests to us. */
export function matchesDialog(dialog: Dialog, message: SipRequest | SipResponse): boolean {
  const from = tagOf(header(message, "From") ?? "") ?? "";
  const to = tagOf(header(message, "To") ?? "") ?? "";
  const [local, remote] = message.kind === "request" ? [to, from] : [from, to];
  return header(message, "Call-ID") === dialog.callId && local === dialog.localTag &&
    remote === dialog.remoteTag;
}

/**
 * The flow to send on; null where the message finds its own way by Route or Request-URI. A Contact
 * that leads nowhere from here (a phone behind NAT) loses to the flow on which the peer was heard;
 * one that names another machine wins (RFC 3261 §12.2.1.1).
 */
export function nextHopFlow(dialog: Dialog): SipFlow | null {
  const { flow, routeSet, role } = dialog;
  if (flow === null) return null;
  const isDatagram = flow.transport === "udp";
  // A proxy is found by Route; a stream that one opened to us is used while it lasts.
  if (routeSet.length > 0) return role === "uas" && !isDatagram ? flow : null;
  const target = parseUri(dialog.remoteTarget);
  if (!target.ok) return flow;
  const { uri } = target;
  const hasCalled = role === "uas" || dialog.remoteSeq !== null;
  if (uri.host === flow.remoteAddress || uri.host === `[${flow.remoteAddress}]`) {
    const isSamePort = (uri.port ?? DEFAULT_PORT) === flow.remotePort;
    return hasCalled || !isDatagram && isSamePort ? flow : null;
  }
  if (!isLiteral(uri.host)) {
    const saysHow = isDatagram || uriParam(uri, "transport") !== null;
    return hasCalled || !saysHow ? flow : null;
  }
  if (!isPrivateAddress(uri.host)) return null;
  return hasCalled || !isPrivateAddress(flow.remoteAddress) ? flow : null;
}

const DEFAULT_PORT = 5060;

const isLiteral = (host: string): boolean => /^[0-9.]+$/.test(host) || host.startsWith("[");

const PRIVATE_V4 = new RegExp(
  "^(0\\.|10\\.|127\\.|169\\.254\\.|192\\.168\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|" +
    "100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\\.)",
);

/** RFC 1918, RFC 6598, RFC 3927, loopback, and their IPv6 counterparts: no use to others. */
const isPrivateAddress = (host: string): boolean =>
  PRIVATE_V4.test(host) || /^\[?(f[cd][0-9a-f]{2}:|fe80:|::1\]?$)/i.test(host);

/** The next request of ours in the dialog (§12.2.1.1). */
export function requestInDialog(
  dialog: Dialog, method: string, spec: InDialogSpec = {},
): { dialog: Dialog; request: SipRequest } {
  const localSeq = dialog.localSeq + 1;
  return {
    dialog: { ...dialog, localSeq },
    request: inDialog(dialog, method, localSeq, spec),
  };
}

/** The ACK to a 2xx is no transaction's: it bears the INVITE's CSeq number (§13.2.2.4). */
export const ackFor2xx = (
  dialog: Dialog, cseqNumber: number, spec: InDialogSpec = {},
): SipRequest => inDialog(dialog, "ACK", cseqNumber, spec);

function inDialog(dialog: Dialog, method: string, cseq: number, spec: InDialogSpec): SipRequest {
  const { uri, route } = routed(dialog);
  return buildRequest({
    method,
    uri,
    from: tagged(dialog.localUri, dialog.localTag),
    to: tagged(dialog.remoteUri, dialog.remoteTag),
    callId: dialog.callId,
    cseq,
    headers: [...route.map((value) => ({ name: "Route", value })), ...(spec.headers ?? [])],
    ...(spec.body === undefined ? {} : { body: spec.body }),
    ...(spec.contentType === undefined ? {} : { contentType: spec.contentType }),
  });
}

/** Loose and strict routing (§12.2.1.1). */
function routed(dialog: Dialog): { uri: string; route: string[] } {
  const [first, ...rest] = dialog.routeSet;
  if (first === undefined) return { uri: dialog.remoteTarget, route: [] };
  const address = parseNameAddr(first);
  const uri = parseUri(address.ok ? address.uri : first);
  if (!uri.ok || uriParam(uri.uri, "lr") !== null || hasFlag(uri.uri.params, "lr")) {
    return { uri: dialog.remoteTarget, route: dialog.routeSet };
  }
  // §19.1.5: a Request-URI has no headers and no method parameter.
  const params = uri.uri.params.filter(([name]) => name.toLowerCase() !== "method");
  return {
    uri: serializeUri({ ...uri.uri, params, headers: "" }),
    route: [...rest, `<${dialog.remoteTarget}>`],
  };
}

const hasFlag = (params: readonly (readonly [string, string | null])[], name: string): boolean =>
  params.some(([key]) => key.toLowerCase() === name);

const TARGET_REFRESH = new Set(["INVITE", "UPDATE"]);

/**
 * A request of the peer (§12.2.2): order of CSeq, target refresh, the flow it came on. The caller
 * has checked that it matches; ACK and CANCEL bear the CSeq of their INVITE.
 */
export function receiveRequest(
  dialog: Dialog, request: SipRequest, flow: SipFlow,
): { dialog: Dialog; verdict: Verdict } {
  if (dialog.state === "terminated") return refuse(dialog, 481);
  const number = parseCseq(request)?.number;
  if (number === undefined) return refuse(dialog, 400);
  if (request.method === "ACK") return { dialog: { ...dialog, flow }, verdict: OK };
  if (dialog.remoteSeq !== null && number < dialog.remoteSeq) return refuse(dialog, 500);
  const target = TARGET_REFRESH.has(request.method) ? contactUri(request) : null;
  return {
    dialog: {
      ...dialog,
      remoteSeq: number,
      remoteTarget: target ?? dialog.remoteTarget,
      flow,
      state: request.method === "BYE" ? "terminated" : dialog.state,
    },
    verdict: OK,
  };
}

const refuse = (dialog: Dialog, status: number): { dialog: Dialog; verdict: Verdict } => ({
  dialog, verdict: { ok: false, status, headers: [] },
});

/** A final response to a request of ours in the dialog (§12.2.1.2). */
export function receiveResponse(dialog: Dialog, method: string, response: SipResponse): Dialog {
  const { status } = response;
  if (status === 481 || status === 408 || method === "BYE" && status >= 200) {
    return { ...dialog, state: "terminated" };
  }
  const isRefresh = TARGET_REFRESH.has(method) && status >= 200 && status < 300;
  const target = isRefresh ? contactUri(response) : null;
  return target === null ? dialog : { ...dialog, remoteTarget: target };
}
