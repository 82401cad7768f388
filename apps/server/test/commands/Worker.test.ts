import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { at, type Fixture, makeFixture } from "./Fixture.ts"

describe("The engine", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"))
  })
  afterAll(() => fixture.close())

  const completedAt = "2026-01-15T10:00:00Z"

  it("turns a purchase into a lot and a receipt, and meters an operation on it", async () => {
    const bought = await fixture.run("Purchase.Settled", purchaseOf("ann", "pay-1"))
    expect(bought.value).toMatchObject({
      lot: { userId: "ann", source: "purchase", creditsTotal: 1000, creditsRemaining: 1000 },
      receipt: { receiptNumber: "R-2026-0001", amount: "79", currency: "USD" },
      userBalance: { balance: 1000, available: 1000, debt: 0 },
      meta: { replayed: false }
    })
    const opened = await fixture.run("Operation.Open", {
      userId: "ann",
      operationTypeCode: "llm_tokens",
      estimatedAmount: "100"
    })
    expect(at(opened.value, "operation")).toMatchObject({ status: "open", held: 57, capturedRate: "0.57" })
    const operationId = String(at(opened.value, "operation", "operationId"))
    const closed = await fixture.run("Operation.RecordAndClose", {
      operationId,
      resourceAmount: "120.5",
      completedAt
    })
    expect(closed.value).toMatchObject({
      operation: { status: "closed", finalCost: 69, late: false },
      ledgerEntries: [{ amount: -69, balanceAfter: 931, reason: "debit" }],
      userBalance: { balance: 931, held: 0, available: 931 }
    })
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("answers a close and a purchase that come again under other keys with the original, and refuses others", async () => {
    await fixture.run("Purchase.Settled", purchaseOf("cat", "pay-cat"))
    const opened = await fixture.run("Operation.Open", { userId: "cat", operationTypeCode: "api_call" })
    const operationId = String(at(opened.value, "operation", "operationId"))
    const close = (resourceAmount: string) =>
      fixture.run("Operation.RecordAndClose", { operationId, resourceAmount, completedAt })
    const first = await close("7")
    const again = await close("7.0")
    expect(at(first.value, "ledgerEntries", "0", "hash")).toMatch(/^[0-9a-f]{64}$/)
    expect(at(again.value, "ledgerEntries")).toEqual(at(first.value, "ledgerEntries"))
    expect((await close("8")).error).toMatchObject({ _tag: "IntentConflict", fields: ["resourceAmount"] })

    const settled = await fixture.run("Purchase.Settled", purchaseOf("cat", "pay-cat"))
    expect(settled.value).toMatchObject({ lot: { creditsRemaining: 993 }, userBalance: { balance: 993 } })
    const other = await fixture.run("Purchase.Settled", purchaseOf("dog", "pay-cat"))
    expect(other.error).toMatchObject({ _tag: "IntentConflict", fields: ["userId"] })
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("gives one effect and equal answers to a thousand identical commands", async () => {
    const other = await fixture.makeWorker()
    const first = await fixture.makeWorker()
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        fixture.runOn(index % 2 === 0 ? first : other, "Purchase.Settled", purchaseOf("bob", "pay-bob"), {
          key: "same"
        })
      )
    )
    const seen = new Set(
      answers.map(({ value }) => JSON.stringify({ ...value, meta: at(value, "meta", "transactionId") }))
    )
    expect(seen.size).toBe(1)
    expect(answers.filter(({ value }) => at(value, "meta", "replayed") === false)).toHaveLength(1)
    expect(await fixture.owner.query("SELECT count(*)::int AS n FROM lots WHERE user_id = 'bob'")).toEqual([{ n: 1 }])
  })

  it("lets exactly six of twenty operations of 75 open at once on 500 credits", async () => {
    await fixture.run(
      "Grant.Apply",
      { userId: "eve", grant: { type: "manual", credits: 500, accessPeriodDays: 1, justification: "race" } },
      { role: "admin" }
    )
    const [one, two] = [await fixture.makeWorker(), await fixture.makeWorker()]
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        fixture.runOn(index % 2 === 0 ? one : two, "Operation.Open", {
          userId: "eve",
          operationTypeCode: "api_call",
          estimatedAmount: "75"
        })
      )
    )
    expect(answers.filter(({ value }) => value !== undefined)).toHaveLength(6)
    expect(answers.filter(({ error }) => at(error, "_tag") === "InsufficientBalance")).toHaveLength(14)
    expect(await faults(fixture.owner)).toEqual([])
  })
})
