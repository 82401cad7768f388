-- Purchases taken back (rules 9 and 10). The life of one:
--
--   settled → refunded
--   settled → charged back → lost
--   settled → charged back → won, reinstated → reversed once more, in either way, and no more
--
-- One clawback stands per purchase. What it took back are entries of the ledger; here is that it was taken, once.

CREATE TABLE public.reversals (
  -- Of its purchase; no foreign key, for the trigger below looks it up anyway.
  external_ref app.code NOT NULL,
  -- 2 is the one after a chargeback that was won. There is no third.
  sequence smallint NOT NULL CONSTRAINT reversals_sequence CHECK (sequence IN (1, 2)),
  user_id app.user_id NOT NULL,
  kind text COLLATE "C" NOT NULL CONSTRAINT reversals_kind CHECK (kind IN ('refund', 'chargeback')),
  -- The lot whose credits are taken back: the purchase's, or the one that a won chargeback gave back.
  lot_id uuid NOT NULL,
  -- What that lot was issued with, and what of it had expired.
  credits app.credits NOT NULL CONSTRAINT reversals_credits CHECK (credits > 0),
  expired app.credits NOT NULL CONSTRAINT reversals_expired CHECK (expired BETWEEN 0 AND credits),
  clawed_back app.credits NOT NULL GENERATED ALWAYS AS (credits - expired) STORED,
  -- The part that no lot covered.
  debt_incurred app.credits NOT NULL
    CONSTRAINT reversals_debt_incurred CHECK (debt_incurred BETWEEN 0 AND credits - expired),
  -- Its entries, by their place in the account's chain. None when everything had expired.
  first_seq bigint,
  last_seq bigint,
  category app.code,
  note text COLLATE "C" CONSTRAINT reversals_note CHECK (pg_catalog.length(note) <= 2000),
  actor text COLLATE "C" NOT NULL CONSTRAINT reversals_actor CHECK (pg_catalog.length(actor) BETWEEN 1 AND 200),
  reversed_at app.instant NOT NULL,
  -- How a dispute ended: won gives the credits back, lost leaves them taken.
  outcome text COLLATE "C" CONSTRAINT reversals_outcome CHECK (outcome IN ('won', 'lost')),
  resolved_at app.instant,
  resolved_by text COLLATE "C"
    CONSTRAINT reversals_resolved_by CHECK (pg_catalog.length(resolved_by) BETWEEN 1 AND 200),
  reinstatement_lot_id uuid CONSTRAINT reversals_one_per_reinstatement UNIQUE,
  PRIMARY KEY (external_ref, sequence),
  CONSTRAINT reversals_entries CHECK (
    CASE
      WHEN credits > expired THEN first_seq IS NOT NULL AND last_seq IS NOT NULL AND first_seq BETWEEN 1 AND last_seq
      ELSE first_seq IS NULL AND last_seq IS NULL
    END
  ),
  CONSTRAINT reversals_resolution CHECK (
    CASE
      WHEN outcome IS NULL THEN resolved_at IS NULL AND resolved_by IS NULL AND reinstatement_lot_id IS NULL
      ELSE
        kind = 'chargeback' AND resolved_at IS NOT NULL AND resolved_at >= reversed_at AND resolved_by IS NOT NULL
        AND (reinstatement_lot_id IS NOT NULL) = (outcome = 'won' AND credits > expired)
    END
  )
);

-- Which reversal an entry belongs to, and a user's reversals in the order in which they were made.
CREATE INDEX reversals_by_user ON public.reversals (user_id, reversed_at, external_ref);

-- What expired of one lot: a reversal does not take that back. A lot has an expiry or two, and nothing else is indexed,
-- so that entries of work cost no more than they did.
CREATE INDEX ledger_entries_expiries ON public.ledger_entries (lot_id) WHERE reason = 'expiry';

CREATE TRIGGER reversals_keep_what_was_taken
BEFORE UPDATE OF
  external_ref, sequence, user_id, kind, lot_id, credits, expired, debt_incurred, first_seq, last_seq, category, note,
  actor, reversed_at
OR DELETE OR TRUNCATE ON public.reversals
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('a clawback is undone by a reinstatement alone');
ALTER TABLE public.reversals ENABLE ALWAYS TRIGGER reversals_keep_what_was_taken;

