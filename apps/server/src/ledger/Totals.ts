import type { ReasonTotal } from "@credit/rpc/Statements"
import { fromMillis, jsonRows } from "./rows.ts"

/**
 * What a user's ($1) entries from a place ($2, $3) up to, not with, another ($4, $5) come to by reason: as much work as there
 * are entries between.
 */
export const TOTALS = `
SELECT ${jsonRows(`
  SELECT e.reason, count(*)::integer AS entries, sum(e.amount)::bigint AS amount FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND e.created_at >= ${fromMillis("$2::bigint")} AND (e.created_at, e.seq) >= (${fromMillis("$2::bigint")}, $3::bigint)
    AND e.created_at <= ${fromMillis("$4::bigint")} AND (e.created_at, e.seq) < (${fromMillis("$4::bigint")}, $5::bigint)
  GROUP BY e.reason
  ORDER BY e.reason`)}::text AS json`

type Total = typeof ReasonTotal.Encoded

/** Totals with the expiries added that are true and not booked. */
export const withDue = (
  totals: ReadonlyArray<Total>,
  due: ReadonlyArray<{ readonly amount: number }>
): ReadonlyArray<Total> => {
  if (due.length === 0) return totals
  const booked = totals.find(({ reason }) => reason === "expiry") ?? { reason: "expiry", entries: 0, amount: 0 }
  const expiry: Total = {
    reason: "expiry",
    entries: booked.entries + due.length,
    amount: due.reduce((sum, { amount }) => sum + amount, booked.amount)
  }
  return [...totals.filter(({ reason }) => reason !== "expiry"), expiry].toSorted((a, b) =>
    a.reason < b.reason ? -1 : 1
  )
}
