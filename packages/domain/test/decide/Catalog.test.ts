import { DAY, HOUR, timestampText } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { operationOf } from "../support/Answers.ts"
import { advanceClock, close, command, govern, grant, open, purchase, type WireIntent } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"

type Payload<T extends WireIntent["type"]> = Extract<WireIntent, { readonly type: T }>["payload"]

const pack: Payload<"Product.Create"> = {
  productCode: "pack",
  title: "Pack",
  credits: 500,
  accessPeriodDays: 30,
  distribution: "sellable",
  priceRows: [
    { country: "DE", currency: "EUR", amount: "45.50" },
    { country: "*", currency: "USD", amount: "49" }
  ]
}
const gift: Payload<"Product.Create"> = {
  productCode: "gift",
  title: "Gift",
  credits: 5,
  accessPeriodDays: 3,
  distribution: "grant",
  grantPolicy: "manual"
}
const create = (changes: Partial<Payload<"Product.Create">> = {}, from = pack) =>
  govern({ type: "Product.Create", payload: { ...from, ...changes } })
const archive = (productCode: string, archivedAt?: number) =>
  govern({
    type: "Product.Archive",
    payload: { productCode, ...(archivedAt === undefined ? {} : { archivedAt: timestampText(archivedAt) }) }
  })
const rate = (creditsPerUnit: string, changes: Partial<Payload<"OperationType.Create">> = {}) =>
  govern({
    type: "OperationType.Create",
    payload: { operationTypeCode: "pages", resourceUnit: "PAGES", creditsPerUnit, ...changes }
  })
const at = (instant: number) => ({ effectiveAt: timestampText(instant) })

/** The field that a command is refused for, or how else it ended. */
const fieldOf = (ledger: Ledger, sent: ReturnType<typeof govern>) => {
  const answer = ledger.send(sent)
  return answer.error?.field ?? answer.outcome
}

describe("a product that is created", () => {
  it("is what was asked, from now on, and is sold at its prices", () => {
    const ledger = new Ledger()
    expect(ledger.send(create()).value?.product).toEqual({
      productCode: "pack",
      title: "Pack",
      credits: 500,
      accessPeriodDays: 30,
      distribution: "sellable",
      priceRows: [
        { country: "*", currency: "USD", amount: "49" },
        { country: "DE", currency: "EUR", amount: "45.5" }
      ],
      effectiveAt: timestampText(START),
      status: "active"
    })
    const bought = purchase("ada", "pay-1", { productCode: "pack", currency: "EUR", amount: "45.5" })
    expect(ledger.send(bought).value?.lot?.creditsTotal).toBe(500)
  })

  it("may begin later, and is not sold before", () => {
    const ledger = new Ledger()
    expect(ledger.send(create(at(START + DAY))).value?.product).toMatchObject({ status: "scheduled" })
    const sale = { productCode: "pack", country: "US", amount: "49" }
    expect(ledger.send(purchase("ada", "pay-1", sale)).error?.reason).toBe("not_yet_effective")
    ledger.advance(DAY)
    expect(ledger.send(purchase("ada", "pay-2", { ...sale, orderPlacedAt: "2026-01-02T00:00:00Z" })).outcome).toBe(
      "succeeded"
    )
  })

  it("is refused when there is one of its code, archived ones included", () => {
    const ledger = new Ledger()
    ledger.send(create())
    expect(ledger.send(create({ title: "Other" })).outcome).toBe("ProductAlreadyExists")
    ledger.send(archive("pack"))
    expect(ledger.send(create()).outcome).toBe("ProductAlreadyExists")
  })

  it.each<[string, Partial<Payload<"Product.Create">>]>([
    ["priceRows", { priceRows: [] }],
    ["grantPolicy", { grantPolicy: "manual" }],
    ["priceRows", { distribution: "grant", grantPolicy: "manual" }],
    ["grantPolicy", { distribution: "grant", priceRows: [] }],
    [
      "priceRows.2.country",
      {
        priceRows: [
          { country: "DE", currency: "EUR", amount: "1" },
          { country: "*", currency: "EUR", amount: "1" },
          { country: "DE", currency: "USD", amount: "1" }
        ]
      }
    ],
    ["effectiveAt", at(START - 1)],
    ["effectiveAt", at(START + 36_500 * DAY + 1)]
  ])("is refused for %s: %j", (field, changes) => {
    const ledger = new Ledger()
    expect(fieldOf(ledger, create(changes))).toBe(field)
    expect(ledger.products.has("pack")).toBe(false)
  })

  it.each([
    { country: "ZZ", currency: "USD", amount: "1" },
    { country: "UK", currency: "GBP", amount: "1" },
    { country: "XK", currency: "EUR", amount: "1" },
    { country: "de", currency: "EUR", amount: "1" },
    { country: "DE", currency: "XXX", amount: "1" },
    { country: "DE", currency: "DEM", amount: "1" },
    { country: "DE", currency: "XAU", amount: "1" },
    { country: "DE", currency: "EUR", amount: "1.001" },
    { country: "JP", currency: "JPY", amount: "100.5" },
    { country: "KW", currency: "KWD", amount: "0.0001" },
    { country: "DE", currency: "EUR", amount: "-1" }
  ])("has no such price: %j", (row) => {
    expect(() => command({ type: "Product.Create", payload: { ...pack, priceRows: [row] } })).toThrow()
  })

  it.each([
    { country: "JP", currency: "JPY", amount: "100.00" },
    { country: "KW", currency: "KWD", amount: "0.001" },
    { country: "MG", currency: "MGA", amount: "0.2" },
    { country: "*", currency: "EUR", amount: "0" },
    { country: "GB", currency: "GBP", amount: "99.99" }
  ])("has any price that can be paid: %j", (row) => {
    expect(new Ledger().send(create({ priceRows: [row] })).outcome).toBe("succeeded")
  })
})

