-- The ground everything stands on: schema, domains, the refusals, the merchant's one row of settings, the clock.
--
-- Tables live in schema public, functions in schema app. Every function names schema and object, so that no
-- search_path can lead it elsewhere. Works on PostgreSQL 15 to 18.
--
-- SQLSTATEs of this database's own refusals (class CR, which PostgreSQL leaves to applications):
--   CR001  does not chain: an entry, a hold or a receipt number that does not follow what is there
--   CR002  names an account or a lot that does not exist, or a lot of another user
--   CR003  immutable: the row never changes, or not in this way
--   CR004  this database belongs to another merchant
--   CR005  fewer rows were written than were meant: another writer came first
-- An entry whose month has no partition is refused by PostgreSQL itself: 23514 without a constraint name, table
-- ledger_entries. app.ensure_partitions(created_at) makes the month, then the same insert works.
--
-- Advisory locks share the first key 1129465156 ('CRED' in ASCII); the second says what for:
--   1  the migration runner (session)   2  the engine's barrier (transaction)   3  app.ensure_partitions (transaction)

DO $$
BEGIN
  -- Hashes are taken over UTF-8 octets; another encoding would lose characters and give other octets.
  IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'database % has encoding %, the service needs UTF8',
      pg_catalog.current_database(), pg_catalog.current_setting('server_encoding');
  END IF;
END
$$;

CREATE SCHEMA app;

-- Whatever later migrations of this owner create: nobody may call it until a grant says so.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Equality beside ranges in one exclusion constraint (0002). A trusted extension: the database's owner may create it.
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

-- The forms of texts ask for a length and for the absence of any other character: '^[!-~]{1,200}$' says the same, and
-- costs a hundred times as much, for the bound is unrolled.

-- A merchant's customer, opaque to this service: 1 to 128 of [A-Za-z0-9._:@|-].
CREATE DOMAIN app.user_id AS text COLLATE "C"
  CONSTRAINT user_id_form CHECK (
    pg_catalog.octet_length(VALUE) BETWEEN 1 AND 128 AND VALUE !~ '[^A-Za-z0-9._:@|-]'
  );

-- Codes and references: 1 to 200 visible ASCII characters.
CREATE DOMAIN app.code AS text COLLATE "C"
  CONSTRAINT code_form CHECK (pg_catalog.octet_length(VALUE) BETWEEN 1 AND 200 AND VALUE !~ '[^!-~]');

CREATE DOMAIN app.idempotency_key AS text COLLATE "C"
  CONSTRAINT idempotency_key_form CHECK (pg_catalog.octet_length(VALUE) BETWEEN 1 AND 255 AND VALUE !~ '[^!-~]');

-- Credits travel as JSON numbers: whole, and at most 2^53 − 1 either way.
CREATE DOMAIN app.credits AS bigint
  CONSTRAINT credits_bounds CHECK (VALUE BETWEEN -9007199254740991 AND 9007199254740991);

-- SHA-256.
CREATE DOMAIN app.hash AS bytea
  CONSTRAINT hash_length CHECK (pg_catalog.octet_length(VALUE) = 32);

-- Decimals are unconstrained numerics with a CHECK on the scale, because numeric(18,6) would round what it should
-- refuse. NaN and Infinity sort above every number, so the upper bound refuses them; 'NaN' is named for the reader.
CREATE DOMAIN app.resource_amount AS numeric
  CONSTRAINT resource_amount_bounds CHECK (
    VALUE <> 'NaN' AND VALUE >= 0 AND VALUE < 1000000000000 AND pg_catalog.scale(pg_catalog.trim_scale(VALUE)) <= 6
  );

CREATE DOMAIN app.rate AS numeric
  CONSTRAINT rate_bounds CHECK (
    VALUE <> 'NaN' AND VALUE > 0 AND VALUE < 1000000000 AND pg_catalog.scale(pg_catalog.trim_scale(VALUE)) <= 6
  );

