import { randomUUID } from "node:crypto"
import type { CreditPromiseClient } from "@credit/client"
import { RequiredRole } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { DONE, EVER, plusHours, type Sandbox, startSandbox } from "../utils/Sandbox.ts"
import { purchaseOf } from "../utils/samples.ts"

describe("What can be asked", () => {
  let sandbox: Sandbox
  let app: CreditPromiseClient
  let admin: CreditPromiseClient
  beforeAll(async () => {
    sandbox = await startSandbox(inject("adminUrl"))
    app = sandbox.app
    admin = sandbox.admin
  })
  afterAll(() => sandbox.close())

  describe("usage", () => {
    it("counts operations once, however many lots they took from, per type and day", async () => {
      await sandbox.grant("busy", 10)
      await sandbox.grant("busy", 1000)
      const from = await sandbox.nowOf("busy")
      await sandbox.work("busy", "15") // out of two lots
      await sandbox.finish((await sandbox.open("busy")).operationId, "10.5") // 6
      await sandbox.advance(24)
      await sandbox.work("busy", "2")
      const to = await sandbox.later()
      const all = await app.getUsageSummary({ userId: "busy", from, to })
      expect(all.usage).toEqual([
        {
          periodStart: from,
          operationTypeCode: "api_call",
          resourceUnit: "REQUESTS",
          operations: 2,
          resourceAmount: "17",
          credits: 17
        },
        {
          periodStart: from,
          operationTypeCode: "llm_tokens",
          resourceUnit: "K_TOKENS",
          operations: 1,
          resourceAmount: "10.5",
          credits: 6
        }
      ])
      const daily = []
      let cursor: string | undefined
      do {
        const found = await app.getUsageSummary({
          userId: "busy",
          from,
          to,
          by: "day",
          limit: 1,
          ...(cursor && { cursor })
        })
        daily.push(...found.usage)
        cursor = found.nextCursor
      } while (cursor !== undefined)
      expect(daily.map(({ credits, operations }) => [operations, credits])).toEqual([
        [1, 15],
        [1, 6],
        [1, 2]
      ])
      expect(new Set(daily.map(({ periodStart }) => periodStart)).size).toBe(2)
      expect((await app.getUsageSummary({ userId: "nobody", from, to })).usage).toEqual([])
    })

    it("of the whole merchant says what became of its operations", async () => {
      await sandbox.grant("measured", 1000)
      const from = await sandbox.nowOf("measured")
      await sandbox.advance(1)
      const begin = await sandbox.nowOf("measured")
      await sandbox.open("measured", "1", "transcription")
      await app.operation.cancel({ operationId: (await sandbox.open("measured", "1", "transcription")).operationId })
      await sandbox.finish((await sandbox.open("measured", "10", "transcription")).operationId, "10") // 12
      const beyond = await sandbox.open("measured", "10", "transcription")
      await sandbox.advance(2)
      await sandbox.finish(beyond.operationId, "20") // late, 23
      const { operationTypes } = await admin.getOperationMetrics({
        from: begin,
        to: await sandbox.later(),
        operationTypeCode: "transcription"
      })
      expect(operationTypes).toMatchObject([
        {
          operationTypeCode: "transcription",
          opened: 4,
          open: 0,
          closed: 2,
          cancelled: 1,
          expired: 1,
          late: 1,
          credits: 35,
          beyondEstimate: 1
        }
      ])
      expect(operationTypes[0]?.cost).toEqual({ average: 17.5, median: 12, p95: 23, highest: 23 })
      expect(operationTypes[0]?.durationSeconds?.longest).toBeGreaterThanOrEqual(7200)
      await expect(admin.getOperationMetrics({ from, to: plusHours(from, 745) })).rejects.toMatchObject({ field: "to" })
    })
  })

  describe("purchases", () => {
    it("come newest first in pages that survive new ones", async () => {
      for (const ref of ["p-1", "p-2", "p-3"])
        await app.purchase.settled(purchaseOf("buyer", `buyer/${ref}`, "starter"))
      const first = await app.listPurchases({ userId: "buyer", limit: 2 })
      await app.purchase.settled(purchaseOf("buyer", "buyer/p-4"))
      const second = await app.listPurchases({ userId: "buyer", limit: 2, cursor: first.nextCursor ?? "" })
      expect([...first.purchases, ...second.purchases].map(({ externalRef }) => externalRef)).toEqual([
        "buyer/p-3",
        "buyer/p-2",
        "buyer/p-1"
      ])
      expect(first.purchases[0]).toMatchObject({
        userId: "buyer",
        credits: 100,
        currency: "USD",
        amount: "9.99",
        productCode: "starter"
      })
      expect((await app.getReceipt({ externalRef: "buyer/p-3" })).receiptNumber).toBe(first.purchases[0]?.receiptNumber)
    })

    it("are found by their reference, whole or by its beginning", async () => {
      await app.purchase.settled(purchaseOf("other", "buyer/x_1%"))
      const search = async (externalRef: string, match?: "prefix", limit?: number, cursor?: string) =>
        admin.searchUsersByPurchaseRef({
          externalRef,
          ...(match && { match }),
          ...(limit && { limit }),
          ...(cursor && { cursor })
        })
      expect((await search("buyer/p-2")).purchases.map(({ userId }) => userId)).toEqual(["buyer"])
      expect((await search("buyer/p")).purchases).toEqual([])
      expect((await search("buyer/x_1%", "prefix")).purchases.map(({ userId }) => userId)).toEqual(["other"])
      expect((await search("buyer/_", "prefix")).purchases).toEqual([])
      const one = await search("buyer/", "prefix", 2)
      const two = await search("buyer/", "prefix", 500, one.nextCursor)
      expect([...one.purchases, ...two.purchases].map(({ externalRef }) => externalRef)).toEqual([
        "buyer/p-1",
        "buyer/p-2",
        "buyer/p-3",
        "buyer/p-4",
        "buyer/x_1%"
      ])
    })
  })

  it("balances of many users are told in the order asked for, strangers with zeros", async () => {
    await sandbox.grant("many-1", 3)
    await sandbox.grant("many-2", 4)
    const { balances } = await app.getUserBalances({ userIds: ["many-2", "stranger", "many-1"] })
    expect(balances.map(({ balance, userId }) => [userId, balance])).toEqual([
      ["many-2", 4],
      ["stranger", 0],
      ["many-1", 3]
    ])
    expect(balances[0]).toEqual({ ...(await app.getUserBalance({ userId: "many-2" })), asOf: balances[0]?.asOf })
    await expect(app.getUserBalances({ userIds: ["a", "a"] })).rejects.toMatchObject({
      _tag: "InvalidRequest",
      field: "userIds"
    })
    await expect(app.getUserBalances({ userIds: [] })).rejects.toMatchObject({ _tag: "InvalidRequest" })
    const tooMany = Array.from({ length: 201 }, (_, index) => `u${index}`)
    await expect(app.getUserBalances({ userIds: tooMany })).rejects.toMatchObject({ _tag: "InvalidRequest" })
  })

  it("an overview has everything of one user, and nothing of a stranger", async () => {
    await app.purchase.settled(purchaseOf("seen", "seen-1", "starter"))
    await sandbox.work("seen", "30")
    const still = await sandbox.open("seen", "10")
    const overview = await admin.getAccountOverview({ userId: "seen" })
    expect(overview).toMatchObject({
      balance: { balance: 70, held: 6, available: 64 },
      entryCount: 2,
      openOperations: [{ operationId: still.operationId }],
      latestEntries: [
        { reason: "debit", amount: -30 },
        { reason: "purchase", amount: 100 }
      ],
      latestPurchases: [{ externalRef: "seen-1" }],
      totals: [
        { reason: "debit", entries: 1, amount: -30 },
        { reason: "purchase", entries: 1, amount: 100 }
      ]
    })
    expect(await admin.getAccountOverview({ userId: "nobody" })).toMatchObject({
      entryCount: 0,
      totals: [],
      latestEntries: [],
      balance: { balance: 0 }
    })
    await expect(admin.getAccountOverview({ userId: "seen", totalsFrom: EVER })).rejects.toMatchObject({
      field: "totalsFrom"
    })
  })

  describe("history", () => {
    it("of a rare reason is found through pages that end early, and in a time alone", async () => {
      await sandbox.grant("rare", 10)
      await sandbox.work("rare", "1")
      const middle = await sandbox.later()
      await sandbox.work("rare", "1")
      const { entries } = await app.getLedgerHistory({ userId: "rare", reasons: ["manual"] })
      expect(entries.map(({ reason }) => reason)).toEqual(["manual"])
      expect((await app.getLedgerHistory({ userId: "rare", to: middle })).entries).toHaveLength(2)
      expect((await app.getLedgerHistory({ userId: "rare", from: middle })).entries).toHaveLength(1)
    })
  })

  it("the audit log comes newest first, in pages and by time", async () => {
    await sandbox.owner.query(
      `INSERT INTO public.audit_log (audit_id, at, jti, actor, role, command, idempotency_key, transaction_id, outcome, detail)
       SELECT gen_random_uuid(), timestamptz '2026-03-01 00:00:00Z' + (g / 2) * interval '1 hour', 'jti', 'ada', 'admin',
         'Refund.Apply', 'key-' || g, gen_random_uuid(), 'succeeded', CASE WHEN g = 1 THEN '{"a":1}'::jsonb END
       FROM generate_series(1, 9) AS g`
    )
    const seen: Array<string> = []
    const span = { from: "2026-03-01T00:00:00Z", to: "2026-03-01T04:00:00Z" }
    let cursor: string | undefined
    do {
      const found = await admin.listAuditLog({ ...span, limit: 2, ...(cursor && { cursor }) })
      seen.push(...found.records.map(({ idempotencyKey }) => idempotencyKey))
      cursor = found.nextCursor
    } while (cursor !== undefined)
    expect(seen.toSorted()).toEqual(["key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7"])
    expect(seen.at(-1)).toBe("key-1")
    const { records } = await admin.listAuditLog({ ...span, to: "2026-03-01T00:30:00Z" })
    expect(records).toMatchObject([{ at: "2026-03-01T00:00:00.000Z", actor: "ada", detail: { a: 1 } }])
  })

  it("a cursor that is none is refused by every list, whatever it holds", async () => {
    const cursors = [
      [-9e15, 1],
      [9e15, 1],
      ["x", "y"],
      [1e12, "\u0000"],
      ["zz"],
      [1e12, 1e12, "nothing", 1],
      {},
      1,
      null
    ].map((parts) => Buffer.from(JSON.stringify(parts)).toString("base64url"))
    const { lot } = await sandbox.grant("paged", 1)
    const asks: ReadonlyArray<(cursor: string) => Promise<unknown>> = [
      (cursor) => app.getLedgerHistory({ userId: "paged", cursor }),
      (cursor) => app.listLots({ userId: "paged", cursor }),
      (cursor) => app.listReceipts({ userId: "paged", cursor }),
      (cursor) => app.listPurchases({ userId: "paged", cursor }),
      (cursor) => app.getUsageSummary({ userId: "paged", from: DONE, to: plusHours(DONE, 1), cursor }),
      (cursor) => app.getStatement({ userId: "paged", from: DONE, to: plusHours(DONE, 1), cursor }),
      (cursor) => admin.listAuditLog({ cursor }),
      (cursor) => admin.explain({ lotId: lot.lotId, cursor }),
      (cursor) => admin.operationType.list({ cursor }),
      (cursor) => admin.exportLedger({ format: "csv", cursor })[Symbol.asyncIterator]().next()
    ]
    for (const cursor of [...cursors, "bm90IGpzb24"]) {
      for (const ask of asks) {
        await expect(ask(cursor)).rejects.toMatchObject({ _tag: "InvalidRequest", field: "cursor" })
      }
    }
  })

  describe("a user's token", () => {
    it("sees what is the user's own by any id, and of others not even that it exists", async () => {
      const { lot, receipt } = await app.purchase.settled(purchaseOf("mine", "mine-1"))
      const { ledgerEntries, operation } = await sandbox.work("mine", "3")
      const { operationId } = operation
      const { receiptNumber } = receipt
      const entryId = ledgerEntries[0]?.entryId ?? ""
      /** What can be asked of a user's own by ids other than the user's: every such id of the contract. */
      const asks: Readonly<
        Record<string, readonly [(client: CreditPromiseClient) => Promise<unknown>, refusal: string]>
      > = {
        "Explain entryId": [(client) => client.explain({ entryId }), "NothingToExplain"],
        "Explain operationId": [(client) => client.explain({ operationId }), "NothingToExplain"],
        "Explain lotId": [(client) => client.explain({ lotId: lot.lotId }), "NothingToExplain"],
        // Not open to users at all.
        "Explain commandType": [(client) => client.explain({ lotId: lot.lotId }), "NothingToExplain"],
        "GetOperation operationId": [(client) => client.getOperation({ operationId }), "OperationNotFound"],
        "GetReceipt externalRef": [(client) => client.getReceipt({ externalRef: "mine-1" }), "ReceiptNotFound"],
        "GetReceipt receiptNumber": [(client) => client.getReceipt({ receiptNumber }), "ReceiptNotFound"]
      }
      expect(Object.keys(asks).toSorted()).toEqual(idsUsersMayAskBy().toSorted())
      const [mine, others] = await Promise.all([sandbox.clientOf("user", "mine"), sandbox.clientOf("user", "another")])
      for (const [ask, refusal] of Object.values(asks)) {
        expect(await ask(mine)).toBeDefined()
        await expect(ask(others)).rejects.toMatchObject({ _tag: refusal })
      }
      const unknown = await others.explain({ lotId: randomUUID() }).catch((error: unknown) => error)
      const foreign = await others.explain({ lotId: lot.lotId }).catch((error: unknown) => error)
      expect(JSON.stringify(foreign)).toBe(JSON.stringify(unknown))
      await Promise.all([mine.close(), others.close()])
    })
  })
})

/** For every query that users may send, each form of payload that does not name the user: by which field it asks. */
const idsUsersMayAskBy = (): ReadonlyArray<string> =>
  Array.from(Api.requests.values()).flatMap((rpc) => {
    if (Context.getOrUndefined(rpc.annotations, RequiredRole) !== "user") return []
    const { payloadSchema } = rpc
    const forms: ReadonlyArray<unknown> = "members" in payloadSchema ? payloadSchema.members : [payloadSchema]
    return forms.flatMap((form) => {
      const names = Predicate.hasProperty(form, "fields") ? Object.keys(form.fields ?? {}) : []
      // Products and prices are the same for everybody.
      return names.includes("userId") || names.length === 0 ? [] : [`${rpc._tag} ${names[0]}`]
    })
  })
