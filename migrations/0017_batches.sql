-- What every batch of commands locks, and what it writes, in one call each: the statements are those that the service sent
-- one by one, and each cost a message, an answer and the client's waking up for it, which for a batch of one command was a
-- good part of the whole.

-- Takes the locks of a batch in their order and tells whose accounts it got: the barrier (shared, or alone where the batch
-- changes the ground of decisions), the accounts, the receipt counter. Accounts that may be missing (new_users, sorted) are made
-- first. Wanted are the accounts of users, of the users of operations, and of those of purchases that are to be reversed; one
-- that somebody else holds is waited for (waits), or left out. NULL stands for none.
--
-- Each statement in here has a snapshot of its own, because the function is VOLATILE: it sees what those before it waited
-- for. What is loaded afterwards needs a statement of its own behind this one, for the same reason.
CREATE FUNCTION app.lock_batch(
  exclusive boolean, new_users text[], users text[], operations uuid[], purchases text[], waits boolean, receipts boolean
) RETURNS text[]
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  wanted text[] := users;
  locked text[];
BEGIN
  IF exclusive THEN
    PERFORM pg_catalog.pg_advisory_xact_lock(1129465156, 2);
  ELSE
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(1129465156, 2);
  END IF;

  IF new_users IS NOT NULL THEN
    INSERT INTO public.accounts (user_id)
    SELECT u.user_id FROM pg_catalog.unnest(new_users) AS u (user_id)
    ORDER BY u.user_id COLLATE "C"
    ON CONFLICT (user_id) DO NOTHING;
  END IF;

  IF operations IS NOT NULL THEN
    wanted := wanted || ARRAY (SELECT o.user_id::text FROM public.operations AS o WHERE o.operation_id = ANY (operations));
  END IF;
  IF purchases IS NOT NULL THEN
    wanted := wanted || ARRAY (SELECT p.user_id::text FROM public.purchases AS p WHERE p.external_ref = ANY (purchases));
  END IF;
  IF waits THEN
    locked := ARRAY (
      SELECT a.user_id::text FROM public.accounts AS a WHERE a.user_id = ANY (wanted)
      ORDER BY a.user_id COLLATE "C"
      FOR UPDATE
    );
  ELSE
    locked := ARRAY (
      SELECT a.user_id::text FROM public.accounts AS a WHERE a.user_id = ANY (wanted)
      ORDER BY a.user_id COLLATE "C"
      FOR UPDATE SKIP LOCKED
    );
  END IF;

  IF receipts THEN
    PERFORM FROM public.receipt_counter FOR UPDATE;
  END IF;
  RETURN locked;
END
$$;

-- Epoch milliseconds as a timestamp, exactly: as whole microseconds it stays below 2^53 until the year 2255. Inlined where
-- it is called.
CREATE FUNCTION app.from_milliseconds(milliseconds bigint) RETURNS timestamptz
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN timestamptz 'epoch' + milliseconds * interval '1 millisecond';

