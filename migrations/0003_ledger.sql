-- The truth about credits: accounts, lots, and the ledger whose inserts alone move them.

-- One user's standing, and the row everyone locks: ORDER BY user_id COLLATE "C" FOR UPDATE, after the barrier and
-- before anything else. balance, debt, seq, hash and last_at are moved by the ledger's trigger, held and last_at by
-- the one on operations (0004). Only user_id is ever given: every account starts from nothing.
-- Half of each page stays free and nothing but the key is indexed, so that updates are HOT.
CREATE TABLE public.accounts (
  user_id app.user_id PRIMARY KEY,
  balance app.credits NOT NULL DEFAULT 0,
  held app.credits NOT NULL DEFAULT 0 CONSTRAINT accounts_held CHECK (held >= 0),
  debt app.credits NOT NULL DEFAULT 0 CONSTRAINT accounts_debt CHECK (debt >= 0),
  seq app.credits NOT NULL DEFAULT 0 CONSTRAINT accounts_seq CHECK (seq >= 0),
  last_at app.instant NOT NULL DEFAULT 'epoch',
  hash app.hash NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000',
  -- The one column the runtime role may update: it needs one to be allowed SELECT … FOR UPDATE.
  lock_only boolean NOT NULL DEFAULT true CONSTRAINT accounts_lock_only CHECK (lock_only),
  CONSTRAINT accounts_debt_or_credits CHECK (debt = 0 OR balance = -debt),
  CONSTRAINT accounts_from_nothing CHECK (seq > 0 OR (balance = 0 AND debt = 0))
) WITH (fillfactor = 50);

CREATE TRIGGER accounts_start_from_nothing
BEFORE INSERT ON public.accounts
FOR EACH ROW WHEN (
  NEW.balance <> 0 OR NEW.held <> 0 OR NEW.debt <> 0 OR NEW.seq <> 0 OR NEW.last_at <> timestamptz '1970-01-01 00:00:00+00'
  OR NEW.hash <> '\x0000000000000000000000000000000000000000000000000000000000000000'
)
EXECUTE FUNCTION app.refuse_change('an account starts from nothing');
ALTER TABLE public.accounts ENABLE ALWAYS TRIGGER accounts_start_from_nothing;

CREATE TRIGGER accounts_stay
BEFORE UPDATE OF user_id OR DELETE OR TRUNCATE ON public.accounts
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('an account is for ever');
ALTER TABLE public.accounts ENABLE ALWAYS TRIGGER accounts_stay;

-- Credits issued at once. A lot starts with nothing remaining; the entry that issues it fills it.
CREATE TABLE public.lots (
  lot_id uuid PRIMARY KEY,
  user_id app.user_id NOT NULL REFERENCES public.accounts (user_id),
  source text COLLATE "C" NOT NULL CONSTRAINT lots_source CHECK (
    source IN ('purchase', 'welcome', 'promo', 'manual', 'adjustment', 'reinstatement')
  ),
  product_code app.code,
  external_ref app.code,
  credits app.credits NOT NULL CONSTRAINT lots_credits CHECK (credits > 0),
  remaining app.credits NOT NULL DEFAULT 0 CONSTRAINT lots_remaining CHECK (remaining BETWEEN 0 AND credits),
  issued_at app.instant NOT NULL,
  expires_at app.instant NOT NULL,
  active boolean GENERATED ALWAYS AS (remaining > 0) STORED,
  CONSTRAINT lots_expire_later CHECK (expires_at > issued_at)
) WITH (fillfactor = 70);

-- The load step: what an account may spend. Its condition is on the generated column because an index condition on
-- remaining would make every debit a change of an indexed column; active changes twice in a lot's life, so the
-- updates between stay HOT and cost no index entry.
CREATE INDEX lots_active_by_user ON public.lots (user_id) WHERE active;

-- ListLots: a user's lots in the order of their ids, which is the order of issue.
CREATE INDEX lots_by_user ON public.lots (user_id, lot_id);

CREATE TRIGGER lots_start_empty
BEFORE INSERT ON public.lots
FOR EACH ROW WHEN (NEW.remaining <> 0)
EXECUTE FUNCTION app.refuse_change('a lot starts empty, its first entry fills it');
ALTER TABLE public.lots ENABLE ALWAYS TRIGGER lots_start_empty;

-- Fires when one of these columns is named in SET, so it costs the moves of remaining nothing.
CREATE TRIGGER lots_are_immutable
BEFORE UPDATE OF lot_id, user_id, source, product_code, external_ref, credits, issued_at, expires_at
OR DELETE OR TRUNCATE ON public.lots
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('only entries move a lot');
ALTER TABLE public.lots ENABLE ALWAYS TRIGGER lots_are_immutable;

