-- The floor under Operation.RecordAndClose, likewise: the triggers move account and lot.
CREATE FUNCTION bench.close(operation uuid, used numeric, key text, entry_id uuid) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  account public.accounts;
  work public.operations;
  lot public.lots;
  entry public.ledger_entries;
  response text;
  at timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1129465156, 2);
  SELECT a.* INTO STRICT account FROM public.accounts AS a
  WHERE a.user_id = (SELECT o.user_id FROM public.operations AS o WHERE o.operation_id = operation) FOR UPDATE;
  at := greatest(app.now(), account.last_at);
  -- Statements of their own after the lock: they see what it waited for.
  SELECT * INTO STRICT work FROM public.operations AS o WHERE o.operation_id = operation;
  SELECT * INTO STRICT lot FROM public.lots AS l WHERE l.user_id = account.user_id AND l.active
  ORDER BY l.issued_at, l.lot_id LIMIT 1;
  entry.amount := -greatest(1, ceil(used * work.captured_rate));
  IF EXISTS (SELECT FROM public.service_status WHERE status <> 'ready')
    OR work.status <> 'open' OR work.expires_at <= at OR lot.expires_at <= at OR lot.remaining < -entry.amount
  THEN
    RAISE EXCEPTION 'not what this measures: %', account.user_id;
  END IF;
  entry.entry_id := entry_id;
  entry.user_id := account.user_id;
  entry.seq := account.seq + 1;
  entry.lot_id := lot.lot_id;
  entry.balance_after := account.balance + entry.amount;
  entry.reason := 'debit';
  entry.operation_type := work.operation_type_code;
  entry.resource_amount := used;
  entry.resource_unit := work.resource_unit;
  entry.captured_rate := work.captured_rate;
  entry.operation_id := operation;
  entry.effective_at := at;
  entry.created_at := at;
  entry.hash := app.entry_hash(account.hash, entry);
  response := json_build_object(
    'operation', row_to_json(work), 'ledgerEntries', json_build_array(row_to_json(entry)),
    'balance', entry.balance_after, 'held', account.held - work.held, 'activeLots', json_build_array(row_to_json(lot))
  );
  INSERT INTO public.idempotency_tracking (
    command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, response, transaction_id,
    claimed_at, expires_at
  ) VALUES (
    'Operation.RecordAndClose', key, 'SUCCEEDED', sha256(convert_to(operation::text || used, 'UTF8')),
    '{"operationId":"0123456789abcdef","resourceAmount":"0123456789abcdef","completedAt":"0123456789abcdef"}',
    1, response, gen_random_uuid(), at, at + interval '168 hours'
  );
  UPDATE public.operations AS o
  SET status = 'closed', closed_at = at, resource_amount = used, final_cost = -entry.amount, completed_at = at, updated_at = at
  WHERE o.operation_id = operation;
  INSERT INTO public.ledger_entries SELECT entry.*;
  RETURN response;
END
$$
