import type { Needs } from "./Needs.ts"
import type { Statement } from "./Statement.ts"

/**
 * Waits until no batch is under way, and keeps them out until the transaction ends: for what changes the ground of decisions
 * beside the engine. Batches take the barrier in `app.lock_batch`.
 */
export const BARRIER_EXCLUSIVE = "SELECT pg_advisory_xact_lock(1129465156, 2)"

const LOCKS =
  "SELECT app.lock_batch($1::boolean, $2::text[], $3::text[], $4::uuid[], $5::text[], $6::boolean, $7::boolean) AS users"

export interface Locks {
  /** Whether the batch changes the ground of decisions (the clock, the catalog, the settings, maintenance): nobody else decides meanwhile. */
  readonly exclusive: boolean
  /** Users whose account may not exist yet, sorted. */
  readonly maybeNew: ReadonlyArray<string>
  /** What to do about an account that somebody else holds: leave it out, or wait for it. */
  readonly busy: "skip" | "wait"
  /** Whether numbers of receipts are taken: one batch at a time. */
  readonly receipts: boolean
}

/**
 * Takes all locks of a batch in their order: the barrier, the accounts of users, of the users of operations and of those of
 * purchases to be reversed, the receipt counter. Answers in `users` whose account it got.
 */
export const lockStatement = (
  { operations, reversed, users }: Pick<Needs, "operations" | "reversed" | "users">,
  { busy, exclusive, maybeNew, receipts }: Locks
): Statement => ({
  sql: LOCKS,
  parameters: [
    `${exclusive}`,
    orNull(maybeNew),
    users,
    orNull(operations),
    orNull(reversed),
    `${busy === "wait"}`,
    `${receipts}`
  ]
})

const orNull = (names: ReadonlyArray<string>) => (names.length === 0 ? null : names)