CREATE TRIGGER reversals_resolved_once
BEFORE UPDATE ON public.reversals
FOR EACH ROW WHEN (OLD.outcome IS NOT NULL)
EXECUTE FUNCTION app.refuse_change('a dispute is resolved once');
ALTER TABLE public.reversals ENABLE ALWAYS TRIGGER reversals_resolved_once;

-- Holds a reversal to what it takes back (CR001 otherwise): the first to the purchase's lot, the second to what a won
-- chargeback gave back; to its entries in the ledger, which are written before it; to what expired of that lot, which
-- nothing changes afterwards, for a clawback empties it; and an outcome to the lot that gives back as much.
CREATE FUNCTION app.check_reversal() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As in app.chain_entries: by key, whatever a kept plan once knew.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  given record;
  taken record;
  lost bigint;
  fault text;
BEGIN
  IF NEW.sequence = 1 THEN
    SELECT p.user_id, p.lot_id, p.credits INTO given FROM public.purchases AS p WHERE p.external_ref = NEW.external_ref;
  ELSE
    SELECT
      r.user_id, coalesce(r.reinstatement_lot_id, r.lot_id) AS lot_id,
      CASE WHEN r.reinstatement_lot_id IS NULL THEN r.credits ELSE r.clawed_back END AS credits
    INTO given
    FROM public.reversals AS r
    WHERE r.external_ref = NEW.external_ref AND r.sequence = NEW.sequence - 1 AND r.outcome = 'won';
  END IF;
  SELECT
    count(*) AS entries, coalesce(sum(e.amount), 0) AS amount,
    coalesce(sum(e.amount) FILTER (WHERE e.lot_id IS NULL), 0) AS debt
  INTO taken
  FROM public.ledger_entries AS e
  WHERE e.user_id = NEW.user_id AND e.created_at = NEW.reversed_at AND e.seq BETWEEN NEW.first_seq AND NEW.last_seq
    AND e.reason = NEW.kind;
  SELECT coalesce(-sum(e.amount), 0) INTO lost
  FROM public.lots AS l
  JOIN public.ledger_entries AS e ON e.lot_id = l.lot_id AND e.reason = 'expiry' AND e.created_at >= l.expires_at
  WHERE l.lot_id = NEW.lot_id;
  fault := CASE
    WHEN given IS NULL THEN 'no chargeback that was won comes before it'
    WHEN (NEW.user_id, NEW.lot_id, NEW.credits) IS DISTINCT FROM (given.user_id, given.lot_id, given.credits)
      THEN 'it takes back another lot than the purchase stands at'
    WHEN NEW.expired <> lost THEN format('%s expired of its lot, not %s', lost, NEW.expired)
    WHEN taken.entries <> coalesce(NEW.last_seq - NEW.first_seq + 1, 0)
      OR taken.amount <> -NEW.clawed_back OR taken.debt <> -NEW.debt_incurred
      THEN format('its entries take %s, %s of it as debt', -taken.amount, -taken.debt)
    WHEN NEW.reinstatement_lot_id IS NOT NULL AND NOT EXISTS (
      SELECT FROM public.lots AS l
      WHERE l.lot_id = NEW.reinstatement_lot_id AND l.user_id = NEW.user_id AND l.source = 'reinstatement'
        AND l.external_ref = NEW.external_ref AND l.credits = NEW.clawed_back AND l.issued_at = NEW.resolved_at
    )
      THEN 'its reinstatement gives back something else'
  END;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR001',
      MESSAGE = 'a reversal does not follow its purchase: ' || fault,
      SCHEMA = TG_TABLE_SCHEMA,
      TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER reversals_follow_their_purchase
AFTER INSERT OR UPDATE ON public.reversals
FOR EACH ROW EXECUTE FUNCTION app.check_reversal();
ALTER TABLE public.reversals ENABLE ALWAYS TRIGGER reversals_follow_their_purchase;

REVOKE ALL ON FUNCTION app.check_reversal() FROM PUBLIC;

GRANT SELECT, INSERT ON public.reversals TO credit_runtime;
GRANT UPDATE (outcome, resolved_at, resolved_by, reinstatement_lot_id) ON public.reversals TO credit_runtime;
