import * as Schema from "effect/Schema"
import { ELSEWHERE, PriceCountry } from "./Country.ts"
import { PositiveCredits } from "./Credits.ts"
import { decimalsOf, KnownCurrency, minorUnits } from "./Currency.ts"
import { Money } from "./Decimal.ts"
import { Code } from "./Ids.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** Days of 24 hours; a hundred years at most. */
export const AccessPeriodDays = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 36_500 }))

/** `sellable`: bought at a price. `grant`: given away, and has none. */
export const Distribution = Schema.Literals(["sellable", "grant"])

/** `apply_on_signup`: what a welcome grant gives, once per user. `manual`: a promo that the merchant's staff give. */
export const GrantPolicy = Schema.Literals(["apply_on_signup", "manual"])

/**
 * Where something of the catalog stands at an instant: it begins at `effectiveAt`, is active until `archivedAt`, and is
 * archived for ever after. One that was archived before it began never was active.
 */
export const CatalogStatus = Schema.Literals(["scheduled", "active", "archived"])
export type CatalogStatus = typeof CatalogStatus.Type

/** The catalog's row with this span, at an instant (epoch milliseconds all). */
export const catalogStatus = (
  { archivedAt, effectiveAt }: { readonly effectiveAt: number; readonly archivedAt: number | null },
  at: number
): CatalogStatus => {
  if (archivedAt !== null && archivedAt <= at) return "archived"
  return effectiveAt <= at ? "active" : "scheduled"
}

/** A price in one country, or (`*`) everywhere that has no row of its own: with no more decimals than the currency has. */
export const PriceRow = Schema.Struct({ country: PriceCountry, currency: KnownCurrency, amount: Money }).check(
  Schema.makeFilter(({ amount, currency }) => {
    const most = minorUnits(currency)
    if (decimalsOf(amount) <= most) return undefined
    return { path: ["amount"], issue: `${currency} has ${most === 0 ? "no" : `at most ${most}`} decimals` }
  })
)

/** A template of lots: immutable, but for the instant at which it is archived. `status` is as of the answer. */
export const Product = Schema.Struct({
  productCode: Code,
  title: Schema.String,
  credits: PositiveCredits,
  accessPeriodDays: Schema.Int,
  distribution: Distribution,
  grantPolicy: Schema.optionalKey(GrantPolicy),
  /** One per country, `*` first, then by country. */
  priceRows: Schema.Array(Schema.Struct({ country: Schema.String, currency: Schema.String, amount: Money })),
  effectiveAt: Timestamp,
  archivedAt: Schema.optionalKey(Timestamp),
  status: CatalogStatus
}).annotate({ identifier: "Product" })
export type Product = typeof Product.Type

/** A product as the rules see it: an immutable template of lots. Instants are epoch milliseconds, prices canonical text. */
export interface ProductState {
  readonly productCode: string
  readonly title: string
  readonly credits: number
  readonly accessPeriodDays: number
  readonly distribution: "sellable" | "grant"
  readonly grantPolicy: "apply_on_signup" | "manual" | null
  readonly effectiveAt: number
  readonly archivedAt: number | null
  readonly prices: ReadonlyArray<PriceState>
}

/** A price row; `country` is `*` for everywhere that has no row of its own. */
export interface PriceState {
  readonly country: string
  readonly currency: string
  readonly amount: string
}

/** The country's own row, else the one for everywhere else (`*`). */
export const priceFor = (prices: ReadonlyArray<PriceState>, country: string): PriceState | undefined =>
  prices.find((price) => price.country === country) ?? prices.find((price) => price.country === ELSEWHERE)

/** The wire form of a product as it stands at an instant. */
export const presentProduct = (product: ProductState, at: number): typeof Product.Encoded => ({
  productCode: product.productCode,
  title: product.title,
  credits: product.credits,
  accessPeriodDays: product.accessPeriodDays,
  distribution: product.distribution,
  ...(product.grantPolicy === null ? {} : { grantPolicy: product.grantPolicy }),
  // `*` sorts before every letter.
  priceRows: product.prices.toSorted((a, b) => (a.country < b.country ? -1 : 1)),
  effectiveAt: timestampText(product.effectiveAt),
  ...(product.archivedAt === null ? {} : { archivedAt: timestampText(product.archivedAt) }),
  status: catalogStatus(product, at)
})
