import { commandPayloads } from "@credit/domain/Command"
import type { Command } from "@credit/domain/decide/Batch"
import type { Sender } from "@credit/domain/decide/Decision"
import { fingerprint, transactionId } from "@credit/domain/decide/Idempotency"
import * as Schema from "effect/Schema"

export const MERCHANT = "demo"

/** A command's name with its payload as it comes over the wire. */
const Intent = Schema.Union([
  Schema.Struct({ type: Schema.Literal("Purchase.Settled"), payload: commandPayloads["Purchase.Settled"] }),
  Schema.Struct({ type: Schema.Literal("Operation.Open"), payload: commandPayloads["Operation.Open"] }),
  Schema.Struct({
    type: Schema.Literal("Operation.RecordAndClose"),
    payload: commandPayloads["Operation.RecordAndClose"]
  }),
  Schema.Struct({ type: Schema.Literal("Operation.Cancel"), payload: commandPayloads["Operation.Cancel"] }),
  Schema.Struct({ type: Schema.Literal("Operation.Extend"), payload: commandPayloads["Operation.Extend"] }),
  Schema.Struct({ type: Schema.Literal("Grant.Apply"), payload: commandPayloads["Grant.Apply"] }),
  Schema.Struct({ type: Schema.Literal("Product.Create"), payload: commandPayloads["Product.Create"] }),
  Schema.Struct({ type: Schema.Literal("Product.Archive"), payload: commandPayloads["Product.Archive"] }),
  Schema.Struct({ type: Schema.Literal("OperationType.Create"), payload: commandPayloads["OperationType.Create"] }),
  Schema.Struct({ type: Schema.Literal("Merchant.Configure"), payload: commandPayloads["Merchant.Configure"] }),
  Schema.Struct({ type: Schema.Literal("Maintenance.Enter"), payload: commandPayloads["Maintenance.Enter"] }),
  Schema.Struct({ type: Schema.Literal("Maintenance.Exit"), payload: commandPayloads["Maintenance.Exit"] }),
  Schema.Struct({ type: Schema.Literal("CreditAdjustment.Apply"), payload: commandPayloads["CreditAdjustment.Apply"] }),
  Schema.Struct({ type: Schema.Literal("DebitAdjustment.Apply"), payload: commandPayloads["DebitAdjustment.Apply"] }),
  Schema.Struct({ type: Schema.Literal("Refund.Apply"), payload: commandPayloads["Refund.Apply"] }),
  Schema.Struct({ type: Schema.Literal("Chargeback.Apply"), payload: commandPayloads["Chargeback.Apply"] }),
  Schema.Struct({ type: Schema.Literal("Chargeback.Resolve"), payload: commandPayloads["Chargeback.Resolve"] }),
  Schema.Struct({ type: Schema.Literal("Sandbox.AdvanceClock"), payload: commandPayloads["Sandbox.AdvanceClock"] })
])
export type WireIntent = typeof Intent.Encoded

const decodeIntent = Schema.decodeUnknownSync(Intent)

export interface CommandOptions {
  /** A key of its own unless given. */
  readonly key?: string
  readonly dryRun?: boolean
  readonly sender?: Sender
}

const app: Sender = { role: "app", subject: MERCHANT, tokenId: "token-app" }
export const admin: Sender = { role: "admin", subject: MERCHANT, tokenId: "token-admin" }

let keys = 0

/** A command as the engine hands it to the rules: decoded, with its transaction id and fingerprint. */
export const command = (wire: WireIntent, options: CommandOptions = {}): Command => {
  const intent = decodeIntent(wire)
  keys += 1
  const key = options.key ?? `key-${keys}`
  const transaction = transactionId(MERCHANT, intent.type, key)
  return {
    intent,
    key,
    transactionId: transaction,
    ...fingerprint(intent.payload, transaction),
    sender: options.sender ?? app,
    dryRun: options.dryRun ?? false
  }
}

type Payload<T extends WireIntent["type"]> = Extract<WireIntent, { readonly type: T }>["payload"]
type Given<T extends WireIntent["type"], K extends string> = Omit<Payload<T>, K> & CommandOptions

const split = <A extends CommandOptions>({ dryRun, key, sender, ...payload }: A) => ({
  payload,
  options: {
    ...(key === undefined ? {} : { key }),
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(sender === undefined ? {} : { sender })
  }
})

export const open = (userId: string, given: Partial<Given<"Operation.Open", "userId">> = {}): Command => {
  const { options, payload } = split(given)
  return command({ type: "Operation.Open", payload: { operationTypeCode: "call", ...payload, userId } }, options)
}