describe("a product that is archived", () => {
  it("ends now, for good: orders placed before are still settled", () => {
    const ledger = new Ledger()
    ledger.send(create())
    ledger.advance(DAY)
    expect(ledger.send(archive("pack")).value?.product).toMatchObject({
      status: "archived",
      archivedAt: timestampText(START + DAY)
    })
    const sale = { productCode: "pack", country: "US", amount: "49" }
    expect(ledger.send(purchase("ada", "a", { ...sale, orderPlacedAt: timestampText(START) })).outcome).toBe(
      "succeeded"
    )
    const late = { ...sale, orderPlacedAt: timestampText(START + DAY) }
    expect(ledger.send(purchase("ada", "b", late)).error?.reason).toBe("archived")
  })

  it("ahead may still be moved, later or closer; once it has happened it stands", () => {
    const ledger = new Ledger()
    ledger.send(create())
    for (const days of [10, 20, 5]) {
      expect(ledger.send(archive("pack", START + days * DAY)).value?.product).toMatchObject({
        status: "active",
        archivedAt: timestampText(START + days * DAY)
      })
    }
    expect(fieldOf(ledger, archive("pack", START - 1))).toBe("archivedAt")
    ledger.advance(5 * DAY)
    expect(fieldOf(ledger, archive("pack", START + 10 * DAY))).toBe("archivedAt")
    // What is asked is so already.
    for (const again of [archive("pack"), archive("pack", START + 5 * DAY)]) {
      expect(ledger.send(again).value?.product?.archivedAt).toBe(timestampText(START + 5 * DAY))
    }
  })

  it("before it began never was active", () => {
    const ledger = new Ledger()
    ledger.send(create(at(START + 10 * DAY)))
    ledger.send(archive("pack"))
    ledger.advance(11 * DAY)
    const sale = { productCode: "pack", country: "US", amount: "49", orderPlacedAt: timestampText(ledger.now) }
    expect(ledger.send(purchase("ada", "a", sale)).error?.reason).toBe("archived")
  })

  it("must be there", () => {
    expect(new Ledger().send(archive("unheard-of")).outcome).toBe("ProductNotFound")
  })
})

describe("the product for sign-ups", () => {
  const signup = (productCode: string, changes: Partial<Payload<"Product.Create">> = {}) =>
    create({ productCode, grantPolicy: "apply_on_signup", ...changes }, gift)

  it("is one at any time: a second waits until the first is archived", () => {
    const ledger = new Ledger()
    ledger.products = new Map()
    ledger.send(signup("first"))
    expect(fieldOf(ledger, signup("second"))).toBe("grantPolicy")
    expect(fieldOf(ledger, signup("second", at(START + 10 * DAY)))).toBe("grantPolicy")
    ledger.send(archive("first", START + 10 * DAY))
    expect(fieldOf(ledger, signup("second", at(START + 10 * DAY - 1)))).toBe("grantPolicy")
    expect(ledger.send(signup("second", at(START + 10 * DAY))).outcome).toBe("succeeded")
    // Nor can the first be stretched over the second any more.
    expect(fieldOf(ledger, archive("first", START + 10 * DAY + 1))).toBe("archivedAt")
    expect(ledger.send(archive("first", START + DAY)).outcome).toBe("succeeded")
    ledger.send(archive("second"))
    expect(ledger.send(signup("third", at(START + DAY))).outcome).toBe("succeeded")
  })

  it("has nothing to do with grants that staff give: there may be many", () => {
    const ledger = new Ledger()
    expect(["a", "b"].map((productCode) => ledger.send(create({ productCode }, gift)).outcome)).toEqual([
      "succeeded",
      "succeeded"
    ])
  })
})

