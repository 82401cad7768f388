import type { CommandType } from "@credit/domain/Command"
import type { Result } from "@credit/domain/decide/Batch"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Lot } from "@credit/domain/Lot"
import { MerchantSettings, ServiceStatus } from "@credit/domain/Merchant"
import { Meta } from "@credit/domain/Meta"
import { Operation } from "@credit/domain/Operation"
import { OperationType } from "@credit/domain/OperationType"
import { Product } from "@credit/domain/Product"
import { Receipt } from "@credit/domain/Receipt"
import * as Refusal from "@credit/domain/Refusal"
import { Reversal } from "@credit/domain/Reversal"
import { UserBalance } from "@credit/domain/UserBalance"
import * as Schema from "effect/Schema"
import { expect } from "vitest"

const reversal = {
  reversal: Reversal,
  ledgerEntries: Schema.Array(LedgerEntry),
  userBalance: UserBalance,
  meta: Meta
}

/** What each command answers, as the contract has it. */
const successes = {
  "Purchase.Settled": Schema.Struct({ lot: Lot, receipt: Receipt, userBalance: UserBalance, meta: Meta }),
  "Operation.Open": Schema.Struct({ operation: Operation, meta: Meta }),
  "Operation.RecordAndClose": Schema.Struct({
    operation: Operation,
    ledgerEntries: Schema.NonEmptyArray(LedgerEntry),
    userBalance: UserBalance,
    meta: Meta
  }),
  "Operation.Cancel": Schema.Struct({ operation: Operation, meta: Meta }),
  "Operation.Extend": Schema.Struct({ operation: Operation, meta: Meta }),
  "Grant.Apply": Schema.Struct({ lot: Lot, userBalance: UserBalance, meta: Meta }),
  "Product.Create": Schema.Struct({ product: Product, meta: Meta }),
  "Product.Archive": Schema.Struct({ product: Product, meta: Meta }),
  "OperationType.Create": Schema.Struct({
    operationType: OperationType,
    replaced: Schema.optionalKey(OperationType),
    meta: Meta
  }),
  "Merchant.Configure": Schema.Struct({ settings: MerchantSettings, meta: Meta }),
  "Maintenance.Enter": Schema.Struct({ serviceStatus: ServiceStatus, meta: Meta }),
  "Maintenance.Exit": Schema.Struct({ serviceStatus: ServiceStatus, meta: Meta }),
  "CreditAdjustment.Apply": Schema.Struct({ lot: Lot, userBalance: UserBalance, meta: Meta }),
  "DebitAdjustment.Apply": Schema.Struct({
    ledgerEntries: Schema.NonEmptyArray(LedgerEntry),
    userBalance: UserBalance,
    meta: Meta
  }),
  "Refund.Apply": Schema.Struct(reversal),
  "Chargeback.Apply": Schema.Struct(reversal),
  "Chargeback.Resolve": Schema.Struct({ ...reversal, lot: Schema.optionalKey(Lot) }),
  "Sandbox.AdvanceClock": Schema.Struct({ now: Schema.String, meta: Meta })
} satisfies Record<CommandType, Schema.Top>

const failures = Schema.Union([
  Refusal.InvalidRequest,
  Refusal.IntentConflict,
  Refusal.RequestInProgress,
  Refusal.MaintenanceMode,
  Refusal.ProductUnavailable,
  Refusal.InsufficientBalance,
  Refusal.OperationUnavailable,
  Refusal.OperationNotFound,
  Refusal.OperationExpired,
  Refusal.OperationClosed,
  Refusal.GrantUnavailable,
  Refusal.ProductAlreadyExists,
  Refusal.ProductNotFound,
  Refusal.PurchaseNotFound,
  Refusal.PurchaseAlreadyReversed,
  Refusal.ChargebackNotOpen,
  Refusal.NotASandbox
])

