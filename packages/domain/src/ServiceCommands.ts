import * as Schema from "effect/Schema"
import { text } from "./Ids.ts"
import { ConsumptionOrder, ReceiptPrefix, TaxRate, TaxRegime } from "./Merchant.ts"
import { Timestamp } from "./Timestamp.ts"

const timeout = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 525_600 }))

/** What is named changes, what is not stays; `null` takes away. */
export const MerchantConfigure = Schema.Struct({
  legalName: Schema.optionalKey(text(500)),
  legalAddress: Schema.optionalKey(Schema.NullOr(text(2000))),
  taxId: Schema.optionalKey(Schema.NullOr(text(200))),
  taxRegime: Schema.optionalKey(TaxRegime),
  taxRate: Schema.optionalKey(Schema.NullOr(TaxRate)),
  /** Of receipts from now on; their numbers go on counting. */
  receiptPrefix: Schema.optionalKey(ReceiptPrefix),
  /** Until an operation expires that does not say itself; at most the maximum. */
  operationTimeoutMinutes: Schema.optionalKey(timeout),
  /** The longest an operation may stay open, counted from its opening. */
  operationTimeoutMaxMinutes: Schema.optionalKey(timeout),
  /** How long after its expiry an operation may still be closed; 0 = never. */
  lateCloseHours: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 87_600 }))),
  /** How many operations with an estimate one user may have open. */
  maxOpenOperations: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  /** Which lots are spent first, from the next command on (rule 4). */
  consumptionOrder: Schema.optionalKey(ConsumptionOrder)
})

export const MaintenanceEnter = Schema.Struct({
  /** Told to every caller that is refused meanwhile. */
  reason: text(2000),
  /** When it is meant to end: the callers' retry hint. It does not end by itself. */
  until: Schema.optionalKey(Timestamp)
})

export const MaintenanceExit = Schema.Struct({})