describe("a rate's new version", () => {
  it("ends the one before it at the same instant; what operations captured stays (rule 7)", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 1000, 30))
    ledger.send(rate("2"))
    const before = operationOf(ledger.send(open("ada", { operationTypeCode: "pages", estimatedAmount: "1" })))
    ledger.advance(HOUR)
    expect(ledger.send(rate("3", { title: "Pages" })).value).toMatchObject({
      operationType: {
        creditsPerUnit: "3",
        title: "Pages",
        effectiveAt: timestampText(START + HOUR),
        status: "active"
      },
      replaced: { creditsPerUnit: "2", archivedAt: timestampText(START + HOUR), status: "archived" }
    })
    const after = operationOf(ledger.send(open("ada", { operationTypeCode: "pages", estimatedAmount: "1" })))
    expect([before.capturedRate, after.capturedRate]).toEqual(["2", "3"])
    expect(ledger.send(close(before.operationId, "10")).value?.operation?.finalCost).toBe(20)
    ledger.advance(HOUR)
    expect(ledger.send(rate("4")).value?.operationType?.title).toBe("Pages")
  })

  it("may be announced: until then the one before it runs", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 1000, 30))
    ledger.send(rate("2"))
    expect(ledger.send(rate("3", at(START + DAY))).value).toMatchObject({
      operationType: { status: "scheduled" },
      replaced: { status: "active", archivedAt: timestampText(START + DAY) }
    })
    const captured = () =>
      operationOf(ledger.send(open("ada", { operationTypeCode: "pages", estimatedAmount: "1" }))).capturedRate
    expect(captured()).toBe("2")
    ledger.advance(DAY)
    expect(captured()).toBe("3")
  })

  it.each<[string, string, Partial<Payload<"OperationType.Create">>]>([
    ["the past", "effectiveAt", at(START - 1)],
    ["the instant of the newest", "effectiveAt", at(START + DAY)],
    ["before one that is announced", "effectiveAt", {}],
    ["too far ahead", "effectiveAt", at(START + 36_500 * DAY + 1)],
    ["another unit", "resourceUnit", { resourceUnit: "SHEETS", ...at(START + 2 * DAY) }]
  ])("is refused in %s", (_, field, changes) => {
    const ledger = new Ledger()
    ledger.send(rate("2", at(START + DAY)))
    expect(fieldOf(ledger, rate("3", changes))).toBe(field)
    expect(ledger.versions.get("pages")).toHaveLength(1)
  })

  it("costs something: a rate of 0 is no rate", () => {
    expect(() => rate("0")).toThrow()
    expect(() => rate("0.000000")).toThrow()
    expect(new Ledger().send(rate("0.000001")).outcome).toBe("succeeded")
  })

  it("leaves neither gap nor overlap, whatever versions are tried", () => {
    const tries = fc.array(
      fc.record({ wait: fc.integer({ min: 0, max: 48 }), ahead: fc.option(fc.integer({ min: -2, max: 72 })) }),
      { maxLength: 12 }
    )
    forAll([tries], (steps) => {
      const ledger = new Ledger()
      for (const { ahead, wait } of steps) {
        ledger.advance(wait * HOUR)
        ledger.send(rate("1", ahead === null ? {} : at(ledger.now + ahead * HOUR)))
      }
      const versions = ledger.versions.get("pages") ?? []
      for (const [index, { archivedAt, effectiveAt }] of versions.entries()) {
        expect(archivedAt).toBe(versions[index + 1]?.effectiveAt ?? null)
        if (archivedAt !== null) expect(archivedAt).toBeGreaterThan(effectiveAt)
      }
    })
  })
})

describe("commands of the catalog", () => {
  it("see each other within a batch, and what follows sees them", () => {
    const ledger = new Ledger({ sandbox: true })
    const { answers } = ledger.run([
      create(),
      create(),
      archive("pack", START + HOUR),
      rate("2"),
      rate("3", at(START + 2 * HOUR)),
      grant("ada", 10, 30),
      open("ada", { operationTypeCode: "pages", estimatedAmount: "1" }),
      advanceClock(1),
      archive("pack")
    ])
    expect(answers.map(({ outcome }) => outcome)).toEqual([
      "succeeded",
      "ProductAlreadyExists",
      ...Array<string>(7).fill("succeeded")
    ])
    expect(operationOf(answers[6] ?? ledger.send(open("ada"))).capturedRate).toBe("2")
    expect(answers[8]?.value?.product?.archivedAt).toBe(timestampText(START + HOUR))
  })

  it("leave an audit row, refused or not; a replay and a dry run leave none", () => {
    const ledger = new Ledger()
    const first = create()
    ledger.run([first, first, create(), rate("1")])
    ledger.send(govern({ type: "Product.Archive", payload: { productCode: "pack" } }, { dryRun: true }))
    expect(ledger.audited.map(({ command, outcome }) => [command.intent.type, outcome])).toEqual([
      ["Product.Create", "succeeded"],
      ["Product.Create", "ProductAlreadyExists"],
      ["OperationType.Create", "succeeded"]
    ])
    expect(ledger.products.get("pack")?.archivedAt).toBe(null)
  })

  it("conflict under a key that was used for something else", () => {
    const ledger = new Ledger()
    const first = create()
    ledger.send(first)
    const other = govern({ type: "Product.Create", payload: { ...pack, credits: 7 } }, { key: first.key })
    expect(ledger.send(other).error).toMatchObject({ _tag: "IntentConflict", fields: ["credits"] })
  })
})