CREATE DOMAIN app.money AS numeric
  CONSTRAINT money_bounds CHECK (
    VALUE <> 'NaN' AND VALUE >= 0 AND VALUE < 1000000000000 AND pg_catalog.scale(pg_catalog.trim_scale(VALUE)) <= 4
  );

-- An instant in whole milliseconds, as JavaScript keeps it: what was stored is what is read back and hashed.
CREATE DOMAIN app.instant AS timestamptz
  CONSTRAINT instant_milliseconds CHECK (
    pg_catalog.isfinite(VALUE) AND VALUE = pg_catalog.date_trunc('milliseconds', VALUE)
  );

-- Refuses the statement that fired it, for everyone; the trigger's argument says why.
CREATE FUNCTION app.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'CR003',
    MESSAGE = pg_catalog.format(
      '%s of %I.%I is refused: %s', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
      coalesce(TG_ARGV[0], 'its rows never change')
    ),
    SCHEMA = TG_TABLE_SCHEMA,
    TABLE = TG_TABLE_NAME;
END
$$;

-- Refuses (CR005) a statement that wrote another number of rows than was meant. Inside the statement itself, so that a
-- writer may send the COMMIT behind it without waiting for the count.
CREATE FUNCTION app.expect_rows(actual bigint, expected bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  IF actual IS DISTINCT FROM expected THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR005', MESSAGE = pg_catalog.format('%s rows were written, %s were meant', actual, expected);
  END IF;
  RETURN true;
END
$$;

-- Who this database belongs to, and what that merchant has set. One row, made by app.initialise_merchant.
CREATE TABLE public.merchant_settings (
  id boolean PRIMARY KEY DEFAULT true CONSTRAINT merchant_settings_single CHECK (id),
  merchant_id text COLLATE "C" NOT NULL
    CONSTRAINT merchant_settings_merchant_id CHECK (merchant_id ~ '^[a-z][a-z0-9-]{1,30}$'),
  legal_name text NOT NULL DEFAULT ''
    CONSTRAINT merchant_settings_legal_name CHECK (pg_catalog.length(legal_name) <= 500),
  legal_address text CONSTRAINT merchant_settings_legal_address CHECK (pg_catalog.length(legal_address) <= 2000),
  tax_id text CONSTRAINT merchant_settings_tax_id CHECK (pg_catalog.length(tax_id) <= 200),
  tax_regime text COLLATE "C" NOT NULL DEFAULT 'none'
    CONSTRAINT merchant_settings_tax_regime CHECK (tax_regime IN ('none', 'turnover', 'vat')),
  tax_rate numeric CONSTRAINT merchant_settings_tax_rate CHECK (
    tax_rate <> 'NaN' AND tax_rate >= 0 AND tax_rate < 1000000000 AND pg_catalog.scale(pg_catalog.trim_scale(tax_rate)) <= 6
  ),
  receipt_prefix text COLLATE "C" NOT NULL DEFAULT 'R'
    CONSTRAINT merchant_settings_receipt_prefix CHECK (receipt_prefix ~ '^[A-Z0-9-]{1,20}$'),
  operation_timeout_minutes integer NOT NULL DEFAULT 60
    CONSTRAINT merchant_settings_operation_timeout CHECK (operation_timeout_minutes >= 1),
  operation_timeout_max_minutes integer NOT NULL DEFAULT 1440
    CONSTRAINT merchant_settings_operation_timeout_max CHECK (
      operation_timeout_max_minutes BETWEEN operation_timeout_minutes AND 5256000
    ),
  -- 0: an expired operation can never be closed.
  late_close_hours integer NOT NULL DEFAULT 24
    CONSTRAINT merchant_settings_late_close CHECK (late_close_hours BETWEEN 0 AND 87600),
  max_open_operations integer NOT NULL DEFAULT 100
    CONSTRAINT merchant_settings_max_open CHECK (max_open_operations BETWEEN 1 AND 100000),
  consumption_order text COLLATE "C" NOT NULL DEFAULT 'oldest_first'
    CONSTRAINT merchant_settings_consumption_order CHECK (consumption_order IN ('oldest_first', 'expiring_first')),
  sandbox boolean NOT NULL DEFAULT false,
  -- How far a sandbox has moved its clock ahead of the database's.
  clock_offset_hours integer NOT NULL DEFAULT 0
    CONSTRAINT merchant_settings_clock_offset CHECK (
      clock_offset_hours BETWEEN 0 AND 1000000 AND (sandbox OR clock_offset_hours = 0)
    ),
  updated_at app.instant NOT NULL DEFAULT pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp())
);

