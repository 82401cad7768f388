import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"

/** From when the samples are for sale: before any order that somebody may want to try them with. */
const EFFECTIVE_AT = "2020-01-01T00:00:00Z"

/** The products that the embedded server's merchants start with. */
const products = [
  {
    productCode: "starter",
    title: "Starter",
    credits: 100,
    accessPeriodDays: 30,
    distribution: "sellable",
    grantPolicy: null,
    prices: [{ country: "*", currency: "USD", amount: "9.99" }]
  },
  {
    productCode: "pro",
    title: "Pro",
    credits: 1000,
    accessPeriodDays: 365,
    distribution: "sellable",
    grantPolicy: null,
    prices: [
      { country: "*", currency: "USD", amount: "79.00" },
      { country: "AM", currency: "AMD", amount: "29900.00" }
    ]
  },
  {
    productCode: "welcome",
    title: "Welcome",
    credits: 20,
    accessPeriodDays: 14,
    distribution: "grant",
    grantPolicy: "apply_on_signup",
    prices: []
  },
  {
    productCode: "launch",
    title: "Launch",
    credits: 50,
    accessPeriodDays: 30,
    distribution: "grant",
    grantPolicy: "manual",
    prices: []
  }
] as const

/** The rates that the embedded server's merchants start with. */
const operationTypes = [
  {
    operationTypeId: "019b0000-0000-7000-8000-000000000001",
    operationTypeCode: "llm_tokens",
    title: "LLM tokens",
    resourceUnit: "K_TOKENS",
    creditsPerUnit: "0.57"
  },
  {
    operationTypeId: "019b0000-0000-7000-8000-000000000002",
    operationTypeCode: "transcription",
    title: "Transcription",
    resourceUnit: "MINUTES",
    creditsPerUnit: "1.11"
  },
  {
    operationTypeId: "019b0000-0000-7000-8000-000000000003",
    operationTypeCode: "api_call",
    title: "API call",
    resourceUnit: "REQUESTS",
    creditsPerUnit: "1"
  }
] as const

const PRODUCTS = `
INSERT INTO public.products (
  product_code, title, credits, access_period_days, distribution, grant_policy, effective_at
)
SELECT p."productCode", p.title, p.credits, p."accessPeriodDays", p.distribution, p."grantPolicy", $2::timestamptz
FROM json_to_recordset($1::json) AS p (
  "productCode" text, title text, credits bigint, "accessPeriodDays" integer, distribution text, "grantPolicy" text
)
ON CONFLICT (product_code) DO NOTHING`

const PRICES = `
INSERT INTO public.product_prices (product_code, country, currency, amount)
SELECT r."productCode", r.country, r.currency, r.amount
FROM json_to_recordset($1::json) AS r ("productCode" text, country text, currency text, amount numeric)
ON CONFLICT (product_code, country) DO NOTHING`

const OPERATION_TYPES = `
INSERT INTO public.operation_types (
  operation_type_id, operation_type_code, title, resource_unit, credits_per_unit, effective_at
)
SELECT t."operationTypeId", t."operationTypeCode", t.title, t."resourceUnit", t."creditsPerUnit", $2::timestamptz
FROM json_to_recordset($1::json) AS t (
  "operationTypeId" uuid, "operationTypeCode" text, title text, "resourceUnit" text, "creditsPerUnit" numeric
)
ON CONFLICT DO NOTHING`

/** Puts the samples into a merchant's catalog; what is there already stays as it is. */
export const addSampleCatalog = Effect.fn("SampleCatalog.add")(function* (connection: PgConnection) {
  const prices = products.flatMap(({ prices, productCode }) => prices.map((price) => ({ productCode, ...price })))
  yield* connection.query(PRODUCTS, [JSON.stringify(products), EFFECTIVE_AT])
  yield* connection.query(PRICES, [JSON.stringify(prices)])
  yield* connection.query(OPERATION_TYPES, [JSON.stringify(operationTypes), EFFECTIVE_AT])
})
