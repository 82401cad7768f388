-- A session of each of the users u-first …: a lot is issued for so many days, then as many operations as `work` says are opened
-- and closed, at 10 credits each. Everything enters as it does from the service, through the guards that are on the tables; the hashes are
-- the ledger's own function's. One statement per table and a batch of users: a history of millions is loaded in minutes.
-- Sessions are called in the order of `at`, so that users lie side by side in the ledger as they would have written it.
CREATE FUNCTION bench.add_session(
  first integer, users integer, credits bigint, days integer, work integer, at timestamptz
) RETURNS void
LANGUAGE plpgsql
-- By key, whatever a kept plan once knew of empty tables.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  opened CONSTANT timestamptz := at + interval '1 second';
  closed CONSTANT timestamptz := at + interval '2 seconds';
BEGIN
  INSERT INTO public.accounts (user_id)
  SELECT 'u-' || n FROM generate_series(first, first + users - 1) AS n
  ON CONFLICT (user_id) DO NOTHING;
  INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
  SELECT bench.id(at, 1, n, 0), 'u-' || n, 'manual', credits, at, at + make_interval(hours => days * 24)
  FROM generate_series(first, first + users - 1) AS n;
  INSERT INTO public.ledger_entries
  SELECT (i.e).entry_id, (i.e).user_id, (i.e).seq, (i.e).lot_id, (i.e).amount, (i.e).balance_after, (i.e).reason,
    (i.e).operation_type, (i.e).resource_amount, (i.e).resource_unit, NULL, NULL, NULL, NULL, NULL, at, at,
    app.entry_hash(i.head, i.e)
  FROM (
    SELECT a.hash AS head, ROW(
      bench.id(at, 2, n, 0), a.user_id, a.seq + 1, bench.id(at, 1, n, 0), credits, a.balance + credits, 'manual', 'manual',
      credits, 'CREDIT', NULL, NULL, NULL, NULL, NULL, at, at, a.hash
    )::public.ledger_entries AS e
    FROM generate_series(first, first + users - 1) AS n
    JOIN public.accounts AS a ON a.user_id = 'u-' || n
    -- A fence: the hash is taken ten times as fast of a column as of what makes it.
    OFFSET 0
  ) AS i;
  IF work = 0 THEN
    RETURN;
  END IF;
  INSERT INTO public.operations (
    operation_id, user_id, operation_type_code, captured_rate, resource_unit, estimated_amount, held, status, opened_at,
    expires_at, updated_at
  )
  SELECT bench.id(at, 3, n, k), 'u-' || n, 'llm_tokens', 0.57, 'K_TOKENS', 17, 10, 'open', opened,
    opened + interval '1 hour', opened
  FROM generate_series(first, first + users - 1) AS n CROSS JOIN generate_series(1, work) AS k;
  UPDATE public.operations AS o
  SET status = 'closed', closed_at = closed, resource_amount = 17, final_cost = 10, completed_at = closed,
    updated_at = closed
  FROM generate_series(first, first + users - 1) AS n CROSS JOIN generate_series(1, work) AS k
  WHERE o.operation_id = bench.id(at, 3, n, k);
  INSERT INTO public.ledger_entries
  WITH RECURSIVE chain AS (
    SELECT n, 0 AS k, bench.id(at, 1, n, 0) AS lot_id, a.user_id::text AS user_id, a.seq::bigint AS seq,
      a.balance::bigint AS balance, a.hash::bytea AS hash, NULL::public.ledger_entries AS e
    FROM generate_series(first, first + users - 1) AS n
    JOIN public.accounts AS a ON a.user_id = 'u-' || n
    UNION ALL
    SELECT i.n, i.k, i.lot_id, i.user_id, i.seq, i.balance, app.entry_hash(i.head, i.e), i.e
    FROM (
      SELECT c.n, c.k + 1 AS k, c.lot_id, c.user_id, c.seq + 1 AS seq, c.balance - 10 AS balance, c.hash AS head, ROW(
        bench.id(at, 2, c.n, c.k + 1), c.user_id, c.seq + 1, c.lot_id, -10, c.balance - 10, 'debit', 'llm_tokens', 17,
        'K_TOKENS', 0.57, bench.id(at, 3, c.n, c.k + 1), NULL, NULL, NULL, closed, closed, c.hash
      )::public.ledger_entries AS e
      FROM chain AS c WHERE c.k < work
      OFFSET 0
    ) AS i
  )
  SELECT (c.e).entry_id, c.user_id, c.seq, c.lot_id, (c.e).amount, c.balance, (c.e).reason, (c.e).operation_type,
    (c.e).resource_amount, (c.e).resource_unit, (c.e).captured_rate, (c.e).operation_id, NULL, NULL, NULL, closed, closed,
    c.hash
  FROM chain AS c WHERE c.k > 0;
END
$$
