// Names and the machine's own addresses.

import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";

/** All addresses of a host name, in the system's order; rejects when there are none. */
export async function lookupAddresses(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** One that others can reach, by the look of it; null on a machine without a network. */
export function ownAddress(family: "IPv4" | "IPv6"): string | null {
  for (const addresses of Object.values(networkInterfaces())) {
    const own = addresses?.find((each) => !each.internal && each.family === family);
    if (own !== undefined) return own.address;
  }
  return null;
}
