import * as fc from "fast-check"

/**
 * Asserts that something holds for all values, tried with `runs` random ones. A failure prints the smallest values that
 * break it, with the seed and path that replay it.
 */
export const forAll = <Values extends [unknown, ...Array<unknown>]>(
  arbitraries: { [K in keyof Values]: fc.Arbitrary<Values[K]> },
  holds: (...values: Values) => void,
  runs = 50
): void =>
  fc.assert(
    fc.property(fc.tuple<Values>(...arbitraries), (values) => holds(...values)),
    { numRuns: runs }
  )
