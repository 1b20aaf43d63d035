/**
 * Seeded pseudo-random numbers: sfc32 (Chris Doty-Humphrey's small fast counter generator), seeded through splitmix32.
 *
 * INVARIANT: everything that the generator writes is a function of (seed, stream); streams are independent, so that one
 * mail can be made without making those before it.
 */

export interface Random {
  /** Uniform in 0 .. 2^32 - 1. */
  u32(): number;
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform integer in 0 .. limit - 1. */
  below(limit: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** Standard normal. */
  normal(): number;
  /** Exponential with this mean. */
  exponential(mean: number): number;
  pick<T>(items: readonly T[]): T;
  /** `digits` lower-case hexadecimal digits. */
  hex(digits: number): string;
}

/** A generator of its own for each (seed, stream); both are reduced to 32 bits, the stream may use 53. */
export function createRandom(seed: number, stream: number): Random {
  const mix = splitmix32((seed ^ 0x9e3779b9) >>> 0);
  const low = splitmix32((mix() ^ (stream >>> 0)) >>> 0);
  const high = splitmix32((mix() ^ Math.floor(stream / 0x1_0000_0000)) >>> 0);
  const u32 = sfc32(low(), low(), high(), 1);
  for (let i = 0; i < 12; i++) u32();
  return fromSource(u32);
}

function fromSource(u32: () => number): Random {
  const unit = (): number => u32() / 0x1_0000_0000;
  const below = (limit: number): number => Math.floor(unit() * limit);
  return {
    u32,
    unit,
    below,
    chance: (p) => unit() < p,
    normal: () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    exponential: (mean) => -mean * Math.log(1 - unit()),
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError("pick from an empty list");
      return items[below(items.length)] as T;
    },
    hex: (digits) => {
      let text = "";
      while (text.length < digits) text += u32().toString(16).padStart(8, "0");
      return text.slice(0, digits);
    },
  };
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

function sfc32(seedA: number, seedB: number, seedC: number, counterStart: number): () => number {
  let a = seedA | 0;
  let b = seedB | 0;
  let c = seedC | 0;
  let counter = counterStart | 0;
  return () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
}