-- Writes a batch's keys, lots, operations and entries: lists of rows as JSON, instants as epoch milliseconds, NULL where there
-- is nothing to write. Each table once and in this order; every statement sees what those before it wrote, and all guards
-- of the tables hold as for any other writer, for it runs with the rights of who calls it.
--
-- The keys come in their final state, sorted, before anything else. A key that somebody else wrote meanwhile refuses the
-- batch: as a duplicate (23505), or, where some of the keys have a record already that may be replaced (renews), for the
-- count of rows that were written (CR005). So does an operation that is not there.
CREATE FUNCTION app.write_batch(keys json, renews boolean, lots json, changed json, opened json, entries json)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  written bigint;
BEGIN
  IF NOT renews THEN
    INSERT INTO public.idempotency_tracking (
      command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, response, transaction_id,
      claimed_at, expires_at
    )
    SELECT
      k.type, k.key, k.state, pg_catalog.decode(k.fingerprint, 'hex'), k."fieldHashes", k."contractVersion", k.response,
      k."transactionId", app.from_milliseconds(k."claimedAt"), app.from_milliseconds(k."expiresAt")
    FROM pg_catalog.json_to_recordset(keys) AS k (
      type text, key text, state text, fingerprint text, "fieldHashes" text, "contractVersion" integer, response text,
      "transactionId" uuid, "claimedAt" bigint, "expiresAt" bigint
    )
    ORDER BY k.type COLLATE "C", k.key COLLATE "C";
  ELSE
    INSERT INTO public.idempotency_tracking AS i (
      command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, response, transaction_id,
      claimed_at, expires_at
    )
    SELECT
      k.type, k.key, k.state, pg_catalog.decode(k.fingerprint, 'hex'), k."fieldHashes", k."contractVersion", k.response,
      k."transactionId", app.from_milliseconds(k."claimedAt"), app.from_milliseconds(k."expiresAt")
    FROM pg_catalog.json_to_recordset(keys) AS k (
      type text, key text, state text, fingerprint text, "fieldHashes" text, "contractVersion" integer, response text,
      "transactionId" uuid, "claimedAt" bigint, "expiresAt" bigint
    )
    ORDER BY k.type COLLATE "C", k.key COLLATE "C"
    ON CONFLICT (command_type, idempotency_key) DO UPDATE SET
      state = excluded.state, fingerprint = excluded.fingerprint, field_hashes = excluded.field_hashes,
      contract_version = excluded.contract_version, response = excluded.response,
      transaction_id = excluded.transaction_id, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at,
      lease_until = NULL
    WHERE i.expires_at <= excluded.claimed_at
      OR i.state = 'FAILED_RETRIABLE'
      OR (i.state = 'PENDING' AND i.lease_until <= app.now());
    GET DIAGNOSTICS written = ROW_COUNT;
    PERFORM app.expect_rows(written, pg_catalog.json_array_length(keys));
  END IF;

  IF lots IS NOT NULL THEN
    INSERT INTO public.lots (lot_id, user_id, source, product_code, external_ref, credits, issued_at, expires_at)
    SELECT
      l."lotId", l."userId", l.source, l."productCode", l."externalRef", l.credits, app.from_milliseconds(l."issuedAt"),
      app.from_milliseconds(l."expiresAt")
    FROM pg_catalog.json_to_recordset(lots) AS l (
      "lotId" uuid, "userId" text, source text, "productCode" text, "externalRef" text, credits bigint,
      "issuedAt" bigint, "expiresAt" bigint
    );
  END IF;

  -- Before those that open: an expired operation makes room for the next one of its user.
  IF changed IS NOT NULL THEN
    UPDATE public.operations AS o SET
      status = c.status, expires_at = app.from_milliseconds(c."expiresAt"),
      closed_at = app.from_milliseconds(c."closedAt"), resource_amount = c."resourceAmount",
      final_cost = c."finalCost", completed_at = app.from_milliseconds(c."completedAt"), late = c.late,
      cancel_reason = c."cancelReason", updated_at = app.from_milliseconds(c."updatedAt")
    FROM pg_catalog.json_to_recordset(changed) AS c (
      "operationId" uuid, status text, "expiresAt" bigint, "closedAt" bigint, "resourceAmount" numeric,
      "finalCost" bigint, "completedAt" bigint, late boolean, "cancelReason" text, "updatedAt" bigint
    )
    WHERE o.operation_id = c."operationId"
      -- Says nothing new, and keeps a plan that was made for an empty table from reading all of it.
      AND o.operation_id = ANY (
        ARRAY (SELECT (e ->> 'operationId')::uuid FROM pg_catalog.json_array_elements(changed) AS e)
      );
    GET DIAGNOSTICS written = ROW_COUNT;
    PERFORM app.expect_rows(written, pg_catalog.json_array_length(changed));
  END IF;

  IF opened IS NOT NULL THEN
    INSERT INTO public.operations (
      operation_id, user_id, operation_type_code, captured_rate, resource_unit, workflow_id, estimated_amount, held,
      status, opened_at, expires_at, updated_at
    )
    SELECT
      o."operationId", o."userId", o."operationTypeCode", o."capturedRate", o."resourceUnit", o."workflowId",
      o."estimatedAmount", o.held, o.status, app.from_milliseconds(o."openedAt"),
      app.from_milliseconds(o."expiresAt"), app.from_milliseconds(o."updatedAt")
    FROM pg_catalog.json_to_recordset(opened) AS o (
      "operationId" uuid, "userId" text, "operationTypeCode" text, "capturedRate" numeric, "resourceUnit" text,
      "workflowId" text, "estimatedAmount" numeric, held bigint, status text, "openedAt" bigint, "expiresAt" bigint,
      "updatedAt" bigint
    );
  END IF;

  -- The ledger's trigger checks that they chain, and moves accounts and lots.
  IF entries IS NOT NULL THEN
    INSERT INTO public.ledger_entries (
      entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type, resource_amount, resource_unit,
      captured_rate, operation_id, workflow_id, note, actor, effective_at, created_at, hash
    )
    SELECT
      e."entryId", e."userId", e.seq, e."lotId", e.amount, e."balanceAfter", e.reason, e."operationType",
      e."resourceAmount", e."resourceUnit", e."capturedRate", e."operationId", e."workflowId", e.note, e.actor,
      app.from_milliseconds(e."effectiveAt"), app.from_milliseconds(e."createdAt"), pg_catalog.decode(e.hash, 'hex')
    FROM pg_catalog.json_to_recordset(entries) AS e (
      "entryId" uuid, "userId" text, seq bigint, "lotId" uuid, amount bigint, "balanceAfter" bigint, reason text,
      "operationType" text, "resourceAmount" numeric, "resourceUnit" text, "capturedRate" numeric,
      "operationId" uuid, "workflowId" text, note text, actor text, "effectiveAt" bigint, "createdAt" bigint, hash text
    );
  END IF;
END
$$;

REVOKE ALL ON FUNCTION
  app.lock_batch(boolean, text[], text[], uuid[], text[], boolean, boolean),
  app.from_milliseconds(bigint),
  app.write_batch(json, boolean, json, json, json, json)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
  app.lock_batch(boolean, text[], text[], uuid[], text[], boolean, boolean),
  app.from_milliseconds(bigint),
  app.write_batch(json, boolean, json, json, json, json)
TO credit_runtime;
