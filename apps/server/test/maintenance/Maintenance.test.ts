import { randomUUID } from "node:crypto"
import type { Worker } from "@credit/server/commands/Worker"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { at, type Fixture, makeFixture } from "../commands/Fixture.ts"

/** The long form: MAINTENANCE_FLIPS=500. */
const flips = Number(process.env.MAINTENANCE_FLIPS ?? 30)

const operator = { role: "operator" } as const

/** What a merchant's commands can leave behind. */
const TRACES = `
SELECT (SELECT count(*) FROM accounts)::int AS accounts, (SELECT count(*) FROM ledger_entries)::int AS entries,
  (SELECT count(*) FROM operations)::int AS operations, (SELECT count(*) FROM operations WHERE status = 'open')::int AS open,
  (SELECT count(*) FROM receipts)::int AS receipts, (SELECT count(*) FROM products)::int AS products,
  (SELECT count(*) FROM idempotency_tracking)::int AS keys, (SELECT count(*) FROM audit_log)::int AS audited`

describe("Maintenance", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"))
  })
  afterAll(() => fixture.close())

  const traces = async () => (await fixture.owner.query(TRACES))[0]
  const tagOf = (answer: { readonly error?: object }) => at(answer.error, "_tag")

  it(
    "lets no command of any server commit once it was entered; refused ones work afterwards, with the same keys",
    async () => {
      const servers = await Promise.all([fixture.makeWorker(), fixture.makeWorker()])
      let refused = 0
      let decided = 0
      let over = false
      let parked = 0
      let allParked = Promise.withResolvers<void>()
      let reopened = Promise.withResolvers<void>()
      let wanted = 0
      let busy = Promise.withResolvers<void>()

      /** Sends one command until it is decided; in maintenance it waits with the others for the end. */
      const insist = async (send: (key: string) => Promise<{ readonly error?: object; readonly value?: object }>) => {
        const key = randomUUID()
        for (;;) {
          const answer = await send(key)
          if (tagOf(answer) !== "MaintenanceMode") {
            decided += 1
            if (decided === wanted) busy.resolve()
            return answer
          }
          refused += 1
          parked += 1
          const gate = reopened.promise
          if (parked === writers) allParked.resolve()
          await gate
        }
      }
      const writers = 16
      const write = async (server: Worker, writer: number) => {
        for (let round = 0; !over; round++) {
          const userId = `user-${writer}-${round}`
          const bought = await insist((key) =>
            fixture.runOn(server, "Purchase.Settled", purchaseOf(userId, `pay-${userId}`), { key })
          )
          expect(bought.value).toBeDefined()
          const opened = await insist((key) =>
            fixture.runOn(
              server,
              "Operation.Open",
              { userId, operationTypeCode: "api_call", estimatedAmount: "5" },
              { key }
            )
          )
          const operationId = String(at(opened.value, "operation", "operationId"))
          const closed = await insist((key) =>
            fixture.runOn(
              server,
              "Operation.RecordAndClose",
              { operationId, resourceAmount: "3", completedAt: "2026-01-01T00:00:00Z" },
              { key }
            )
          )
          expect(closed.value).toBeDefined()
        }
      }
      const load = Promise.all(
        servers.flatMap((server, index) =>
          Array.from({ length: writers / 2 }, (_, writer) => write(server, index * 100 + writer))
        )
      )

      for (let flip = 0; flip < flips; flip++) {
        // In the middle of work: some commands are decided, others under way.
        wanted = decided + 3 * writers + (flip % 7)
        busy = Promise.withResolvers()
        await Promise.race([busy.promise, load])
        const entered = await fixture.run("Maintenance.Enter", { reason: `flip ${flip}` }, operator)
        expect(at(entered.value, "serviceStatus", "status")).toBe("maintenance")
        const atOnce = await traces()
        await Promise.race([allParked.promise, load])
        expect(await traces()).toEqual(atOnce)
        over = flip === flips - 1
        const open = reopened
        parked = 0
        allParked = Promise.withResolvers()
        reopened = Promise.withResolvers()
        const left = await fixture.run("Maintenance.Exit", {}, operator)
        expect(at(left.value, "serviceStatus")).toEqual({ status: "ready" })
        open.resolve()
      }
      await load
      expect(refused).toBe(flips * writers)
      expect(decided).toBeGreaterThan(flips * 3 * writers)
      expect(await faults(fixture.owner)).toEqual([])
      const [row] = await fixture.owner.query(
        "SELECT count(*)::int AS n FROM audit_log WHERE command LIKE 'Maintenance.%' AND actor = 'olga' AND role = 'operator'"
      )
      expect(row?.n).toBe(2 * flips)
    },
    60_000 + flips * 1000
  )

  it("tells why and until when, changes both when entered again, and is left by its own command alone", async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString()
    await fixture.run("Maintenance.Enter", { reason: "moving" }, operator)
    await fixture.run("Maintenance.Enter", { reason: "still moving", until }, operator)
    const before = await traces()
    const refusals = await Promise.all([
      fixture.run("Product.Archive", { productCode: "pro" }, { role: "admin" }),
      fixture.run("Merchant.Configure", { legalName: "Other" }, { role: "admin" }),
      fixture.run("Purchase.Settled", purchaseOf("stranger", "pay-stranger"))
    ])
    for (const { error } of refusals) {
      expect(error).toMatchObject({ _tag: "MaintenanceMode", reason: "still moving", until })
      expect(Number(at(error, "retryAfterSeconds"))).toBeGreaterThan(3500)
    }
    expect(await traces()).toEqual(before)
    const past = await fixture.run("Maintenance.Enter", { reason: "x", until: "2020-01-01T00:00:00Z" }, operator)
    expect(past.error).toMatchObject({ _tag: "InvalidRequest", field: "until" })
    await fixture.run("Maintenance.Exit", {}, operator)
    const bought = await fixture.run("Purchase.Settled", purchaseOf("stranger", "pay-stranger"))
    expect(at(bought.value, "userBalance", "balance")).toBe(1000)
  })
})
