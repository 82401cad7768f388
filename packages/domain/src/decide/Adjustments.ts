import { available } from "../Account.ts"
import { withinBounds } from "../Credits.ts"
import { presentEntry } from "../LedgerEntry.ts"
import { creditDetail, debit, settleDue } from "./Booking.ts"
import { grantLot, open, requireStaff, userBalance } from "./common.ts"
import { type Decider, invalid, succeed } from "./Decision.ts"

/** Decides `CreditAdjustment.Apply`: one lot, which repays debt first (rule 3). */
export const creditAdjustmentApply: Decider<"CreditAdjustment.Apply"> = (state, payload, { newId, sender }) => {
  requireStaff(sender, "A credit adjustment")
  const { accessPeriodDays, adminActor: actor, creditAmount: credits, justification: note } = payload
  const lot = { source: "adjustment", productCode: null, externalRef: null, credits, accessPeriodDays } as const
  const detail = creditDetail("adjustment", credits, { note, actor })
  return grantLot(state, open(state, payload.userId, newId), lot, detail)
}

/** Decides `DebitAdjustment.Apply`: a debit like a close, out of holds too; what no lot covers is debt (rule 3). */
export const debitAdjustmentApply: Decider<"DebitAdjustment.Apply"> = (state, payload, { newId, sender }) => {
  requireStaff(sender, "A debit adjustment")
  const { adminActor: actor, debitAmount, justification: note } = payload
  const booking = open(state, payload.userId, newId)
  // What is available is the lowest of all totals: it must stay within the bounds.
  if (!withinBounds(available(booking.account) - debitAmount)) {
    return invalid("debitAmount", "the user's debt would exceed 2^53 − 1", booking)
  }
  const debited = debit(booking, debitAmount, state.settings.consumptionOrder, (amount) =>
    creditDetail("adjustment", amount, { note, actor })
  )
  const after = settleDue(debited)
  return succeed(
    {
      ledgerEntries: debited.entries.slice(booking.entries.length).map(presentEntry),
      userBalance: userBalance(state, after)
    },
    { booking: after }
  )
}
