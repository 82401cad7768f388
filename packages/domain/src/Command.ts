import * as Schema from "effect/Schema"
import { PositiveCredits } from "./Credits.ts"
import { Money, ResourceAmount } from "./Decimal.ts"
import { Code, Country, Currency, OperationId, text, UserId } from "./Ids.ts"
import { TaxBreakdown } from "./Receipt.ts"
import { Timestamp } from "./Timestamp.ts"

const minutes = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 525_600 }))
/** Days of 24 hours; a hundred years at most. */
const AccessPeriodDays = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 36_500 }))

/** A purchase that the upstream app has settled with its payment provider. */
export const PurchaseSettled = Schema.Struct({
  userId: UserId,
  productCode: Code,
  settlementData: Schema.Struct({
    /** The payment's reference: one lot and one receipt for it, for ever. */
    externalRef: Code,
    /** Chooses product and price; at most 5 minutes ahead. */
    orderPlacedAt: Timestamp,
    /** Recorded; at most 5 minutes ahead. */
    settledAt: Timestamp,
    paymentMethod: Schema.optionalKey(Code),
    pricingSnapshot: Schema.Struct({
      country: Country,
      currency: Currency,
      amount: Money,
      taxBreakdown: Schema.optionalKey(TaxBreakdown)
    })
  })
})

export const OperationOpen = Schema.Struct({
  userId: UserId,
  operationTypeCode: Code,
  workflowId: Schema.optionalKey(Code),
  /** With it the operation holds the estimate's cost; without it nothing, and the user has at most one such open. */
  estimatedAmount: Schema.optionalKey(ResourceAmount),
  /** Until it expires; the merchant's default without it, the merchant's maximum at most. */
  timeoutMinutes: Schema.optionalKey(minutes)
})

export const OperationRecordAndClose = Schema.Struct({
  operationId: OperationId,
  resourceAmount: ResourceAmount,
  /** If given, must be the unit of the captured rate. */
  resourceUnit: Schema.optionalKey(Code),
  /** Recorded; at most 5 minutes ahead. */
  completedAt: Timestamp,
  /** If given, must be the one the operation was opened with, if that had one. */
  workflowId: Schema.optionalKey(Code)
})

export const OperationCancel = Schema.Struct({
  operationId: OperationId,
  reason: Schema.optionalKey(text(500))
})

export const OperationExtend = Schema.Struct({
  operationId: OperationId,
  /** The new timeout, counted from now; within the merchant's maximum counted from `openedAt`. */
  timeoutMinutes: minutes
})

export const GrantApply = Schema.Struct({
  userId: UserId,
  grant: Schema.Union([
    Schema.Struct({ type: Schema.Literal("welcome") }),
    Schema.Struct({ type: Schema.Literal("promo"), productCode: Code }),
    Schema.Struct({
      type: Schema.Literal("manual"),
      credits: PositiveCredits,
      accessPeriodDays: AccessPeriodDays,
      justification: text(2000)
    })
  ])
})

export const SandboxAdvanceClock = Schema.Struct({
  /** Forward by so many hours; a hundred years at most in one step. */
  hours: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 876_000 }))
})

/** The payload of each command by its name in the contract. */
export const commandPayloads = {
  "Purchase.Settled": PurchaseSettled,
  "Operation.Open": OperationOpen,
  "Operation.RecordAndClose": OperationRecordAndClose,
  "Operation.Cancel": OperationCancel,
  "Operation.Extend": OperationExtend,
  "Grant.Apply": GrantApply,
  "Sandbox.AdvanceClock": SandboxAdvanceClock
} as const

export type CommandType = keyof typeof commandPayloads

/** A command's name with its decoded payload. */
export type CommandIntent = {
  readonly [T in CommandType]: { readonly type: T; readonly payload: (typeof commandPayloads)[T]["Type"] }
}[CommandType]
