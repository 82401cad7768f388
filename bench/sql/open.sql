-- The floor under Operation.Open: what that reads, checks and writes for one command, in one call. What the bench's users
-- never have (due lots, expired operations) is refused instead of booked.
CREATE FUNCTION bench.open(operation uuid, who text, type_code text, estimate numeric, key text) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  settings public.merchant_settings;
  account public.accounts;
  rate public.operation_types;
  opened public.operations;
  response text;
  at timestamptz;
BEGIN
  -- The barrier that every command of the service shares.
  PERFORM pg_advisory_xact_lock_shared(1129465156, 2);
  SELECT * INTO STRICT account FROM public.accounts WHERE user_id = who FOR UPDATE;
  SELECT * INTO STRICT settings FROM public.merchant_settings;
  at := greatest(app.now(), account.last_at);
  IF EXISTS (SELECT FROM public.service_status WHERE status <> 'ready')
    OR EXISTS (SELECT FROM public.lots AS l WHERE l.user_id = who AND l.active AND l.expires_at <= at)
    OR EXISTS (SELECT FROM public.operations AS o WHERE o.user_id = who AND o.status = 'open' AND o.expires_at <= at)
    OR (SELECT count(*) FROM public.operations AS o WHERE o.user_id = who AND o.status = 'open')
      >= settings.max_open_operations
  THEN
    RAISE EXCEPTION 'not what this measures: %', who;
  END IF;
  SELECT * INTO STRICT rate FROM public.operation_types AS t
  WHERE t.operation_type_code = type_code AND t.effective_at <= at AND (t.archived_at IS NULL OR t.archived_at > at);
  opened.operation_id := operation;
  opened.user_id := who;
  opened.operation_type_code := type_code;
  opened.captured_rate := rate.credits_per_unit;
  opened.resource_unit := rate.resource_unit;
  opened.estimated_amount := estimate;
  opened.held := greatest(1, ceil(estimate * rate.credits_per_unit));
  opened.status := 'open';
  opened.opened_at := at;
  opened.expires_at := at + make_interval(mins => settings.operation_timeout_minutes);
  opened.late := false;
  opened.updated_at := at;
  IF account.balance - account.held < opened.held THEN
    RAISE EXCEPTION 'insufficient balance: %', who;
  END IF;
  response := json_build_object(
    'operation', row_to_json(opened), 'balance', account.balance, 'held', account.held + opened.held
  );
  INSERT INTO public.idempotency_tracking (
    command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, response, transaction_id,
    claimed_at, expires_at
  ) VALUES (
    'Operation.Open', key, 'SUCCEEDED', sha256(convert_to(who || type_code || estimate, 'UTF8')),
    '{"userId":"0123456789abcdef","operationTypeCode":"0123456789abcdef","estimatedAmount":"0123456789abcdef"}',
    1, response, gen_random_uuid(), at, at + interval '168 hours'
  );
  INSERT INTO public.operations SELECT opened.*;
  RETURN response;
END
$$
