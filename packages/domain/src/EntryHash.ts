import { Buffer } from "node:buffer"
import { createHash } from "node:crypto"

/**
 * What an entry's hash covers. Ids in lower case, decimals in canonical text (see `canonicalDecimal`), instants in
 * epoch milliseconds, `amount`, `balanceAfter` and `seq` safe integers.
 */
export interface EntryFields {
  readonly entryId: string
  readonly userId: string
  readonly seq: number
  readonly lotId: string | null
  readonly amount: number
  readonly balanceAfter: number
  readonly reason: string
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
}

/** What stands for the predecessor's hash before an account's first entry. */
export const noPredecessor: Uint8Array = new Uint8Array(32)

const field = (value: string | number | null): string => {
  if (value === null) return "-"
  const text = `${value}`
  return `${Buffer.byteLength(text, "utf8")}:${text}`
}

/**
 * The canonical form of an entry, version 1, as `migrations/0003_ledger.sql` defines it: each field is `-` when null,
 * else its length in UTF-8 octets, `:` and its text; the fields, the version first, are joined with `,`.
 */
export const canonicalEntry = (fields: EntryFields): string =>
  `1:1,${field(fields.entryId)},${field(fields.userId)},${field(fields.seq)},${field(fields.lotId)},` +
  `${field(fields.amount)},${field(fields.balanceAfter)},${field(fields.reason)},${field(fields.operationType)},` +
  `${field(fields.resourceAmount)},${field(fields.resourceUnit)},${field(fields.capturedRate)},` +
  `${field(fields.operationId)},${field(fields.workflowId)},${field(fields.note)},${field(fields.actor)},` +
  `${field(fields.effectiveAt)},${field(fields.createdAt)}`

/**
 * SHA-256 over the predecessor's hash (32 octets, `noPredecessor` for an account's first entry) and the entry's
 * canonical form. The database computes the same and refuses an entry whose hash differs.
 */
export const entryHash = (previous: Uint8Array, fields: EntryFields): Uint8Array =>
  createHash("sha256").update(previous).update(canonicalEntry(fields), "utf8").digest()

/**
 * The canonical text of a plain decimal's text: no leading zeros, no trailing zeros after the point ("1.50" → "1.5",
 * "2.000" → "2"), as PostgreSQL writes `trim_scale`. Throws a RangeError on what is not a plain non-negative decimal.
 */
export const canonicalDecimal = (text: string): string => {
  const [, whole, fraction] = /^0*([0-9]+?)(?:\.(?=[0-9])([0-9]*?)0*)?$/.exec(text) ?? []
  if (whole === undefined) throw new RangeError(`not a plain decimal: ${text.slice(0, 50)}`)
  return fraction === undefined || fraction === "" ? whole : `${whole}.${fraction}`
}
