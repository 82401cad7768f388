import { hash } from "node:crypto"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import type { CommandType } from "../Command.ts"
import { canonicalDecimal } from "../Decimal.ts"
import { HOUR } from "../Timestamp.ts"
import { uuidV5 } from "../Uuid.ts"

/** How long a key's record is kept after its first claim: 168 hours, not a calendar week. */
export const KEY_RETENTION = 168 * HOUR

/** The record under a key. `SUCCEEDED` and `FAILED_FINAL` never change while it lasts. */
export interface KeyState {
  readonly state: "PENDING" | "SUCCEEDED" | "FAILED_FINAL" | "FAILED_RETRIABLE"
  readonly fingerprint: string
  readonly fieldHashes: FieldHashes
  /** The stored answer: the wire form of the exit. */
  readonly response: string | null
  readonly claimedAt: number
  readonly expiresAt: number
  readonly leaseUntil: number | null
}

/** A short keyed hash of each field of the payload, by its path: enough to name a field that differs, not its value. */
export type FieldHashes = Readonly<Record<string, string>>

/** What identifies a command: one key is one decision per command type. */
export const keyId = (type: CommandType, key: string): string => `${type}\n${key}`

const NAMESPACE = "6d3f5b0e-6c1b-5d57-9f0a-3f1f3f1c2b6e"

/** UUIDv5 of merchant, command and key: every try of a command has the same transaction id. */
export const transactionId = (merchantId: string, type: string, key: string): string =>
  uuidV5(NAMESPACE, `${merchantId}\n${type}\n${key}`)

/**
 * The fields of a decoded payload in canonical form, sorted by path: decimals without trailing zeros, instants in UTC
 * milliseconds, absent fields left out. Two payloads that mean the same have the same fields.
 */
const canonicalFields = (payload: unknown): ReadonlyArray<readonly [path: string, value: string]> => {
  const fields: Array<readonly [string, string]> = []
  const visit = (path: string, value: unknown): void => {
    if (value === undefined) return
    if (BigDecimal.isBigDecimal(value)) fields.push([path, canonicalDecimal(value)])
    else if (DateTime.isDateTime(value)) fields.push([path, `${DateTime.toEpochMillis(value)}`])
    else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) visit(path === "" ? name : `${path}.${name}`, inner)
    } else fields.push([path, JSON.stringify(value)])
  }
  visit("", payload)
  return fields.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

/** The fingerprint of a payload (SHA-256, hex) and its field hashes, keyed with the transaction id. */
export const fingerprint = (
  payload: unknown,
  transaction: string
): { readonly fingerprint: string; readonly fieldHashes: FieldHashes } => {
  const fields = canonicalFields(payload)
  const fieldHashes: Record<string, string> = {}
  for (const [path, value] of fields)
    fieldHashes[path] = hash("sha256", `${transaction}\n${path}\n${value}`).slice(0, 12)
  return { fingerprint: hash("sha256", JSON.stringify(fields)), fieldHashes }
}

/** The paths whose values differ. */
export const differingFields = (a: FieldHashes, b: FieldHashes): ReadonlyArray<string> =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((path) => a[path] !== b[path]).sort()

/** What is to be done with a command whose key has this record. */
export type Verdict =
  | { readonly _tag: "Execute" }
  | { readonly _tag: "Replay"; readonly response: string }
  | { readonly _tag: "Conflict"; readonly fields: ReadonlyArray<string> }
  | { readonly _tag: "InProgress"; readonly retryAfterSeconds: number }

const execute: Verdict = { _tag: "Execute" }

/** One key, one decision: what is found under the key says whether the command runs, is replayed, or conflicts. */
export const verdict = (
  found: KeyState | undefined,
  command: { readonly fingerprint: string; readonly fieldHashes: FieldHashes },
  now: number
): Verdict => {
  if (found === undefined || found.expiresAt <= now) return execute
  if (found.fingerprint !== command.fingerprint) {
    return { _tag: "Conflict", fields: differingFields(found.fieldHashes, command.fieldHashes) }
  }
  switch (found.state) {
    case "FAILED_RETRIABLE":
      return execute
    case "PENDING": {
      const lease = found.leaseUntil ?? 0
      return lease <= now ? execute : { _tag: "InProgress", retryAfterSeconds: Math.ceil((lease - now) / 1000) }
    }
    case "SUCCEEDED":
    case "FAILED_FINAL":
      // A final record without its answer is a broken promise, not a new command.
      if (found.response === null) throw new Error("A final idempotency record has no stored answer")
      return { _tag: "Replay", response: found.response }
  }
}
