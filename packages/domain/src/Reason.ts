import * as Schema from "effect/Schema"

/** Why a ledger entry was made. */
export const Reason = Schema.Literals([
  "purchase",
  "welcome",
  "promo",
  "manual",
  "adjustment",
  "reinstatement",
  "debit",
  "expiry",
  "refund",
  "chargeback",
  "settlement"
]).annotate({ identifier: "Reason" })
export type Reason = typeof Reason.Type

/** Where a lot comes from: the reasons that issue credits. */
export const LotSource = Schema.Literals([
  "purchase",
  "welcome",
  "promo",
  "manual",
  "adjustment",
  "reinstatement"
]).annotate({
  identifier: "LotSource"
})
export type LotSource = typeof LotSource.Type
