import type * as BigDecimal from "effect/BigDecimal"
import { MAX_CREDITS } from "./Credits.ts"

/**
 * The cost of an operation in credits: max(1, ⌈resourceAmount × rate⌉), computed in exact decimals (rule 6).
 *
 * `undefined` when the cost exceeds 2^53 − 1, which no entry can carry.
 */
export const cost = (resourceAmount: BigDecimal.BigDecimal, rate: BigDecimal.BigDecimal): number | undefined => {
  const digits = resourceAmount.value * rate.value
  const scale = resourceAmount.scale + rate.scale
  const credits = scale <= 0 ? digits * 10n ** BigInt(-scale) : ceilingQuotient(digits, 10n ** BigInt(scale))
  if (credits > BigInt(MAX_CREDITS)) return undefined
  return credits < 1n ? 1 : Number(credits)
}

/** ⌈digits ÷ divisor⌉ for digits ≥ 0. */
const ceilingQuotient = (digits: bigint, divisor: bigint): bigint => (digits + divisor - 1n) / divisor
