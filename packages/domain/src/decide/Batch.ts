import type { AccountState } from "../Account.ts"
import { type CommandIntent, commandTraits } from "../Command.ts"
import type { EntryState } from "../LedgerEntry.ts"
import type { LotState } from "../Lot.ts"
import type { OperationState } from "../Operation.ts"
import type { ReversalState } from "../Reversal.ts"
import { timestampText } from "../Timestamp.ts"
import type { NewId } from "../Uuid.ts"
import { creditAdjustmentApply, debitAdjustmentApply } from "./Adjustments.ts"
import { operationTypeCreate, productArchive, productCreate } from "./Catalog.ts"
import type { Decision, RefusalEncoded, Sender } from "./Decision.ts"
import { encodeExit, markReplayed } from "./Exit.ts"
import { grantApply } from "./Grants.ts"
import { changeGround, type GroundChange } from "./Ground.ts"
import { type FieldHashes, KEY_RETENTION, type KeyState, keyId, verdict } from "./Idempotency.ts"
import { operationCancel, operationExtend, operationOpen, operationRecordAndClose } from "./Operations.ts"
import { purchaseSettled } from "./Purchases.ts"
import { chargebackApply, chargebackResolve, refundApply } from "./Reversals.ts"
import { sandboxAdvanceClock } from "./Sandbox.ts"
import { maintenanceEnter, maintenanceExit, merchantConfigure } from "./Service.ts"
import type { PurchaseState, State } from "./State.ts"

/** A command as it reaches the rules. */
export interface Command {
  readonly intent: CommandIntent
  readonly key: string
  readonly transactionId: string
  readonly fingerprint: string
  readonly fieldHashes: FieldHashes
  readonly sender: Sender
  /** Decided, then dropped: nothing of it is kept, its key neither. */
  readonly dryRun: boolean
}

/** The answer to one command of a batch. */
export type Result =
  /** Decided now; stored under its key unless it was a dry run. `response` is the wire form of the exit. */
  | { readonly _tag: "Decided"; readonly response: string; readonly outcome: string }
  /** The stored answer of an earlier try, marked as a replay. */
  | { readonly _tag: "Replayed"; readonly response: string }
  /** Refused without a decision: nothing is stored. */
  | { readonly _tag: "Refused"; readonly response: string; readonly outcome: string }

/** A key's record as it is to be written, in its final state. */
export interface KeyRecord extends KeyState {
  readonly command: Command
  /** Whether it takes the place of a record that was there before: expired, failed for want of infrastructure, or left. */
  readonly renewed: boolean
}

/** Everything a batch writes. */
export interface Facts {
  readonly keys: ReadonlyArray<KeyRecord>
  readonly entries: ReadonlyArray<EntryState>
  readonly lots: ReadonlyArray<LotState>
  readonly opened: ReadonlyArray<OperationState>
  readonly changed: ReadonlyArray<OperationState>
  readonly purchases: ReadonlyArray<PurchaseState>
  /** New reversals, as they are now. */
  readonly reversals: ReadonlyArray<ReversalState>
  /** Chargebacks of earlier batches that were resolved. */
  readonly resolved: ReadonlyArray<ReversalState>
  /** Users who had their welcome grant, with the lot. */
  readonly welcomed: ReadonlyArray<{ readonly userId: string; readonly lotId: string }>
  /** Commands of admins and operators that were decided, with their outcome and why it was a refusal: the audit log. */
  readonly audited: ReadonlyArray<{
    readonly command: Command
    readonly outcome: string
    readonly refusal: RefusalEncoded | null
  }>
  /** What changes of catalog, settings, clock and service status, in order. */
  readonly ground: ReadonlyArray<GroundChange>
}

