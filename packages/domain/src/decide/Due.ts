import type { AccountState } from "../Account.ts"
import type { OperationState } from "../Operation.ts"
import { expiringFirst, type Portion } from "./Allocation.ts"

/** What has become true of an account by now without anybody booking it. */
export interface Due {
  /** Open operations past their expiry: their holds are released. */
  readonly released: ReadonlyArray<OperationState>
  /** What due lots lose, and since when, in the order in which it became true. */
  readonly expiries: ReadonlyArray<Portion & { readonly effectiveAt: number }>
}

const nothing: Due = { released: [], expiries: [] }

/**
 * The releases and expiries that are due at `now` (rule 5).
 *
 * Goes through the instants at which something became due. At each, holds of operations past their expiry are released;
 * then each due lot, earliest expiry first, loses what open holds do not need: min(remaining, max(0, balance − held)).
 * Done at once at the last instant this comes to the same amounts; done one by one it also says since when each part is
 * gone, so that a balance asked later for that instant equals the balance that was told then.
 */
export const due = (account: AccountState, now: number): Due => {
  const dueLots = account.lots.filter((lot) => lot.expiresAt <= now)
  const released = account.operations.filter((operation) => operation.expiresAt <= now)
  if (dueLots.length === 0) return released.length === 0 ? nothing : { released, expiries: [] }

  dueLots.sort(expiringFirst)
  const instants = [...new Set([...dueLots, ...released].map((it) => it.expiresAt))].sort((a, b) => a - b)
  const expiries: Array<Due["expiries"][number]> = []
  const remaining = new Map(dueLots.map((lot) => [lot.lotId, lot.remaining]))
  let unheld = account.balance - account.held
  for (const instant of instants) {
    for (const operation of released) if (operation.expiresAt === instant) unheld += operation.held
    for (const lot of dueLots) {
      if (lot.expiresAt > instant || unheld <= 0) break
      const left = remaining.get(lot.lotId) ?? 0
      const amount = Math.min(left, unheld)
      if (amount === 0) continue
      // What a hold kept past the lot's expiry is not gone before the account changed so that the hold let it go.
      expiries.push({ lot, amount, effectiveAt: Math.max(instant, account.lastAt) })
      remaining.set(lot.lotId, left - amount)
      unheld -= amount
    }
  }
  return { released, expiries }
}
