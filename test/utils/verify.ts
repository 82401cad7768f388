import type { Session } from "./Session.ts"

/**
 * Re-derives everything of a merchant's database from its entries, in SQL, and names what does not agree: an account's
 * balance, debt, sequence and head; every lot; every hold; the chain and each hash; purchases, receipts, closes and
 * reversals.
 */
const FAULTS = `
WITH entry AS (
  SELECT e.*,
    lag(e.seq) OVER w AS seq_before, lag(e.balance_after) OVER w AS balance_before, lag(e.created_at) OVER w AS time_before,
    coalesce(lag(e.hash) OVER w, decode(repeat('00', 32), 'hex')) AS hash_before
  FROM public.ledger_entries AS e
  WINDOW w AS (PARTITION BY e.user_id ORDER BY e.seq)
),
chain AS (
  SELECT e.user_id, e.seq, e.hash <> app.entry_hash(e.hash_before, l) AS bad_hash,
    e.seq <> coalesce(e.seq_before, 0) + 1 AS bad_seq,
    e.balance_after <> coalesce(e.balance_before, 0) + e.amount AS bad_balance,
    e.created_at < e.time_before AS bad_time
  FROM entry AS e JOIN public.ledger_entries AS l USING (entry_id, created_at)
),
total AS (
  SELECT user_id, sum(amount) AS balance, count(*) AS seq, -coalesce(sum(amount) FILTER (WHERE lot_id IS NULL), 0) AS debt,
    (array_agg(hash ORDER BY seq DESC))[1] AS head
  FROM public.ledger_entries GROUP BY user_id
),
hold AS (SELECT user_id, sum(held) AS held FROM public.operations WHERE status = 'open' GROUP BY user_id),
lot AS (SELECT lot_id, sum(amount) AS remaining FROM public.ledger_entries WHERE lot_id IS NOT NULL GROUP BY lot_id),
issue AS (
  SELECT lot_id, count(*) AS entries, sum(amount) AS credits FROM public.ledger_entries
  WHERE lot_id IS NOT NULL AND amount > 0 GROUP BY lot_id
),
reversed AS (
  SELECT user_id, sum(clawed_back) AS taken, coalesce(sum(clawed_back) FILTER (WHERE outcome = 'won'), 0) AS given_back
  FROM public.reversals GROUP BY user_id
),
moved AS (
  SELECT user_id, -sum(amount) FILTER (WHERE reason IN ('refund', 'chargeback')) AS taken,
    sum(amount) FILTER (WHERE reason = 'reinstatement') AS given_back
  FROM public.ledger_entries GROUP BY user_id
),
closed AS (
  SELECT operation_id, -sum(amount) AS cost FROM public.ledger_entries WHERE operation_id IS NOT NULL GROUP BY operation_id
)
SELECT 'chain broken at ' || user_id || ' #' || seq AS fault FROM chain WHERE bad_hash OR bad_seq OR bad_balance OR bad_time
UNION ALL
SELECT 'account ' || a.user_id || ' is not the sum of its entries' FROM public.accounts AS a LEFT JOIN total AS t USING (user_id)
WHERE (a.balance, a.debt, a.seq) IS DISTINCT FROM (coalesce(t.balance, 0), coalesce(t.debt, 0), coalesce(t.seq, 0))
  OR (t.head IS NOT NULL AND a.hash <> t.head) OR (a.debt > 0 AND a.balance <> -a.debt)
UNION ALL
SELECT 'entries without an account: ' || t.user_id FROM total AS t LEFT JOIN public.accounts AS a USING (user_id)
WHERE a.user_id IS NULL
UNION ALL
SELECT 'account ' || a.user_id || ' holds other than its open operations' FROM public.accounts AS a
LEFT JOIN hold AS h USING (user_id) WHERE a.held <> coalesce(h.held, 0)
UNION ALL
SELECT 'lot ' || l.lot_id || ' is not the sum of its entries' FROM public.lots AS l LEFT JOIN lot AS t USING (lot_id)
WHERE l.remaining IS DISTINCT FROM t.remaining OR l.remaining < 0 OR l.remaining > l.credits
UNION ALL
SELECT 'lot ' || l.lot_id || ' was not filled once with its credits' FROM public.lots AS l LEFT JOIN issue AS i USING (lot_id)
WHERE (i.entries, i.credits) IS DISTINCT FROM (1, l.credits)
UNION ALL
SELECT 'user ' || user_id || ' was not taken or given back what the reversals say' FROM moved AS m
FULL JOIN reversed AS r USING (user_id)
WHERE (coalesce(m.taken, 0), coalesce(m.given_back, 0)) <> (coalesce(r.taken, 0), coalesce(r.given_back, 0))
UNION ALL
SELECT 'purchase ' || p.external_ref || ' has no lot or no receipt of its own' FROM public.purchases AS p
LEFT JOIN public.lots AS l ON l.lot_id = p.lot_id AND l.external_ref = p.external_ref AND l.user_id = p.user_id
LEFT JOIN public.receipts AS r ON r.receipt_number = p.receipt_number AND r.external_ref = p.external_ref
WHERE l.lot_id IS NULL OR r.receipt_number IS NULL
UNION ALL
SELECT 'operation ' || o.operation_id || ' was not debited what it cost' FROM public.operations AS o
LEFT JOIN closed AS c USING (operation_id)
WHERE coalesce(c.cost, 0) <> CASE WHEN o.status = 'closed' THEN o.final_cost ELSE 0 END
UNION ALL
SELECT 'receipts of ' || year || ' have gaps' FROM public.receipts GROUP BY year
HAVING min(number) <> 1 OR max(number) <> count(*)`

/** What does not agree in a merchant's database; nothing, if all is well. Run as the owner. */
export const faults = async (session: Session): Promise<ReadonlyArray<string>> =>
  (await session.query(FAULTS)).map((row) => String(row.fault))
