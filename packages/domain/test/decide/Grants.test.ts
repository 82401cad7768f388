import { DAY } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { balanceOf, lotOf } from "../support/Answers.ts"
import { products } from "../support/Catalog.ts"
import { grant, promo, welcome } from "../support/Commands.ts"
import { Ledger, START } from "../support/Ledger.ts"

describe("a welcome grant", () => {
  it("is one lot of the merchant's sign-up product", () => {
    const ledger = new Ledger()
    const answer = ledger.send(welcome("ada"))
    expect(lotOf(answer)).toMatchObject({
      source: "welcome",
      productCode: "welcome",
      creditsTotal: 20,
      expiresAt: "2026-01-02T00:00:00.000Z"
    })
    expect(balanceOf(answer).balance).toBe(20)
    expect(ledger.entries).toMatchObject([
      { reason: "welcome", amount: 20, resourceAmount: "20", resourceUnit: "CREDIT" }
    ])
  })

  it("needs such a product, and can be had later if there was none", () => {
    const ledger = new Ledger()
    ledger.welcomeProduct = null
    expect(ledger.send(welcome("ada")).error).toMatchObject({
      _tag: "GrantUnavailable",
      reason: "no_welcome_product"
    })
    ledger.welcomeProduct = products.get("welcome") ?? null
    expect(ledger.send(welcome("ada")).outcome).toBe("succeeded")
  })

  it("is not used up by one that went beyond the bounds", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", Number.MAX_SAFE_INTEGER, 1))
    expect(ledger.send(welcome("ada")).outcome).toBe("InvalidRequest")
    ledger.advance(DAY)
    expect(ledger.send(welcome("ada")).outcome).toBe("succeeded")
  })
})

describe("a promo", () => {
  it("is one lot of a grant product, as often as an admin gives it, with the admin's name", () => {
    const ledger = new Ledger()
    const { answers } = ledger.run([promo("ada", "launch"), promo("ada", "launch")])
    expect(answers.map((it) => lotOf(it).source)).toEqual(["promo", "promo"])
    expect(ledger.balance("ada").balance).toBe(100)
    expect(ledger.entries).toMatchObject([{ reason: "promo", actor: "demo" }, { reason: "promo" }])
  })

  it.each([
    ["product_not_found", "unheard-of"],
    ["product_not_grantable", "starter"],
    ["product_not_grantable", "welcome"],
    ["product_not_grantable", "ended"]
  ])("is refused as %s: %s", (reason, productCode) => {
    const ledger = new Ledger()
    expect(ledger.send(promo("ada", productCode)).error).toMatchObject({ _tag: "GrantUnavailable", reason })
    expect(ledger.lots.size).toBe(0)
  })

  it("is given from the instant its product is effective until the one it is archived", () => {
    const ledger = new Ledger()
    const launch = products.get("launch")
    if (launch === undefined) throw new Error("No such product")
    ledger.products = new Map([["launch", { ...launch, effectiveAt: START + 1, archivedAt: START + 3 }]])
    const outcomes = [0, 1, 2, 3].map(() => {
      const { outcome } = ledger.send(promo("ada", "launch"))
      ledger.advance(1)
      return outcome
    })
    expect(outcomes).toEqual(["GrantUnavailable", "succeeded", "succeeded", "GrantUnavailable"])
  })
})

describe("a manual grant", () => {
  it("is one lot as large and long as the admin says, with the reason given", () => {
    const ledger = new Ledger()
    expect(lotOf(ledger.send(grant("ada", 7, 36_500)))).toMatchObject({
      source: "manual",
      creditsTotal: 7,
      expiresAt: "2125-12-08T00:00:00.000Z"
    })
    expect(ledger.entries).toMatchObject([{ reason: "manual", amount: 7, note: "goodwill", actor: "demo" }])
  })
})
