import { Buffer } from "node:buffer"
import { createHash } from "node:crypto"
import type { EntryState } from "./LedgerEntry.ts"

/** What an entry's hash covers: all of it but the hash itself, whatever the reason says. Ids are in lower case. */
export type EntryFields = Omit<EntryState, "hash" | "reason"> & { readonly reason: string }

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
