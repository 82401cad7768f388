import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { at, type Fixture, makeFixture } from "./Fixture.ts"

describe("A sandbox's clock", () => {
  let sandbox: Fixture
  beforeAll(async () => {
    sandbox = await makeFixture(inject("adminUrl"), { sandbox: true })
  })
  afterAll(() => sandbox.close())

  const balanceOf = async (userId: string) =>
    at(
      (
        await sandbox.run(
          "Operation.Open",
          { userId, operationTypeCode: "api_call", estimatedAmount: "999999999" },
          { dryRun: true }
        )
      ).error,
      "available"
    )

  it("plays a year: lots expire on their day, receipts begin a new year at 1, months are made as needed", async () => {
    await sandbox.run("Purchase.Settled", purchaseOf("ann", "old-pro"))
    await sandbox.run("Purchase.Settled", purchaseOf("ann", "old-starter", "starter"))
    expect(await balanceOf("ann")).toBe(1100)
    await sandbox.run("Sandbox.AdvanceClock", { hours: 30 * 24 }, { role: "admin" })
    expect(await balanceOf("ann")).toBe(1000)
    const moved = await sandbox.run("Sandbox.AdvanceClock", { hours: 340 * 24 }, { role: "admin" })
    const year = new Date(String(at(moved.value, "now"))).getUTCFullYear()
    expect(await balanceOf("ann")).toBe(0)
    const next = await sandbox.run("Purchase.Settled", purchaseOf("ann", "new-pro"))
    expect(at(next.value, "receipt", "receiptNumber")).toBe(`R-${year}-0001`)
    expect(
      await sandbox.owner.query(
        "SELECT reason, amount::int, effective_at < created_at AS earlier FROM ledger_entries WHERE user_id = 'ann' ORDER BY seq"
      )
    ).toEqual([
      { reason: "purchase", amount: 1000, earlier: false },
      { reason: "purchase", amount: 100, earlier: false },
      { reason: "expiry", amount: -100, earlier: true },
      { reason: "expiry", amount: -1000, earlier: true },
      { reason: "purchase", amount: 1000, earlier: false }
    ])
    expect(await faults(sandbox.owner)).toEqual([])
  })

  it("keeps running while it is moved, and every account stays whole", async () => {
    await sandbox.run(
      "Grant.Apply",
      { userId: "busy", grant: { type: "manual", credits: 1000, accessPeriodDays: 3650, justification: "play" } },
      { role: "admin" }
    )
    const work = Array.from({ length: 30 }, (_, index) =>
      index % 10 === 5
        ? sandbox.run("Sandbox.AdvanceClock", { hours: 24 }, { role: "admin" })
        : sandbox.run("Operation.Open", {
            userId: "busy",
            operationTypeCode: "api_call",
            estimatedAmount: "1",
            timeoutMinutes: 60
          })
    )
    const answers = await Promise.all(work)
    expect(answers.every(({ value }) => value !== undefined)).toBe(true)
    expect(await faults(sandbox.owner)).toEqual([])
  })

  it("is no other merchant's to move", async () => {
    const merchant = await makeFixture(inject("adminUrl"))
    const refused = await merchant.run("Sandbox.AdvanceClock", { hours: 1 }, { role: "admin" })
    expect(at(refused.error, "_tag")).toBe("NotASandbox")
    await merchant.close()
  })
})
