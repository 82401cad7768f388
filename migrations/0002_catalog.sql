-- What is sold and what work costs. Rows are templates that others were decided by: they are archived, never edited.

-- One row per version of a rate. An operation captures the version valid at its opening.
CREATE TABLE public.operation_types (
  operation_type_id uuid PRIMARY KEY,
  operation_type_code app.code NOT NULL,
  title text CONSTRAINT operation_types_title CHECK (pg_catalog.length(title) <= 500),
  resource_unit app.code NOT NULL,
  credits_per_unit app.rate NOT NULL,
  effective_at app.instant NOT NULL,
  archived_at app.instant CONSTRAINT operation_types_archived_later CHECK (archived_at > effective_at),
  created_at app.instant NOT NULL DEFAULT app.now(),
  -- No two versions of a code are valid at one moment. Its index also serves the load step: the version of a code
  -- that is valid at an instant. A distributed engine without exclusion constraints would use instead
  -- UNIQUE (operation_type_code) WHERE archived_at IS NULL and UNIQUE (operation_type_code, effective_at), and check
  -- the rest in the command, which holds the barrier exclusively.
  CONSTRAINT operation_types_no_overlap EXCLUDE USING gist (
    operation_type_code WITH =,
    pg_catalog.tstzrange(effective_at, archived_at) WITH &&
  )
);

-- Versions of a code in order: the rate running now, OperationType.List.
CREATE INDEX operation_types_by_code ON public.operation_types (operation_type_code, effective_at);

CREATE TRIGGER operation_types_are_immutable
BEFORE UPDATE OF
  operation_type_id, operation_type_code, title, resource_unit, credits_per_unit, effective_at, created_at
OR DELETE OR TRUNCATE ON public.operation_types
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('a rate is archived and followed by another, never edited');
ALTER TABLE public.operation_types ENABLE ALWAYS TRIGGER operation_types_are_immutable;

CREATE TRIGGER operation_types_archived_once
BEFORE UPDATE ON public.operation_types
FOR EACH ROW WHEN (OLD.archived_at IS NOT NULL)
EXECUTE FUNCTION app.refuse_change('a rate is archived once');
ALTER TABLE public.operation_types ENABLE ALWAYS TRIGGER operation_types_archived_once;

-- Templates of lots: sold, or given away by grants.
CREATE TABLE public.products (
  product_code app.code PRIMARY KEY,
  title text NOT NULL CONSTRAINT products_title CHECK (pg_catalog.length(title) BETWEEN 1 AND 500),
  credits app.credits NOT NULL CONSTRAINT products_credits CHECK (credits > 0),
  access_period_days integer NOT NULL
    CONSTRAINT products_access_period CHECK (access_period_days BETWEEN 1 AND 36500),
  distribution text COLLATE "C" NOT NULL
    CONSTRAINT products_distribution CHECK (distribution IN ('sellable', 'grant')),
  grant_policy text COLLATE "C"
    CONSTRAINT products_grant_policy CHECK (grant_policy IN ('apply_on_signup', 'manual')),
  effective_at app.instant NOT NULL,
  archived_at app.instant,
  created_at app.instant NOT NULL DEFAULT app.now(),
  CONSTRAINT products_policy_of_grants CHECK ((distribution = 'grant') = (grant_policy IS NOT NULL))
);

CREATE TRIGGER products_are_immutable
BEFORE UPDATE OF
  product_code, title, credits, access_period_days, distribution, grant_policy, effective_at, created_at
OR DELETE OR TRUNCATE ON public.products
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('a product is archived, never edited');
ALTER TABLE public.products ENABLE ALWAYS TRIGGER products_are_immutable;

-- An archiving still ahead may be moved; one that has happened stands, so that what was on sale at a past moment
-- never changes.
CREATE TRIGGER products_stay_archived
BEFORE UPDATE ON public.products
FOR EACH ROW WHEN (
  OLD.archived_at <= app.now() OR (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL)
)
EXECUTE FUNCTION app.refuse_change('an archived product stays archived');
ALTER TABLE public.products ENABLE ALWAYS TRIGGER products_stay_archived;

-- A product's price in one country; '*' is everywhere else.
CREATE TABLE public.product_prices (
  product_code app.code NOT NULL REFERENCES public.products (product_code),
  country text COLLATE "C" NOT NULL CONSTRAINT product_prices_country CHECK (country ~ '^([*]|[A-Z]{2})$'),
  currency text COLLATE "C" NOT NULL CONSTRAINT product_prices_currency CHECK (currency ~ '^[A-Z]{3}$'),
  amount app.money NOT NULL,
  PRIMARY KEY (product_code, country)
);

CREATE TRIGGER product_prices_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.product_prices
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE public.product_prices ENABLE ALWAYS TRIGGER product_prices_are_immutable;
