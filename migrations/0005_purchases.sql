-- What happens once for ever: a payment becomes one lot and one receipt, a grant is given to a user once.
-- These identities outlive the 168 hours of an idempotency key.

CREATE TABLE public.purchases (
  external_ref app.code PRIMARY KEY,
  user_id app.user_id NOT NULL,
  product_code app.code NOT NULL,
  lot_id uuid NOT NULL,
  receipt_number text COLLATE "C" NOT NULL,
  credits app.credits NOT NULL CONSTRAINT purchases_credits CHECK (credits > 0),
  country text COLLATE "C" NOT NULL CONSTRAINT purchases_country CHECK (country ~ '^([*]|[A-Z]{2})$'),
  currency text COLLATE "C" NOT NULL CONSTRAINT purchases_currency CHECK (currency ~ '^[A-Z]{3}$'),
  amount app.money NOT NULL,
  tax_breakdown jsonb,
  payment_method text COLLATE "C"
    CONSTRAINT purchases_payment_method CHECK (pg_catalog.length(payment_method) BETWEEN 1 AND 200),
  -- The client's words; they chose product and price.
  order_placed_at app.instant NOT NULL,
  settled_at app.instant NOT NULL,
  -- When the lot was issued.
  purchased_at app.instant NOT NULL
);

CREATE TRIGGER purchases_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.purchases
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE public.purchases ENABLE ALWAYS TRIGGER purchases_are_immutable;

-- The end of every receipt number: '-YYYY-NNNN', with as many digits as the number needs and four at least.
CREATE FUNCTION app.receipt_suffix(year integer, number bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '-' || year || '-' || pg_catalog.repeat('0', 4 - pg_catalog.length(number::text)) || number;

CREATE TABLE public.receipts (
  receipt_number text COLLATE "C" PRIMARY KEY,
  year integer NOT NULL CONSTRAINT receipts_year CHECK (year BETWEEN 1970 AND 9999),
  number bigint NOT NULL CONSTRAINT receipts_number CHECK (number >= 1),
  external_ref app.code NOT NULL CONSTRAINT receipts_one_per_purchase UNIQUE,
  user_id app.user_id NOT NULL,
  lot_id uuid NOT NULL,
  issued_at app.instant NOT NULL,
  -- Everything the receipt says, as it was when it was issued.
  snapshot jsonb NOT NULL,
  CONSTRAINT receipts_gapless UNIQUE (year, number),
  -- The merchant's prefix (1 to 20 of [A-Z0-9-]), then year and number.
  CONSTRAINT receipts_number_form CHECK (
    receipt_number !~ '[^A-Z0-9-]'
    AND pg_catalog.right(receipt_number, pg_catalog.length(app.receipt_suffix(year, number)))
      = app.receipt_suffix(year, number)
    AND pg_catalog.length(receipt_number) - pg_catalog.length(app.receipt_suffix(year, number)) BETWEEN 1 AND 20
  ),
  -- Years are UTC. A number may be of a later year than its account's time: once a year has begun it goes on.
  CONSTRAINT receipts_year_begun CHECK (extract(year FROM issued_at AT TIME ZONE 'UTC') <= year)
);

-- ListReceipts: a user's receipts by time, keyset pages.
CREATE INDEX receipts_by_user ON public.receipts (user_id, issued_at, receipt_number);

CREATE TRIGGER receipts_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.receipts
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE public.receipts ENABLE ALWAYS TRIGGER receipts_are_immutable;

-- The last number given. Writers lock this row FOR UPDATE, after their accounts and before keys, then read it.
CREATE TABLE public.receipt_counter (
  id boolean PRIMARY KEY DEFAULT true CONSTRAINT receipt_counter_single CHECK (id),
  year integer NOT NULL,
  last_number bigint NOT NULL CONSTRAINT receipt_counter_last_number CHECK (last_number >= 0),
  -- The one column the runtime role may update: it needs one to be allowed SELECT … FOR UPDATE.
  lock_only boolean NOT NULL DEFAULT true CONSTRAINT receipt_counter_lock_only CHECK (lock_only)
);

INSERT INTO public.receipt_counter (year, last_number) VALUES (1970, 0);

CREATE TRIGGER receipt_counter_stays
BEFORE DELETE OR TRUNCATE ON public.receipt_counter
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('its one row stays');
ALTER TABLE public.receipt_counter ENABLE ALWAYS TRIGGER receipt_counter_stays;

CREATE TRIGGER receipt_counter_counts_up
BEFORE UPDATE ON public.receipt_counter
FOR EACH ROW WHEN (NEW.year < OLD.year OR (NEW.year = OLD.year AND NEW.last_number < OLD.last_number))
EXECUTE FUNCTION app.refuse_change('numbers are never given again');
ALTER TABLE public.receipt_counter ENABLE ALWAYS TRIGGER receipt_counter_counts_up;

-- Receipts must continue the counter: the next numbers of its year, or a later year from 1. The counter moves in the
-- same statement, only from where it was read, so that numbers have no gap even without the lock. A batch may span
-- the turn of a year.
CREATE FUNCTION app.count_receipts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  counter public.receipt_counter;
  fault text;
  newest record;
BEGIN
  SELECT c.* INTO STRICT counter FROM public.receipt_counter AS c;
  SELECT min(
    CASE
      WHEN y.year < counter.year THEN format('%s is over, receipts are numbered in %s', y.year, counter.year)
      WHEN y.first <> y.due THEN format('the next number of %s is %s, not %s', y.year, y.due, y.first)
      WHEN y.last <> y.first + y.receipts - 1 THEN format('there is a gap between %s and %s of %s', y.first, y.last, y.year)
    END
  )
  INTO fault
  FROM (
    SELECT
      i.year, min(i.number) AS first, max(i.number) AS last, count(*) AS receipts,
      CASE WHEN i.year = counter.year THEN counter.last_number + 1 ELSE 1 END AS due
    FROM issued AS i
    GROUP BY i.year
  ) AS y;
  SELECT i.year, i.number INTO newest FROM issued AS i ORDER BY i.year DESC, i.number DESC LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF fault IS NULL THEN
    UPDATE public.receipt_counter AS c
    SET year = newest.year, last_number = newest.number
    WHERE c.year = counter.year AND c.last_number = counter.last_number;
    IF FOUND THEN
      RETURN NULL;
    END IF;
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'CR001',
    MESSAGE = 'a receipt number does not follow: ' || coalesce(fault, 'another writer took it meanwhile'),
    SCHEMA = TG_TABLE_SCHEMA,
    TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER receipts_count
AFTER INSERT ON public.receipts
REFERENCING NEW TABLE AS issued
FOR EACH STATEMENT EXECUTE FUNCTION app.count_receipts();
ALTER TABLE public.receipts ENABLE ALWAYS TRIGGER receipts_count;

-- Grants that a user gets once for ever, such as 'welcome'.
CREATE TABLE public.grants_once (
  user_id app.user_id NOT NULL,
  grant_type app.code NOT NULL,
  lot_id uuid NOT NULL,
  granted_at app.instant NOT NULL,
  PRIMARY KEY (user_id, grant_type)
);

CREATE TRIGGER grants_once_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.grants_once
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE public.grants_once ENABLE ALWAYS TRIGGER grants_once_are_immutable;
