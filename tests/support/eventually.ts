// Waiting for what other processes do: they tell us nothing, so they are looked at.

const LOOK_EVERY_MS = 10;

/** Resolves with the first value that is neither null nor false; rejects with what was missing. */
export async function eventually<T>(
  what: string, look: () => T | null | false | Promise<T | null | false>, timeoutMs = 5_000,
): Promise<T> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (value !== null && value !== false) return value;
    if (performance.now() > endsAt) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
