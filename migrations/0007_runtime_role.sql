-- What the service may do. The role is the cluster's, shared by all merchants' databases; a login gets it, and CONNECT
-- on its own database alone, when its merchant is onboarded. It owns nothing, so no trigger here can be taken off.

DO $$
DECLARE
  credit_runtime record;
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'credit_runtime') THEN
      CREATE ROLE credit_runtime NOLOGIN;
    END IF;
  EXCEPTION
    -- Another merchant's migration made it in the same moment.
    WHEN duplicate_object OR unique_violation THEN
      NULL;
    WHEN insufficient_privilege THEN
      RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = pg_catalog.format('role credit_runtime is missing and %s may not create roles', current_user),
        HINT = 'Once per server, as an administrator: CREATE ROLE credit_runtime NOLOGIN';
  END;
  SELECT r.rolsuper, r.rolcreaterole, r.rolbypassrls, r.rolreplication INTO credit_runtime
  FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'credit_runtime';
  IF credit_runtime.rolsuper OR credit_runtime.rolcreaterole OR credit_runtime.rolbypassrls
    OR credit_runtime.rolreplication
  THEN
    RAISE EXCEPTION 'role credit_runtime exists and may do more than a runtime role must';
  END IF;
  -- Without this every login of the server could connect here, for CONNECT is PUBLIC's by default.
  EXECUTE pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC', pg_catalog.current_database());
END
$$;

REVOKE ALL ON SCHEMA public, app FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;
GRANT USAGE ON SCHEMA public, app TO credit_runtime;

-- Reads. Named one by one: a month of the ledger is read through public.ledger_entries only.
GRANT SELECT ON
  public.migrations,
  public.merchant_settings, public.service_status,
  public.operation_types, public.products, public.product_prices,
  public.accounts, public.lots, public.ledger_entries, public.operations,
  public.purchases, public.receipts, public.receipt_counter, public.grants_once,
  public.idempotency_tracking, public.audit_log
TO credit_runtime;

-- The ledger and what it moves: entries enter, their trigger does the rest.
GRANT INSERT (user_id), UPDATE (lock_only) ON public.accounts TO credit_runtime;
GRANT INSERT (lot_id, user_id, source, product_code, external_ref, credits, issued_at, expires_at)
  ON public.lots TO credit_runtime;
GRANT INSERT ON public.ledger_entries TO credit_runtime;

GRANT
  INSERT,
  UPDATE (
    status, expires_at, closed_at, resource_amount, final_cost, completed_at, late, cancel_reason, updated_at
  )
  ON public.operations TO credit_runtime;

GRANT INSERT ON public.purchases, public.receipts, public.grants_once, public.audit_log TO credit_runtime;
GRANT UPDATE (lock_only) ON public.receipt_counter TO credit_runtime;

GRANT INSERT, UPDATE ON public.idempotency_tracking TO credit_runtime;

-- The catalog and what a merchant sets.
GRANT INSERT, UPDATE (archived_at) ON public.operation_types, public.products TO credit_runtime;
GRANT INSERT ON public.product_prices TO credit_runtime;
GRANT UPDATE (status, reason, until, updated_at) ON public.service_status TO credit_runtime;
GRANT
  UPDATE (
    legal_name, legal_address, tax_id, tax_regime, tax_rate, receipt_prefix, operation_timeout_minutes,
    operation_timeout_max_minutes, late_close_hours, max_open_operations, consumption_order, clock_offset_hours,
    updated_at
  )
  ON public.merchant_settings TO credit_runtime;

GRANT EXECUTE ON FUNCTION
  app.now(),
  app.expect_rows(bigint, bigint),
  app.ensure_partitions(timestamptz),
  app.canonical_field(text),
  app.epoch_milliseconds(timestamptz),
  app.entry_canonical(public.ledger_entries),
  app.entry_hash(bytea, public.ledger_entries),
  app.receipt_suffix(integer, bigint)
TO credit_runtime;
