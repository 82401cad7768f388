import { ENTRY_COLUMNS, fromMillis, jsonRows, LOT_COLUMNS, OPERATION_COLUMNS } from "../ledger/rows.ts"

/** More entries of one command than this are not told: a debit out of that many lots. */
const MOST_ENTRIES = 500

/** Whose an entry ($1) is and when it was booked: a lookup in each month, for its id does not say which. */
export const ENTRY = `
SELECT (SELECT row_to_json(x) FROM (
  SELECT e.user_id AS "userId", e.operation_id AS "operationId", app.epoch_milliseconds(e.created_at) AS "createdAt", e.reason
  FROM public.ledger_entries AS e WHERE e.entry_id = $1::uuid
) AS x)::text AS json`

/** A user's ($1) entries of one instant ($2) that are of one operation ($3), or of one reason ($4) and none. */
export const TOGETHER = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
  WHERE e.user_id = $1 AND e.created_at = ${fromMillis("$2::bigint")}
    AND e.operation_id IS NOT DISTINCT FROM $3::uuid AND ($3::uuid IS NOT NULL OR e.reason = $4::text)
  ORDER BY e.seq
  LIMIT ${MOST_ENTRIES}`)}::text AS json`

export const OPERATION = `
SELECT (SELECT row_to_json(x) FROM (
  SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.operation_id = $1::uuid
) AS x)::text AS json`

/** Lots by their ids ($1, a JSON array). */
export const LOTS = `
SELECT ${jsonRows(`
  SELECT ${LOT_COLUMNS} FROM json_array_elements_text($1::json) AS t (lot_id)
  JOIN public.lots AS l ON l.lot_id = t.lot_id::uuid`)}::text AS json`

/** The next entries of a user ($1) from a place ($2, $3) on, a bounded number of them. */
const FORWARDS = (lookedThrough: number) => `
  FROM (
    SELECT e.* FROM public.ledger_entries AS e
    WHERE e.user_id = $1
      AND e.created_at >= ${fromMillis("$2::bigint")}
      AND (e.created_at, e.seq) > (${fromMillis("$2::bigint")}, $3::bigint)
    ORDER BY e.created_at, e.seq
    LIMIT ${lookedThrough}
  ) AS e`

/** Those of a lot ($4) among the next entries of its user, $5 of them. */
export const OF_LOT = (lookedThrough: number) => `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} ${FORWARDS(lookedThrough)}
  WHERE e.lot_id = $4::uuid
  ORDER BY e.created_at, e.seq
  LIMIT $5::integer`)}::text AS json`

/** The last of the entries that were looked through; null if there were fewer. */
export const SEEN = (lookedThrough: number) => `
SELECT (
  SELECT json_build_array(app.epoch_milliseconds(e.created_at), e.seq) ${FORWARDS(lookedThrough)}
  OFFSET ${lookedThrough - 1} LIMIT 1
)::text AS json`

/** The record under a command's ($1) key ($2). */
export const KEY = `
SELECT (SELECT row_to_json(x) FROM (
  SELECT
    k.state, k.transaction_id AS "transactionId", app.epoch_milliseconds(k.claimed_at) AS "claimedAt",
    app.epoch_milliseconds(k.expires_at) AS "expiresAt", k.response
  FROM public.idempotency_tracking AS k
  WHERE k.command_type = $1 AND k.idempotency_key = $2 AND k.expires_at > app.now()
) AS x)::text AS json`
