import type { LotState } from "../Lot.ts"
import type { ConsumptionOrder } from "../Merchant.ts"

/** So many credits out of one lot. */
export interface Portion {
  readonly lot: LotState
  readonly amount: number
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const oldestFirst = (a: LotState, b: LotState): number => a.issuedAt - b.issuedAt || compareText(a.lotId, b.lotId)

/** The order in which lots expire. */
export const expiringFirst = (a: LotState, b: LotState): number => a.expiresAt - b.expiresAt || oldestFirst(a, b)

/**
 * The lots in the order in which they are spent (rule 4): first those past their expiry, which only a hold keeps alive,
 * then by the merchant's setting.
 */
export const inOrderOfConsumption = (
  lots: ReadonlyArray<LotState>,
  order: ConsumptionOrder,
  now: number
): ReadonlyArray<LotState> => {
  if (lots.length < 2) return lots
  const byMerchant = order === "oldest_first" ? oldestFirst : expiringFirst
  return lots.toSorted((a, b) => {
    const due = Number(b.expiresAt <= now) - Number(a.expiresAt <= now)
    if (due !== 0) return due
    return a.expiresAt <= now ? expiringFirst(a, b) : byMerchant(a, b)
  })
}

/** Splits `amount` over `lots` in their order. What they do not cover is `uncovered`. */
export const allocate = (
  lots: ReadonlyArray<LotState>,
  amount: number
): { readonly portions: ReadonlyArray<Portion>; readonly uncovered: number } => {
  const portions: Array<Portion> = []
  let uncovered = amount
  for (const lot of lots) {
    if (uncovered === 0) break
    const part = Math.min(lot.remaining, uncovered)
    if (part === 0) continue
    portions.push({ lot, amount: part })
    uncovered -= part
  }
  return { portions, uncovered }
}
