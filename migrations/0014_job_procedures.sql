-- What the jobs of the migration before this one do, and what their role may.
--
-- A SQLSTATE of its own, beside those that 0001 lists:
--   CR006  accounts do not agree with their entries (app.verify_ledger)
--
-- The planner settings of the functions keep lookups by key and reads in the order of an index, whatever a kept plan
-- once knew: see app.chain_entries.

-- Books what is due of accounts that the caller has locked, at an instant read after that (rule 5): what
-- packages/domain/src/decide/Due.ts says, entry for entry. Operations past their expiry are released; then, instant by
-- instant, each due lot loses what open holds do not need, the lot that expired first before the others. An expiry is
-- effective at its instant, or when the account last changed if that was later. Must be all of an account at once:
-- what is booked here moves the account's time, and later expiries could not say any more since when.
CREATE FUNCTION app.settle_due(users text[], at timestamptz, OUT released bigint, OUT expiries bigint, OUT credits bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
  due record;
  entries public.ledger_entries[] := '{}';
  entry public.ledger_entries;
  seq bigint;
  balance bigint;
  hash bytea;
  unheld bigint;
  -- The account's due lots so far, and the first of them that has something left.
  lots uuid[];
  lefts bigint[];
  head integer;
  amount bigint;
BEGIN
  credits := 0;
  FOR due IN
    WITH account AS MATERIALIZED (
      SELECT a.user_id, a.balance, a.held, a.seq, a.hash, a.last_at, greatest(at, a.last_at) AS now
      FROM public.accounts AS a
      WHERE a.user_id = ANY (users)
    ),
    event AS (
      SELECT a.user_id, o.expires_at AS instant, o.held AS freed, NULL::uuid AS lot_id, NULL::bigint AS remaining,
        NULL::timestamptz AS issued_at
      FROM account AS a
      CROSS JOIN LATERAL (
        SELECT o.expires_at, o.held FROM public.operations AS o
        WHERE o.user_id = a.user_id AND o.status = 'open' AND o.expires_at <= a.now
        OFFSET 0
      ) AS o
      UNION ALL
      SELECT a.user_id, l.expires_at, 0, l.lot_id, l.remaining, l.issued_at
      FROM account AS a
      CROSS JOIN LATERAL (
        SELECT l.expires_at, l.lot_id, l.remaining, l.issued_at FROM public.lots AS l
        WHERE l.user_id = a.user_id AND l.active AND l.expires_at <= a.now
        OFFSET 0
      ) AS l
    )
    SELECT
      a.user_id, a.balance, a.held, a.seq, a.hash, a.last_at, a.now,
      e.instant, e.freed, e.lot_id, e.remaining,
      lag(e.user_id) OVER sequence IS DISTINCT FROM e.user_id AS first_of_account,
      lead(e.user_id) OVER sequence IS DISTINCT FROM e.user_id
        OR lead(e.instant) OVER sequence IS DISTINCT FROM e.instant AS last_of_instant
    FROM event AS e
    JOIN account AS a ON a.user_id = e.user_id
    WINDOW sequence AS (
      ORDER BY e.user_id COLLATE "C", e.instant, e.lot_id IS NOT NULL, e.issued_at, e.lot_id
    )
    ORDER BY e.user_id COLLATE "C", e.instant, e.lot_id IS NOT NULL, e.issued_at, e.lot_id
  LOOP
    IF due.first_of_account THEN
      seq := due.seq;
      balance := due.balance;
      hash := due.hash;
      unheld := due.balance - due.held;
      lots := '{}';
      lefts := '{}';
      head := 1;
    END IF;
    unheld := unheld + due.freed;
    IF due.lot_id IS NOT NULL THEN
      lots := lots || due.lot_id;
      lefts := lefts || due.remaining;
    END IF;
    CONTINUE WHEN NOT due.last_of_instant;
    WHILE unheld > 0 AND head <= cardinality(lots) LOOP
      amount := least(lefts[head], unheld);
      seq := seq + 1;
      balance := balance - amount;
      entry.entry_id := app.uuid_v7(due.now);
      entry.user_id := due.user_id;
      entry.seq := seq;
      entry.lot_id := lots[head];
      entry.amount := -amount;
      entry.balance_after := balance;
      entry.reason := 'expiry';
      entry.operation_type := 'expiry';
      entry.resource_amount := amount;
      entry.resource_unit := 'CREDIT';
      entry.effective_at := greatest(due.instant, due.last_at);
      entry.created_at := due.now;
      hash := app.entry_hash(hash, entry);
      entry.hash := hash;
      entries := array_append(entries, entry);
      credits := credits + amount;
      unheld := unheld - amount;
      lefts[head] := lefts[head] - amount;
      IF lefts[head] = 0 THEN
        head := head + 1;
      END IF;
    END LOOP;
  END LOOP;

  UPDATE public.operations AS o
  SET status = 'expired', updated_at = greatest(at, a.last_at)
  FROM public.accounts AS a
  WHERE a.user_id = ANY (users)
    AND o.user_id = a.user_id AND o.status = 'open' AND o.expires_at <= greatest(at, a.last_at);
  GET DIAGNOSTICS released = ROW_COUNT;

  expiries := cardinality(entries);
  IF expiries > 0 THEN
    INSERT INTO public.ledger_entries (
      entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type, resource_amount, resource_unit,
      effective_at, created_at, hash
    )
    SELECT e.entry_id, e.user_id, e.seq, e.lot_id, e.amount, e.balance_after, e.reason, e.operation_type,
      e.resource_amount, e.resource_unit, e.effective_at, e.created_at, e.hash
    FROM unnest(entries) AS e;
  END IF;
END
$$;

-- Takes the barrier as every writer does, for this transaction. false: the merchant is in maintenance, and nothing may
-- be written. The lock and the look are two statements, so that the second sees what the first waited for.
CREATE FUNCTION app.pass_barrier() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1129465156, 2);
  RETURN EXISTS (SELECT FROM public.service_status AS s WHERE s.status = 'ready');
