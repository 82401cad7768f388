import type { ProductState } from "@credit/domain/Product"
import { DAY } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { balanceOf, lotOf } from "../support/Answers.ts"
import { products } from "../support/Catalog.ts"
import { purchase, type SaleOptions } from "../support/Commands.ts"
import { Ledger } from "../support/Ledger.ts"

describe("a settled purchase", () => {
  it("is one lot that starts now and lasts the product's access period", () => {
    const ledger = new Ledger()
    const answer = ledger.send(purchase("ada", "pay-1", { paymentMethod: "card" }))
    expect(lotOf(answer)).toMatchObject({
      userId: "ada",
      source: "purchase",
      productCode: "starter",
      creditsTotal: 100,
      creditsRemaining: 100,
      issuedAt: "2026-01-01T00:00:00.000Z",
      expiresAt: "2026-01-03T00:00:00.000Z"
    })
    expect(balanceOf(answer)).toMatchObject({ balance: 100, available: 100, activeLots: [lotOf(answer)] })
  })

  it("tells in its entry how, how much and in which currency was paid", () => {
    const ledger = new Ledger()
    ledger.run([purchase("ada", "pay-1", { paymentMethod: "card" }), purchase("ada", "pay-2")])
    expect(ledger.entries).toMatchObject([
      { reason: "purchase", amount: 100, operationType: "card", resourceAmount: "9.99", resourceUnit: "USD" },
      { reason: "purchase", amount: 100, operationType: "purchase", resourceAmount: "9.99", resourceUnit: "USD" }
    ])
  })

  it.each<[string, SaleOptions]>([
    ["the country's own price", { country: "AM", currency: "AMD", amount: "29900.00" }],
    ["the price for everywhere else", { country: "DE", currency: "USD", amount: "9.9900" }],
    [
      "a product that is archived since the order",
      { productCode: "retired", orderPlacedAt: "2025-11-30T23:59:59.999Z" }
    ],
    ["a product at the instant it became effective", { orderPlacedAt: "2025-06-01T00:00:00Z" }]
  ])("may be of %s", (_, sale) => {
    expect(new Ledger().send(purchase("ada", "pay-1", sale)).outcome).toBe("succeeded")
  })

  it.each<[string, SaleOptions]>([
    ["not_found", { productCode: "unheard-of" }],
    ["not_found", { productCode: "__proto__" }],
    ["not_sellable", { productCode: "launch" }],
    ["not_sellable", { productCode: "welcome" }],
    ["not_yet_effective", { orderPlacedAt: "2025-05-31T23:59:59.999Z" }],
    ["archived", { productCode: "retired", orderPlacedAt: "2025-12-01T00:00:00Z" }],
    ["archived", { productCode: "retired" }],
    ["country_unavailable", { productCode: "armenia", country: "DE", currency: "AMD", amount: "100" }],
    ["pricing_mismatch", { amount: "9.98" }],
    ["pricing_mismatch", { amount: "9.9901" }],
    ["pricing_mismatch", { currency: "EUR" }],
    ["pricing_mismatch", { country: "AM" }],
    ["pricing_mismatch", { country: "DE", currency: "AMD", amount: "29900" }]
  ])("is refused as %s: %j", (reason, sale) => {
    const ledger = new Ledger()
    expect(ledger.send(purchase("ada", "pay-1", sale)).error).toMatchObject({ _tag: "ProductUnavailable", reason })
    expect([ledger.lots.size, ledger.purchases.size, ledger.entries.length]).toEqual([0, 0, 0])
  })

  it("that was refused may be settled later, with another key", () => {
    const ledger = new Ledger()
    ledger.send(purchase("ada", "pay-1", { amount: "1" }))
    expect(ledger.send(purchase("ada", "pay-1")).outcome).toBe("succeeded")
  })

  it("goes by when the order was placed, not by when it was settled", () => {
    const ledger = new Ledger()
    const starter = products.get("starter")
    if (starter === undefined) throw new Error("No such product")
    const archived: ProductState = { ...starter, archivedAt: ledger.now + DAY }
    ledger.products = new Map([["starter", archived]])
    ledger.advance(30 * DAY)
    const settledAt = "2026-01-30T00:00:00Z"
    expect(ledger.send(purchase("ada", "a", { settledAt })).outcome).toBe("succeeded")
    expect(ledger.send(purchase("ada", "b", { settledAt, orderPlacedAt: "2026-01-02T00:00:00Z" })).error).toMatchObject(
      {
        reason: "archived"
      }
    )
  })

  it("works for any user id and reference the contract allows", () => {
    const ledger = new Ledger()
    const odd = ["__proto__", "constructor", "toString", "a|b", "a:b@c", "."]
    for (const text of odd) {
      expect(ledger.send(purchase(text, `${text}\\"'/`)).outcome).toBe("succeeded")
      expect(ledger.balance(text)).toMatchObject({ userId: text, balance: 100 })
    }
    expect(ledger.receiptCounter.lastNumber).toBe(odd.length)
  })
})
