import type { LedgerEntry } from "@credit/domain/LedgerEntry"
import type { Lot } from "@credit/domain/Lot"
import type { UserBalance } from "@credit/domain/UserBalance"
import { type Block, fields } from "../output/Block.ts"
import type { Column } from "../output/Table.ts"
import { count, credits, instant, movement } from "../output/Words.ts"

type LotJson = typeof Lot.Encoded
type EntryJson = typeof LedgerEntry.Encoded

export const lotColumns: ReadonlyArray<Column<LotJson>> = [
  { title: "lot", value: ({ lotId }) => lotId, shrink: true, tail: true },
  {
    title: "from",
    value: ({ productCode, source }) => (productCode === undefined ? source : `${source} ${productCode}`),
    shrink: true
  },
  { title: "credits", value: ({ creditsTotal }) => credits(creditsTotal), right: true },
  { title: "left", value: ({ creditsRemaining }) => credits(creditsRemaining), right: true },
  { title: "expires", value: ({ expiresAt }) => instant(expiresAt) }
]

export const balanceFields = ({ asOf, available, balance, debt, held, userId }: typeof UserBalance.Encoded): Block =>
  fields({
    user: userId,
    balance: count(balance, "credit"),
    held: held === 0 ? undefined : `${credits(held)} by open operations`,
    available: credits(available),
    debt: debt === 0 ? undefined : `${credits(debt)}: owed, and repaid by new credits first`,
    "as of": instant(asOf)
  })

export const entryColumns: ReadonlyArray<Column<EntryJson>> = [
  { title: "#", value: ({ seq }) => credits(seq), right: true },
  { title: "when", value: ({ effectiveAt }) => instant(effectiveAt) },
  { title: "reason", value: ({ reason }) => reason },
  { title: "amount", value: ({ amount }) => movement(amount), right: true },
  { title: "balance", value: ({ balanceAfter }) => credits(balanceAfter), right: true },
  { title: "for", value: purpose, shrink: true }
]

/** What an entry was for, in a few words. */
export function purpose({ note, operationType, reason, resourceAmount, resourceUnit }: EntryJson): string {
  if (note !== undefined) return note
  return operationType === reason ? "" : `${operationType} ${resourceAmount} ${resourceUnit}`
}