END
$$;

-- Locks accounts in order, those that nobody else holds: whoever holds one books what is due of it.
CREATE FUNCTION app.lock_free_accounts(users text[]) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = on
SET enable_sort = on
AS $$
BEGIN
  RETURN ARRAY (
    SELECT a.user_id FROM public.accounts AS a
    WHERE a.user_id = ANY (users)
    ORDER BY a.user_id COLLATE "C"
    FOR UPDATE SKIP LOCKED
  );
END
$$;

-- Adds to the counts that a run tells.
CREATE FUNCTION app.count_up(detail jsonb, name text, more bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE
  WHEN more = 0 THEN coalesce(detail, '{}')
  ELSE coalesce(detail, '{}') || pg_catalog.jsonb_build_object(name, coalesce((detail ->> name)::bigint, 0) + more)
END;

-- How many accounts a batch may take: one, while those of a failed batch are done one by one (app.run_job).
CREATE FUNCTION app.batch_accounts(state jsonb) RETURNS integer
LANGUAGE sql STABLE
RETURN CASE
  WHEN state ? 'single' THEN 1
  ELSE coalesce((SELECT s.job_batch_accounts FROM public.merchant_settings AS s), 100)
END;

-- One batch of app.expire_lots: the next accounts with a due lot, in the order in which lots fell due. Passes by those
-- that hold credits for open operations, and those that somebody holds: he books what is due of them, and a later run
-- finds what is left.
CREATE FUNCTION app.expire_lots_batch(state jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  -- A sweep ends: what falls due after it began is the next one's.
  until CONSTANT timestamptz := coalesce((state ->> 'until')::timestamptz, app.now());
  most CONSTANT integer := app.batch_accounts(state);
  after_instant timestamptz := coalesce((state ->> 'afterInstant')::timestamptz, '-infinity');
  after_lot uuid := coalesce((state ->> 'afterLot')::uuid, '00000000-0000-0000-0000-000000000000');
  due record;
  seen integer := 0;
  done boolean := true;
  users text[] := '{}';
  -- How many lots these accounts lose: bounds the transaction where they have many.
  lots bigint := 0;
  free text[];
  settled record;
  rows bigint := 0;
  detail jsonb := state -> 'detail';
BEGIN
  IF NOT app.pass_barrier() THEN
    RETURN state || '{"rows": 0, "done": true, "paused": true}';
  END IF;
  FOR due IN
    SELECT l.user_id::text, l.expires_at, l.lot_id
    FROM public.lots AS l
    WHERE l.active AND l.expires_at <= until AND (l.expires_at, l.lot_id) > (after_instant, after_lot)
    ORDER BY l.expires_at, l.lot_id
    LIMIT most * 10
  LOOP
    IF due.user_id <> ALL (users) THEN
      IF cardinality(users) = most OR lots >= most * 5 THEN
        done := false;
        EXIT;
      END IF;
      users := array_append(users, due.user_id);
      lots := lots + (
        SELECT count(*) FROM public.lots AS l WHERE l.user_id = due.user_id AND l.active AND l.expires_at <= until
      );
    END IF;
    seen := seen + 1;
    after_instant := due.expires_at;
    after_lot := due.lot_id;
  END LOOP;

  IF NOT state ? 'skip' THEN
    free := app.lock_free_accounts(users);
    detail := app.count_up(detail, 'busy', cardinality(users) - cardinality(free));
    users := ARRAY (SELECT a.user_id FROM public.accounts AS a WHERE a.user_id = ANY (free) AND a.held = 0);
    detail := app.count_up(detail, 'holding', cardinality(free) - cardinality(users));
    settled := app.settle_due(users, app.now());
    detail := app.count_up(detail, 'accounts', cardinality(users));
    detail := app.count_up(detail, 'credits', settled.credits);
    rows := settled.expiries;
  END IF;
  RETURN state - 'skip' || jsonb_build_object(
    'until', until, 'afterInstant', after_instant, 'afterLot', after_lot,
    'rows', rows, 'done', done AND seen < most * 10, 'detail', detail
  );
END
$$;

-- One batch of app.cleanup_expired_operations: the next accounts with an open operation past its expiry, all of whose
-- due releases and expiries are booked; when there are no more, the next operations that have been kept long enough.
CREATE FUNCTION app.cleanup_operations_batch(state jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  until CONSTANT timestamptz := coalesce((state ->> 'until')::timestamptz, app.now());
  most CONSTANT integer := app.batch_accounts(state);
  after_instant timestamptz := coalesce((state ->> 'afterInstant')::timestamptz, '-infinity');
  after_operation uuid := coalesce((state ->> 'afterOperation')::uuid, '00000000-0000-0000-0000-000000000000');
  due record;
  seen integer := 0;
  done boolean := true;
  users text[] := '{}';
  free text[];
  settled record;
  rows bigint := 0;
  detail jsonb := state -> 'detail';
BEGIN
  IF NOT app.pass_barrier() THEN
    RETURN state || '{"rows": 0, "done": true, "paused": true}';
  END IF;
  IF state ? 'releasedAll' THEN
    RETURN app.delete_ended_operations(state);
  END IF;
  FOR due IN
    SELECT o.user_id::text, o.expires_at, o.operation_id
    FROM public.operations AS o
    WHERE o.status = 'open' AND o.expires_at <= until
      AND (o.expires_at, o.operation_id) > (after_instant, after_operation)
    ORDER BY o.expires_at, o.operation_id
    LIMIT most * 10
  LOOP
    IF due.user_id <> ALL (users) THEN
      IF cardinality(users) = most THEN
        done := false;
        EXIT;
      END IF;
      users := array_append(users, due.user_id);
    END IF;
    seen := seen + 1;
    after_instant := due.expires_at;
    after_operation := due.operation_id;
  END LOOP;

  IF NOT state ? 'skip' THEN
    free := app.lock_free_accounts(users);
    detail := app.count_up(detail, 'busy', cardinality(users) - cardinality(free));
    settled := app.settle_due(free, app.now());
    detail := app.count_up(detail, 'accounts', cardinality(free));
    detail := app.count_up(detail, 'released', settled.released);
    detail := app.count_up(detail, 'expiries', settled.expiries);
    detail := app.count_up(detail, 'credits', settled.credits);
    rows := settled.released;
  END IF;
  state := state - 'skip' || jsonb_build_object(
    'until', until, 'afterInstant', after_instant, 'afterOperation', after_operation,
    'rows', rows, 'done', false, 'detail', detail
  );
  IF done AND seen < most * 10 THEN
    RETURN state - 'afterInstant' - 'afterOperation' || '{"releasedAll": true}';
  END IF;
  RETURN state;
END
$$;

-- Deletes the next operations that ended without a charge, are beyond any late close and past their retention. A closed
-- one has entries and stays. SECURITY DEFINER: nobody else deletes operations, and this deletes no others.
CREATE FUNCTION app.delete_ended_operations(state jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  settings CONSTANT public.merchant_settings := (SELECT s FROM public.merchant_settings AS s);
  most CONSTANT integer := coalesce(settings.job_batch_rows, 1000);
  before CONSTANT timestamptz := least((state ->> 'until')::timestamptz, app.now()) - make_interval(
    hours => greatest(coalesce(settings.operation_retention_hours, 2160), settings.late_close_hours)
  );
  after_instant timestamptz := coalesce((state ->> 'afterInstant')::timestamptz, '-infinity');
  ids uuid[];
  deleted integer;
BEGIN
  ids := ARRAY (
    SELECT o.operation_id FROM public.operations AS o
    WHERE o.status IN ('expired', 'cancelled') AND o.expires_at < before AND o.expires_at >= after_instant
    ORDER BY o.expires_at, o.operation_id
    LIMIT most
    FOR UPDATE SKIP LOCKED
  );
  SELECT max(o.expires_at) INTO after_instant FROM public.operations AS o WHERE o.operation_id = ANY (ids);
  DELETE FROM public.operations AS o WHERE o.operation_id = ANY (ids);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN state || jsonb_build_object(
    'afterInstant', after_instant, 'rows', deleted, 'done', cardinality(ids) < most,
    'detail', app.count_up(state -> 'detail', 'deleted', deleted)
  );
END
$$;

-- One batch of app.cleanup_idempotency: the next keys past their 168 hours, whatever their state; one that is at work
-- only past its lease. SECURITY DEFINER: nobody else deletes keys, and this deletes no others.
CREATE FUNCTION app.cleanup_idempotency_batch(state jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  until CONSTANT timestamptz := least((state ->> 'until')::timestamptz, app.now());
  most CONSTANT integer := coalesce((SELECT s.job_batch_rows FROM public.merchant_settings AS s), 1000);
  -- Behind it lie only keys that are gone, and those still at work: a key is never given an earlier end.
  after_instant timestamptz := coalesce((state ->> 'afterInstant')::timestamptz, '-infinity');
  rows bigint;
  newest timestamptz;
BEGIN
  WITH past AS MATERIALIZED (
    SELECT i.command_type, i.idempotency_key
    FROM public.idempotency_tracking AS i
    WHERE i.expires_at <= until AND i.expires_at >= after_instant
      AND (i.state <> 'PENDING' OR i.lease_until <= until)
    ORDER BY i.expires_at
    LIMIT most
    FOR UPDATE SKIP LOCKED
  ),
  deleted AS (
    DELETE FROM public.idempotency_tracking AS i
    USING past AS p
    WHERE i.command_type = p.command_type AND i.idempotency_key = p.idempotency_key
    RETURNING i.expires_at
  )
  SELECT count(*), max(d.expires_at) INTO rows, newest FROM deleted AS d;
  RETURN state || jsonb_build_object(
    'until', until, 'afterInstant', coalesce(newest, after_instant), 'rows', rows, 'done', rows < most,
    'detail', app.count_up(state -> 'detail', 'deleted', rows)
  );
END
$$;

-- Follows an account's entries from where they had been verified, at most so many, and says how far they chain: seq,
-- balance, time and hash of each follow from the one before, no lot and no debt goes below nothing. At the head it
-- compares: balance, debt, sequence and hash with the account; what each lot has left; holds with what is open; and that
-- there are not credits and debt at once. fault: the first thing that does not agree. reached: the head was compared.
-- STABLE, so that all of it is read in the snapshot of the caller's statement, and needs no lock.
CREATE FUNCTION app.verify_account(
  verified app.verified_accounts, most integer, OUT upto app.verified_accounts, OUT fault text, OUT reached boolean
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
  account public.accounts;
  entry public.ledger_entries;
  followed integer := 0;
  remaining bigint;
  held bigint;
BEGIN
  upto := verified;
  reached := false;
  SELECT a.* INTO account FROM public.accounts AS a WHERE a.user_id = verified.user_id;
  IF NOT FOUND THEN
    fault := 'there are entries, and no account';
    RETURN;
  END IF;
  FOR entry IN
    SELECT e.* FROM public.ledger_entries AS e
    WHERE e.user_id = verified.user_id AND e.created_at >= verified.last_at AND e.seq > verified.seq
    ORDER BY e.created_at, e.seq
    LIMIT most
  LOOP
    followed := followed + 1;
    fault := CASE
      WHEN entry.seq <> upto.seq + 1 THEN format('entry %s does not follow entry %s', entry.seq, upto.seq)
      WHEN entry.balance_after <> upto.balance + entry.amount
        THEN format('entry %s: a balance of %s and an amount of %s do not make %s', entry.seq, upto.balance,
          entry.amount, entry.balance_after)
      WHEN entry.hash <> app.entry_hash(upto.hash, entry)
        THEN format('entry %s: its hash is not that of this entry and its predecessor', entry.seq)
    END;
    EXIT WHEN fault IS NOT NULL;
    upto.seq := entry.seq;
    upto.balance := entry.balance_after;
    upto.hash := entry.hash;
    upto.last_at := entry.created_at;
    IF entry.lot_id IS NULL THEN
      upto.debt := upto.debt - entry.amount;
    ELSE
      remaining := coalesce((upto.lots ->> entry.lot_id::text)::bigint, 0) + entry.amount;
      IF remaining < 0 THEN
        fault := format('entry %s takes more from lot %s than it had left', entry.seq, entry.lot_id);
        EXIT;
      END IF;
      upto.lots := CASE
        WHEN remaining = 0 THEN upto.lots - entry.lot_id::text
        ELSE upto.lots || jsonb_build_object(entry.lot_id::text, remaining)
      END;
    END IF;
  END LOOP;
  IF fault IS NOT NULL OR followed = most THEN
    RETURN;
  END IF;

  reached := true;
  SELECT coalesce(sum(o.held), 0) INTO held
  FROM public.operations AS o WHERE o.user_id = verified.user_id AND o.status = 'open';
  fault := CASE
    WHEN (account.seq, account.balance, account.debt) IS DISTINCT FROM (upto.seq, upto.balance, upto.debt)
      THEN format('it stands at entry %s with a balance of %s and a debt of %s; its entries come to %s, %s and %s',
        account.seq, account.balance, account.debt, upto.seq, upto.balance, upto.debt)
    WHEN account.hash <> upto.hash THEN 'its head is not the hash of its last entry'
    WHEN account.debt <> 0 AND account.balance <> -account.debt THEN 'it has credits and debt at once'
    WHEN account.held <> held
      THEN format('it holds %s, and its open operations %s', account.held, held)
    ELSE (
      SELECT format('lot %s has %s left; its entries come to %s', coalesce(l.lot_id::text, v.key),
        coalesce(l.remaining, 0), coalesce(v.value::bigint, 0))
      FROM (
        SELECT l.lot_id, l.remaining FROM public.lots AS l WHERE l.user_id = verified.user_id AND l.active
      ) AS l
      FULL JOIN jsonb_each_text(upto.lots) AS v ON v.key = l.lot_id::text
      WHERE l.remaining IS DISTINCT FROM v.value::bigint
      ORDER BY 1
      LIMIT 1
    )
  END;
END
$$;

-- Verifies one account, at most so many entries further, and keeps what it came to. afresh: from its first entry,
-- whatever was verified before. next: what to go on from, where the account has more entries; null: it is done.
CREATE FUNCTION app.verify_step(
  who text, going jsonb, afresh boolean, most integer, OUT next jsonb, OUT fault text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  verified app.verified_accounts;
  step record;
BEGIN
  IF going IS NOT NULL THEN
    verified := jsonb_populate_record(NULL::app.verified_accounts, going);
  ELSIF NOT afresh THEN
    SELECT v.* INTO verified FROM app.verified_accounts AS v WHERE v.user_id = who;
  END IF;
  IF verified.user_id IS NULL THEN
    verified := ROW(who, 0, 0, 0, decode(repeat('00', 32), 'hex'), timestamptz 'epoch', '{}');
  END IF;
  SELECT v.* INTO step FROM app.verify_account(verified, most) AS v;
  fault := step.fault;
  IF fault IS NOT NULL THEN
    INSERT INTO app.ledger_findings AS f (user_id, problem) VALUES (who, fault)
    ON CONFLICT (user_id) DO UPDATE SET problem = excluded.problem, seen_at = excluded.seen_at;
    -- It is looked at again from its first entry.
    DELETE FROM app.verified_accounts AS v WHERE v.user_id = who;
  ELSIF step.reached THEN
    DELETE FROM app.ledger_findings AS f WHERE f.user_id = who;
    INSERT INTO app.verified_accounts AS v SELECT (step.upto).*
    ON CONFLICT (user_id) DO UPDATE SET
      seq = excluded.seq, balance = excluded.balance, debt = excluded.debt, hash = excluded.hash,
      last_at = excluded.last_at, lots = excluded.lots;
  ELSE
    next := to_jsonb(step.upto);
  END IF;
END
$$;

-- The next accounts to verify, and the state that goes on behind them. Three passes:
--   findings  accounts that did not agree when last seen
--   moved     accounts with entries of the time since the last run, window by window of that time
--   all       every account in the order of ids: where nothing was verified yet, and afresh
CREATE FUNCTION app.accounts_to_verify(INOUT state jsonb, OUT users text[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  most CONSTANT integer := coalesce((SELECT s.job_batch_accounts FROM public.merchant_settings AS s), 100);
  width interval := coalesce((state ->> 'window')::interval, interval '1 minute');
  since timestamptz;
BEGIN
  IF state ->> 'pass' = 'moved' THEN
    since := (state ->> 'since')::timestamptz;
    users := ARRAY (
      SELECT DISTINCT e.user_id::text FROM public.ledger_entries AS e
      WHERE e.created_at >= since AND e.created_at < since + width
    );
    -- So wide that a window has some thousand accounts: they wait in the state of the run.
    state := state || jsonb_build_object('since', since + width, 'window', CASE
      WHEN cardinality(users) > 5000 THEN greatest(width / 2, interval '1 second')
      WHEN cardinality(users) < 1000 THEN least(width * 2, interval '30 days')
      ELSE width
    END);
    IF since + width > (state ->> 'until')::timestamptz THEN
      state := state || '{"pass": "end"}';
    END IF;
    RETURN;
  END IF;
  IF state ->> 'pass' = 'all' THEN
    users := ARRAY (
      SELECT a.user_id::text FROM public.accounts AS a
      WHERE a.user_id > coalesce(state ->> 'after', '')
      ORDER BY a.user_id LIMIT most
    );
  ELSE
    users := ARRAY (
      SELECT f.user_id::text FROM app.ledger_findings AS f
      WHERE f.user_id > coalesce(state ->> 'after', '')
      ORDER BY f.user_id LIMIT most
    );
  END IF;
  state := state || jsonb_build_object('after', users[cardinality(users)]);
  IF cardinality(users) < most THEN
    state := state - 'after' || jsonb_build_object('pass', CASE
      WHEN state ->> 'pass' = 'all' THEN 'end'
      WHEN state ? 'since' THEN 'moved'
      ELSE 'all'
    END);
  END IF;
END
$$;

-- One batch of app.verify_ledger: accounts, or a part of a long one, for some 200 ms. What an account came to is kept,
-- so that the next time only what it had since is followed: the work goes with what happened, not with what there is.
CREATE FUNCTION app.verify_ledger_batch(state jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  began CONSTANT timestamptz := clock_timestamp();
  most CONSTANT integer := coalesce((SELECT s.job_batch_rows FROM public.merchant_settings AS s), 1000);
  afresh CONSTANT boolean := coalesce((state ->> 'afresh')::boolean, false);
  users text[];
  position integer := 1;
  going jsonb := state -> 'going';
  step record;
  rows bigint := 0;
  drifted bigint := 0;
BEGIN
  IF NOT state ? 'pass' THEN
    state := state || jsonb_build_object('pass', 'findings', 'until', app.now());
    IF NOT afresh THEN
      state := state || (SELECT j.progress FROM app.jobs AS j WHERE j.job_name = 'ledger_verification');
    END IF;
  END IF;
  IF state ? 'users' THEN
    users := ARRAY (SELECT jsonb_array_elements_text(state -> 'users'));
  ELSE
    SELECT a.state, a.users INTO state, users FROM app.accounts_to_verify(state) AS a;
  END IF;
  WHILE position <= cardinality(users) AND clock_timestamp() < began + interval '200 milliseconds' LOOP
    SELECT v.* INTO step FROM app.verify_step(users[position], going, afresh OR state ->> 'pass' = 'findings', most) AS v;
    going := step.next;
    CONTINUE WHEN going IS NOT NULL;
    position := position + 1;
    rows := rows + 1;
    IF step.fault IS NOT NULL THEN
      drifted := drifted + 1;
      state := state || jsonb_build_object(
        'first', coalesce(state ->> 'first', format('account %s: %s', users[position - 1], step.fault))
      );
    END IF;
  END LOOP;

  state := state - 'users' - 'going' || jsonb_build_object(
    'rows', rows, 'detail', app.count_up(state -> 'detail', 'drifted', drifted)
  );
  IF position <= cardinality(users) THEN
    RETURN state || jsonb_build_object('users', to_jsonb(users[position:])) || CASE
      WHEN going IS NULL THEN '{}' ELSE jsonb_build_object('going', going)
    END;
  END IF;
  IF state ->> 'pass' <> 'end' THEN
    RETURN state;
  END IF;
  -- An entry is committed some time after the instant it carries: the next run looks ten minutes further back.
  UPDATE app.jobs AS j
  SET progress = jsonb_build_object('since', (state ->> 'until')::timestamptz - interval '10 minutes')
  WHERE j.job_name = 'ledger_verification';
  RETURN state || '{"done": true}' || CASE
    WHEN state ? 'first' THEN jsonb_build_object('fault', format(
      '%s accounts do not agree with their entries (app.ledger_findings); the first is %s',
      (SELECT count(*) FROM app.ledger_findings), state ->> 'first'
    ))
    ELSE '{}'
  END;
END
$$;

-- The one batch of app.create_partitions.
CREATE FUNCTION app.create_partitions_batch(state jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  made CONSTANT integer := app.ensure_partitions(app.now());
BEGIN
  RETURN state || jsonb_build_object('rows', made, 'done', true, 'detail', app.count_up('{}', 'made', made));
END
$$;

-- One batch of a job (app.run_job).
CREATE FUNCTION app.job_batch(job text, state jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN CASE job
    WHEN 'lot_expiry' THEN app.expire_lots_batch(state)
    WHEN 'operation_cleanup' THEN app.cleanup_operations_batch(state)
    WHEN 'idempotency_cleanup' THEN app.cleanup_idempotency_batch(state)
    WHEN 'partition_creation' THEN app.create_partitions_batch(state)
    WHEN 'ledger_verification' THEN app.verify_ledger_batch(state)
  END;
END
$$;

-- Books the expiry of lots on accounts that nobody touches, any backlog in one call; an account that somebody touches
-- has it booked on the way. A balance is right without it: rule 5. Pauses in maintenance.
CREATE PROCEDURE app.expire_lots()
LANGUAGE plpgsql
AS $$
BEGIN
  CALL app.run_job('lot_expiry');
END
$$;

-- Books that operations have expired, and what lots lose by it; then deletes those that ended without a charge and have
-- been kept for operation_retention_hours. Pauses in maintenance.
CREATE PROCEDURE app.cleanup_expired_operations()
LANGUAGE plpgsql
AS $$
BEGIN
  CALL app.run_job('operation_cleanup');
END
$$;

-- Deletes idempotency keys past their 168 hours, whatever their state. Moves no credits, and so goes on in maintenance.
CREATE PROCEDURE app.cleanup_idempotency()
LANGUAGE plpgsql
AS $$
BEGIN
  CALL app.run_job('idempotency_cleanup');
END
$$;

-- Makes the ledger's months, three ahead of app.now(). Goes on in maintenance.
CREATE PROCEDURE app.create_partitions()
LANGUAGE plpgsql
AS $$
BEGIN
  CALL app.run_job('partition_creation');
END
$$;

-- Checks rules 1 to 3 on the accounts that moved since its last run, and on those that did not agree then: the chain and
-- its hashes, and that account, lots, debt and holds are the sums of what stands behind them. Changes nothing but its
-- own notes. Drift is kept in app.ledger_findings, and fails the run (CR006). afresh => true: all accounts, each from
-- its first entry. Goes on in maintenance.
CREATE PROCEDURE app.verify_ledger(afresh boolean DEFAULT false)
LANGUAGE plpgsql
AS $$
BEGIN
  CALL app.run_job('ledger_verification', pg_catalog.jsonb_build_object('afresh', afresh));
END
$$;

-- Who runs jobs: a role of the cluster, as credit_runtime is (0007), of which that one is a member: the service runs jobs
-- where there is no pg_cron, and has only this role in their sessions. It owns nothing, deletes nothing but what the two
-- functions above delete, and may no more change an entry than anybody else.
DO $$
DECLARE
  credit_jobs record;
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'credit_jobs') THEN
      CREATE ROLE credit_jobs NOLOGIN;
    END IF;
    IF NOT pg_catalog.pg_has_role('credit_runtime', 'credit_jobs', 'MEMBER') THEN
      GRANT credit_jobs TO credit_runtime;
    END IF;
  EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
      NULL;
    WHEN insufficient_privilege THEN
      RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = pg_catalog.format('role credit_jobs is missing, or credit_runtime is no member of it, and %s may not '
          'change that', current_user),
        HINT = 'Once per server, as an administrator: CREATE ROLE credit_jobs NOLOGIN; GRANT credit_jobs TO credit_runtime';
  END;
  SELECT r.rolsuper, r.rolcreaterole, r.rolbypassrls, r.rolreplication INTO credit_jobs
  FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'credit_jobs';
  IF credit_jobs.rolsuper OR credit_jobs.rolcreaterole OR credit_jobs.rolbypassrls OR credit_jobs.rolreplication THEN
    RAISE EXCEPTION 'role credit_jobs exists and may do more than the role of jobs must';
  END IF;
END
$$;

GRANT USAGE ON SCHEMA public, app TO credit_jobs;
GRANT SELECT ON
  public.merchant_settings, public.service_status, public.accounts, public.lots, public.ledger_entries, public.operations
TO credit_jobs;
GRANT UPDATE (lock_only) ON public.accounts TO credit_jobs;
GRANT INSERT ON public.ledger_entries TO credit_jobs;
GRANT UPDATE (status, updated_at) ON public.operations TO credit_jobs;
GRANT SELECT, UPDATE (progress) ON app.jobs TO credit_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.job_runs, app.verified_accounts, app.ledger_findings TO credit_jobs;

-- Job.Status and health; which jobs the service has to run.
GRANT SELECT ON app.jobs, app.job_runs, app.ledger_findings TO credit_runtime;
GRANT
  UPDATE (
    job_work_percent, job_batch_accounts, job_batch_rows, operation_retention_hours, job_run_retention_hours
  )
  ON public.merchant_settings TO credit_runtime;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA app FROM PUBLIC;
-- What the rows that jobs write are held to (0011) is called as who writes them.
GRANT EXECUTE ON FUNCTION
  app.now(integer),
  app.violates(text, text),
  app.account_stands(bigint, bigint, bigint, bigint, boolean),
  app.lot_stands(text, bigint, bigint, timestamptz, timestamptz),
  app.operation_stands(
    text, bigint, numeric, timestamptz, timestamptz, timestamptz, numeric, bigint, timestamptz, boolean, text, text
  ),
  app.entry_stands(
    bigint, uuid, bigint, text, text, numeric, text, text, text, text, timestamptz, timestamptz
  )
TO credit_jobs;
GRANT EXECUTE ON FUNCTION
  app.now(),
  app.ensure_partitions(timestamptz),
  app.canonical_field(text),
  app.epoch_milliseconds(timestamptz),
  app.entry_canonical(public.ledger_entries),
  app.entry_hash(bytea, public.ledger_entries),
  app.uuid_v7(timestamptz),
  app.begin_job_run(text),
  app.settle_due(text[], timestamptz),
  app.pass_barrier(),
  app.lock_free_accounts(text[]),
  app.count_up(jsonb, text, bigint),
  app.batch_accounts(jsonb),
  app.expire_lots_batch(jsonb),
  app.cleanup_operations_batch(jsonb),
  app.delete_ended_operations(jsonb),
  app.cleanup_idempotency_batch(jsonb),
  app.verify_account(app.verified_accounts, integer),
  app.verify_step(text, jsonb, boolean, integer),
  app.accounts_to_verify(jsonb),
  app.verify_ledger_batch(jsonb),
  app.create_partitions_batch(jsonb),
  app.job_batch(text, jsonb)
TO credit_jobs;
GRANT EXECUTE ON PROCEDURE
  app.run_job(text, jsonb),
  app.expire_lots(),
  app.cleanup_expired_operations(),
  app.cleanup_idempotency(),
  app.create_partitions(),
  app.verify_ledger(boolean)
TO credit_jobs;
