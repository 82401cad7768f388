import { DAY } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { type Answer, balanceOf, entriesOf, lotOf, operationOf, receiptOf } from "../support/Answers.ts"
import { close, grant, open, purchase, type SaleOptions, welcome } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, walk } from "../support/Walk.ts"

const LONG_AFTER = 400 * DAY

describe("one effect per identity, for ever (rule 9): through any life of a merchant", () => {
  it("a payment reference has one lot and one receipt", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      const bought = [...ledger.lots.values()].filter((lot) => lot.source === "purchase")
      expect(bought.map((lot) => lot.externalRef).sort()).toEqual([...ledger.purchases.keys()].sort())
      for (const { externalRef, lot, receipt } of ledger.purchases.values()) {
        expect([lot.externalRef, receipt.externalRef, receipt.lotId]).toEqual([externalRef, externalRef, lot.lotId])
        expect(ledger.entries.filter((it) => it.lotId === lot.lotId && it.reason === "purchase")).toHaveLength(1)
      }
      const numbers = [...ledger.purchases.values()].map((it) => it.receipt.receiptNumber)
      expect(new Set(numbers).size).toBe(numbers.length)
    })
  })

  it("an operation is charged once", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      for (const { finalCost, operationId } of ledger.operations.values()) {
        const entries = ledger.entries.filter((entry) => entry.operationId === operationId)
        expect(entries.reduce((total, entry) => total - entry.amount, 0)).toBe(finalCost ?? 0)
        expect(new Set(entries.map((entry) => entry.createdAt)).size).toBeLessThanOrEqual(1)
      }
    })
  })

  it("a user has one welcome grant", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      const lots = [...ledger.lots.values()].filter((lot) => lot.source === "welcome")
      expect(lots.map((lot) => [lot.userId, lot.lotId]).sort()).toEqual([...ledger.welcomed].sort())
    })
  })
})

describe("a payment reference that was settled, with another key", () => {
  const settled = () => {
    const ledger = new Ledger()
    return { ledger, first: ledger.send(purchase("ada", "pay-1")) }
  }

  it("answers the same receipt and lot, the lot as it stands now, and adds nothing", () => {
    const { first, ledger } = settled()
    const { operationId } = operationOf(ledger.send(open("ada")))
    ledger.send(close(operationId, "30"))
    const before = ledger.entries.length
    const again = ledger.send(purchase("ada", "pay-1", { amount: "9.9900", settledAt: "2026-01-01T00:01:00Z" }))
    expect(again.tag).toBe("Decided")
    expect(receiptOf(again)).toEqual(receiptOf(first))
    expect(lotOf(again)).toEqual({ ...lotOf(first), creditsRemaining: 70 })
    expect(balanceOf(again).balance).toBe(70)
    expect([ledger.entries.length, ledger.lots.size, ledger.receiptCounter.lastNumber]).toEqual([before, 1, 1])
  })

  it("answers so also long after the key's record, the lot and even the product are gone", () => {
    const { first, ledger } = settled()
    ledger.advance(LONG_AFTER)
    ledger.products = new Map()
    const again = ledger.send(purchase("ada", "pay-1"))
    expect(receiptOf(again)).toEqual(receiptOf(first))
    expect(lotOf(again)).toEqual({ ...lotOf(first), creditsRemaining: 0 })
    expect(ledger.purchases.size).toBe(1)
  })

  it.each<[string, string, SaleOptions]>([
    ["userId", "bob", {}],
    ["productCode", "ada", { productCode: "launch" }],
    ["settlementData.pricingSnapshot.amount", "ada", { amount: "9.98" }],
    ["settlementData.pricingSnapshot.currency", "ada", { currency: "EUR" }],
    ["settlementData.pricingSnapshot.country", "ada", { country: "FR" }]
  ])("conflicts if %s differs, and names it", (field, user, sale) => {
    const { ledger } = settled()
    const answer = ledger.send(purchase(user, "pay-1", sale))
    expect(answer.error).toMatchObject({ _tag: "IntentConflict", fields: [field] })
    expect(Object.keys(answer.error ?? {}).sort()).toEqual(["_tag", "fields", "meta"])
    expect([ledger.entries.length, ledger.lots.size]).toEqual([1, 1])
  })

  it("conflicts on every field that differs", () => {
    const { ledger } = settled()
    const sale = { productCode: "launch", country: "AM", currency: "AMD", amount: "29900" }
    expect(ledger.send(purchase("bob", "pay-1", sale)).error?.fields).toHaveLength(5)
  })

  it("counts within one batch too, also for two users", () => {
    const ledger = new Ledger()
    const commands = [purchase("ada", "pay-1"), purchase("ada", "pay-1"), purchase("bob", "pay-1")]
    const { answers } = ledger.run(commands)
    expect(answers.map((answer) => answer.outcome)).toEqual(["succeeded", "succeeded", "IntentConflict"])
    expect(answers.slice(0, 2).map(receiptOf)[1]).toEqual(answers.slice(0, 2).map(receiptOf)[0])
    expect([ledger.lots.size, ledger.receiptCounter.lastNumber]).toEqual([1, 1])
  })
})

describe("an operation that was closed, with another key", () => {
  const closed = () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 500))
    ledger.send(grant("ada", 90, 500))
    const { operationId } = operationOf(ledger.send(open("ada", { operationTypeCode: "minutes" })))
    return { ledger, operationId, first: ledger.send(close(operationId, "20")) }
  }
  const same = (answer: Answer) => [operationOf(answer), entriesOf(answer)]

  it("answers the same operation and entries, and charges nothing", () => {
    const { first, ledger, operationId } = closed()
    expect(entriesOf(first)).toHaveLength(2)
    ledger.advance(LONG_AFTER)
    const again = ledger.send(close(operationId, "20.000", { resourceUnit: "MINUTES" }))
    expect(again.tag).toBe("Decided")
    expect(same(again)).toEqual(same(first))
    expect(balanceOf(again).balance).toBe(77)
  })

  it("conflicts if amount or unit differ, and names them", () => {
    const { ledger, operationId } = closed()
    const fields = (amount: string, resourceUnit: string) =>
      ledger.send(close(operationId, amount, { resourceUnit })).error?.fields
    expect(fields("20.1", "MINUTES")).toEqual(["resourceAmount"])
    expect(fields("20", "HOURS")).toEqual(["resourceUnit"])
    expect(fields("21", "HOURS")).toEqual(["resourceAmount", "resourceUnit"])
    expect(ledger.balance("ada").balance).toBe(77)
  })

  it("counts within one batch too", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 100, 1))
    const { operationId } = operationOf(ledger.send(open("ada")))
    const { answers } = ledger.run([close(operationId, "5"), close(operationId, "5"), close(operationId, "6")])
    expect(answers.map((answer) => answer.outcome)).toEqual(["succeeded", "succeeded", "IntentConflict"])
    expect(answers.slice(0, 2).map(same)[1]).toEqual(answers.slice(0, 2).map(same)[0])
    expect(ledger.balance("ada").balance).toBe(95)
  })
})

describe("a second welcome grant", () => {
  it("is refused for ever, and for that user only", () => {
    const ledger = new Ledger()
    expect(ledger.run([welcome("ada"), welcome("ada"), welcome("bob")]).answers.map((it) => it.outcome)).toEqual([
      "succeeded",
      "GrantUnavailable",
      "succeeded"
    ])
    ledger.advance(LONG_AFTER)
    expect(ledger.send(welcome("ada")).error).toMatchObject({ _tag: "GrantUnavailable", reason: "already_granted" })
    expect(ledger.lots.size).toBe(2)
  })
})
