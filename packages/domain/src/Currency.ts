import * as currencies from "dinero.js/currencies"
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import { canonicalDecimal } from "./Decimal.ts"
import { Currency } from "./Ids.ts"

/**
 * Decimals of each currency's minor unit. The ariary and the ouguiya are divided into fifths; ISO 4217 counts two decimals
 * for them, as invoices do.
 */
const minorUnitsByCode: ReadonlyMap<string, number> = new Map(
  Object.values(currencies).map(({ base, code, exponent }) => [code, base === 10 ? exponent : 2])
)

/** An ISO 4217 code that is in use: money is taken in it today. */
export const KnownCurrency = Currency.check(
  Schema.makeFilter<string>((code) => minorUnitsByCode.has(code), { expected: "a currency of ISO 4217" })
)

/** Decimals of a currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD; 2 for a code that is not in use any more. */
export const minorUnits = (currency: string): number => minorUnitsByCode.get(currency) ?? 2

/** How many decimals an amount needs. */
export const decimalsOf = (amount: BigDecimal.BigDecimal): number => Math.max(0, BigDecimal.normalize(amount).scale)

/** An amount as people read it: with the currency's minor units, more if it has more: `79.00 USD`, `29900.00 AMD`, `500 JPY`. */
export const formatMoney = (amount: BigDecimal.BigDecimal, currency: string): string => {
  const [whole = "0", decimals = ""] = canonicalDecimal(amount).split(".")
  const shown = decimals.padEnd(minorUnits(currency), "0")
  return `${whole}${shown === "" ? "" : `.${shown}`} ${currency}`
}