const decide = (state: State, command: Command, newId: NewId): Decision => {
  const { intent, sender } = command
  const context = { sender, newId }
  switch (intent.type) {
    case "Purchase.Settled":
      return purchaseSettled(state, intent.payload, context)
    case "Operation.Open":
      return operationOpen(state, intent.payload, context)
    case "Operation.RecordAndClose":
      return operationRecordAndClose(state, intent.payload, context)
    case "Operation.Cancel":
      return operationCancel(state, intent.payload, context)
    case "Operation.Extend":
      return operationExtend(state, intent.payload, context)
    case "Grant.Apply":
      return grantApply(state, intent.payload, context)
    case "Product.Create":
      return productCreate(state, intent.payload, context)
    case "Product.Archive":
      return productArchive(state, intent.payload, context)
    case "OperationType.Create":
      return operationTypeCreate(state, intent.payload, context)
    case "Merchant.Configure":
      return merchantConfigure(state, intent.payload, context)
    case "Maintenance.Enter":
      return maintenanceEnter(state, intent.payload, context)
    case "Maintenance.Exit":
      return maintenanceExit(state, intent.payload, context)
    case "CreditAdjustment.Apply":
      return creditAdjustmentApply(state, intent.payload, context)
    case "DebitAdjustment.Apply":
      return debitAdjustmentApply(state, intent.payload, context)
    case "Refund.Apply":
      return refundApply(state, intent.payload, context)
    case "Chargeback.Apply":
      return chargebackApply(state, intent.payload, context)
    case "Chargeback.Resolve":
      return chargebackResolve(state, intent.payload, context)
    case "Sandbox.AdvanceClock":
      return sandboxAdvanceClock(state, intent.payload, context)
  }
}

/** The state of a batch while it is folded: later commands see what earlier ones decided. */
interface Fold {
  state: State
  readonly keys: Map<string, KeyState>
  readonly accounts: Map<string, AccountState>
  readonly operations: Map<string, OperationState>
  readonly closings: Map<string, ReadonlyArray<EntryState>>
  readonly purchases: Map<string, PurchaseState>
  readonly reversals: Map<string, ReadonlyArray<ReversalState>>
  readonly expired: Map<string, number>
  readonly welcomed: Set<string>
  readonly entries: Array<EntryState>
  readonly newLots: Map<string, LotState>
  readonly opened: Map<string, OperationState>
  readonly changed: Map<string, OperationState>
  readonly newPurchases: Array<PurchaseState>
  readonly newReversals: Map<string, ReversalState>
  readonly resolved: Map<string, ReversalState>
  readonly newWelcomes: Array<Facts["welcomed"][number]>
  readonly newKeys: Map<string, KeyRecord>
  readonly audited: Array<Facts["audited"][number]>
  readonly ground: Array<GroundChange>
}

/**
 * Folds the commands of a batch, in their order, over the state that was loaded for them. No I/O, no clock, no randomness
 * but `newId`; the state it is given is left as it is.
 */
export const decideBatch = (
  loaded: State,
  commands: ReadonlyArray<Command>,
  newId: NewId
): { readonly results: ReadonlyArray<Result>; readonly facts: Facts } => {
  const fold = startFold(loaded)
  const results = commands.map((command) => decideOne(fold, command, newId))
  return {
    results,
    facts: {
      keys: [...fold.newKeys.values()],
      entries: fold.entries,
      lots: [...fold.newLots.values()],
      opened: [...fold.opened.values()],
      changed: [...fold.changed.values()],
      purchases: fold.newPurchases,
      reversals: [...fold.newReversals.values()],
      resolved: [...fold.resolved.values()],
      welcomed: fold.newWelcomes,
      audited: fold.audited,
      ground: fold.ground
    }
  }
}

const startFold = (loaded: State): Fold => {
  const keys = new Map(loaded.keys)
  const accounts = new Map(loaded.accounts)
  const operations = new Map(loaded.operations)
  const closings = new Map(loaded.closings)
  const purchases = new Map(loaded.purchases)
  const reversals = new Map(loaded.reversals)
  const expired = new Map(loaded.expired)
  const welcomed = new Set(loaded.welcomed)
  return {
    state: { ...loaded, keys, accounts, operations, closings, purchases, reversals, expired, welcomed },
    keys,
    accounts,
    operations,
    closings,
    purchases,
    reversals,
    expired,
    welcomed,
    entries: [],
    newLots: new Map(),
    opened: new Map(),
    changed: new Map(),
    newPurchases: [],
    newReversals: new Map(),
    resolved: new Map(),
    newWelcomes: [],
    newKeys: new Map(),
    audited: [],
    ground: []
  }
}

