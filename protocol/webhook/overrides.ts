// Connection overrides in a webhook URL's fragment: https://app/cb#rc=2&rp=5xx,ct&ct=2000&tt=9000.

/** When another attempt is made: connect timeout, read timeout, or an answer of that class. */
export type RetryPolicy = "ct" | "rt" | "4xx" | "5xx";

export interface Overrides {
  /** The URL itself says when to retry: then its rule is the whole rule. */
  explicit: boolean;
  retryCount: number;
  retryPolicies: readonly RetryPolicy[];
  connectTimeoutMs: number;
  readTimeoutMs: number;
  /** Over all attempts and redirects. */
  totalTimeoutMs: number;
}

export type OverridesResult =
  | { ok: true; overrides: Overrides }
  | { ok: false; code: number; reason: string };

export const DEFAULT_OVERRIDES: Overrides = {
  explicit: false,
  retryCount: 1,
  retryPolicies: ["ct"],
  connectTimeoutMs: 5000,
  readTimeoutMs: 15_000,
  totalTimeoutMs: 15_000,
};

const POLICIES: readonly RetryPolicy[] = ["ct", "rt", "4xx", "5xx"];
const BAD_URL = 11100;
const BAD_POLICY = 11243;

/** The number keys with the range that each may have. */
const NUMBERS = {
  rc: { field: "retryCount", min: 0, max: 5 },
  ct: { field: "connectTimeoutMs", min: 100, max: 10_000 },
  rt: { field: "readTimeoutMs", min: 100, max: 15_000 },
  tt: { field: "totalTimeoutMs", min: 100, max: 15_000 },
} as const;

/** `hash` with or without its "#". Keys of the app's own are none of ours: ignored. */
export function parseOverrides(hash: string): OverridesResult {
  const overrides: Overrides = { ...DEFAULT_OVERRIDES };
  for (const pair of hash.replace(/^#/, "").split("&")) {
    const [key = "", ...rest] = pair.split("=");
    const value = rest.join("=");
    if (Object.hasOwn(NUMBERS, key)) {
      // Object.hasOwn has just shown that the key is one of NUMBERS; it does not narrow.
      const rule = NUMBERS[key as keyof typeof NUMBERS];
      const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= rule.min && number <= rule.max)) {
        const reason = `#${key}= expects ${rule.min} to ${rule.max}, came "${value.slice(0, 20)}"`;
        return { ok: false, code: BAD_URL, reason };
      }
      overrides[rule.field] = number;
      if (key === "rc") overrides.explicit = true;
    } else if (key === "rp") {
      const policies = parsePolicies(value);
      if (policies === null) {
        const reason = `#rp= expects a list of ct, rt, 4xx, 5xx, all, came "${value.slice(0, 40)}"`;
        return { ok: false, code: BAD_POLICY, reason };
      }
      overrides.retryPolicies = policies;
      overrides.explicit = true;
    }
  }
  return { ok: true, overrides };
}

function parsePolicies(value: string): readonly RetryPolicy[] | null {
  const words = decodePolicyList(value).split(",").map((word) => word.trim());
  if (words.includes("all")) return words.every(isPolicyOrAll) ? POLICIES : null;
  return words.every(isPolicyOrAll) ? POLICIES.filter((policy) => words.includes(policy)) : null;
}

/** A comma may come percent-encoded, as URL builders write it. */
const decodePolicyList = (value: string): string => value.replace(/%2c/gi, ",");

const isPolicyOrAll = (word: string): boolean =>
  word === "all" || POLICIES.some((policy) => policy === word);
