// Bytes that are the same in each run: a test that fails must fail again.

export function seededBytes(seed: number): () => number {
  let x = seed;
  return () => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return x >>> 24;
  };
}
