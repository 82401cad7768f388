import { randomUUID } from "node:crypto"
import type { CreditPromiseClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { type Sandbox, startSandbox } from "../utils/Sandbox.ts"
import { purchaseOf } from "../utils/samples.ts"

describe("Explanations", () => {
  let sandbox: Sandbox
  let app: CreditPromiseClient
  let admin: CreditPromiseClient
  beforeAll(async () => {
    sandbox = await startSandbox(inject("adminUrl"))
    app = sandbox.app
    admin = sandbox.admin
  })
  afterAll(() => sandbox.close())

  describe("explanations", () => {
    it("of an operation name rate, hold, cost, and the lots in their order down to debt", async () => {
      const one = await sandbox.grant("why", 10)
      const two = await sandbox.grant("why", 20)
      const operation = await sandbox.open("why", "40") // ⌈22.8⌉ = 23
      await sandbox.finish(operation.operationId, "60.5") // ⌈34.485⌉ = 35
      const found = await app.explain({ operationId: operation.operationId })
      expect(found.cost).toEqual({
        resourceAmount: "60.5",
        resourceUnit: "K_TOKENS",
        capturedRate: "0.57",
        exact: "34.485",
        credits: 35,
        held: 23,
        beyondHold: 12,
        debt: 5
      })
      expect(found.lots.map(({ lotId }) => lotId)).toEqual([one.lot.lotId, two.lot.lotId])
      expect(found.entries.map(({ amount }) => amount)).toEqual([-10, -20, -5])
      expect(found.lines.join("\n")).toMatch(
        /⌈40 × 0.57⌉ = ⌈22.8⌉ = 23 credits[\s\S]*⌈60.5 × 0.57⌉ = ⌈34.485⌉ = 35 credits[\s\S]*12 credits beyond it[\s\S]*took 10 credits[\s\S]*took 20 credits[\s\S]*made a debt of 5 credits/
      )
      const [, second] = found.entries
      const entry = await app.explain({ entryId: second?.entryId ?? "" })
      expect({ ...entry, about: "operation" }).toEqual(found)
    })

    it("of an entry without an operation say which rule made it", async () => {
      await sandbox.grant("because", 10, 1)
      await sandbox.advance(25)
      await app.purchase.settled(purchaseOf("because", "because-1", "starter"))
      const { entries } = await app.getLedgerHistory({ userId: "because" })
      const lines = await Promise.all(
        entries.map(async ({ entryId }) => (await app.explain({ entryId })).lines.join(" "))
      )
      expect(lines[0]).toMatch(/issued 100 credits as lot .* for 9.99 USD/)
      expect(lines[1]).toMatch(/expired 10 credits of lot .*true since .* booked with the account's next command/)
      expect(lines[2]).toMatch(/issued 10 credits as lot .*: a manual grant \(“a test”\)/)
    })

    it("of operations that cost nothing say so", async () => {
      await sandbox.grant("idle", 10)
      const running = await sandbox.open("idle", "2")
      const dropped = await sandbox.open("idle", "2")
      await app.operation.cancel({ operationId: dropped.operationId, reason: "no longer needed" })
      const lines = async (operationId: string) => (await app.explain({ operationId })).lines.join("\n")
      expect(await lines(running.operationId)).toMatch(/is open until/)
      expect(await lines(dropped.operationId)).toMatch(/cancelled at .*no longer needed.*it cost nothing/)
      await sandbox.advance(2)
      expect(await lines(running.operationId)).toMatch(
        /expired at .*; its hold was released|without having been closed/
      )
    })

    it("of a lot have its entries in pages, and what is left", async () => {
      const { lot } = await sandbox.grant("lotted", 10)
      for (let index = 0; index < 3; index++) await sandbox.work("lotted", "1")
      const first = await app.explain({ lotId: lot.lotId, limit: 3 })
      expect(first.lines[0]).toMatch(/10 credits, of which 7 remain/)
      const second = await app.explain({ lotId: lot.lotId, cursor: first.nextCursor ?? "" })
      expect([...first.entries, ...second.entries].map(({ amount }) => amount)).toEqual([10, -1, -1, -1])
      expect(second.nextCursor).toBeUndefined()
      expect(second.lots).toMatchObject([{ lotId: lot.lotId, creditsRemaining: 7 }])
    })

    it("of a refused command say why, by its key", async () => {
      const idempotencyKey = randomUUID()
      await app.operation
        .open({ userId: "poor", operationTypeCode: "api_call", estimatedAmount: "5" }, { idempotencyKey })
        .catch(() => undefined)
      const refused = await app.explain({ commandType: "Operation.Open", idempotencyKey })
      expect(refused.command).toMatchObject({
        state: "FAILED_FINAL",
        answer: { _tag: "InsufficientBalance", available: 0, required: 5 }
      })
      expect(refused.lines[0]).toMatch(/0 credits were available .* and 5 required/)
      await app.grant.apply({ userId: "poor", grant: { type: "welcome" } }, { idempotencyKey })
      const done = await app.explain({ commandType: "Grant.Apply", idempotencyKey })
      expect(done.command).toMatchObject({ state: "SUCCEEDED", answer: { userBalance: { balance: 20 } } })
      await expect(app.explain({ commandType: "Operation.Open", idempotencyKey: "never-sent" })).rejects.toMatchObject({
        _tag: "NothingToExplain"
      })
    })

    it("of a command tell it to those alone who may send it", async () => {
      const idempotencyKey = randomUUID()
      await admin.sandbox.advanceClock({ hours: 1 }, { idempotencyKey })
      const asked = { commandType: "Sandbox.AdvanceClock", idempotencyKey }
      expect((await admin.explain(asked)).command?.state).toBe("SUCCEEDED")
      await expect(app.explain(asked)).rejects.toMatchObject({ _tag: "NothingToExplain" })
      const user = await sandbox.clientOf("user", "poor")
      await expect(user.explain({ commandType: "Grant.Apply", idempotencyKey })).rejects.toMatchObject({
        _tag: "Forbidden"
      })
      await user.close()
    })
  })
})
