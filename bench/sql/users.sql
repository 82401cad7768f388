-- Users u-0 … with one lot each that no run can use up, and 'one', the user of the scenario of that name. Buyers b-0 …
-- have an account only: their lots pile up, and must not burden those who work.
CREATE FUNCTION bench.add_users(users integer) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  at timestamptz := app.now();
  entry public.ledger_entries;
BEGIN
  INSERT INTO public.accounts (user_id) SELECT 'b-' || n FROM generate_series(0, users - 1) AS n;
  FOR entry.user_id IN SELECT 'u-' || n FROM generate_series(0, users - 1) AS n UNION ALL SELECT 'one' LOOP
    entry.entry_id := gen_random_uuid();
    entry.lot_id := gen_random_uuid();
    entry.seq := 1;
    entry.amount := 1000000000;
    entry.balance_after := entry.amount;
    entry.reason := 'manual';
    entry.operation_type := 'manual';
    entry.resource_amount := entry.amount;
    entry.resource_unit := 'CREDITS';
    entry.effective_at := at;
    entry.created_at := at;
    entry.hash := app.entry_hash(decode(repeat('00', 32), 'hex'), entry);
    INSERT INTO public.accounts (user_id) VALUES (entry.user_id);
    INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
    VALUES (entry.lot_id, entry.user_id, 'manual', entry.amount, at, at + interval '8760 hours');
    INSERT INTO public.ledger_entries SELECT entry.*;
  END LOOP;
END
$$
