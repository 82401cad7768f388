import { decodeState, loadStatement } from "@credit/server/commands/Load"
import { needsOf } from "@credit/server/commands/Needs"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { openSession } from "../../../../test/utils/Session.ts"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { type Answer, at, type Fixture, makeFixture } from "./Fixture.ts"

const admin = { role: "admin" } as const
const by = { adminActor: "olga" }
const refundOf = (externalRef: string) => ({ externalRef, justification: "not as described", ...by })
const chargebackOf = (externalRef: string) => ({ externalRef, category: "fraudulent", ...by })
const resolutionOf = (externalRef: string, outcome: "won" | "lost") => ({ externalRef, outcome, ...by })
const tagOf = ({ error }: Answer) => at(error, "_tag") ?? "succeeded"

describe("Reversals in the engine", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"), { sandbox: true })
  })
  afterAll(() => fixture.close())

  const buy = (userId: string, externalRef: string) =>
    fixture.run("Purchase.Settled", purchaseOf(userId, externalRef, "starter"))
  const spend = async (userId: string, credits: number) => {
    const opened = await fixture.run("Operation.Open", { userId, operationTypeCode: "api_call" })
    const operationId = String(at(opened.value, "operation", "operationId"))
    return fixture.run("Operation.RecordAndClose", {
      operationId,
      resourceAmount: `${credits}`,
      completedAt: "2026-01-15T10:00:00Z"
    })
  }

  it("take back what was spent from other lots and as debt, and keep what they did", async () => {
    await buy("ann", "pay-ann")
    await spend("ann", 100)
    await fixture.run(
      "CreditAdjustment.Apply",
      { userId: "ann", creditAmount: 40, accessPeriodDays: 300, justification: "put right", ...by },
      admin
    )
    const answer = await fixture.run("Refund.Apply", refundOf("pay-ann"), admin)
    expect(answer.value).toMatchObject({
      reversal: { externalRef: "pay-ann", status: "refunded", clawedBack: 100, debtIncurred: 60, actor: "olga" },
      ledgerEntries: [
        { amount: -40, reason: "refund", note: "not as described", actor: "olga" },
        { amount: -60, balanceAfter: -60 }
      ],
      userBalance: { userId: "ann", balance: -60, debt: 60 }
    })
    expect(
      await fixture.owner.query(
        `SELECT sequence::int, kind, credits::int, expired::int, clawed_back::int, debt_incurred::int, first_seq::int,
           last_seq::int, note, actor, outcome FROM reversals WHERE external_ref = 'pay-ann'`
      )
    ).toEqual([
      {
        sequence: 1,
        kind: "refund",
        credits: 100,
        expired: 0,
        clawed_back: 100,
        debt_incurred: 60,
        first_seq: 4,
        last_seq: 5,
        note: "not as described",
        actor: "olga",
        outcome: null
      }
    ])
    const again = await fixture.run("Refund.Apply", refundOf("pay-ann"), admin)
    expect(again.error).toMatchObject({
      _tag: "PurchaseAlreadyReversed",
      by: "refund",
      at: at(answer.value, "reversal", "at")
    })
    expect(tagOf(await fixture.run("Refund.Apply", refundOf("no-such"), admin))).toBe("PurchaseNotFound")
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("of a debit adjustment's user take debt on top", async () => {
    const debited = await fixture.run(
      "DebitAdjustment.Apply",
      { userId: "deb", debitAmount: 30, justification: "put right", ...by },
      admin
    )
    expect(debited.value).toMatchObject({
      ledgerEntries: [{ amount: -30, reason: "adjustment", resourceAmount: "30", actor: "olga", note: "put right" }],
      userBalance: { balance: -30, debt: 30 }
    })
    await buy("deb", "pay-deb")
    const answer = await fixture.run("Refund.Apply", refundOf("pay-deb"), admin)
    expect(answer.value).toMatchObject({ userBalance: { balance: -30, debt: 30 } })
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("leave what expired, partly or all, booked long ago or just now, and from a reinstatement too", async () => {
    for (const user of ["exp-1", "exp-2", "exp-3"]) await buy(user, `pay-${user}`)
    await spend("exp-1", 30)
    await spend("exp-3", 30)
    await fixture.run("Chargeback.Apply", chargebackOf("pay-exp-3"), admin)
    await fixture.run("Chargeback.Resolve", resolutionOf("pay-exp-3", "won"), admin)
    await fixture.run("Sandbox.AdvanceClock", { hours: 31 * 24 }, admin)
    // Books the expiry of one of them: a refusal does that, too. A month later its entry lies in another partition.
    await fixture.run("Operation.Open", { userId: "exp-1", operationTypeCode: "no-such-type" })
    await fixture.run("Sandbox.AdvanceClock", { hours: 40 * 24 }, admin)
    const answers = []
    for (const user of ["exp-1", "exp-2", "exp-3"]) {
      answers.push(await fixture.run("Refund.Apply", refundOf(`pay-${user}`), admin))
    }
    expect(answers.map(({ value }) => at(value, "reversal"))).toMatchObject([
      { sequence: 1, creditsExpired: 70, clawedBack: 30, debtIncurred: 30 },
      { sequence: 1, creditsExpired: 100, clawedBack: 0, debtIncurred: 0 },
      { sequence: 2, creditsGiven: 100, creditsExpired: 70, clawedBack: 30, debtIncurred: 30 }
    ])
    expect(at(answers[1]?.value, "ledgerEntries")).toEqual([])
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("take credits that open operations hold", async () => {
    await buy("hol", "pay-hol")
    await fixture.run("Operation.Open", { userId: "hol", operationTypeCode: "api_call", estimatedAmount: "80" })
    const answer = await fixture.run("Chargeback.Apply", chargebackOf("pay-hol"), admin)
    expect(answer.value).toMatchObject({ userBalance: { balance: 0, held: 80, available: -80 } })
  })

  it("are undone by a dispute that is won, exactly and once, and then may be made once more", async () => {
    await buy("won", "pay-won")
    await spend("won", 30)
    const taken = await fixture.run("Chargeback.Apply", chargebackOf("pay-won"), admin)
    expect(taken.value).toMatchObject({
      reversal: { status: "charged_back", category: "fraudulent", debtIncurred: 30 }
    })
    const won = await fixture.run("Chargeback.Resolve", resolutionOf("pay-won", "won"), admin)
    expect(won.value).toMatchObject({
      lot: { source: "reinstatement", productCode: "starter", creditsTotal: 100, creditsRemaining: 70 },
      reversal: { status: "won", resolvedBy: "olga", reinstatementLotId: at(won.value, "lot", "lotId") },
      ledgerEntries: [{ amount: 100 }, { amount: -30 }, { amount: 30 }],
      userBalance: { balance: 70, debt: 0 }
    })
    const again = await fixture.run("Chargeback.Resolve", resolutionOf("pay-won", "won"), admin)
    expect(again.error).toMatchObject({ _tag: "ChargebackNotOpen", status: "won" })
    const second = await fixture.run("Chargeback.Apply", chargebackOf("pay-won"), admin)
    expect(second.value).toMatchObject({
      reversal: { sequence: 2, creditsGiven: 100, clawedBack: 100, debtIncurred: 30 }
    })
    const lost = await fixture.run("Chargeback.Resolve", resolutionOf("pay-won", "lost"), admin)
    expect(lost.value).toMatchObject({ reversal: { sequence: 2, status: "lost" }, ledgerEntries: [] })
    expect((await fixture.run("Refund.Apply", refundOf("pay-won"), admin)).error).toMatchObject({
      _tag: "PurchaseAlreadyReversed",
      by: "chargeback"
    })
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("of many purchases arrive at once and are written together: settled, charged back, won and refunded in one batch", async () => {
    const worker = await fixture.makeWorker({ batchesInFlight: 1 })
    const other = await fixture.makeWorker({ batchesInFlight: 1 })
    await fixture.runOn(worker, "Purchase.Settled", purchaseOf("all", "pay-all-0", "starter"))
    await fixture.runOn(worker, "Chargeback.Apply", chargebackOf("pay-all-0"), admin)
    const answers = await Promise.all([
      fixture.runOn(other, "Chargeback.Resolve", resolutionOf("pay-all-0", "won"), admin),
      fixture.runOn(other, "Refund.Apply", refundOf("pay-all-0"), admin),
      fixture.runOn(other, "Purchase.Settled", purchaseOf("all", "pay-all-1", "starter")),
      fixture.runOn(other, "Chargeback.Apply", chargebackOf("pay-all-1"), admin),
      fixture.runOn(other, "Chargeback.Resolve", resolutionOf("pay-all-1", "won"), admin),
      fixture.runOn(other, "Chargeback.Apply", chargebackOf("pay-all-1"), admin)
    ])
    expect(answers.map(tagOf)).toEqual(Array(6).fill("succeeded"))
    expect(at(answers[5]?.value, "reversal", "sequence")).toBe(2)
    expect(at(answers[5]?.value, "userBalance", "balance")).toBe(0)
    const transactions = "SELECT DISTINCT xmin::text FROM reversals WHERE external_ref LIKE 'pay-all-%'"
    expect(await fixture.owner.query(transactions)).toHaveLength(1)
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("tried dry leave nothing", async () => {
    await buy("dry", "pay-dry")
    for (const dryRun of [true, true]) {
      const answer = await fixture.run("Refund.Apply", refundOf("pay-dry"), { ...admin, dryRun })
      expect(answer.value).toMatchObject({ reversal: { clawedBack: 100 }, userBalance: { balance: 0 } })
    }
    expect(await fixture.owner.query("SELECT 1 FROM reversals WHERE external_ref = 'pay-dry'")).toEqual([])
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("wait for an account that somebody else holds, and hold up no others", async () => {
    await buy("held", "pay-held")
    await buy("free", "pay-free")
    const other = await openSession(fixture.runtimeUrl)
    await other.query("BEGIN")
    await other.query("SELECT 1 FROM accounts WHERE user_id = 'held' FOR UPDATE")
    const waiting = fixture.run("Refund.Apply", refundOf("pay-held"), admin)
    expect(tagOf(await fixture.run("Refund.Apply", refundOf("pay-free"), admin))).toBe("succeeded")
    expect(await Promise.race([waiting, "still waiting"])).toBe("still waiting")
    await other.query("COMMIT")
    expect(tagOf(await waiting)).toBe("succeeded")
    await other.close()
  })

  it("race with each other and with work from several servers: one stands, whoever comes first", async () => {
    const workers = await Promise.all([fixture.makeWorker(), fixture.makeWorker(), fixture.makeWorker()])
    const rounds = Array.from({ length: 12 }, (_, index) => index)
    const outcomes = await Promise.all(
      rounds.map(async (round) => {
        const userId = `race-${round}`
        const externalRef = `pay-race-${round}`
        await buy(userId, externalRef)
        const opened = await fixture.run("Operation.Open", {
          userId,
          operationTypeCode: "api_call",
          estimatedAmount: "9"
        })
        const operationId = String(at(opened.value, "operation", "operationId"))
        const [one, two, three] = workers
        const close = { operationId, resourceAmount: "60", completedAt: "2026-01-15T10:00:00Z" }
        const answers = await Promise.all([
          fixture.runOn(one, "Refund.Apply", refundOf(externalRef), admin),
          fixture.runOn(two, "Chargeback.Apply", chargebackOf(externalRef), admin),
          fixture.runOn(three, "Refund.Apply", refundOf(externalRef), admin),
          fixture.runOn(two, "Refund.Apply", refundOf(externalRef), admin),
          fixture.runOn(one, "Operation.RecordAndClose", close),
          fixture.runOn(three, "Chargeback.Apply", chargebackOf(externalRef), admin)
        ])
        const [closed] = answers.splice(4, 1)
        expect(tagOf(closed ?? {})).toBe("succeeded")
        return answers.map(tagOf).sort()
      })
    )
    for (const outcome of outcomes) expect(outcome).toEqual([...Array(4).fill("PurchaseAlreadyReversed"), "succeeded"])
    const standing = await fixture.owner.query(
      "SELECT user_id::text, balance::int, debt::int FROM accounts WHERE user_id LIKE 'race-%'"
    )
    // 100 bought, 60 worked, 100 taken back, in whatever order.
    expect(standing.map(({ balance, debt }) => [balance, debt])).toEqual(rounds.map(() => [-60, 60]))
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("race at the resolution: a dispute ends once, and its credits come back once", async () => {
    const workers = await Promise.all([fixture.makeWorker(), fixture.makeWorker()])
    for (const round of [0, 1, 2, 3]) {
      const externalRef = `pay-end-${round}`
      await buy(`end-${round}`, externalRef)
      await fixture.run("Chargeback.Apply", chargebackOf(externalRef), admin)
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) => {
          const outcome = index % 2 === 0 ? "won" : "lost"
          return fixture.runOn(
            workers[index % 2] ?? workers[0],
            "Chargeback.Resolve",
            resolutionOf(externalRef, outcome),
            admin
          )
        })
      )
      const ended = answers.filter(({ value }) => value !== undefined)
      expect(ended).toHaveLength(1)
      expect(answers.map(tagOf).filter((tag) => tag === "ChargebackNotOpen")).toHaveLength(9)
      const won = at(ended[0]?.value, "reversal", "status") === "won"
      const [row] = await fixture.owner.query("SELECT balance::int FROM accounts WHERE user_id = $1", [`end-${round}`])
      expect(row?.balance).toBe(won ? 100 : 0)
    }
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("read no table from end to end, whatever a session planned when they were empty", async () => {
    const fresh = await makeFixture(inject("adminUrl"))
    const session = await openSession(fresh.runtimeUrl)
    // As the service's own connections: one plan, kept.
    for (const setting of ["plan_cache_mode = force_generic_plan", "enable_seqscan = off"])
      await session.query(`SET ${setting}`)
    const tables = ["purchases", "reversals", "lots", "accounts"]
    for (const table of tables) await fresh.owner.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`)
    await fresh.run("Purchase.Settled", purchaseOf("ann", "pay-1", "starter"))
    const reversed = ["pay-1"]
    const { parameters, sql } = loadStatement({ ...needsOf([]), references: reversed, reversed })
    const load = async () => {
      const [row] = await session.query(sql, parameters)
      return decodeState(String(row?.loaded))
    }
    await load()
    await fresh.owner.query(
      `INSERT INTO purchases SELECT 'other-' || g, p.user_id, p.product_code, gen_random_uuid(), p.receipt_number, p.credits,
         p.country, p.currency, p.amount, NULL, NULL, p.order_placed_at, p.settled_at, p.purchased_at
       FROM purchases AS p, generate_series(1, 20000) AS g`
    )
    await fresh.owner.query("INSERT INTO accounts (user_id) SELECT 'other-' || g FROM generate_series(1, 20000) AS g")
    await fresh.owner.query(
      `INSERT INTO lots (lot_id, user_id, source, credits, issued_at, expires_at)
       SELECT gen_random_uuid(), 'other-' || g, 'manual', 1, t, t + interval '1 hour'
       FROM generate_series(1, 20000) AS g, app.now() AS t`
    )
    // Its counters begin where those before were last sent away; what a whole table would add is beyond doubt.
    await session.query("BEGIN")
    const state = await load()
    expect([state.purchases.get("pay-1")?.userId, state.accounts.get("ann")?.balance]).toEqual(["ann", 100])
    const read = await session.query(
      `SELECT relname::text FROM pg_catalog.pg_stat_xact_user_tables
       WHERE (relname = ANY ($1::text[]) OR relname LIKE 'ledger_entries%') AND (seq_tup_read > 0 OR idx_tup_fetch > 100)`,
      [tables]
    )
    expect(read).toEqual([])
    await session.query("COMMIT")
    await session.close()
    await fresh.close()
  })
})
