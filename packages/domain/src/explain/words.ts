import * as BigDecimal from "effect/BigDecimal"
import { canonicalDecimal } from "../Decimal.ts"
import type { LotState } from "../Lot.ts"
import { timestampText } from "../Timestamp.ts"

/** So many credits, in words. */
export const credits = (amount: number): string => `${amount} ${Math.abs(amount) === 1 ? "credit" : "credits"}`

/** A lot by its id and what tells it from others. */
export const lotWords = (lot: LotState): string => {
  const product = lot.productCode === null ? "" : ` of ${lot.productCode}`
  return `lot ${lot.lotId} (${lot.source}${product}, issued ${timestampText(lot.issuedAt)}, expires ${timestampText(lot.expiresAt)})`
}

/** The exact product of an amount and a rate, as canonical text. */
export const exactCost = (amount: string, rate: string): string =>
  canonicalDecimal(BigDecimal.multiply(BigDecimal.fromStringUnsafe(amount), BigDecimal.fromStringUnsafe(rate)))

/** A cost with how it came about (rule 6): `⌈120.5 × 0.57⌉ = ⌈68.685⌉ = 69 credits`. */
export const costWords = (amount: string, rate: string, cost: number): string => {
  const exact = exactCost(amount, rate)
  const least = BigDecimal.isLessThan(BigDecimal.fromStringUnsafe(exact), BigDecimal.fromStringUnsafe("1"))
  return least
    ? `${amount} × ${rate} = ${exact}, and at least 1: ${credits(cost)}`
    : `⌈${amount} × ${rate}⌉ = ⌈${exact}⌉ = ${credits(cost)}`
}