CREATE TRIGGER merchant_settings_keep_identity
BEFORE UPDATE OF id, merchant_id, sandbox OR DELETE OR TRUNCATE ON public.merchant_settings
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('a merchant''s id and kind are for ever');
ALTER TABLE public.merchant_settings ENABLE ALWAYS TRIGGER merchant_settings_keep_identity;

CREATE TRIGGER merchant_settings_clock_runs_forward
BEFORE UPDATE ON public.merchant_settings
FOR EACH ROW WHEN (NEW.clock_offset_hours < OLD.clock_offset_hours)
EXECUTE FUNCTION app.refuse_change('a clock moves forward only');
ALTER TABLE public.merchant_settings ENABLE ALWAYS TRIGGER merchant_settings_clock_runs_forward;

-- The merchant's clock: the database's, cut to milliseconds, plus what a sandbox has moved ahead. Read it once per
-- transaction, after the locks are held. An interval of hours is a fixed number of seconds in every time zone.
CREATE FUNCTION app.now() RETURNS timestamptz
LANGUAGE sql VOLATILE
RETURN pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp()) + pg_catalog.make_interval(
  hours => coalesce((SELECT s.clock_offset_hours FROM public.merchant_settings AS s), 0)
);

-- Makes this database the merchant's. May be repeated; refuses (CR004) another id or kind than it has.
CREATE FUNCTION app.initialise_merchant(merchant_id text, sandbox boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  present record;
BEGIN
  INSERT INTO public.merchant_settings (merchant_id, sandbox)
  VALUES (initialise_merchant.merchant_id, initialise_merchant.sandbox)
  ON CONFLICT (id) DO NOTHING;
  -- A statement of its own: it sees the row that a concurrent call has just committed.
  SELECT s.merchant_id, s.sandbox INTO STRICT present FROM public.merchant_settings AS s;
  IF present.merchant_id <> initialise_merchant.merchant_id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR004',
      MESSAGE = pg_catalog.format(
        'this database belongs to merchant %s, not to %s', present.merchant_id, initialise_merchant.merchant_id
      );
  END IF;
  IF present.sandbox <> initialise_merchant.sandbox THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR004',
      MESSAGE = pg_catalog.format(
        'merchant %s was made %s a sandbox, which never changes',
        present.merchant_id, CASE WHEN present.sandbox THEN 'as' ELSE 'not as' END
      );
  END IF;
END
$$;

-- Whether commands are taken. One row, here from the start.
CREATE TABLE public.service_status (
  id boolean PRIMARY KEY DEFAULT true CONSTRAINT service_status_single CHECK (id),
  status text COLLATE "C" NOT NULL DEFAULT 'ready'
    CONSTRAINT service_status_status CHECK (status IN ('ready', 'maintenance')),
  reason text CONSTRAINT service_status_reason CHECK (pg_catalog.length(reason) <= 2000),
  until app.instant,
  updated_at app.instant NOT NULL DEFAULT pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp())
);

INSERT INTO public.service_status DEFAULT VALUES;

CREATE TRIGGER service_status_stays
BEFORE DELETE OR TRUNCATE ON public.service_status
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('its one row stays');
ALTER TABLE public.service_status ENABLE ALWAYS TRIGGER service_status_stays;