export const close = (
  operationId: string,
  resourceAmount: string,
  given: Partial<Given<"Operation.RecordAndClose", "operationId" | "resourceAmount">> = {}
): Command => {
  const { options, payload } = split(given)
  return command(
    {
      type: "Operation.RecordAndClose",
      payload: { completedAt: "2026-01-01T00:00:00Z", ...payload, operationId, resourceAmount }
    },
    options
  )
}

export const cancel = (operationId: string, options: CommandOptions & { readonly reason?: string } = {}): Command => {
  const { reason, ...rest } = options
  return command(
    { type: "Operation.Cancel", payload: { operationId, ...(reason === undefined ? {} : { reason }) } },
    rest
  )
}

export const extend = (operationId: string, timeoutMinutes: number, options: CommandOptions = {}): Command =>
  command({ type: "Operation.Extend", payload: { operationId, timeoutMinutes } }, options)

/** A manual grant: the plainest way to give a user credits. */
export const grant = (
  userId: string,
  credits: number,
  accessPeriodDays: number,
  options: CommandOptions = {}
): Command =>
  command(
    {
      type: "Grant.Apply",
      payload: { userId, grant: { type: "manual", credits, accessPeriodDays, justification: "goodwill" } }
    },
    { sender: admin, ...options }
  )

export const welcome = (userId: string, options: CommandOptions = {}): Command =>
  command({ type: "Grant.Apply", payload: { userId, grant: { type: "welcome" } } }, options)

export const promo = (userId: string, productCode: string, options: CommandOptions = {}): Command =>
  command(
    { type: "Grant.Apply", payload: { userId, grant: { type: "promo", productCode } } },
    { sender: admin, ...options }
  )

export interface SaleOptions extends CommandOptions {
  readonly productCode?: string
  readonly country?: string
  readonly currency?: string
  readonly amount?: string
  readonly orderPlacedAt?: string
  readonly settledAt?: string
  readonly paymentMethod?: string
}

export const purchase = (userId: string, externalRef: string, sale: SaleOptions = {}): Command => {
  const { options, payload } = split(sale)
  return command(
    {
      type: "Purchase.Settled",
      payload: {
        userId,
        productCode: payload.productCode ?? "starter",
        settlementData: {
          externalRef,
          orderPlacedAt: payload.orderPlacedAt ?? "2026-01-01T00:00:00Z",
          settledAt: payload.settledAt ?? "2026-01-01T00:00:05Z",
          ...(payload.paymentMethod === undefined ? {} : { paymentMethod: payload.paymentMethod }),
          pricingSnapshot: {
            country: payload.country ?? "DE",
            currency: payload.currency ?? "USD",
            amount: payload.amount ?? "9.99"
          }
        }
      }
    },
    options
  )
}

export const advanceClock = (hours: number, options: CommandOptions = {}): Command =>
  command({ type: "Sandbox.AdvanceClock", payload: { hours } }, { sender: admin, ...options })

export const operator: Sender = { role: "operator", subject: "olga", tokenId: "token-operator" }

/** A command of the catalog, the settings or the service status, sent by who may. */
export const govern = (wire: WireIntent, options: CommandOptions = {}): Command =>
  command(wire, { sender: wire.type.startsWith("Maintenance.") ? operator : admin, ...options })

/** Who does what only staff may. */
const by = { adminActor: "olga" }

export const creditAdjustment = (
  userId: string,
  creditAmount: number,
  accessPeriodDays: number,
  options: CommandOptions = {}
): Command =>
  command(
    {
      type: "CreditAdjustment.Apply",
      payload: { userId, creditAmount, accessPeriodDays, justification: "put right", ...by }
    },
    { sender: admin, ...options }
  )

export const debitAdjustment = (userId: string, debitAmount: number, options: CommandOptions = {}): Command =>
  command(
    { type: "DebitAdjustment.Apply", payload: { userId, debitAmount, justification: "put right", ...by } },
    { sender: admin, ...options }
  )

export const refund = (externalRef: string, options: CommandOptions = {}): Command =>
  command(
    { type: "Refund.Apply", payload: { externalRef, justification: "not as described", ...by } },
    { sender: admin, ...options }
  )

export const chargeback = (
  externalRef: string,
  options: CommandOptions & { readonly category?: string } = {}
): Command => {
  const { category, ...rest } = options
  return command(
    {
      type: "Chargeback.Apply",
      payload: { externalRef, ...by, ...(category === undefined ? {} : { category }) }
    },
    { sender: admin, ...rest }
  )
}

export const resolve = (externalRef: string, outcome: "won" | "lost", options: CommandOptions = {}): Command =>
  command({ type: "Chargeback.Resolve", payload: { externalRef, outcome, ...by } }, { sender: admin, ...options })
