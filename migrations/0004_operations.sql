-- Metered work: opened with the rate captured, then closed with what it used.

CREATE TABLE public.operations (
  operation_id uuid PRIMARY KEY,
  user_id app.user_id NOT NULL,
  operation_type_code app.code NOT NULL,
  captured_rate app.rate NOT NULL,
  resource_unit app.code NOT NULL,
  workflow_id text COLLATE "C" CONSTRAINT operations_workflow_id CHECK (pg_catalog.length(workflow_id) <= 200),
  estimated_amount app.resource_amount,
  -- What it set aside at its opening, and keeps on record after its end. An account's held is the sum over open ones.
  held app.credits NOT NULL DEFAULT 0 CONSTRAINT operations_held CHECK (held >= 0),
  status text COLLATE "C" NOT NULL DEFAULT 'open',
  opened_at app.instant NOT NULL,
  expires_at app.instant NOT NULL,
  -- When it was closed or cancelled. An expired operation has none: it ended at expires_at.
  closed_at app.instant,
  resource_amount app.resource_amount,
  final_cost app.credits CONSTRAINT operations_final_cost CHECK (final_cost >= 1),
  -- The client's word for when the work was done; decides nothing.
  completed_at app.instant,
  -- Closed after its expiry, within the merchant's late_close_hours.
  late boolean NOT NULL DEFAULT false,
  cancel_reason text COLLATE "C" CONSTRAINT operations_cancel_reason CHECK (pg_catalog.length(cancel_reason) <= 2000),
  updated_at app.instant NOT NULL,
  CONSTRAINT operations_expire_later CHECK (expires_at > opened_at),
  CONSTRAINT operations_estimate_holds CHECK ((estimated_amount IS NULL) = (held = 0)),
  CONSTRAINT operations_status CHECK (
    CASE status
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
    END
  )
) WITH (fillfactor = 80);

-- The load step and ListOpenOperations: what an account has open.
CREATE INDEX operations_open_by_user ON public.operations (user_id, operation_id) WHERE status = 'open';

-- A user has at most one operation open that holds nothing.
CREATE UNIQUE INDEX operations_one_without_estimate ON public.operations (user_id)
WHERE status = 'open' AND estimated_amount IS NULL;

-- Fires when one of these columns is named in SET.
CREATE TRIGGER operations_keep_what_was_opened
BEFORE UPDATE OF
  operation_id, user_id, operation_type_code, captured_rate, resource_unit, workflow_id, estimated_amount, held, opened_at
OR TRUNCATE ON public.operations
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('what an operation was opened with never changes');
ALTER TABLE public.operations ENABLE ALWAYS TRIGGER operations_keep_what_was_opened;

-- From open to any other status or, extended, to open; from expired to closed, late. An expiry moves later and only
-- while the operation is open. The rules are conditions, so that an allowed change calls no function.
CREATE TRIGGER operations_move_on
BEFORE UPDATE ON public.operations
FOR EACH ROW WHEN (
  NOT CASE OLD.status
    WHEN 'open' THEN NEW.expires_at >= OLD.expires_at
    WHEN 'expired' THEN NEW.status = 'closed' AND NEW.late AND NEW.expires_at = OLD.expires_at
    ELSE false
  END
)
EXECUTE FUNCTION app.refuse_change('an operation ends once, and expires no earlier than it said');
ALTER TABLE public.operations ENABLE ALWAYS TRIGGER operations_move_on;

-- Cancelled and expired ones may be cleaned away when nothing refers to them any more.
CREATE TRIGGER operations_stay
BEFORE DELETE ON public.operations
FOR EACH ROW WHEN (OLD.status IN ('open', 'closed'))
EXECUTE FUNCTION app.refuse_change('an open operation holds credits, a closed one has entries');
ALTER TABLE public.operations ENABLE ALWAYS TRIGGER operations_stay;

-- Moves accounts.held by what the statement changed in the sum over open operations, and last_at to the latest
-- updated_at; refuses a time before what happened last. Like app.chain_entries it holds against writers without
-- locks: held moves by a difference, and the row waits for whoever moves it.
-- On INSERT the transition table is called changed; on UPDATE there is also the one before.
CREATE FUNCTION app.move_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As in app.chain_entries: by key, whatever a kept plan once knew.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  expected bigint;
  moved bigint;
  stuck text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM changed AS c WHERE c.status <> 'open') THEN
      RAISE EXCEPTION USING
        ERRCODE = 'CR003', MESSAGE = 'an operation begins open', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    WITH holds AS (
      SELECT c.user_id, sum(c.held)::bigint AS held, min(c.updated_at) AS first_at, max(c.updated_at) AS last_at
      FROM changed AS c
      GROUP BY c.user_id
    ),
    accounts AS (
      UPDATE public.accounts AS a
      SET held = a.held + h.held, last_at = h.last_at
      FROM holds AS h
      WHERE a.user_id = h.user_id AND a.last_at <= h.first_at
      RETURNING a.user_id
    )
    SELECT
      (SELECT count(*) FROM holds),
      (SELECT count(*) FROM accounts),
      (SELECT min(h.user_id) FROM holds AS h WHERE h.user_id NOT IN (SELECT a.user_id FROM accounts AS a))
    INTO expected, moved, stuck;
  ELSE
    WITH holds AS (
      SELECT b.user_id, sum(b.held)::bigint AS held, min(b.updated_at) AS first_at, max(b.updated_at) AS last_at
      FROM (
        SELECT c.user_id, CASE WHEN c.status = 'open' THEN c.held ELSE 0 END AS held, c.updated_at FROM changed AS c
        UNION ALL
        SELECT p.user_id, CASE WHEN p.status = 'open' THEN -p.held ELSE 0 END, NULL FROM previous AS p
      ) AS b
      GROUP BY b.user_id
    ),
    accounts AS (
      UPDATE public.accounts AS a
      SET held = a.held + h.held, last_at = h.last_at
      FROM holds AS h
      WHERE a.user_id = h.user_id AND a.last_at <= h.first_at
      RETURNING a.user_id
    )
    SELECT
      (SELECT count(*) FROM holds),
      (SELECT count(*) FROM accounts),
      (SELECT min(h.user_id) FROM holds AS h WHERE h.user_id NOT IN (SELECT a.user_id FROM accounts AS a))
    INTO expected, moved, stuck;
  END IF;

  IF moved <> expected THEN
    IF EXISTS (SELECT FROM public.accounts AS a WHERE a.user_id = stuck) THEN
      RAISE EXCEPTION USING
        ERRCODE = 'CR001',
        MESSAGE = format('an operation of account %s is written at a time before what happened last', stuck),
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    RAISE EXCEPTION USING
      ERRCODE = 'CR002',
      MESSAGE = format('an operation names account %s, which does not exist', stuck),
      SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER operations_hold
AFTER INSERT ON public.operations
REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION app.move_held();
ALTER TABLE public.operations ENABLE ALWAYS TRIGGER operations_hold;

CREATE TRIGGER operations_release
AFTER UPDATE ON public.operations
REFERENCING OLD TABLE AS previous NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION app.move_held();
ALTER TABLE public.operations ENABLE ALWAYS TRIGGER operations_release;
