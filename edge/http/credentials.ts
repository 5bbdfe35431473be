// HTTP Basic (RFC 7617) against the accounts of the configuration.
import { createHash, timingSafeEqual } from "node:crypto";

/** What is needed of an account; the configuration's own type has more. */
export interface ApiAccount {
  sid: string;
  authToken: string;
  secondaryAuthToken?: string | null;
  apiKeys?: readonly { sid: string; secret: string }[];
}

const CREDENTIALS_MAX_CHARS = 1024;

/** Gives the SID of the account that an Authorization header proves, or null. */
export type Authenticate = (authorization: string | null) => string | null;

export function authenticator(accounts: readonly ApiAccount[]): Authenticate {
  const known = new Map<string, { accountSid: string; digests: Buffer[] }>();
  for (const { sid, authToken, secondaryAuthToken, apiKeys } of accounts) {
    // An empty secret is one that is not set: it must never open the door.
    const tokens = [authToken, secondaryAuthToken ?? ""].filter((token) => token !== "");
    known.set(sid, { accountSid: sid, digests: tokens.map(digest) });
    for (const key of apiKeys ?? []) {
      if (key.secret !== "") known.set(key.sid, { accountSid: sid, digests: [digest(key.secret)] });
    }
  }
  return (authorization) => {
    const basic = parseBasic(authorization);
    if (basic === null) return null;
    const account = known.get(basic.user);
    const came = digest(basic.password);
    // Every digest is compared, and an unknown user costs as much as a wrong password.
    let matches = 0;
    for (const expected of account?.digests ?? [digest("")]) {
      matches += timingSafeEqual(came, expected) ? 1 : 0;
    }
    return account !== undefined && matches > 0 ? account.accountSid : null;
  };
}

function parseBasic(authorization: string | null): { user: string; password: string } | null {
  if (authorization === null || authorization.length > CREDENTIALS_MAX_CHARS) return null;
  const encoded = /^basic +([a-z0-9+/_-]+={0,2}) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

const digest = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();