const decideOne = (fold: Fold, command: Command, newId: NewId): Result => {
  const { state } = fold
  const id = keyId(command.intent.type, command.key)
  const found = verdict(fold.keys.get(id), command, state.now)
  switch (found._tag) {
    case "Replay":
      return { _tag: "Replayed", response: markReplayed(found.response) }
    case "Conflict":
      return refused(command, { _tag: "IntentConflict", fields: found.fields })
    case "InProgress":
      return refused(command, { _tag: "RequestInProgress", retryAfterSeconds: found.retryAfterSeconds })
    case "Execute":
  }
  const open = commandTraits[command.intent.type].maintenance === "open"
  if (state.maintenance !== null && !open) return refused(command, maintenanceMode(state))

  const decision = decide(state, command, newId)
  const response = encodeExit(decision.outcome, command.transactionId)
  const outcome = decision.outcome._tag === "Success" ? "succeeded" : decision.outcome.error._tag
  if (command.dryRun) return { _tag: "Decided", response, outcome }

  apply(fold, decision)
  // A key that failed for want of infrastructure keeps the time of its first claim.
  const earlier = fold.keys.get(id)
  const claimedAt = earlier !== undefined && earlier.expiresAt > state.now ? earlier.claimedAt : state.now
  const record: KeyRecord = {
    command,
    renewed: earlier !== undefined,
    state: decision.outcome._tag === "Success" ? "SUCCEEDED" : "FAILED_FINAL",
    fingerprint: command.fingerprint,
    fieldHashes: command.fieldHashes,
    response,
    claimedAt,
    expiresAt: claimedAt + KEY_RETENTION,
    leaseUntil: null
  }
  fold.keys.set(id, record)
  fold.newKeys.set(id, record)
  if (command.sender.role === "admin" || command.sender.role === "operator") {
    const refusal = decision.outcome._tag === "Failure" ? decision.outcome.error : null
    fold.audited.push({ command, outcome, refusal })
  }
  return { _tag: "Decided", response, outcome }
}

const refused = (command: Command, error: RefusalEncoded): Result => ({
  _tag: "Refused",
  response: encodeExit({ _tag: "Failure", error }, command.transactionId),
  outcome: error._tag
})

/** How long a caller waits before asking again, when the end of maintenance is not known. */
const MAINTENANCE_RETRY_SECONDS = 30

const maintenanceMode = ({ maintenance, now }: State): RefusalEncoded => {
  const until = maintenance?.until ?? null
  return {
    _tag: "MaintenanceMode",
    reason: maintenance?.reason ?? "",
    ...(until === null ? {} : { until: timestampText(until) }),
    retryAfterSeconds: until === null ? MAINTENANCE_RETRY_SECONDS : Math.max(1, Math.ceil((until - now) / 1000))
  }
}

/** Lets later commands of the batch see a decision, and keeps its facts for writing. */
const apply = (fold: Fold, decision: Decision): void => {
  const { booking, ground, opened, purchase, reversal, welcomed } = decision
  if (booking !== undefined) {
    fold.accounts.set(booking.account.userId, booking.account)
    fold.entries.push(...booking.entries)
    for (const { amount, lotId, reason } of booking.entries) {
      if (reason === "expiry" && lotId !== null) fold.expired.set(lotId, (fold.expired.get(lotId) ?? 0) - amount)
    }
    for (const lot of booking.lots) fold.newLots.set(lot.lotId, lot)
    for (const operation of booking.operations) {
      const isNew = operation.operationId === opened || fold.opened.has(operation.operationId)
      if (isNew) fold.opened.set(operation.operationId, operation)
      else fold.changed.set(operation.operationId, operation)
      fold.operations.set(operation.operationId, operation)
      const closing = booking.entries.filter((entry) => entry.operationId === operation.operationId)
      if (closing.length > 0) fold.closings.set(operation.operationId, closing)
    }
  }
  if (purchase !== undefined) {
    fold.purchases.set(purchase.externalRef, purchase)
    fold.newPurchases.push(purchase)
    fold.state = {
      ...fold.state,
      receiptCounter: { year: purchase.receipt.year, lastNumber: purchase.receipt.number }
    }
  }
  if (reversal !== undefined) applyReversal(fold, reversal)
  if (welcomed !== undefined) {
    const lot = booking?.lots[0]
    if (lot === undefined) throw new Error("A welcome grant without a lot")
    fold.welcomed.add(welcomed)
    fold.newWelcomes.push({ userId: welcomed, lotId: lot.lotId })
  }
  if (ground !== undefined) {
    fold.state = changeGround(fold.state, ground)
    fold.ground.push(ground)
  }
}

/** A reversal that this batch made stays new when it is resolved as well: it is written once, as it is at the end. */
const applyReversal = (fold: Fold, reversal: ReversalState): void => {
  const { externalRef, sequence } = reversal
  const all = fold.reversals.get(externalRef) ?? []
  const id = `${externalRef}\n${sequence}`
  const isNew = fold.newReversals.has(id) || all.length < sequence
  if (isNew) fold.newReversals.set(id, reversal)
  else fold.resolved.set(id, reversal)
  fold.reversals.set(externalRef, [...all.filter((it) => it.sequence !== sequence), reversal])
}
