import type { Needs } from "./Needs.ts"
import type { Statement } from "./Write.ts"

/**
 * The first key of every advisory lock of this service; the second says what for. `1` is the migration runner, `2` the
 * barrier, `3` the making of partitions.
 */
const LOCK_CLASS = 1_129_465_156
const BARRIER = 2

/** Shared by every batch: none of them commits while somebody holds it exclusively. */
export const BARRIER_SHARED = `SELECT pg_advisory_xact_lock_shared(${LOCK_CLASS}, ${BARRIER})`

/** Held by what changes the ground of decisions: the clock, the catalog, the settings, maintenance. */
export const BARRIER_EXCLUSIVE = `SELECT pg_advisory_xact_lock(${LOCK_CLASS}, ${BARRIER})`

/** Makes the missing accounts of users ($1), in the order in which accounts are locked. */
export const ENSURE_ACCOUNTS = `
INSERT INTO public.accounts (user_id)
SELECT u.user_id FROM unnest($1::text[]) AS u (user_id)
ORDER BY u.user_id COLLATE "C"
ON CONFLICT (user_id) DO NOTHING`

const OF_USERS = "SELECT unnest($1::text[])"
const OF_OPERATIONS = "SELECT o.user_id FROM public.operations AS o WHERE o.operation_id = ANY ($2::uuid[])"
const OF_PURCHASES = "SELECT p.user_id FROM public.purchases AS p WHERE p.external_ref = ANY ($3::text[])"

const lockAccounts = (users: string, busy: "skip" | "wait") => `
SELECT a.user_id FROM public.accounts AS a
WHERE a.user_id = ANY (${users})
ORDER BY a.user_id COLLATE "C"
FOR UPDATE${busy === "skip" ? " SKIP LOCKED" : ""}`

const locks = (busy: "skip" | "wait") => ({
  users: lockAccounts("$1::text[]", busy),
  operations: lockAccounts(`ARRAY (${OF_USERS} UNION ${OF_OPERATIONS})`, busy),
  purchases: lockAccounts(`ARRAY (${OF_USERS} UNION ${OF_OPERATIONS} UNION ${OF_PURCHASES})`, busy)
})

const LOCKS = { skip: locks("skip"), wait: locks("wait") }

/**
 * Locks the accounts of users, of the users of operations and of those of purchases to be reversed, in order; answers whose
 * it got. `skip` leaves out an account that somebody else holds; `wait` waits for it.
 */
export const lockStatement = (
  { operations, reversed, users }: Pick<Needs, "operations" | "reversed" | "users">,
  busy: "skip" | "wait"
): Statement => {
  if (reversed.length > 0) return { sql: LOCKS[busy].purchases, parameters: [users, operations, reversed] }
  return operations.length > 0
    ? { sql: LOCKS[busy].operations, parameters: [users, operations] }
    : { sql: LOCKS[busy].users, parameters: [users] }
}

/** Locks the receipt counter, after the accounts: numbers are given one batch at a time. */
export const LOCK_RECEIPT_COUNTER = "SELECT 1 FROM public.receipt_counter FOR UPDATE"
