import type { CommandIntent, CommandType } from "../Command.ts"
import type { LedgerEntry } from "../LedgerEntry.ts"
import type { Lot } from "../Lot.ts"
import type { MerchantSettings, ServiceStatus } from "../Merchant.ts"
import type { Operation } from "../Operation.ts"
import type { OperationType } from "../OperationType.ts"
import type { Product } from "../Product.ts"
import type { Receipt } from "../Receipt.ts"
import type * as Refusal from "../Refusal.ts"
import type { Reversal, ReversalState } from "../Reversal.ts"
import type { UserBalance } from "../UserBalance.ts"
import type { NewId } from "../Uuid.ts"
import type { Booking } from "./Booking.ts"
import type { GroundChange } from "./Ground.ts"
import type { PurchaseState, State } from "./State.ts"

interface ReversalAnswer {
  readonly reversal: typeof Reversal.Encoded
  readonly ledgerEntries: ReadonlyArray<typeof LedgerEntry.Encoded>
  readonly userBalance: typeof UserBalance.Encoded
}

/** What each command answers, in wire form and without its `meta`. */
export interface Answers {
  "Purchase.Settled": {
    readonly lot: typeof Lot.Encoded
    readonly receipt: typeof Receipt.Encoded
    readonly userBalance: typeof UserBalance.Encoded
  }
  "Operation.Open": { readonly operation: typeof Operation.Encoded }
  "Operation.RecordAndClose": {
    readonly operation: typeof Operation.Encoded
    readonly ledgerEntries: ReadonlyArray<typeof LedgerEntry.Encoded>
    readonly userBalance: typeof UserBalance.Encoded
  }
  "Operation.Cancel": { readonly operation: typeof Operation.Encoded }
  "Operation.Extend": { readonly operation: typeof Operation.Encoded }
  "Grant.Apply": { readonly lot: typeof Lot.Encoded; readonly userBalance: typeof UserBalance.Encoded }
  "Product.Create": { readonly product: typeof Product.Encoded }
  "Product.Archive": { readonly product: typeof Product.Encoded }
  "OperationType.Create": {
    readonly operationType: typeof OperationType.Encoded
    readonly replaced?: typeof OperationType.Encoded
  }
  "Merchant.Configure": { readonly settings: typeof MerchantSettings.Encoded }
  "Maintenance.Enter": { readonly serviceStatus: typeof ServiceStatus.Encoded }
  "Maintenance.Exit": { readonly serviceStatus: typeof ServiceStatus.Encoded }
  "CreditAdjustment.Apply": { readonly lot: typeof Lot.Encoded; readonly userBalance: typeof UserBalance.Encoded }
  "DebitAdjustment.Apply": {
    readonly ledgerEntries: ReadonlyArray<typeof LedgerEntry.Encoded>
    readonly userBalance: typeof UserBalance.Encoded
  }
  "Refund.Apply": ReversalAnswer
  "Chargeback.Apply": ReversalAnswer
  "Chargeback.Resolve": ReversalAnswer & { readonly lot?: typeof Lot.Encoded }
  "Sandbox.AdvanceClock": { readonly now: string }
}

/** Every refusal that the rules know, in wire form. */
export type RefusalEncoded =
  | typeof Refusal.InvalidRequest.Encoded
  | typeof Refusal.IntentConflict.Encoded
  | typeof Refusal.RequestInProgress.Encoded
  | typeof Refusal.MaintenanceMode.Encoded
  | typeof Refusal.ProductUnavailable.Encoded
  | typeof Refusal.InsufficientBalance.Encoded
  | typeof Refusal.OperationUnavailable.Encoded
  | typeof Refusal.OperationNotFound.Encoded
  | typeof Refusal.OperationExpired.Encoded
  | typeof Refusal.OperationClosed.Encoded
  | typeof Refusal.GrantUnavailable.Encoded
  | typeof Refusal.ProductAlreadyExists.Encoded
  | typeof Refusal.ProductNotFound.Encoded
  | typeof Refusal.PurchaseNotFound.Encoded
  | typeof Refusal.PurchaseAlreadyReversed.Encoded
  | typeof Refusal.ChargebackNotOpen.Encoded
  | typeof Refusal.NotASandbox.Encoded

export type Outcome<A = Answers[CommandType]> =
  | { readonly _tag: "Success"; readonly value: A }
  | { readonly _tag: "Failure"; readonly error: RefusalEncoded }

/** The outcome of one command, and what it changes. */
export interface Decision<A = Answers[CommandType]> {
  readonly outcome: Outcome<A>
  /** The account it touched, with at least its due expiries booked; absent where it touched none. */
  readonly booking?: Booking
  /** The operation that is new with this decision, among those of the booking. */
  readonly opened?: string
  readonly purchase?: PurchaseState
  /** A reversal that is new with this decision, or that it resolves. */
  readonly reversal?: ReversalState
  /** The user who had the welcome grant by this. */
  readonly welcomed?: string
  /** What it changes of the ground that batches decide on; only commands that run alone do. */
  readonly ground?: GroundChange
}

/** Who sends a command: recorded with what it does. */
export interface Sender {
  readonly role: string
  readonly subject: string
  readonly tokenId: string
}

/** Decides one kind of command over the state, without touching it. */
export type Decider<T extends CommandType> = (
  state: State,
  payload: Extract<CommandIntent, { readonly type: T }>["payload"],
  context: { readonly sender: Sender; readonly newId: NewId }
) => Decision<Answers[T]>

export const refuse = (error: RefusalEncoded, booking?: Booking): Decision<never> =>
  booking === undefined ? { outcome: { _tag: "Failure", error } } : { outcome: { _tag: "Failure", error }, booking }

export const invalid = (field: string, message: string, booking?: Booking): Decision<never> =>
  refuse({ _tag: "InvalidRequest", field, message }, booking)

export const succeed = <A>(value: A, changes: Omit<Decision, "outcome"> = {}): Decision<A> => ({
  outcome: { _tag: "Success", value },
  ...changes
})