const strictly = { onExcessProperty: "error" } as const
const decodeFailure = Schema.decodeUnknownSync(failures, strictly)
const decoders: Record<CommandType, (value: unknown) => unknown> = {
  "Purchase.Settled": Schema.decodeUnknownSync(successes["Purchase.Settled"], strictly),
  "Operation.Open": Schema.decodeUnknownSync(successes["Operation.Open"], strictly),
  "Operation.RecordAndClose": Schema.decodeUnknownSync(successes["Operation.RecordAndClose"], strictly),
  "Operation.Cancel": Schema.decodeUnknownSync(successes["Operation.Cancel"], strictly),
  "Operation.Extend": Schema.decodeUnknownSync(successes["Operation.Extend"], strictly),
  "Grant.Apply": Schema.decodeUnknownSync(successes["Grant.Apply"], strictly),
  "Product.Create": Schema.decodeUnknownSync(successes["Product.Create"], strictly),
  "Product.Archive": Schema.decodeUnknownSync(successes["Product.Archive"], strictly),
  "OperationType.Create": Schema.decodeUnknownSync(successes["OperationType.Create"], strictly),
  "Merchant.Configure": Schema.decodeUnknownSync(successes["Merchant.Configure"], strictly),
  "Maintenance.Enter": Schema.decodeUnknownSync(successes["Maintenance.Enter"], strictly),
  "Maintenance.Exit": Schema.decodeUnknownSync(successes["Maintenance.Exit"], strictly),
  "CreditAdjustment.Apply": Schema.decodeUnknownSync(successes["CreditAdjustment.Apply"], strictly),
  "DebitAdjustment.Apply": Schema.decodeUnknownSync(successes["DebitAdjustment.Apply"], strictly),
  "Refund.Apply": Schema.decodeUnknownSync(successes["Refund.Apply"], strictly),
  "Chargeback.Apply": Schema.decodeUnknownSync(successes["Chargeback.Apply"], strictly),
  "Chargeback.Resolve": Schema.decodeUnknownSync(successes["Chargeback.Resolve"], strictly),
  "Sandbox.AdvanceClock": Schema.decodeUnknownSync(successes["Sandbox.AdvanceClock"], strictly)
}

const encoded = Schema.toEncoded

/** Any answer as plain JSON, for a test to look into. */
const Exit = Schema.fromJsonString(
  Schema.Struct({
    _tag: Schema.Literals(["Success", "Failure"]),
    value: Schema.optionalKey(
      Schema.Struct({
        operation: Schema.optionalKey(encoded(Operation)),
        lot: Schema.optionalKey(encoded(Lot)),
        receipt: Schema.optionalKey(encoded(Receipt)),
        reversal: Schema.optionalKey(encoded(Reversal)),
        ledgerEntries: Schema.optionalKey(Schema.Array(encoded(LedgerEntry))),
        userBalance: Schema.optionalKey(encoded(UserBalance)),
        now: Schema.optionalKey(Schema.String),
        product: Schema.optionalKey(encoded(Product)),
        operationType: Schema.optionalKey(encoded(OperationType)),
        replaced: Schema.optionalKey(encoded(OperationType)),
        settings: Schema.optionalKey(encoded(MerchantSettings)),
        serviceStatus: Schema.optionalKey(encoded(ServiceStatus)),
        meta: encoded(Meta)
      })
    ),
    cause: Schema.optionalKey(
      Schema.Tuple([
        Schema.Struct({
          _tag: Schema.Literal("Fail"),
          error: Schema.Record(Schema.String, Schema.Unknown)
        })
      ])
    )
  })
)
const decodeExit = Schema.decodeUnknownSync(Exit)

/** The answer to a command, decoded when a test looks into it. */
export class Answer {
  readonly tag: Result["_tag"]
  readonly response: string
  readonly #outcome: string | undefined

  constructor(result: Result) {
    this.tag = result._tag
    this.response = result.response
    this.#outcome = result._tag === "Replayed" ? undefined : result.outcome
  }

  /** `succeeded` or the refusal's tag. */
  get outcome(): string {
    return this.#outcome ?? `${this.error?._tag ?? "succeeded"}`
  }

  get value(): NonNullable<(typeof Exit.Type)["value"]> | undefined {
    return decodeExit(this.response).value
  }

  get error(): Readonly<Record<string, unknown>> | undefined {
    return decodeExit(this.response).cause?.[0].error
  }
}

/** Throws unless a client of the contract can read the answer to the last field. */
export const expectReadable = (type: CommandType, answer: Answer): void => {
  const { error, value } = answer
  expect(answer.outcome).toBe(error?._tag ?? "succeeded")
  if (error === undefined) decoders[type](value)
  else decodeFailure(error)
}

const present = <A>(value: A | undefined, answer: Answer): A => {
  if (value === undefined) throw new Error(`The answer has no such thing: ${answer.response}`)
  return value
}

export const operationOf = (answer: Answer) => present(answer.value?.operation, answer)
export const lotOf = (answer: Answer) => present(answer.value?.lot, answer)
export const receiptOf = (answer: Answer) => present(answer.value?.receipt, answer)
export const entriesOf = (answer: Answer) => present(answer.value?.ledgerEntries, answer)
export const balanceOf = (answer: Answer) => present(answer.value?.userBalance, answer)
export const reversalOf = (answer: Answer) => present(answer.value?.reversal, answer)
