// A radix-2 Fourier transform in place, for lengths that are powers of two.

/** Forward transform; `inverse` gives the inverse one, without dividing by the length. */
export function transform(real: Float64Array, imaginary: Float64Array, inverse = false): void {
  const length = real.length;
  reorder(real, imaginary);
  const { cosines, sines } = turns(length);
  for (let size = 2; size <= length; size *= 2) {
    const half = size / 2;
    const stride = length / size;
    for (let block = 0; block < length; block += size) {
      for (let step = 0; step < half; step += 1) {
        const low = block + step;
        const high = low + half;
        const cosine = cosines[step * stride] ?? 0;
        const sine = inverse ? (sines[step * stride] ?? 0) : -(sines[step * stride] ?? 0);
        const highReal = real[high] ?? 0;
        const highImaginary = imaginary[high] ?? 0;
        const turnedReal = highReal * cosine - highImaginary * sine;
        const turnedImaginary = highReal * sine + highImaginary * cosine;
        const lowReal = real[low] ?? 0;
        const lowImaginary = imaginary[low] ?? 0;
        real[high] = lowReal - turnedReal;
        imaginary[high] = lowImaginary - turnedImaginary;
        real[low] = lowReal + turnedReal;
        imaginary[low] = lowImaginary + turnedImaginary;
      }
    }
  }
}

interface Turns {
  cosines: Float64Array;
  sines: Float64Array;
}

// The last length's table is kept: one comparison makes dozens of transforms of one length.
let kept: Turns = { cosines: new Float64Array(0), sines: new Float64Array(0) };

function turns(length: number): Turns {
  const half = length / 2;
  if (kept.cosines.length === half) return kept;
  const angle = (2 * Math.PI) / length;
  kept = {
    cosines: Float64Array.from({ length: half }, (_, i) => Math.cos(angle * i)),
    sines: Float64Array.from({ length: half }, (_, i) => Math.sin(angle * i)),
  };
  return kept;
}

/** The next power of two that is at least `length`. */
export const transformLength = (length: number): number =>
  2 ** Math.ceil(Math.log2(Math.max(2, length)));

// Bit-reversed order, by counting in reversed binary.
function reorder(real: Float64Array, imaginary: Float64Array): void {
  const length = real.length;
  for (let i = 1, j = 0; i < length; i += 1) {
    let bit = length >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const realHeld = real[i] ?? 0;
    const imaginaryHeld = imaginary[i] ?? 0;
    real[i] = real[j] ?? 0;
    imaginary[i] = imaginary[j] ?? 0;
    real[j] = realHeld;
    imaginary[j] = imaginaryHeld;
  }
}
