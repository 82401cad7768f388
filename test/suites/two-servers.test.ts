import { randomUUID } from "node:crypto"
import { makeCreditClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"
import { addSamples, purchaseOf } from "../utils/samples.ts"
import { faults } from "../utils/verify.ts"

describe("Two server processes on one database", () => {
  let database: MerchantDatabase
  let owner: Session
  let services: readonly [Service, Service]
  let token: string

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    await addSamples(database)
    owner = await openSession(database.ownerUrl)
    services = await Promise.all([startService([database]), startService([database])])
    token = await tokenFor("admin", database.merchantId)
  })
  afterAll(async () => {
    await Promise.all(services.map((service) => service.end("SIGTERM")))
    await owner.close()
    await database.drop()
  })

  /** One client per process; calls go to them in turn. */
  const clients = () => services.map(({ url }) => makeCreditClient({ baseUrl: url, token, coalesce: false }))

  it("give a thousand simultaneous identical commands one effect and equal answers", async () => {
    const [one, two] = clients()
    const idempotencyKey = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        (index % 2 === 0 ? one : two)?.purchase.settled(purchaseOf("twin", "payment-twin"), { idempotencyKey })
      )
    )
    const told = answers.map((answer) => JSON.stringify({ ...answer, meta: undefined }))
    expect(new Set(told).size).toBe(1)
    expect(answers.filter((answer) => answer?.meta.replayed === false).length).toBeLessThanOrEqual(1)
    expect(await owner.query("SELECT count(*)::int AS lots FROM lots WHERE user_id = 'twin'")).toEqual([{ lots: 1 }])
    expect(await faults(owner)).toEqual([])
  })

  it("let exactly six of twenty operations of 75 open at once on 500 credits", async () => {
    const [one, two] = clients()
    await one?.grant.apply({
      userId: "racer",
      grant: { type: "manual", credits: 500, accessPeriodDays: 1, justification: "a race" }
    })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? one : two)?.operation.open({
          userId: "racer",
          operationTypeCode: "api_call",
          estimatedAmount: "75"
        })
      )
    )
    const refused = outcomes.filter((outcome) => outcome.status === "rejected")
    expect(outcomes.length - refused.length).toBe(6)
    expect(refused.map((outcome) => outcome.reason._tag)).toEqual(Array(14).fill("InsufficientBalance"))
    const balance = await two?.getUserBalance({ userId: "racer" })
    expect(balance).toMatchObject({ balance: 500, held: 450, available: 50 })
    expect(await faults(owner)).toEqual([])
  })

  it("let one of many refunds and chargebacks of a purchase stand, and a won dispute give back once", async () => {
    const [one, two] = clients()
    if (one === undefined || two === undefined) throw new Error("two clients are needed")
    await one.purchase.settled(purchaseOf("buyer", "payment-back", "starter"))
    const { operation } = await two.operation.open({
      userId: "buyer",
      operationTypeCode: "api_call",
      estimatedAmount: "40"
    })
    const who = { externalRef: "payment-back", adminActor: "olga" }
    const refund = { ...who, justification: "returned" }
    const race = await Promise.allSettled([
      two.operation.recordAndClose({
        operationId: operation.operationId,
        resourceAmount: "40",
        completedAt: "2026-01-15T10:00:00Z"
      }),
      ...[one, two, one, two].flatMap((client) => [
        client.chargeback.apply(who),
        client.chargeback.apply({ ...who, category: "fraudulent" })
      ])
    ])
    const refused = race.filter((outcome) => outcome.status === "rejected")
    expect(refused.map(({ reason }) => reason._tag)).toEqual(Array(7).fill("PurchaseAlreadyReversed"))
    expect(refused[0]?.reason).toMatchObject({ by: "chargeback" })
    expect(await one.getUserBalance({ userId: "buyer" })).toMatchObject({ balance: -40, debt: 40, held: 0 })

    const ends = await Promise.allSettled(
      [one, two, one, two].map((client) => client.chargeback.resolve({ ...who, outcome: "won" }))
    )
    const [won, ...more] = ends.filter((outcome) => outcome.status === "fulfilled")
    expect(more).toEqual([])
    expect(won?.value).toMatchObject({
      reversal: { status: "won", clawedBack: 100 },
      lot: { source: "reinstatement", creditsTotal: 100, creditsRemaining: 60 },
      userBalance: { balance: 60 }
    })
    const again = await Promise.allSettled([one, two, one, two].map((client) => client.refund.apply(refund)))
    expect(again.filter((outcome) => outcome.status === "fulfilled").map(({ value }) => value.reversal)).toMatchObject([
      { sequence: 2, status: "refunded", clawedBack: 100, debtIncurred: 40 }
    ])
    const credit = {
      userId: "buyer",
      creditAmount: 50,
      accessPeriodDays: 1,
      justification: "sorry",
      adminActor: "olga"
    }
    expect(await one.creditAdjustment.apply(credit)).toMatchObject({ userBalance: { balance: 10, debt: 0 } })
    const debit = { userId: "buyer", debitAmount: 10, justification: "even", adminActor: "olga" }
    expect(await two.debitAdjustment.apply(debit)).toMatchObject({ userBalance: { balance: 0 } })
    expect(await faults(owner)).toEqual([])
  })
})
