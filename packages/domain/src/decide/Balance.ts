import { type AccountState, available, instantOf } from "../Account.ts"
import { presentLot } from "../Lot.ts"
import type { ConsumptionOrder } from "../Merchant.ts"
import { timestampText } from "../Timestamp.ts"
import type { UserBalance } from "../UserBalance.ts"
import { inOrderOfConsumption } from "./Allocation.ts"
import { due } from "./Due.ts"

/** The account as it is once everything due at `now` is counted, without booking it: what queries tell. */
export const asOf = (account: AccountState, now: number): AccountState => {
  const { expiries, released } = due(account, now)
  if (expiries.length === 0 && released.length === 0) return account
  const lost = new Map<string, number>()
  for (const { amount, lot } of expiries) lost.set(lot.lotId, (lost.get(lot.lotId) ?? 0) + amount)
  const operations = account.operations.filter((operation) => operation.expiresAt > now)
  return {
    ...account,
    balance: account.balance - expiries.reduce((sum, it) => sum + it.amount, 0),
    held: operations.reduce((held, it) => held + it.held, 0),
    lots: account.lots
      .map((lot) => ({ ...lot, remaining: lot.remaining - (lost.get(lot.lotId) ?? 0) }))
      .filter((lot) => lot.remaining > 0),
    operations
  }
}

/** The wire form of a user's balance at `now`, with everything due counted. */
export const presentBalance = (
  account: AccountState,
  order: ConsumptionOrder,
  now: number
): typeof UserBalance.Encoded => {
  const instant = instantOf(account, now)
  const standing = asOf(account, instant)
  return {
    userId: standing.userId,
    balance: standing.balance,
    held: standing.held,
    available: available(standing),
    debt: standing.debt,
    currency: "credits",
    asOf: timestampText(instant),
    activeLots: inOrderOfConsumption(standing.lots, order, instant).map(presentLot)
  }
}