-- One signed movement of credits on one account and, unless it is debt, one lot. Inserts only.
-- No foreign keys: the trigger below checks accounts and lots once per statement, and attaching a month must not lock
-- them. No default partition: rows there would block the month they belong to.
CREATE TABLE public.ledger_entries (
  entry_id uuid NOT NULL,
  user_id app.user_id NOT NULL,
  seq bigint NOT NULL CONSTRAINT ledger_entries_seq CHECK (seq >= 1),
  lot_id uuid,
  amount app.credits NOT NULL CONSTRAINT ledger_entries_amount CHECK (amount <> 0),
  balance_after app.credits NOT NULL,
  reason text COLLATE "C" NOT NULL,
  operation_type text COLLATE "C" NOT NULL
    CONSTRAINT ledger_entries_operation_type CHECK (pg_catalog.length(operation_type) BETWEEN 1 AND 200),
  -- Wider than app.resource_amount: entries that come from no operation carry their absolute amount of credits.
  resource_amount numeric NOT NULL CONSTRAINT ledger_entries_resource_amount CHECK (
    resource_amount <> 'NaN' AND resource_amount >= 0 AND resource_amount < 10000000000000000
    AND pg_catalog.scale(pg_catalog.trim_scale(resource_amount)) <= 6
  ),
  resource_unit text COLLATE "C" NOT NULL
    CONSTRAINT ledger_entries_resource_unit CHECK (pg_catalog.length(resource_unit) BETWEEN 1 AND 200),
  captured_rate app.rate,
  operation_id uuid,
  workflow_id text COLLATE "C"
    CONSTRAINT ledger_entries_workflow_id CHECK (pg_catalog.length(workflow_id) <= 200),
  note text COLLATE "C" CONSTRAINT ledger_entries_note CHECK (pg_catalog.length(note) <= 2000),
  actor text COLLATE "C" CONSTRAINT ledger_entries_actor CHECK (pg_catalog.length(actor) <= 200),
  effective_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  hash app.hash NOT NULL,
  PRIMARY KEY (entry_id, created_at),
  CONSTRAINT ledger_entries_milliseconds CHECK (
    pg_catalog.date_trunc('milliseconds', effective_at) = effective_at
    AND pg_catalog.date_trunc('milliseconds', created_at) = created_at
  ),
  -- Only an expiry became true before it was written down.
  CONSTRAINT ledger_entries_effective CHECK (
    effective_at = created_at OR (reason = 'expiry' AND effective_at < created_at AND pg_catalog.isfinite(effective_at))
  ),
  CONSTRAINT ledger_entries_reason CHECK (
    CASE
      WHEN reason IN ('purchase', 'welcome', 'promo', 'manual', 'reinstatement') THEN amount > 0 AND lot_id IS NOT NULL
      WHEN reason IN ('debit', 'refund', 'chargeback') THEN amount < 0
      WHEN reason = 'expiry' THEN amount < 0 AND lot_id IS NOT NULL
      WHEN reason = 'adjustment' THEN amount < 0 OR lot_id IS NOT NULL
      -- A lot repays debt: out of the lot, and off the entries without one.
      WHEN reason = 'settlement' THEN (amount < 0) = (lot_id IS NOT NULL)
      ELSE false
    END
  )
) PARTITION BY RANGE (created_at);

-- History pages, newest first (an ordered Append over the months, pruned by the cursor), verification in order, and
-- the entries of one closed operation (its user at its closed_at).
CREATE UNIQUE INDEX ledger_entries_by_user ON public.ledger_entries (user_id, created_at, seq);

CREATE TRIGGER ledger_entries_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.ledger_entries
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('corrections are new entries');
ALTER TABLE public.ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_are_immutable;

