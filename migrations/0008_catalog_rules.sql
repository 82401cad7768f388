-- What else of catalog and settings the database refuses, whoever writes.

-- One product is given on sign-up at any time. One that was archived before it began never applied: its span is empty.
ALTER TABLE public.products
  ADD CONSTRAINT products_one_for_sign_up EXCLUDE USING gist (
    pg_catalog.tstzrange(
      effective_at, CASE WHEN archived_at < effective_at THEN effective_at ELSE archived_at END
    ) WITH &&
  ) WHERE (grant_policy = 'apply_on_signup');

-- All versions of a rate have one unit: another unit is another code. A distributed engine without exclusion constraints
-- checks it in the command, which holds the barrier exclusively.
ALTER TABLE public.operation_types
  ADD CONSTRAINT operation_types_one_unit EXCLUDE USING gist (
    operation_type_code WITH =,
    resource_unit WITH <>
  );

-- Per cent, and no receipt under VAT without its rate.
ALTER TABLE public.merchant_settings
  ADD CONSTRAINT merchant_settings_tax_per_cent CHECK (
    tax_rate <= 100 AND pg_catalog.scale(pg_catalog.trim_scale(tax_rate)) <= 4
  ),
  ADD CONSTRAINT merchant_settings_vat_has_a_rate CHECK (tax_regime <> 'vat' OR tax_rate IS NOT NULL);
