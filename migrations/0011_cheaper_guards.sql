-- The same guards for less: what every command pays for, whatever it does.

-- As before, without a detour over numeric: some 2 µs an instant, and a batch reads and hashes hundreds. Exact, for an
-- instant in whole milliseconds is far from the half that would round otherwise.
CREATE OR REPLACE FUNCTION app.epoch_milliseconds(instant timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.round(pg_catalog.date_part('epoch', instant - timestamptz '1970-01-01 00:00:00+00') * 1000)::bigint;

-- The merchant's clock for who has its offset at hand: app.now(), but inlined where it is called.
CREATE FUNCTION app.now(clock_offset_hours integer) RETURNS timestamptz
LANGUAGE sql VOLATILE
RETURN pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp())
  + pg_catalog.make_interval(hours => clock_offset_hours);

CREATE OR REPLACE FUNCTION app.now() RETURNS timestamptz
LANGUAGE sql VOLATILE
RETURN app.now(coalesce((SELECT s.clock_offset_hours FROM public.merchant_settings AS s), 0));

-- What must hold of a row, one function for each of the tables that every command writes. A CHECK is read from its stored
-- text by every statement that writes the table, at 3 µs each and more: six rules of an account cost more than the rest of
-- its UPDATE, and a command updates it twice. As a function they are compiled once per session. Each rule keeps its name,
-- and refuses as the constraint of that name did (23514). Like in a CHECK, what is unknown (null) is no violation.
--
-- VOLATILE, or planning a rule would already call it.
CREATE FUNCTION app.violates(table_name text, constraint_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    MESSAGE = pg_catalog.format('new row for relation "%s" violates check constraint "%s"', table_name, constraint_name),
    SCHEMA = 'public',
    TABLE = table_name,
    CONSTRAINT = constraint_name;
END
$$;

CREATE FUNCTION app.account_stands(balance bigint, held bigint, debt bigint, seq bigint, lock_only boolean)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN held < 0 THEN app.violates('accounts', 'accounts_held')
    WHEN debt < 0 THEN app.violates('accounts', 'accounts_debt')
    WHEN seq < 0 THEN app.violates('accounts', 'accounts_seq')
    WHEN NOT lock_only THEN app.violates('accounts', 'accounts_lock_only')
    WHEN debt <> 0 AND balance <> -debt THEN app.violates('accounts', 'accounts_debt_or_credits')
    WHEN seq = 0 AND (balance <> 0 OR debt <> 0) THEN app.violates('accounts', 'accounts_from_nothing')
    ELSE true
  END;
END
$$;

ALTER TABLE public.accounts
  DROP CONSTRAINT accounts_held,
  DROP CONSTRAINT accounts_debt,
  DROP CONSTRAINT accounts_seq,
  DROP CONSTRAINT accounts_lock_only,
  DROP CONSTRAINT accounts_debt_or_credits,
  DROP CONSTRAINT accounts_from_nothing,
  ADD CONSTRAINT accounts_stand CHECK (app.account_stands(balance, held, debt, seq, lock_only));

CREATE FUNCTION app.lot_stands(
  source text, credits bigint, remaining bigint, issued_at timestamptz, expires_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN source NOT IN ('purchase', 'welcome', 'promo', 'manual', 'adjustment', 'reinstatement')
      THEN app.violates('lots', 'lots_source')
    WHEN credits <= 0 THEN app.violates('lots', 'lots_credits')
    WHEN remaining NOT BETWEEN 0 AND credits THEN app.violates('lots', 'lots_remaining')
    WHEN expires_at <= issued_at THEN app.violates('lots', 'lots_expire_later')
    ELSE true
  END;
END
$$;

ALTER TABLE public.lots
  DROP CONSTRAINT lots_source,
  DROP CONSTRAINT lots_credits,
  DROP CONSTRAINT lots_remaining,
  DROP CONSTRAINT lots_expire_later,
  ADD CONSTRAINT lots_stand CHECK (app.lot_stands(source, credits, remaining, issued_at, expires_at));

CREATE FUNCTION app.operation_stands(
  status text, held bigint, estimated_amount numeric, opened_at timestamptz, expires_at timestamptz,
  closed_at timestamptz, resource_amount numeric, final_cost bigint, completed_at timestamptz, late boolean,
  workflow_id text, cancel_reason text
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN pg_catalog.length(workflow_id) > 200 THEN app.violates('operations', 'operations_workflow_id')
    WHEN held < 0 THEN app.violates('operations', 'operations_held')
    WHEN final_cost < 1 THEN app.violates('operations', 'operations_final_cost')
    WHEN pg_catalog.length(cancel_reason) > 2000 THEN app.violates('operations', 'operations_cancel_reason')
    WHEN expires_at <= opened_at THEN app.violates('operations', 'operations_expire_later')
    WHEN (estimated_amount IS NULL) <> (held = 0) THEN app.violates('operations', 'operations_estimate_holds')
    WHEN NOT CASE status
      WHEN 'open' THEN
        closed_at IS NULL AND resource_amount IS NULL AND final_cost IS NULL AND completed_at IS NULL
        AND NOT late AND cancel_reason IS NULL
      WHEN 'closed' THEN
        closed_at IS NOT NULL AND resource_amount IS NOT NULL AND final_cost IS NOT NULL AND completed_at IS NOT NULL
        AND cancel_reason IS NULL AND CASE WHEN late THEN closed_at >= expires_at ELSE closed_at <= expires_at END
      WHEN 'cancelled' THEN
        closed_at IS NOT NULL AND resource_amount IS NULL AND final_cost IS NULL AND completed_at IS NULL AND NOT late
      WHEN 'expired' THEN
        closed_at IS NULL AND resource_amount IS NULL AND final_cost IS NULL AND completed_at IS NULL
        AND NOT late AND cancel_reason IS NULL
      ELSE false
    END THEN app.violates('operations', 'operations_status')
    ELSE true
  END;
END
$$;

ALTER TABLE public.operations
  DROP CONSTRAINT operations_workflow_id,
  DROP CONSTRAINT operations_held,
  DROP CONSTRAINT operations_final_cost,
  DROP CONSTRAINT operations_cancel_reason,
  DROP CONSTRAINT operations_expire_later,
  DROP CONSTRAINT operations_estimate_holds,
  DROP CONSTRAINT operations_status,
  ADD CONSTRAINT operations_stand CHECK (
    app.operation_stands(
      status, held, estimated_amount, opened_at, expires_at, closed_at, resource_amount, final_cost, completed_at, late,
      workflow_id, cancel_reason
    )
  );

CREATE FUNCTION app.key_stands(
  state text, contract_version integer, fence bigint, claimed_at timestamptz, expires_at timestamptz,
  lease_until timestamptz, answered boolean
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN state NOT IN ('PENDING', 'SUCCEEDED', 'FAILED_FINAL', 'FAILED_RETRIABLE')
      THEN app.violates('idempotency_tracking', 'idempotency_tracking_state')
    WHEN contract_version < 1 THEN app.violates('idempotency_tracking', 'idempotency_tracking_contract_version')
    WHEN fence < 0 THEN app.violates('idempotency_tracking', 'idempotency_tracking_fence')
    WHEN expires_at <= claimed_at THEN app.violates('idempotency_tracking', 'idempotency_tracking_expires_later')
    WHEN state IN ('SUCCEEDED', 'FAILED_FINAL') AND NOT answered
      THEN app.violates('idempotency_tracking', 'idempotency_tracking_final_answers')
    WHEN state = 'PENDING' AND lease_until IS NULL
      THEN app.violates('idempotency_tracking', 'idempotency_tracking_pending_leases')
    ELSE true
  END;
END
$$;

ALTER TABLE public.idempotency_tracking
  DROP CONSTRAINT idempotency_tracking_state,
  DROP CONSTRAINT idempotency_tracking_contract_version,
  DROP CONSTRAINT idempotency_tracking_fence,
  DROP CONSTRAINT idempotency_tracking_expires_later,
  DROP CONSTRAINT idempotency_tracking_final_answers,
  DROP CONSTRAINT idempotency_tracking_pending_leases,
  ADD CONSTRAINT idempotency_tracking_stand CHECK (
    app.key_stands(state, contract_version, fence, claimed_at, expires_at, lease_until, response IS NOT NULL)
  );

CREATE FUNCTION app.entry_stands(
  seq bigint, lot_id uuid, amount bigint, reason text, operation_type text, resource_amount numeric, resource_unit text,
  workflow_id text, note text, actor text, effective_at timestamptz, created_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN seq < 1 THEN app.violates('ledger_entries', 'ledger_entries_seq')
    WHEN amount = 0 THEN app.violates('ledger_entries', 'ledger_entries_amount')
    WHEN pg_catalog.length(operation_type) NOT BETWEEN 1 AND 200
      THEN app.violates('ledger_entries', 'ledger_entries_operation_type')
    -- Wider than app.resource_amount: entries that come from no operation carry their absolute amount of credits.
    WHEN resource_amount = 'NaN' OR resource_amount < 0 OR resource_amount >= 10000000000000000
      OR pg_catalog.scale(pg_catalog.trim_scale(resource_amount)) > 6
      THEN app.violates('ledger_entries', 'ledger_entries_resource_amount')
    WHEN pg_catalog.length(resource_unit) NOT BETWEEN 1 AND 200
      THEN app.violates('ledger_entries', 'ledger_entries_resource_unit')
    WHEN pg_catalog.length(workflow_id) > 200 THEN app.violates('ledger_entries', 'ledger_entries_workflow_id')
    WHEN pg_catalog.length(note) > 2000 THEN app.violates('ledger_entries', 'ledger_entries_note')
    WHEN pg_catalog.length(actor) > 200 THEN app.violates('ledger_entries', 'ledger_entries_actor')
    WHEN pg_catalog.date_trunc('milliseconds', effective_at) <> effective_at
      OR pg_catalog.date_trunc('milliseconds', created_at) <> created_at
      THEN app.violates('ledger_entries', 'ledger_entries_milliseconds')
    -- Only an expiry became true before it was written down.
    WHEN effective_at <> created_at
      AND NOT (reason = 'expiry' AND effective_at < created_at AND pg_catalog.isfinite(effective_at))
      THEN app.violates('ledger_entries', 'ledger_entries_effective')
    WHEN NOT CASE
      WHEN reason IN ('purchase', 'welcome', 'promo', 'manual', 'reinstatement') THEN amount > 0 AND lot_id IS NOT NULL
      WHEN reason IN ('debit', 'refund', 'chargeback') THEN amount < 0
      WHEN reason = 'expiry' THEN amount < 0 AND lot_id IS NOT NULL
      WHEN reason = 'adjustment' THEN amount < 0 OR lot_id IS NOT NULL
      -- A lot repays debt: out of the lot, and off the entries without one.
      WHEN reason = 'settlement' THEN (amount < 0) = (lot_id IS NOT NULL)
      ELSE false
    END THEN app.violates('ledger_entries', 'ledger_entries_reason')
    ELSE true
  END;
END
$$;

ALTER TABLE public.ledger_entries
  DROP CONSTRAINT ledger_entries_seq,
  DROP CONSTRAINT ledger_entries_amount,
  DROP CONSTRAINT ledger_entries_operation_type,
  DROP CONSTRAINT ledger_entries_resource_amount,
  DROP CONSTRAINT ledger_entries_resource_unit,
  DROP CONSTRAINT ledger_entries_workflow_id,
  DROP CONSTRAINT ledger_entries_note,
  DROP CONSTRAINT ledger_entries_actor,
  DROP CONSTRAINT ledger_entries_milliseconds,
  DROP CONSTRAINT ledger_entries_effective,
  DROP CONSTRAINT ledger_entries_reason,
  ADD CONSTRAINT ledger_entries_stand CHECK (
    app.entry_stands(
      seq, lot_id, amount, reason, operation_type, resource_amount, resource_unit, workflow_id, note, actor, effective_at,
      created_at
    )
  );

-- Takes the entries of one INSERT: they must follow what their accounts hold, and then move accounts and lots.
--
-- Entries are gone through account by account, in the order in which accounts are locked: each must follow the one before
-- it, and the first of an account must follow the account's head. That is compared in the UPDATE that moves the head:
-- under READ COMMITTED it waits for a concurrent writer and compares again, so of two writers that took no lock the second
-- is refused. Then each lot is moved by the sum of its entries. Rows are locked accounts first, then lots; writers that
-- hold their accounts (all of ours) never wait here.
--
-- Few plain statements, each for one row by its key, run faster than one that does it all for sets: most INSERTs are of a
-- few entries, and what a statement costs before its first row is most of it.
--
-- The planner setting keeps lookups by key: plpgsql keeps the plan of a session's first call, which may have seen empty
-- tables and would go on scanning them whole when they have grown. No step here may cost more as they grow.
CREATE OR REPLACE FUNCTION app.chain_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  run NO SCROLL CURSOR FOR
    SELECT
      e.user_id, e.seq, e.lot_id, e.amount, e.balance_after, e.created_at, e.hash,
      convert_to(app.entry_canonical(e), 'UTF8') AS canonical
    FROM entered AS e
    ORDER BY e.user_id, e.seq;
  entry record;
  -- The account whose entries are gone through, with the first and the newest of them.
  who text;
  first record;
  newest record;
  amount_without_lot bigint;
  head record;
  lot record;
BEGIN
  OPEN run;
  LOOP
    FETCH run INTO entry;
    IF who IS NULL OR entry.user_id IS DISTINCT FROM who THEN
      IF who IS NOT NULL THEN
        UPDATE public.accounts AS a
        SET
          seq = newest.seq,
          balance = newest.balance_after,
          debt = a.debt - amount_without_lot,
          hash = newest.hash,
          last_at = newest.created_at
        WHERE a.user_id = who
          AND a.seq = first.seq - 1
          AND a.balance = first.balance_after - first.amount
          AND a.last_at <= first.created_at
          AND first.hash = sha256(a.hash || first.canonical);
        IF NOT FOUND THEN
          SELECT a.seq, a.balance, a.last_at INTO head FROM public.accounts AS a WHERE a.user_id = who;
          PERFORM app.refuse_entry(
            who, first.seq, first.amount, first.balance_after, first.created_at, head.seq, head.balance, head.last_at
          );
        END IF;
      END IF;
      EXIT WHEN entry.user_id IS NULL;
      who := entry.user_id;
      first := entry;
      amount_without_lot := 0;
    ELSIF entry.seq <> newest.seq + 1
      OR entry.balance_after <> newest.balance_after + entry.amount
      OR entry.created_at < newest.created_at
      OR entry.hash <> sha256(newest.hash || entry.canonical)
    THEN
      PERFORM app.refuse_entry(
        who, entry.seq, entry.amount, entry.balance_after, entry.created_at,
        newest.seq, newest.balance_after, newest.created_at
      );
    END IF;
    newest := entry;
    IF entry.lot_id IS NULL THEN
      amount_without_lot := amount_without_lot + entry.amount;
    END IF;
  END LOOP;
  CLOSE run;

  FOR lot IN
    SELECT e.lot_id, e.user_id, sum(e.amount)::bigint AS amount
    FROM entered AS e
    WHERE e.lot_id IS NOT NULL
    GROUP BY e.lot_id, e.user_id
    ORDER BY e.lot_id, e.user_id
  LOOP
    UPDATE public.lots AS l SET remaining = l.remaining + lot.amount
    WHERE l.lot_id = lot.lot_id AND l.user_id = lot.user_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'CR002',
        MESSAGE = format('an entry names lot %s, which account %s does not have', lot.lot_id, lot.user_id),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

-- Refuses (CR001, CR002) an entry that does not follow what is before it, its account's head or another entry, and says
-- what is wrong. Without an account there is nothing before it.
CREATE FUNCTION app.refuse_entry(
  user_id text, seq bigint, amount bigint, balance_after bigint, created_at timestamptz,
  seq_before bigint, balance_before bigint, at_before timestamptz
) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = CASE WHEN seq_before IS NULL THEN 'CR002' ELSE 'CR001' END,
    MESSAGE = pg_catalog.format(
      'an entry does not chain: %s (entry %s of account %s)',
      CASE
        WHEN seq_before IS NULL THEN 'there is no such account'
        WHEN seq <> seq_before + 1 THEN 'it does not follow entry ' || seq_before
        WHEN balance_after <> balance_before + amount
          THEN 'a balance of ' || balance_before || ' and an amount of ' || amount || ' do not make ' || balance_after
        WHEN created_at < at_before THEN 'its time is before what happened last'
        ELSE 'its hash is not that of this entry and its predecessor'
      END,
      seq, user_id
    ),
    SCHEMA = 'public',
    TABLE = 'ledger_entries';
END
$$;

-- As before: moves accounts.held by what the statement changed in the sum over open operations, and last_at to the latest
-- updated_at; refuses a time before what happened last. Account by account, in the order in which they are locked, for the
-- reason that app.chain_entries gives. It holds against writers without locks: held moves by a difference, and the row
-- waits for whoever moves it.
-- On INSERT the transition table is called changed; on UPDATE there is also the one before.
CREATE OR REPLACE FUNCTION app.move_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  hold record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    FOR hold IN
      SELECT c.user_id, sum(c.held)::bigint AS held, min(c.updated_at) AS first_at, max(c.updated_at) AS last_at,
        bool_and(c.status = 'open') AS open
      FROM changed AS c
      GROUP BY c.user_id
      ORDER BY c.user_id
    LOOP
      IF NOT hold.open THEN
        RAISE EXCEPTION USING
          ERRCODE = 'CR003', MESSAGE = 'an operation begins open', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
      END IF;
      UPDATE public.accounts AS a SET held = a.held + hold.held, last_at = hold.last_at
      WHERE a.user_id = hold.user_id AND a.last_at <= hold.first_at;
      IF NOT FOUND THEN
        PERFORM app.refuse_operation(hold.user_id);
      END IF;
    END LOOP;
  ELSE
    FOR hold IN
      SELECT b.user_id, sum(b.held)::bigint AS held, min(b.updated_at) AS first_at, max(b.updated_at) AS last_at
      FROM (
        SELECT c.user_id, CASE WHEN c.status = 'open' THEN c.held ELSE 0 END AS held, c.updated_at FROM changed AS c
        UNION ALL
        SELECT p.user_id, CASE WHEN p.status = 'open' THEN -p.held ELSE 0 END, NULL FROM previous AS p
      ) AS b
      GROUP BY b.user_id
      ORDER BY b.user_id
    LOOP
      UPDATE public.accounts AS a SET held = a.held + hold.held, last_at = hold.last_at
      WHERE a.user_id = hold.user_id AND a.last_at <= hold.first_at;
      IF NOT FOUND THEN
        PERFORM app.refuse_operation(hold.user_id);
      END IF;
    END LOOP;
  END IF;
  RETURN NULL;
END
$$;

-- Refuses (CR001, CR002) an operation that its account could not take, and says why.
CREATE FUNCTION app.refuse_operation(user_id text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF EXISTS (SELECT FROM public.accounts AS a WHERE a.user_id = refuse_operation.user_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR001',
      MESSAGE = pg_catalog.format(
        'an operation of account %s is written at a time before what happened last', refuse_operation.user_id
      ),
      SCHEMA = 'public', TABLE = 'operations';
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'CR002',
    MESSAGE = pg_catalog.format('an operation names account %s, which does not exist', refuse_operation.user_id),
    SCHEMA = 'public', TABLE = 'operations';
END
$$;

REVOKE ALL ON FUNCTION
  app.now(integer),
  app.refuse_entry(text, bigint, bigint, bigint, timestamptz, bigint, bigint, timestamptz),
  app.refuse_operation(text),
  app.violates(text, text),
  app.account_stands(bigint, bigint, bigint, bigint, boolean),
  app.lot_stands(text, bigint, bigint, timestamptz, timestamptz),
  app.operation_stands(
    text, bigint, numeric, timestamptz, timestamptz, timestamptz, numeric, bigint, timestamptz, boolean, text, text
  ),
  app.key_stands(text, integer, bigint, timestamptz, timestamptz, timestamptz, boolean),
  app.entry_stands(
    bigint, uuid, bigint, text, text, numeric, text, text, text, text, timestamptz, timestamptz
  )
FROM PUBLIC;

-- A CHECK is run as who writes the row.
GRANT EXECUTE ON FUNCTION
  app.now(integer),
  app.violates(text, text),
  app.account_stands(bigint, bigint, bigint, bigint, boolean),
  app.lot_stands(text, bigint, bigint, timestamptz, timestamptz),
  app.operation_stands(
    text, bigint, numeric, timestamptz, timestamptz, timestamptz, numeric, bigint, timestamptz, boolean, text, text
  ),
  app.key_stands(text, integer, bigint, timestamptz, timestamptz, timestamptz, boolean),
  app.entry_stands(
    bigint, uuid, bigint, text, text, numeric, text, text, text, text, timestamptz, timestamptz
  )
TO credit_runtime;
