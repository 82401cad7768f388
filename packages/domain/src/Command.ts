import * as Schema from "effect/Schema"
import { OperationTypeCreate, ProductArchive, ProductCreate } from "./CatalogCommands.ts"
import { PositiveCredits } from "./Credits.ts"
import { Money, ResourceAmount } from "./Decimal.ts"
import { Code, Country, Currency, OperationId, text, UserId } from "./Ids.ts"
import { AccessPeriodDays } from "./Product.ts"
import { TaxBreakdown } from "./Receipt.ts"
import { DisputeOutcome } from "./Reversal.ts"
import { MaintenanceEnter, MaintenanceExit, MerchantConfigure } from "./ServiceCommands.ts"
import { Timestamp } from "./Timestamp.ts"

const minutes = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 525_600 }))
/** The person of the merchant's staff on whose behalf an admin's token acts: written into entries and reversals. */
const AdminActor = text(200)
const Justification = text(2000)

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
      justification: Justification
    })
  ])
})

export const CreditAdjustmentApply = Schema.Struct({
  userId: UserId,
  creditAmount: PositiveCredits,
  accessPeriodDays: AccessPeriodDays,
  justification: Justification,
  adminActor: AdminActor
})

export const DebitAdjustmentApply = Schema.Struct({
  userId: UserId,
  debitAmount: PositiveCredits,
  justification: Justification,
  adminActor: AdminActor
})

export const RefundApply = Schema.Struct({
  /** The payment reference of the purchase. */
  externalRef: Code,
  justification: Justification,
  adminActor: AdminActor
})

export const ChargebackApply = Schema.Struct({
  /** The payment reference of the purchase. */
  externalRef: Code,
  /** Why, in the words of the payment provider, such as `fraudulent`. */
  category: Schema.optionalKey(Code),
  adminActor: AdminActor
})

export const ChargebackResolve = Schema.Struct({
  /** The payment reference of the purchase. */
  externalRef: Code,
  outcome: DisputeOutcome,
  adminActor: AdminActor
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
  "Product.Create": ProductCreate,
  "Product.Archive": ProductArchive,
  "OperationType.Create": OperationTypeCreate,
  "Merchant.Configure": MerchantConfigure,
  "Maintenance.Enter": MaintenanceEnter,
  "Maintenance.Exit": MaintenanceExit,
  "CreditAdjustment.Apply": CreditAdjustmentApply,
  "DebitAdjustment.Apply": DebitAdjustmentApply,
  "Refund.Apply": RefundApply,
  "Chargeback.Apply": ChargebackApply,
  "Chargeback.Resolve": ChargebackResolve,
  "Sandbox.AdvanceClock": SandboxAdvanceClock
} as const

export type CommandType = keyof typeof commandPayloads

/** How the engine treats a kind of command; who may send it stands with the RPC. */
export interface CommandTraits {
  /**
   * `exclusive`: it changes the ground that batches decide on (catalog, settings, clock, maintenance), so it runs alone,
   * and no batch is under way while it does.
   */
  readonly barrier: "shared" | "exclusive"
  /** Whether it is taken while the merchant is in maintenance. */
  readonly maintenance: "refused" | "open"
  /** Whether it can make something of a user who has no account yet. Others are refused without one. */
  readonly begins: boolean
}

const ordinary: CommandTraits = { barrier: "shared", maintenance: "refused", begins: false }
const beginning: CommandTraits = { ...ordinary, begins: true }
const exclusive: CommandTraits = { ...ordinary, barrier: "exclusive" }

/** The traits of each command: the one place that says how it runs. */
export const commandTraits: { readonly [T in CommandType]: CommandTraits } = {
  "Purchase.Settled": beginning,
  "Operation.Open": ordinary,
  "Operation.RecordAndClose": ordinary,
  "Operation.Cancel": ordinary,
  "Operation.Extend": ordinary,
  "Grant.Apply": beginning,
  "CreditAdjustment.Apply": beginning,
  "DebitAdjustment.Apply": beginning,
  "Refund.Apply": ordinary,
  "Chargeback.Apply": ordinary,
  "Chargeback.Resolve": ordinary,
  "Product.Create": exclusive,
  "Product.Archive": exclusive,
  "OperationType.Create": exclusive,
  "Merchant.Configure": exclusive,
  "Maintenance.Enter": { ...exclusive, maintenance: "open" },
  "Maintenance.Exit": { ...exclusive, maintenance: "open" },
  "Sandbox.AdvanceClock": exclusive
}

/** A command's name with its decoded payload. */
export type CommandIntent = {
  readonly [T in CommandType]: { readonly type: T; readonly payload: (typeof commandPayloads)[T]["Type"] }
}[CommandType]

/** A command's payload in wire form. */
export const encodePayload = ({ payload, type }: CommandIntent): unknown =>
  Schema.encodeUnknownSync(Schema.toCodecJson<Schema.Codec<unknown, unknown>>(commandPayloads[type]))(payload)
