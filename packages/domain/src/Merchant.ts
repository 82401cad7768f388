/** A merchant's settings as the rules see them. */
export interface SettingsState {
  readonly merchantId: string
  readonly legalName: string
  readonly legalAddress: string | null
  readonly taxId: string | null
  readonly receiptPrefix: string
  /** How long an operation stays open unless it says otherwise, and the longest it may, from its opening. */
  readonly operationTimeoutMinutes: number
  readonly operationTimeoutMaxMinutes: number
  /** How long after its expiry an operation may still be closed; 0 = never. */
  readonly lateCloseHours: number
  /** How many operations with an estimate one user may have open. */
  readonly maxOpenOperations: number
  readonly consumptionOrder: ConsumptionOrder
  readonly sandbox: boolean
}

/** `oldest_first`: by `issuedAt`, then id. `expiring_first`: by `expiresAt`, then `issuedAt`, then id (rule 4). */
export type ConsumptionOrder = "oldest_first" | "expiring_first"
