import type { GroundChange } from "@credit/domain/decide"
import { fromMillis } from "../ledger/rows.ts"
import type { Statement } from "./Statement.ts"

const PRODUCT = `
INSERT INTO public.products (
  product_code, title, credits, access_period_days, distribution, grant_policy, effective_at, created_at
)
SELECT p."productCode", p.title, p.credits, p."accessPeriodDays", p.distribution, p."grantPolicy",
  ${fromMillis('p."effectiveAt"')}, ${fromMillis("$2::bigint")}
FROM json_to_record($1::json) AS p (
  "productCode" text, title text, credits bigint, "accessPeriodDays" integer, distribution text, "grantPolicy" text,
  "effectiveAt" bigint
)`

const PRICES = `
INSERT INTO public.product_prices (product_code, country, currency, amount)
SELECT $1::text, r.country, r.currency, r.amount
FROM json_to_recordset($2::json) AS r (country text, currency text, amount numeric)`

const ARCHIVED_PRODUCT = `
WITH archived AS (
  UPDATE public.products SET archived_at = ${fromMillis("$2::bigint")} WHERE product_code = $1 RETURNING 1
)
SELECT app.expect_rows(count(*), 1) FROM archived`

const REPLACED_VERSION = `
WITH archived AS (
  UPDATE public.operation_types SET archived_at = ${fromMillis("$2::bigint")} WHERE operation_type_id = $1::uuid
  RETURNING 1
)
SELECT app.expect_rows(count(*), 1) FROM archived`

const VERSION = `
INSERT INTO public.operation_types (
  operation_type_id, operation_type_code, title, resource_unit, credits_per_unit, effective_at, created_at
)
SELECT t."operationTypeId", t."operationTypeCode", t.title, t."resourceUnit", t."creditsPerUnit",
  ${fromMillis('t."effectiveAt"')}, ${fromMillis("$2::bigint")}
FROM json_to_record($1::json) AS t (
  "operationTypeId" uuid, "operationTypeCode" text, title text, "resourceUnit" text, "creditsPerUnit" numeric,
  "effectiveAt" bigint
)`

const SETTINGS = `
WITH changed AS (
  UPDATE public.merchant_settings SET
    legal_name = s."legalName", legal_address = s."legalAddress", tax_id = s."taxId", tax_regime = s."taxRegime",
    tax_rate = s."taxRate", receipt_prefix = s."receiptPrefix",
    operation_timeout_minutes = s."operationTimeoutMinutes",
    operation_timeout_max_minutes = s."operationTimeoutMaxMinutes", late_close_hours = s."lateCloseHours",
    max_open_operations = s."maxOpenOperations", consumption_order = s."consumptionOrder",
    updated_at = ${fromMillis("$2::bigint")}
  FROM json_to_record($1::json) AS s (
    "legalName" text, "legalAddress" text, "taxId" text, "taxRegime" text, "taxRate" numeric, "receiptPrefix" text,
    "operationTimeoutMinutes" integer, "operationTimeoutMaxMinutes" integer, "lateCloseHours" integer,
    "maxOpenOperations" integer, "consumptionOrder" text
  )
  RETURNING 1
)
SELECT app.expect_rows(count(*), 1) FROM changed`

const STATUS = `
WITH changed AS (
  UPDATE public.service_status SET
    status = s.status, reason = s.reason, until = ${fromMillis("s.until")}, updated_at = ${fromMillis("$2::bigint")}
  FROM json_to_record($1::json) AS s (status text, reason text, until bigint)
  RETURNING 1
)
SELECT app.expect_rows(count(*), 1) FROM changed`

const CLOCK = "UPDATE public.merchant_settings SET clock_offset_hours = $1::integer"
/** A clock that jumps may land in a month the ledger has no partition for. */
const PARTITIONS = "SELECT app.ensure_partitions(app.now())"

/** The writes of a change of the ground; its command holds the barrier exclusively. */
export const groundWrites = (change: GroundChange, now: number): ReadonlyArray<Statement> => {
  switch (change._tag) {
    case "ProductCreated": {
      const { prices, productCode } = change.product
      return [
        { sql: PRODUCT, parameters: [JSON.stringify(change.product), `${now}`] },
        { sql: PRICES, parameters: [productCode, JSON.stringify(prices)] }
      ]
    }
    case "ProductArchived":
      return [{ sql: ARCHIVED_PRODUCT, parameters: [change.product.productCode, `${change.product.archivedAt}`] }]
    case "OperationTypeCreated": {
      const { replaced, version } = change
      const created = { sql: VERSION, parameters: [JSON.stringify(version), `${now}`] }
      // First: at no moment do two versions overlap.
      return replaced === null
        ? [created]
        : [{ sql: REPLACED_VERSION, parameters: [replaced.operationTypeId, `${replaced.archivedAt}`] }, created]
    }
    case "SettingsChanged":
      return [{ sql: SETTINGS, parameters: [JSON.stringify(change.settings), `${now}`] }]
    case "ClockAdvanced":
      return [
        { sql: CLOCK, parameters: [`${change.clockOffsetHours}`] },
        { sql: PARTITIONS, parameters: [] }
      ]
    case "StatusChanged": {
      const status =
        change.maintenance === null ? { status: "ready" } : { status: "maintenance", ...change.maintenance }
      return [{ sql: STATUS, parameters: [JSON.stringify(status), `${now}`] }]
    }
  }
}
