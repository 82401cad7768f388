import { receiptNumber } from "@credit/domain/Receipt"
import { DAY, MINUTE, timestampText } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { lotOf, receiptOf } from "../support/Answers.ts"
import { command, grant, purchase } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"
import { play, walk } from "../support/Walk.ts"

const numberFor = (ledger: Ledger, user: string, externalRef: string): string =>
  receiptOf(ledger.send(purchase(user, externalRef))).receiptNumber

describe("receipt numbers", () => {
  it("are gapless per year, in the order of the purchases, through any life of a merchant", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      const receipts = [...ledger.purchases.values()].map((it) => it.receipt)
      const counted = new Map<number, number>()
      for (const { number, receiptNumber: text, year } of receipts) {
        counted.set(year, (counted.get(year) ?? 0) + 1)
        expect(number).toBe(counted.get(year))
        expect(text).toBe(`R-${year}-${`${number}`.padStart(4, "0")}`)
      }
    })
  })

  it("start anew with the UTC year, also within a batch of several users", () => {
    const ledger = new Ledger()
    ledger.now = Date.parse("2026-12-31T23:59:59.999Z")
    expect(numberFor(ledger, "ada", "a")).toBe("R-2026-0001")
    expect(numberFor(ledger, "bob", "b")).toBe("R-2026-0002")
    ledger.advance(1)
    const { answers } = ledger.run([purchase("ada", "c"), purchase("eve", "d")])
    expect(answers.map((it) => receiptOf(it).receiptNumber)).toEqual(["R-2027-0001", "R-2027-0002"])
  })

  it("do not go back into a year that was left, when the clock does", () => {
    const ledger = new Ledger()
    ledger.now = Date.parse("2027-01-01T00:00:00.000Z")
    expect(numberFor(ledger, "ada", "a")).toBe("R-2027-0001")
    ledger.advance(-MINUTE)
    expect(numberFor(ledger, "bob", "b")).toBe("R-2027-0002")
    ledger.advance(2 * MINUTE)
    expect(numberFor(ledger, "bob", "c")).toBe("R-2027-0003")
  })

  it("have at least four digits, more when a year has more, and the merchant's prefix", () => {
    expect(receiptNumber("ACME", 2026, 7)).toBe("ACME-2026-0007")
    expect(receiptNumber("R", 2026, 12_345)).toBe("R-2026-12345")
    const ledger = new Ledger({ receiptPrefix: "X" })
    ledger.receiptCounter = { year: 2026, lastNumber: 9998 }
    expect(["a", "b", "c"].map((ref) => numberFor(ledger, "ada", ref))).toEqual([
      "X-2026-9999",
      "X-2026-10000",
      "X-2026-10001"
    ])
  })

  it("are taken by purchases alone: not by a refused one, a replayed one, or a grant", () => {
    const ledger = new Ledger()
    const first = purchase("ada", "a")
    ledger.run([first, first, purchase("ada", "a"), purchase("ada", "b", { amount: "1" }), grant("ada", 5, 1)])
    expect(numberFor(ledger, "ada", "c")).toBe("R-2026-0002")
  })
})

describe("a receipt", () => {
  it("keeps what was bought, paid and who sold it, as it was then", () => {
    const ledger = new Ledger({ legalName: "Demo LLC", legalAddress: null, taxId: "123" })
    const answer = ledger.send(
      command({
        type: "Purchase.Settled",
        payload: {
          userId: "ada",
          productCode: "starter",
          settlementData: {
            externalRef: "pay-1",
            orderPlacedAt: "2026-01-01T04:00:00+04:00",
            settledAt: "2026-01-01T00:00:05.1239Z",
            paymentMethod: "card",
            pricingSnapshot: {
              country: "AM",
              currency: "AMD",
              amount: "29900.00",
              taxBreakdown: { regime: "vat", rate: "20.0", net: "24916.6700", tax: "4983.33", gross: "29900.00" }
            }
          }
        }
      })
    )
    const expected = {
      receiptNumber: "R-2026-0001",
      userId: "ada",
      externalRef: "pay-1",
      lotId: lotOf(answer).lotId,
      issuedAt: timestampText(START),
      productCode: "starter",
      title: "Starter",
      credits: 100,
      country: "AM",
      currency: "AMD",
      amount: "29900",
      taxBreakdown: { regime: "vat", rate: "20", net: "24916.67", tax: "4983.33", gross: "29900" },
      paymentMethod: "card",
      orderPlacedAt: "2026-01-01T00:00:00.000Z",
      settledAt: "2026-01-01T00:00:05.123Z",
      merchant: { merchantId: "demo", legalName: "Demo LLC", taxId: "123" }
    }
    expect(receiptOf(answer)).toEqual(expected)
    ledger.settings = { ...ledger.settings, legalName: "Renamed LLC", receiptPrefix: "NEW" }
    ledger.products = new Map()
    ledger.advance(400 * DAY)
    expect(
      receiptOf(ledger.send(purchase("ada", "pay-1", { country: "AM", currency: "AMD", amount: "29900" })))
    ).toEqual(expected)
  })

  const sold = (amount: string, taxBreakdown?: Record<"regime" | "net" | "tax" | "gross", string>) =>
    command({
      type: "Purchase.Settled",
      payload: {
        userId: "ada",
        productCode: "starter",
        settlementData: {
          externalRef: `pay-${amount}-${JSON.stringify(taxBreakdown)}`,
          orderPlacedAt: "2026-01-01T00:00:00Z",
          settledAt: "2026-01-01T00:00:00Z",
          pricingSnapshot: { country: "DE", currency: "USD", amount, ...(taxBreakdown && { taxBreakdown }) }
        }
      }
    })

  it.each([
    [
      { taxRegime: "none", taxRate: null },
      { regime: "none", net: "9.99", tax: "0", gross: "9.99" }
    ],
    [
      { taxRegime: "vat", taxRate: "19" },
      { regime: "vat", rate: "19", net: "8.39", tax: "1.6", gross: "9.99" }
    ],
    [
      { taxRegime: "turnover", taxRate: "5" },
      { regime: "turnover", rate: "5", net: "9.49", tax: "0.5", gross: "9.99" }
    ]
  ] as const)("of a merchant with %j tells what of the price is tax", (tax, expected) => {
    const ledger = new Ledger(tax)
    expect(receiptOf(ledger.send(sold("9.99"))).taxBreakdown).toEqual(expected)
  })

  it("tells the tax as the upstream app computed it, if that adds up: within the price or on top of it", () => {
    const ledger = new Ledger({ taxRegime: "vat", taxRate: "19" })
    const within = { regime: "vat", net: "9", tax: "0.99", gross: "9.99" }
    const onTop = { regime: "sales", net: "9.99", tax: "0.8", gross: "10.79" }
    for (const given of [within, onTop]) {
      expect(receiptOf(ledger.send(sold("9.99", given))).taxBreakdown).toEqual(given)
    }
    for (const wrong of [
      { ...within, tax: "1" },
      { ...within, gross: "9.98" },
      { regime: "vat", net: "8", tax: "1", gross: "9" }
    ]) {
      expect(ledger.send(sold("9.99", wrong)).error, JSON.stringify(wrong)).toMatchObject({
        _tag: "InvalidRequest",
        field: "settlementData.pricingSnapshot.taxBreakdown"
      })
    }
    expect(ledger.receiptCounter.lastNumber).toBe(2)
  })
})
