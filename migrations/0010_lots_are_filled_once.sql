-- A lot is filled once: by the entry that issues it, at its issue, with all its credits. What an entry puts into a lot is
-- therefore told by the lot, and an emptied lot can not be filled again.

-- Of two such entries at the lot's issue the second is refused here.
CREATE UNIQUE INDEX ledger_entries_issues ON public.ledger_entries (lot_id, created_at)
WHERE amount > 0 AND lot_id IS NOT NULL;

-- Refuses (CR001) credits that enter a lot otherwise. A lot that its account does not have is left to
-- app.chain_entries, which names it.
CREATE FUNCTION app.check_issue() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  issued record;
BEGIN
  SELECT l.source, l.credits, l.issued_at INTO issued FROM public.lots AS l
  WHERE l.lot_id = NEW.lot_id AND l.user_id = NEW.user_id;
  IF FOUND
    AND (NEW.reason, NEW.amount, NEW.created_at) IS DISTINCT FROM (issued.source, issued.credits, issued.issued_at)
  THEN
    RAISE EXCEPTION USING
      ERRCODE = 'CR001',
      MESSAGE = format(
        'an entry does not issue its lot: a lot is filled once, with all its credits, when it is issued (entry %s of account %s)',
        NEW.seq, NEW.user_id
      ),
      SCHEMA = 'public',
      TABLE = 'ledger_entries';
  END IF;
  RETURN NULL;
END
$$;

-- For each row, and with its condition here: entries that take credits, which are nearly all, call nothing.
CREATE TRIGGER ledger_entries_issue
AFTER INSERT ON public.ledger_entries
FOR EACH ROW WHEN (NEW.amount > 0 AND NEW.lot_id IS NOT NULL)
EXECUTE FUNCTION app.check_issue();
ALTER TABLE public.ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_issue;

REVOKE ALL ON FUNCTION app.check_issue() FROM PUBLIC;
