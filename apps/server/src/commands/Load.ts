import { type AccountState, emptyAccount } from "@credit/domain/Account"
import { type Command, type KeyState, keyId, type PurchaseState, type State } from "@credit/domain/decide"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { LotState } from "@credit/domain/Lot"
import type { SettingsState } from "@credit/domain/Merchant"
import type { OperationState } from "@credit/domain/Operation"
import type { OperationTypeState, OperationTypeVersion } from "@credit/domain/OperationType"
import type { ProductState } from "@credit/domain/Product"
import type { ReversalState } from "@credit/domain/Reversal"
import { ENTRY_COLUMNS, jsonRows } from "../ledger/rows.ts"
import { composeLoad, LOOKED_UP_BY, type LoadStatement, type PartName } from "./Loads.ts"
import type { Needs } from "./Needs.ts"
import type { Statement } from "./Statement.ts"

/** Statements by what is present; batches are of a few kinds. */
const composed = new Map<string, LoadStatement>()

/**
 * Reads everything that the decisions of a batch may depend on, in one statement with a snapshot of its own, to be sent
 * after those that lock. It holds what these commands need and no more: what is never executed costs time, too.
 */
export const loadStatement = (needs: Needs): Statement => {
  const present = LOOKED_UP_BY.filter((name) => needs[name].length > 0)
  const kind = present.join()
  let statement = composed.get(kind)
  if (statement === undefined) {
    statement = composeLoad(new Set(present))
    composed.set(kind, statement)
  }
  return { sql: statement.sql, parameters: statement.parameters.map((name) => needs[name]) }
}

/** What each part of a load answers as JSON, held to these types by `ledger/rows.ts`. */
interface Parts extends Record<PartName, unknown> {
  readonly now: number
  readonly settings: SettingsState & { readonly clockOffsetHours: number }
  readonly maintenance: State["maintenance"]
  readonly keys: ReadonlyArray<
    Omit<KeyState, "fieldHashes"> & {
      readonly type: Command["intent"]["type"]
      readonly key: string
      readonly fieldHashes: string
    }
  >
  readonly accounts: ReadonlyArray<Omit<AccountState, "lots" | "operations">>
  readonly lots: ReadonlyArray<LotState>
  readonly open: ReadonlyArray<OperationState>
  /** Operations that were named and are not open any more. */
  readonly ended: ReadonlyArray<OperationState>
  readonly purchases: ReadonlyArray<PurchaseState>
  readonly reversals: ReadonlyArray<ReversalState>
  readonly expired: ReadonlyArray<{ readonly lotId: string; readonly expired: number }>
  readonly products: ReadonlyArray<ProductState>
  readonly welcomeProduct: ProductState | null
  readonly signupProducts: ReadonlyArray<ProductState>
  readonly newestOperationTypes: ReadonlyArray<OperationTypeVersion>
  readonly operationTypes: ReadonlyArray<OperationTypeState>
  readonly welcomed: ReadonlyArray<string>
  readonly receiptCounter: State["receiptCounter"]
}

/** A part that no command of the batch needed is missing. */
type Loaded = Pick<Parts, "now" | "settings" | "maintenance"> & Partial<Parts>

/** The state that the text of a load stands for. */
export const decodeState = (text: string): State => {
  const loaded: Loaded = JSON.parse(text)
  const lots = Map.groupBy(loaded.lots ?? [], (lot) => lot.userId)
  const open = Map.groupBy(loaded.open ?? [], (operation) => operation.userId)
  const accounts = (loaded.accounts ?? []).map(
    (account): AccountState => ({
      ...emptyAccount(account.userId),
      ...account,
      lots: lots.get(account.userId) ?? [],
      operations: open.get(account.userId) ?? []
    })
  )
  return {
    now: loaded.now,
    settings: loaded.settings,
    clockOffsetHours: loaded.settings.clockOffsetHours,
    maintenance: loaded.maintenance,
    keys: new Map(
      (loaded.keys ?? []).map(({ fieldHashes, key, type, ...rest }) => [
        keyId(type, key),
        { ...rest, fieldHashes: JSON.parse(fieldHashes) }
      ])
    ),
    accounts: new Map(accounts.map((it) => [it.userId, it])),
    operations: new Map([...(loaded.open ?? []), ...(loaded.ended ?? [])].map((it) => [it.operationId, it])),
    closings: new Map(),
    purchases: new Map((loaded.purchases ?? []).map((it) => [it.externalRef, it])),
    reversals: Map.groupBy(loaded.reversals ?? [], (it) => it.externalRef),
    expired: new Map((loaded.expired ?? []).map((it) => [it.lotId, it.expired])),
    products: new Map((loaded.products ?? []).map((it) => [it.productCode, it])),
    welcomeProduct: loaded.welcomeProduct ?? null,
    signupProducts: loaded.signupProducts ?? [],
    newestOperationTypes: new Map((loaded.newestOperationTypes ?? []).map((it) => [it.operationTypeCode, it])),
    operationTypes: new Map((loaded.operationTypes ?? []).map((it) => [it.operationTypeCode, it])),
    welcomed: new Set(loaded.welcomed ?? []),
    receiptCounter: loaded.receiptCounter ?? NO_RECEIPTS
  }
}

/** Stands for the counter where no command takes a number. */
const NO_RECEIPTS = { year: 1970, lastNumber: 0 }

/**
 * The entries of closed operations ($1, their ids), for a close that is asked again. A statement of its own,
 * because it alone reads the ledger: a plan that names the ledger opens every month, also where it finds nothing.
 */
export const LOAD_CLOSINGS = `
SELECT ${jsonRows(`
  SELECT y.* FROM public.operations AS o
  CROSS JOIN LATERAL (
    SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
    WHERE e.user_id = o.user_id AND e.created_at = o.closed_at AND e.operation_id = o.operation_id OFFSET 0
  ) AS y
  WHERE o.operation_id = ANY ($1::uuid[]) AND o.status = 'closed'
  ORDER BY y."userId", y.seq`)}::text AS loaded`

/** The closed operations that closes of the batch name: their entries must be loaded too. */
export const closedOperations = (state: State, commands: ReadonlyArray<Command>): ReadonlyArray<string> =>
  commands.flatMap(({ intent }) => {
    if (intent.type !== "Operation.RecordAndClose") return []
    const { operationId } = intent.payload
    return state.operations.get(operationId)?.status === "closed" ? [operationId] : []
  })

export const decodeClosings = (text: string): State["closings"] => {
  const entries: ReadonlyArray<EntryState> = JSON.parse(text)
  return Map.groupBy(entries, (entry) => entry.operationId ?? "")
}
