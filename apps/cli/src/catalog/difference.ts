import * as BigDecimal from "effect/BigDecimal"
import { priceRowText } from "../commands/prices.ts"
import type { ProductJson } from "../commands/product.ts"
import type { RateJson } from "../commands/rate.ts"
import { type FileProduct, type FileRate, type WantedCatalog, wantedPrices } from "./CatalogFile.ts"

/** What there is now. */
export interface PresentCatalog {
  readonly products: ReadonlyArray<ProductJson>
  readonly rates: ReadonlyArray<RateJson>
}

/** One thing that the file and the service say differently, or alike. */
export type Change =
  | {
      readonly action: "create"
      readonly what: "product"
      readonly code: string
      readonly detail: string
      readonly product: FileProduct
    }
  | {
      readonly action: "set"
      readonly what: "rate"
      readonly code: string
      readonly detail: string
      readonly rate: FileRate
    }
  | { readonly action: "archive"; readonly what: "product"; readonly code: string; readonly detail: string }
  /** Cannot be made so: products are never edited, and a type keeps its unit. */
  | { readonly action: "conflict"; readonly what: "product" | "rate"; readonly code: string; readonly detail: string }
  /** Only in the service. Left, unless told to prune. */
  | { readonly action: "extra"; readonly what: "product" | "rate"; readonly code: string; readonly detail: string }
  | { readonly action: "same"; readonly what: "product" | "rate"; readonly code: string; readonly detail: string }

/** What would make the present catalog the wanted one. Archiving comes first: only one welcome is active at a time. */
export const difference = (wanted: WantedCatalog, present: PresentCatalog, prune: boolean): ReadonlyArray<Change> => [
  ...extraProducts(wanted, present, prune),
  ...wanted.products.map((product) => productChange(product, present)),
  ...wanted.rates.map((rate) => rateChange(rate, present)),
  ...extraRates(wanted, present)
]

const extraProducts = (wanted: WantedCatalog, { products }: PresentCatalog, prune: boolean): ReadonlyArray<Change> => {
  const named = new Set(wanted.products.map(({ code }) => code))
  return products
    .filter(({ productCode, status }) => status !== "archived" && !named.has(productCode))
    .map(({ productCode: code }) =>
      prune
        ? { action: "archive", what: "product", code, detail: "not in the file" }
        : { action: "extra", what: "product", code, detail: "not in the file; --prune archives it" }
    )
}

const productChange = (product: FileProduct, { products }: PresentCatalog): Change => {
  const { code } = product
  const there = products.find(({ productCode }) => productCode === code)
  if (there === undefined) {
    return { action: "create", what: "product", code, detail: productText(product), product }
  }
  const conflict = (detail: string): Change => ({ action: "conflict", what: "product", code, detail })
  if (there.status === "archived") return conflict("was archived; it takes another code")
  const differing = differingFields(product, there)
  return differing.length === 0
    ? { action: "same", what: "product", code, detail: productText(product) }
    : conflict(`${differing.join(", ")} cannot be changed; it takes another code`)
}

const productText = (product: FileProduct): string =>
  `${product.credits} credits, ${product.period} days, ${product.grant ?? wantedPrices(product).map(priceRowText).join(" ")}`

const differingFields = (product: FileProduct, there: ProductJson): ReadonlyArray<string> => {
  const prices = (rows: ReadonlyArray<{ country: string; currency: string; amount: string }>) =>
    rows.map(({ amount, country, currency }) => `${country}:${currency}:${canonical(amount)}`).join()
  return [
    ...(product.title === there.title ? [] : ["title"]),
    ...(product.credits === there.credits ? [] : ["credits"]),
    ...(product.period === there.accessPeriodDays ? [] : ["period"]),
    ...(product.grant === there.grantPolicy ? [] : ["grant"]),
    ...(prices(wantedPrices(product)) === prices(there.priceRows) ? [] : ["prices"])
  ]
}

const rateChange = (rate: FileRate, { rates }: PresentCatalog): Change => {
  const versions = rates.filter(({ operationTypeCode }) => operationTypeCode === rate.type)
  // The newest version is the one that will be in force in the end, also where it is still to come.
  const newest = versions.toSorted((a, b) => Date.parse(b.effectiveAt) - Date.parse(a.effectiveAt))[0]
  const { type: code } = rate
  const wantedText = `${canonical(rate.rate)} credits per ${rate.unit}`
  if (newest === undefined) return { action: "set", what: "rate", code, detail: wantedText, rate }
  if (newest.resourceUnit !== rate.unit) {
    return {
      action: "conflict",
      what: "rate",
      code,
      detail: `its unit is ${newest.resourceUnit}; another unit takes another code`
    }
  }
  return canonical(newest.creditsPerUnit) === canonical(rate.rate) && (rate.title ?? newest.title) === newest.title
    ? { action: "same", what: "rate", code, detail: wantedText }
    : { action: "set", what: "rate", code, detail: `${wantedText}, from ${newest.creditsPerUnit}`, rate }
}

const extraRates = (wanted: WantedCatalog, { rates }: PresentCatalog): ReadonlyArray<Change> => {
  const named = new Set(wanted.rates.map(({ type }) => type))
  const extra = rates.filter(({ operationTypeCode, status }) => status === "active" && !named.has(operationTypeCode))
  return extra.map(({ operationTypeCode: code }) => ({
    action: "extra",
    what: "rate",
    code,
    detail: "not in the file; rates do not end"
  }))
}

/** `9.90` and `9.9` are one amount. */
const canonical = (decimal: string): string =>
  BigDecimal.format(BigDecimal.normalize(BigDecimal.fromStringUnsafe(decimal)))
