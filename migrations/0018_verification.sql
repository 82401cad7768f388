-- VerifyLedger: the service reads the ledger through and re-derives every account from its entries. What an account is
-- held to is app.verify_account (0014), which the job uses as well; unlike the job this writes nothing and keeps nothing.

-- Re-derives the next accounts after an id, in the order of ids: at most so many accounts and entries, and for no longer
-- than 200 ms. going: the account that the piece before did not come to the end of, as it told. STABLE: all of a piece is
-- seen in one state of the database.
--
--   after     the last account that was brought to its end; the next piece goes on behind it
--   going     where an account has more entries than this piece had room for: what it came to so far
--   done      there are no more accounts
--   accounts  how many were brought to their end
--   entries   how many entries were followed
--   heads     of each of these accounts a line of user_id, seq, balance and hash (hex), as canonical fields
--   faults    what does not agree, at most one for an account: [{userId, problem}]
CREATE FUNCTION app.verify_accounts(
  INOUT after text, INOUT going jsonb, most_accounts integer, most_entries integer,
  OUT done boolean, OUT accounts integer, OUT entries bigint, OUT heads text, OUT faults jsonb
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  began CONSTANT timestamptz := clock_timestamp();
  verified app.verified_accounts;
  step record;
  head text;
BEGIN
  done := false;
  accounts := 0;
  entries := 0;
  heads := '';
  faults := '[]';
  WHILE accounts < most_accounts AND entries < most_entries AND clock_timestamp() < began + interval '200 milliseconds' LOOP
    IF going IS NOT NULL THEN
      verified := jsonb_populate_record(NULL::app.verified_accounts, going);
    ELSE
      -- Whoever has entries and no account is come by as well, and found at fault.
      verified := ROW(
        least(
          (SELECT a.user_id::text FROM public.accounts AS a WHERE a.user_id > after ORDER BY a.user_id LIMIT 1)
            COLLATE "C",
          (SELECT e.user_id::text FROM public.ledger_entries AS e WHERE e.user_id > after ORDER BY e.user_id LIMIT 1)
            COLLATE "C"
        ),
        0, 0, 0, decode(repeat('00', 32), 'hex'), timestamptz 'epoch', '{}'
      );
      IF verified.user_id IS NULL THEN
        done := true;
        RETURN;
      END IF;
    END IF;
    SELECT v.* INTO step FROM app.verify_account(verified, (most_entries - entries)::integer) AS v;
    entries := entries + (step.upto).seq - verified.seq;
    IF step.fault IS NULL AND NOT step.reached THEN
      going := to_jsonb(step.upto);
      RETURN;
    END IF;
    going := NULL;
    after := verified.user_id;
    accounts := accounts + 1;
    IF step.fault IS NOT NULL THEN
      faults := faults || jsonb_build_object('userId', after, 'problem', step.fault);
    END IF;
    SELECT app.canonical_field(a.user_id::text) || ',' || app.canonical_field(a.seq::text) || ','
      || app.canonical_field(a.balance::text) || ',' || app.canonical_field(encode(a.hash, 'hex')) || E'\n'
    INTO head
    FROM public.accounts AS a WHERE a.user_id = after;
    heads := heads || coalesce(head, '');
  END LOOP;
END
$$;

REVOKE ALL ON FUNCTION app.verify_accounts(text, jsonb, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  app.verify_account(app.verified_accounts, integer),
  app.verify_accounts(text, jsonb, integer, integer)
TO credit_runtime;
