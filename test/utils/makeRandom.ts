/** Numbers that a seed determines (mulberry32). */
export interface Random {
  /** A whole number from 0 to `most`. */
  upTo(most: number): number
  pick<A>(from: readonly [A, ...ReadonlyArray<A>]): A
}

export const makeRandom = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const upTo = (most: number) => Math.floor(next() * (most + 1))
  return { upTo, pick: (from) => from[upTo(from.length - 1)] ?? from[0] }
}

/** The seed of this run: that of `TEST_SEED`, or a fresh one. */
export const testSeed = (): number => Number(process.env.TEST_SEED ?? Date.now() % 1_000_000)
