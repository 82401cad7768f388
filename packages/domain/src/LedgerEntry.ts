import * as Schema from "effect/Schema"
import { Credits } from "./Credits.ts"
import { EntryAmount, Rate } from "./Decimal.ts"
import { EntryId, LotId, OperationId } from "./Ids.ts"
import { Reason } from "./Reason.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/**
 * One immutable signed movement of credits on one account and, unless it is debt, one lot. Entries of an account carry
 * `seq` 1, 2, 3…, the balance after them, and a hash over themselves and their predecessor's hash.
 */
export const LedgerEntry = Schema.Struct({
  entryId: EntryId,
  seq: Schema.Int,
  amount: Credits,
  balanceAfter: Credits,
  reason: Reason,
  lotId: Schema.optionalKey(LotId),
  operationId: Schema.optionalKey(OperationId),
  workflowId: Schema.optionalKey(Schema.String),
  operationType: Schema.String,
  resourceAmount: EntryAmount,
  resourceUnit: Schema.String,
  capturedRate: Schema.optionalKey(Rate),
  note: Schema.optionalKey(Schema.String),
  actor: Schema.optionalKey(Schema.String),
  effectiveAt: Timestamp,
  createdAt: Timestamp,
  hash: Schema.String
}).annotate({ identifier: "LedgerEntry" })
export type LedgerEntry = typeof LedgerEntry.Type

/**
 * A ledger entry as the rules make it. Decimals are in their canonical text, instants in epoch milliseconds, `hash` in
 * lower-case hex.
 */
export interface EntryState {
  readonly entryId: string
  readonly userId: string
  readonly seq: number
  readonly lotId: string | null
  readonly amount: number
  readonly balanceAfter: number
  readonly reason: Reason
  readonly operationType: string
  readonly resourceAmount: string
  readonly resourceUnit: string
  readonly capturedRate: string | null
  readonly operationId: string | null
  readonly workflowId: string | null
  readonly note: string | null
  readonly actor: string | null
  readonly effectiveAt: number
  readonly createdAt: number
  readonly hash: string
}

/** The wire form of an entry. */
export const presentEntry = (entry: EntryState): typeof LedgerEntry.Encoded => ({
  entryId: entry.entryId,
  seq: entry.seq,
  amount: entry.amount,
  balanceAfter: entry.balanceAfter,
  reason: entry.reason,
  ...(entry.lotId === null ? {} : { lotId: entry.lotId }),
  ...(entry.operationId === null ? {} : { operationId: entry.operationId }),
  ...(entry.workflowId === null ? {} : { workflowId: entry.workflowId }),
  operationType: entry.operationType,
  resourceAmount: entry.resourceAmount,
  resourceUnit: entry.resourceUnit,
  ...(entry.capturedRate === null ? {} : { capturedRate: entry.capturedRate }),
  ...(entry.note === null ? {} : { note: entry.note }),
  ...(entry.actor === null ? {} : { actor: entry.actor }),
  effectiveAt: timestampText(entry.effectiveAt),
  createdAt: timestampText(entry.createdAt),
  hash: entry.hash
})
