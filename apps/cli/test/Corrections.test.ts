import { describe, expect, it } from "vitest"
import { cli, json, quickly } from "./support/Cli.ts"

const settle = (user: string, payment: string) =>
  quickly([
    ...["purchase", "settle", "--user", user, "--product", "starter", "--payment", payment],
    ...["--amount", "9.99", "--currency", "USD", "--country", "DE"]
  ])

const spend = async (user: string, used: string) => {
  const open = ["operation", "open", "--user", user, "--type", "api_call", "--estimate", used, "--json"]
  const { operationId } = Object(json(await quickly(open)).operation)
  await quickly(["operation", "close", operationId, "--used", used])
}

describe.concurrent("Adjustments", () => {
  it("give and take; what is taken beyond the credits there are is debt", async () => {
    const adjust = ["adjustment", "apply", "--user", "adj", "--reason", "charged twice"]
    expect((await cli([...adjust, "--credit", "25"])).stdout).toMatch(/^Gave 25 credits to adj\n/)
    expect((await quickly([...adjust, "--debit", "30"])).code).toBe(2)
    const taken = await cli([...adjust, "--debit", "30", "--yes"])
    expect(taken.stdout).toMatch(/^Took 30 credits from adj\n/)
    expect(taken.stdout).toMatch(/\ndebt +5: owed, and repaid by new credits first\n/)
    const { entries } = json(await quickly(["user", "history", "adj", "--json"]))
    expect(entries).toContainEqual(expect.objectContaining({ note: "charged twice", actor: "olga", amount: 25 }))
    expect(json(await cli([...adjust, "--credit", "1", "--actor", "Ada", "--json"]))).toMatchObject({ dryRun: false })
    expect((await quickly([...adjust])).code).toBe(2)
    expect((await quickly([...adjust, "--credit", "1", "--debit", "1", "--yes"])).code).toBe(2)
  })
})

describe.concurrent("A purchase", () => {
  it("is refunded once: what is left of it goes, and the rest becomes debt", async () => {
    await settle("ref", "corr-refund")
    await spend("ref", "40")
    const refund = ["refund", "apply", "corr-refund", "--reason", "did not like it"]
    expect((await quickly(refund)).code).toBe(2)
    expect(json(await cli([...refund, "--dry-run", "--json"]))).toMatchObject({
      reversal: { clawedBack: 100 },
      dryRun: true
    })
    const done = await cli([...refund, "--yes"])
    expect(done.stdout).toMatch(/^Refunded: 100 credits taken back from ref\n/)
    expect(done.stdout).toMatch(/\nas debt +40\n/)
    const again = await cli([...refund, "--yes"])
    expect(again).toMatchObject({ code: 1, stdout: "" })
    expect(again.stderr).toMatch(/^credit-cli: The purchase was already reversed by a refund/)
    expect((await quickly(["refund", "apply", "corr-none", "--reason", "x", "--yes"])).code).toBe(1)
  })

  it("is charged back and, once the dispute is won, given back exactly", async () => {
    await settle("cha", "corr-dispute")
    await spend("cha", "10")
    const taken = await cli(["chargeback", "apply", "corr-dispute", "--category", "fraudulent", "--yes"])
    expect(taken.stdout).toMatch(/^Charged back: 100 credits taken back from cha\n/)
    const won = await cli(["chargeback", "resolve", "corr-dispute", "--outcome", "won", "--yes"])
    expect(won.stdout).toMatch(/^The dispute is won: 100 credits given back to cha\n/)
    expect(json(await quickly(["user", "balance", "cha", "--json"]))).toMatchObject({ balance: 90, debt: 0 })
    const lost = ["chargeback", "resolve", "corr-dispute", "--outcome", "lost", "--yes"]
    expect(await cli(lost)).toMatchObject({ code: 1, stdout: "" })
    expect((await quickly(["chargeback", "resolve", "corr-dispute", "--outcome", "maybe", "--yes"])).code).toBe(2)
    expect(json(await cli(["chargeback", "apply", "corr-dispute", "--yes", "--json"]))).toMatchObject({
      reversal: { sequence: 2, kind: "chargeback" }
    })
  })
})