-- The canonical form of an entry, version 1. Each field is '-' when it is null, else its length in octets, ':' and
-- its text in UTF-8. Fields are joined with ',' in this order:
--
--   the version of this form ('1'), entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
--   resource_amount, resource_unit, captured_rate, operation_id, workflow_id, note, actor, effective_at, created_at
--
-- uuids in lower case; integers in decimal; resource_amount and captured_rate as plain decimals without trailing
-- zeros (trim_scale); instants as milliseconds since 1970-01-01T00:00:00Z. So it begins with '1:1,36:0198…'.
-- Lengths make it unambiguous: no text can imitate another field.
--
--   hash = SHA-256(hash of the predecessor (32 octets; zeros before the first entry) || canonical form in UTF-8)
--
-- packages/domain/src/EntryHash.ts says the same in TypeScript; test/fixtures/entry-hash.json holds both to it.
CREATE FUNCTION app.canonical_field(field text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(pg_catalog.octet_length(field)::text || ':' || field, '-');

CREATE FUNCTION app.epoch_milliseconds(instant timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (extract(epoch FROM instant - timestamptz '1970-01-01 00:00:00+00') * 1000)::bigint;

CREATE FUNCTION app.entry_canonical(e public.ledger_entries) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '1:1,'
  || app.canonical_field((e).entry_id::text) || ','
  || app.canonical_field((e).user_id::text) || ','
  || app.canonical_field((e).seq::text) || ','
  || app.canonical_field((e).lot_id::text) || ','
  || app.canonical_field((e).amount::text) || ','
  || app.canonical_field((e).balance_after::text) || ','
  || app.canonical_field((e).reason) || ','
  || app.canonical_field((e).operation_type) || ','
  || app.canonical_field(pg_catalog.trim_scale((e).resource_amount)::text) || ','
  || app.canonical_field((e).resource_unit) || ','
  || app.canonical_field(pg_catalog.trim_scale((e).captured_rate)::text) || ','
  || app.canonical_field((e).operation_id::text) || ','
  || app.canonical_field((e).workflow_id) || ','
  || app.canonical_field((e).note) || ','
  || app.canonical_field((e).actor) || ','
  || app.canonical_field(app.epoch_milliseconds((e).effective_at)::text) || ','
  || app.canonical_field(app.epoch_milliseconds((e).created_at)::text);

-- STABLE because convert_to is: declared IMMUTABLE it would not be inlined, and cost ten times as much.
CREATE FUNCTION app.entry_hash(previous bytea, e public.ledger_entries) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.sha256(previous || pg_catalog.convert_to(app.entry_canonical(e), 'UTF8'));

-- Takes the entries of one INSERT: they must follow what their accounts hold, and then move accounts and lots.
--
-- It reads each account's head, checks every entry against its predecessor, and moves the head only where it still is
-- what was read: under READ COMMITTED the UPDATE waits for a concurrent writer and compares again, so of two writers
-- that took no lock the second is refused. Rows are locked accounts first, then lots; writers that hold their
-- accounts (all of ours, in order of user_id) never wait here.
--
-- The planner settings keep lookups by key: plpgsql keeps the plan of a session's first call, which may have seen
-- empty tables and would go on scanning them whole when they have grown. No step here may cost more as they grow.
CREATE FUNCTION app.chain_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  expected bigint;
  moved bigint;
  fault text;
BEGIN
  WITH linked AS (
    SELECT
      e.user_id, e.seq, e.lot_id, e.amount, e.created_at, e.hash,
      a.seq AS head_seq, a.balance AS head_balance, a.hash AS head_hash, a.last_at AS head_at,
      CASE
        WHEN a.user_id IS NULL THEN 'CR002 there is no such account'
        WHEN e.seq <> coalesce(lag(e.seq) OVER chain, a.seq) + 1
          THEN 'CR001 it does not follow entry ' || coalesce(lag(e.seq) OVER chain, a.seq)
        WHEN e.balance_after <> coalesce(lag(e.balance_after) OVER chain, a.balance) + e.amount
          THEN 'CR001 a balance of ' || coalesce(lag(e.balance_after) OVER chain, a.balance)
            || ' and an amount of ' || e.amount || ' do not make ' || e.balance_after
        WHEN e.created_at < coalesce(lag(e.created_at) OVER chain, a.last_at)
          THEN 'CR001 its time is before what happened last'
        WHEN e.hash <> app.entry_hash(coalesce(lag(e.hash) OVER chain, a.hash), e)
          THEN 'CR001 its hash is not that of this entry and its predecessor'
      END AS fault
    FROM entered AS e
    LEFT JOIN public.accounts AS a ON a.user_id = e.user_id
    WINDOW chain AS (PARTITION BY e.user_id ORDER BY e.seq)
  ),
  chained AS (
    SELECT
      l.user_id, l.head_seq, l.head_balance, l.head_hash, l.head_at,
      count(*) AS entries,
      sum(l.amount)::bigint AS amount,
      coalesce(sum(l.amount) FILTER (WHERE l.lot_id IS NULL), 0)::bigint AS amount_without_lot,
      (array_agg(l.hash ORDER BY l.seq DESC))[1] AS hash,
      max(l.created_at) AS last_at,
      (array_agg(l.fault || ' (entry ' || l.seq || ' of account ' || l.user_id || ')' ORDER BY l.seq)
        FILTER (WHERE l.fault IS NOT NULL))[1] AS fault
    FROM linked AS l
    GROUP BY l.user_id, l.head_seq, l.head_balance, l.head_hash, l.head_at
  ),
  heads AS (
    UPDATE public.accounts AS a
    SET
      seq = a.seq + c.entries,
      balance = a.balance + c.amount,
      debt = a.debt - c.amount_without_lot,
      hash = c.hash,
      last_at = c.last_at
    FROM chained AS c
    WHERE a.user_id = c.user_id
      AND c.fault IS NULL
      AND a.seq = c.head_seq
      AND a.balance = c.head_balance
      AND a.hash = c.head_hash
      AND a.last_at <= c.head_at
    RETURNING a.user_id
  )
  SELECT (SELECT count(*) FROM chained), (SELECT count(*) FROM heads), (SELECT min(c.fault) FROM chained AS c)
  INTO expected, moved, fault;

  IF moved <> expected THEN
    RAISE EXCEPTION USING
      ERRCODE = coalesce(left(fault, 5), 'CR001'),
      MESSAGE = 'an entry does not chain: '
        || coalesce(substr(fault, 7), 'its account was moved by another writer meanwhile'),
      SCHEMA = TG_TABLE_SCHEMA,
      TABLE = TG_TABLE_NAME;
  END IF;

  WITH touched AS (
    SELECT e.lot_id, e.user_id, sum(e.amount)::bigint AS amount
    FROM entered AS e
    WHERE e.lot_id IS NOT NULL
    GROUP BY e.lot_id, e.user_id
  ),
  filled AS (
    UPDATE public.lots AS l
    SET remaining = l.remaining + t.amount
    FROM touched AS t
    WHERE l.lot_id = t.lot_id AND l.user_id = t.user_id
    RETURNING l.lot_id
  )
  SELECT
    (SELECT count(*) FROM touched),
    (SELECT count(*) FROM filled),
    (SELECT min(t.lot_id::text) FROM touched AS t WHERE t.lot_id NOT IN (SELECT f.lot_id FROM filled AS f))
  INTO expected, moved, fault;

  IF moved <> expected THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR002',
      MESSAGE = 'an entry names lot ' || coalesce(fault, 'of another user') || ', which its account does not have',
      SCHEMA = TG_TABLE_SCHEMA,
      TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER ledger_entries_chain
AFTER INSERT ON public.ledger_entries
REFERENCING NEW TABLE AS entered
FOR EACH STATEMENT EXECUTE FUNCTION app.chain_entries();
ALTER TABLE public.ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_chain;

CREATE FUNCTION app.refuse_direct_insert() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'CR003',
    MESSAGE = pg_catalog.format('INSERT into %I.%I is refused: entries enter through public.ledger_entries, '
      'which checks that they chain', TG_TABLE_SCHEMA, TG_TABLE_NAME),
    SCHEMA = TG_TABLE_SCHEMA,
    TABLE = TG_TABLE_NAME;
END
$$;

-- Makes the ledger's months (UTC) from that of app.now() to that of until, and in any case three ahead; returns how
-- many were missing. May be called at any time, by anyone who writes: an attached month locks out no writer (SHARE
-- UPDATE EXCLUSIVE on the ledger). Calls take turns at a lock; the second finds everything made. Refuses (22023) more
-- than 1200 months ahead.
--
-- Each month refuses what the whole ledger refuses, for the triggers of a partitioned table fire only when the
-- statement names that table, and it refuses direct inserts, which would pass by the trigger that chains.
CREATE FUNCTION app.ensure_partitions(until timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Months as timestamps without a zone, meant as UTC: the session's time zone plays no part.
  first_month CONSTANT timestamp := date_trunc('month', app.now() AT TIME ZONE 'UTC');
  last_month CONSTANT timestamp :=
    greatest(date_trunc('month', until AT TIME ZONE 'UTC'), first_month + interval '3 months');
  month timestamp;
  partition text;
  made integer := 0;
BEGIN
  IF NOT isfinite(last_month) OR last_month > first_month + interval '1200 months' THEN
    RAISE EXCEPTION USING
      ERRCODE = '22023',
      MESSAGE = format('the ledger''s months are made up to 1200 ahead of %s, not up to %s',
        to_char(first_month, 'YYYY-MM'), coalesce(to_char(last_month, 'YYYY-MM'), 'for ever'));
  END IF;
  PERFORM pg_advisory_xact_lock(1129465156, 3);
  FOR month IN SELECT generate_series(first_month, last_month, interval '1 month') LOOP
    partition := 'ledger_entries_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.ledger_entries INCLUDING ALL)', partition);
    -- A default privilege may not open it: reading, too, goes through the ledger.
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC', partition);
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON public.%I '
      'FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change(%L)',
      partition || '_is_immutable', partition, 'corrections are new entries'
    );
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE INSERT ON public.%I '
      'FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_direct_insert()',
      partition || '_through_the_ledger', partition
    );
    EXECUTE format(
      'ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I, ENABLE ALWAYS TRIGGER %I',
      partition, partition || '_is_immutable', partition || '_through_the_ledger'
    );
    -- The table is new and empty, so that checking its rows against the bounds takes no time.
    EXECUTE format(
      'ALTER TABLE public.ledger_entries ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
      partition,
      to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
      to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
    );
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

SELECT app.ensure_partitions(app.now());
