import type { SettingsState } from "@credit/domain/Merchant"
import { type OperationTypeVersion, presentOperationType } from "@credit/domain/OperationType"
import { type PriceState, type ProductState, presentProduct } from "@credit/domain/Product"
import { taxOf } from "@credit/domain/Tax"
import type { Catalog } from "@credit/rpc/Catalog"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { fromMillis, jsonRows, OPERATION_TYPE_COLUMNS, PRICE_COLUMNS, PRODUCT_COLUMNS } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { snapshot } from "../merchants/Snapshot.ts"

/** Whether `x` stands as `status` says, or is any if that is null; as `catalogStatus` of the domain has it. */
const stands = (x: string, status: string) => `
  (${status} IS NULL OR ${status} = CASE
    WHEN ${x}.archived_at <= clock.now THEN 'archived' WHEN ${x}.effective_at <= clock.now THEN 'active' ELSE 'scheduled'
  END)`

const CLOCK = "WITH clock AS MATERIALIZED (SELECT app.now() AS now)"

/** Products by code, after a cursor ($1), of a status ($2), $3 of them. */
const PRODUCTS = `
${CLOCK}
SELECT json_build_object(
  'now', (SELECT app.epoch_milliseconds(clock.now) FROM clock),
  'products', ${jsonRows(`
    SELECT ${PRODUCT_COLUMNS} FROM public.products AS p CROSS JOIN clock
    WHERE ($1::text IS NULL OR p.product_code > $1::text) AND ${stands("p", "$2::text")}
    ORDER BY p.product_code
    LIMIT $3::integer`)}
)::text AS json`

/** What is for sale in a country ($1) now, each with its price there, by code after a cursor ($2), $3 of them. */
const AVAILABLE = `
${CLOCK}
SELECT json_build_object(
  'tax', (SELECT json_build_object('taxRegime', s.tax_regime, 'taxRate', trim_scale(s.tax_rate)::text)
    FROM public.merchant_settings AS s),
  'products', ${jsonRows(`
    SELECT p.product_code AS "productCode", p.title, p.credits, p.access_period_days AS "accessPeriodDays", price.*
    FROM public.products AS p CROSS JOIN clock
    CROSS JOIN LATERAL (
      SELECT ${PRICE_COLUMNS} FROM public.product_prices AS r
      WHERE r.product_code = p.product_code AND r.country IN ($1, '*')
      -- '*' sorts before every letter: the country's own row comes first.
      ORDER BY r.country DESC LIMIT 1
    ) AS price
    WHERE p.distribution = 'sellable' AND ($2::text IS NULL OR p.product_code > $2::text)
      AND ${stands("p", "'active'")}
    ORDER BY p.product_code
    LIMIT $3::integer`)}
)::text AS json`

/** Versions of rates by code and time, after a cursor ($1, $2), of a code ($3), of a status ($4), $5 of them. */
const OPERATION_TYPES = `
${CLOCK}
SELECT json_build_object(
  'now', (SELECT app.epoch_milliseconds(clock.now) FROM clock),
  'operationTypes', ${jsonRows(`
    SELECT ${OPERATION_TYPE_COLUMNS} FROM public.operation_types AS t CROSS JOIN clock
    WHERE ($1::text IS NULL OR (t.operation_type_code, t.effective_at) > ($1::text, ${fromMillis("$2::bigint")}))
      AND ($3::text IS NULL OR t.operation_type_code = $3::text) AND ${stands("t", "$4::text")}
    ORDER BY t.operation_type_code, t.effective_at
    LIMIT $5::integer`)}
)::text AS json`

export const listProducts = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Catalog, "Product.List">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [code] = (yield* decodeCursor(request.cursor, ["text"])) ?? []
  const { now, products } = yield* snapshot(database, (read) =>
    read<{
      readonly now: number
      readonly products: ReadonlyArray<ProductState>
    }>(PRODUCTS, [code ?? null, request.status ?? null, `${limit + 1}`])
  )
  const { next, rows } = page(products, limit, ({ productCode }) => [productCode])
  const answer: RpcSuccessEncoded<typeof Catalog, "Product.List"> = {
    products: rows.map((product) => presentProduct(product, now)),
    ...next
  }
  return answer
})

type AvailableRow = Pick<ProductState, "productCode" | "title" | "credits" | "accessPeriodDays"> & PriceState

export const listAvailableProducts = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Catalog, "ListAvailableProducts">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [code] = (yield* decodeCursor(request.cursor, ["text"])) ?? []
  const { products, tax } = yield* snapshot(database, (read) =>
    read<{
      readonly tax: Pick<SettingsState, "taxRegime" | "taxRate">
      readonly products: ReadonlyArray<AvailableRow>
    }>(AVAILABLE, [request.country, code ?? null, `${limit + 1}`])
  )
  const { next, rows } = page(products, limit, ({ productCode }) => [productCode])
  const answer: RpcSuccessEncoded<typeof Catalog, "ListAvailableProducts"> = {
    products: rows.map(({ country: _, ...product }) => ({
      ...product,
      taxBreakdown: taxOf(tax, product.currency, product.amount)
    })),
    ...next
  }
  return answer
})

export const listOperationTypes = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Catalog, "OperationType.List">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [code, effectiveAt] = (yield* decodeCursor(request.cursor, ["text", "instant"])) ?? []
  const { now, operationTypes } = yield* snapshot(database, (read) =>
    read<{
      readonly now: number
      readonly operationTypes: ReadonlyArray<OperationTypeVersion>
    }>(OPERATION_TYPES, [
      code ?? null,
      effectiveAt ?? null,
      request.operationTypeCode ?? null,
      request.status ?? null,
      `${limit + 1}`
    ])
  )
  const { next, rows } = page(operationTypes, limit, (it) => [it.operationTypeCode, it.effectiveAt])
  const answer: RpcSuccessEncoded<typeof Catalog, "OperationType.List"> = {
    operationTypes: rows.map((version) => presentOperationType(version, now)),
    ...next
  }
  return answer
})
