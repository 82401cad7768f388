import * as BigDecimal from "effect/BigDecimal"
import { minorUnits } from "./Currency.ts"
import { canonicalDecimal } from "./Decimal.ts"
import type { SettingsState } from "./Merchant.ts"
import type { TaxBreakdown } from "./Receipt.ts"

/**
 * What of a price is tax by the merchant's regime. Prices include it: net + tax = gross = the price, exactly. The tax is
 * rounded half up to the currency's minor unit; the net is the rest.
 *
 * Amounts and rate are decimals in text; the rate is in per cent.
 */
export const taxOf = (
  { taxRate, taxRegime }: Pick<SettingsState, "taxRegime" | "taxRate">,
  currency: string,
  price: string
): typeof TaxBreakdown.Encoded => {
  const rate = taxRegime === "none" || taxRate === null ? undefined : BigDecimal.fromStringUnsafe(taxRate)
  if (taxRegime === "vat" && rate === undefined) throw new Error("A merchant with VAT has no rate")
  const gross = BigDecimal.fromStringUnsafe(price)
  const hundred = BigDecimal.fromBigInt(100n)
  const tax =
    rate === undefined
      ? BigDecimal.fromBigInt(0n)
      : roundedQuotient(
          BigDecimal.multiply(gross, rate),
          taxRegime === "vat" ? BigDecimal.sum(hundred, rate) : hundred,
          minorUnits(currency)
        )
  return {
    regime: taxRegime,
    ...(rate === undefined ? {} : { rate: canonicalDecimal(rate) }),
    net: canonicalDecimal(BigDecimal.subtract(gross, tax)),
    tax: canonicalDecimal(tax),
    gross: canonicalDecimal(gross)
  }
}

/** Whether a breakdown adds up and is of this price: the tax within it (`gross` is the price) or on top (`net` is). */
export const addsUp = (
  { gross, net, tax }: Pick<typeof TaxBreakdown.Type, "gross" | "net" | "tax">,
  price: BigDecimal.BigDecimal
): boolean =>
  BigDecimal.equals(BigDecimal.sum(net, tax), gross) &&
  (BigDecimal.equals(gross, price) || BigDecimal.equals(net, price))

/** dividend ÷ divisor, both ≥ 0, rounded half up to so many decimals; in whole numbers, so nothing is lost on the way. */
const roundedQuotient = (
  dividend: BigDecimal.BigDecimal,
  divisor: BigDecimal.BigDecimal,
  decimals: number
): BigDecimal.BigDecimal => {
  const scale = Math.max(dividend.scale, divisor.scale, 0)
  const above = BigDecimal.scale(dividend, scale).value * 10n ** BigInt(decimals)
  const below = BigDecimal.scale(divisor, scale).value
  return BigDecimal.make((2n * above + below) / (2n * below), decimals)
}
