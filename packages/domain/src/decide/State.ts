import type { AccountState } from "../Account.ts"
import type { EntryState } from "../LedgerEntry.ts"
import type { LotState } from "../Lot.ts"
import type { MaintenanceState, SettingsState } from "../Merchant.ts"
import type { OperationState } from "../Operation.ts"
import type { OperationTypeState, OperationTypeVersion } from "../OperationType.ts"
import type { ProductState } from "../Product.ts"
import type { ReceiptState } from "../Receipt.ts"
import type { ReversalState } from "../Reversal.ts"
import type { KeyState } from "./Idempotency.ts"

/** A settled purchase: the one effect of its payment reference, for ever. */
export interface PurchaseState {
  readonly externalRef: string
  readonly userId: string
  readonly productCode: string
  readonly country: string
  readonly currency: string
  readonly amount: string
  readonly lot: LotState
  readonly receipt: ReceiptState
}

/**
 * Everything the decisions of one batch may depend on, read after the locks were taken. What is not in a map does not
 * exist.
 */
export interface State {
  readonly now: number
  readonly settings: SettingsState
  readonly maintenance: MaintenanceState | null
  /** By {@link keyId}. */
  readonly keys: ReadonlyMap<string, KeyState>
  readonly accounts: ReadonlyMap<string, AccountState>
  /** Operations named by commands, whatever their status; and whatever else its accounts have open. */
  readonly operations: ReadonlyMap<string, OperationState>
  /** The entries of closed operations named by closes. */
  readonly closings: ReadonlyMap<string, ReadonlyArray<EntryState>>
  /** By payment reference. */
  readonly purchases: ReadonlyMap<string, PurchaseState>
  /** By payment reference, in their sequence; of purchases named by refunds and chargebacks. */
  readonly reversals: ReadonlyMap<string, ReadonlyArray<ReversalState>>
  /** What expired of the lots of those purchases and of their reinstatements, as far as it is booked. By lot. */
  readonly expired: ReadonlyMap<string, number>
  readonly products: ReadonlyMap<string, ProductState>
  /** The active grant product with the policy `apply_on_signup`. */
  readonly welcomeProduct: ProductState | null
  /** Products with the policy `apply_on_signup` that are not archived yet; told to commands of the catalog alone. */
  readonly signupProducts: ReadonlyArray<ProductState>
  /** The newest version of a rate, whether or not it is in force yet, by code. */
  readonly newestOperationTypes: ReadonlyMap<string, OperationTypeVersion>
  /** The version in force now, by code. */
  readonly operationTypes: ReadonlyMap<string, OperationTypeState>
  /** Users who had their welcome grant. */
  readonly welcomed: ReadonlySet<string>
  readonly receiptCounter: { readonly year: number; readonly lastNumber: number }
  /** How far the sandbox clock stands ahead. */
  readonly clockOffsetHours: number
}
