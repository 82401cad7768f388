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

/** Makes the missing accounts of users ($1, a JSON array), in the order in which accounts are locked. */
export const ENSURE_ACCOUNTS = `
INSERT INTO public.accounts (user_id)
SELECT u.user_id FROM json_array_elements_text($1::json) AS u (user_id)
ORDER BY u.user_id COLLATE "C"
ON CONFLICT (user_id) DO NOTHING`

/**
 * Locks the accounts of users ($1) and of the users of operations ($2), JSON arrays, in order; answers whose it got.
 * `SKIP LOCKED` leaves out an account that somebody else holds; without it the statement waits for it.
 */
export const lockAccounts = (busy: "skip" | "wait") => `
SELECT a.user_id FROM public.accounts AS a
WHERE a.user_id = ANY (ARRAY (
  SELECT json_array_elements_text($1::json)
  UNION
  SELECT o.user_id FROM public.operations AS o
  WHERE o.operation_id = ANY (ARRAY (SELECT json_array_elements_text($2::json)::uuid))
))
ORDER BY a.user_id COLLATE "C"
FOR UPDATE${busy === "skip" ? " SKIP LOCKED" : ""}`

/** Locks the receipt counter, after the accounts: numbers are given one batch at a time. */
export const LOCK_RECEIPT_COUNTER = "SELECT 1 FROM public.receipt_counter FOR UPDATE"
