import { formatMoney, minorUnits } from "@credit/domain/Currency"
import type { TaxRegime } from "@credit/domain/Merchant"
import { addsUp, taxOf } from "@credit/domain/Tax"
import * as BigDecimal from "effect/BigDecimal"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const decimal = BigDecimal.fromStringUnsafe
const parts = (taxRegime: TaxRegime, taxRate: string | null, currency: string, price: string) => {
  const { gross, net, tax } = taxOf({ taxRegime, taxRate }, currency, price)
  return [net, tax, gross]
}

describe("the tax of a price", () => {
  it.each<[TaxRegime, string | null, string, string, ReadonlyArray<string>]>([
    ["vat", "20", "USD", "79.00", ["65.83", "13.17", "79"]],
    ["vat", "20", "AMD", "29900", ["24916.67", "4983.33", "29900"]],
    ["vat", "19", "EUR", "0.01", ["0.01", "0", "0.01"]],
    ["vat", "100", "EUR", "0.01", ["0", "0.01", "0.01"]],
    ["vat", "10", "JPY", "105", ["95", "10", "105"]],
    ["vat", "7.7", "KWD", "1", ["0.929", "0.071", "1"]],
    ["vat", "0", "USD", "5", ["5", "0", "5"]],
    ["vat", "20", "USD", "0", ["0", "0", "0"]],
    ["turnover", "5", "AMD", "29900", ["28405", "1495", "29900"]],
    ["turnover", "0.5", "USD", "9.99", ["9.94", "0.05", "9.99"]],
    ["turnover", "12.5", "USD", "0.04", ["0.03", "0.01", "0.04"]],
    ["turnover", null, "USD", "9.99", ["9.99", "0", "9.99"]],
    ["none", null, "USD", "9.99", ["9.99", "0", "9.99"]],
    // A rate that is left over says nothing without a regime.
    ["none", "20", "USD", "9.99", ["9.99", "0", "9.99"]],
    ["vat", "20", "USD", "999999999999.99", ["833333333333.32", "166666666666.67", "999999999999.99"]]
  ])("%s at %s: %s %s", (regime, rate, currency, price, expected) => {
    expect(parts(regime, rate, currency, price)).toEqual(expected)
  })

  it("names regime and rate", () => {
    expect(taxOf({ taxRegime: "vat", taxRate: "20" }, "USD", "6")).toMatchObject({ regime: "vat", rate: "20" })
    expect(taxOf({ taxRegime: "none", taxRate: "20" }, "USD", "6")).toEqual({
      regime: "none",
      net: "6",
      tax: "0",
      gross: "6"
    })
  })

  it("adds up to the price, and is within half a minor unit of the exact share", () => {
    forAll(
      [
        fc.constantFrom<TaxRegime>("vat", "turnover"),
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.constantFrom("USD", "JPY", "KWD", "AMD"),
        fc.bigInt({ min: 0n, max: 10n ** 15n })
      ],
      (regime, rate, currency, amount) => {
        const digits = minorUnits(currency)
        const price = BigDecimal.format(BigDecimal.make(amount, digits))
        const [net = "", tax = "", gross = ""] = parts(regime, `${rate / 10_000}`, currency, price)
        expect(addsUp({ net: decimal(net), tax: decimal(tax), gross: decimal(gross) }, decimal(price))).toBe(true)
        // |tax − exact| ≤ half: in whole numbers, the rate in ten-thousandths of a per cent.
        const whole = regime === "vat" ? 1_000_000n + BigInt(rate) : 1_000_000n
        const twice = 2n * (BigDecimal.scale(decimal(tax), digits).value * whole - amount * BigInt(rate))
        expect(twice > -whole && twice <= whole).toBe(true)
      },
      300
    )
  })
})

describe("money as people read it", () => {
  it.each([
    ["79", "USD", "79.00 USD"],
    ["29900", "AMD", "29900.00 AMD"],
    ["500", "JPY", "500 JPY"],
    ["0.5", "KWD", "0.500 KWD"],
    ["9.9901", "USD", "9.9901 USD"],
    ["0", "EUR", "0.00 EUR"],
    ["1", "MGA", "1.00 MGA"],
    ["7", "DEM", "7.00 DEM"]
  ])("%s %s is %s", (amount, currency, expected) => {
    expect(formatMoney(decimal(amount), currency)).toBe(expected)
  })
})
