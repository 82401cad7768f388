import type { CreditPromiseClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { type Sandbox, startSandbox } from "../utils/Sandbox.ts"

describe("The export", () => {
  let sandbox: Sandbox
  let app: CreditPromiseClient
  let admin: CreditPromiseClient
  beforeAll(async () => {
    sandbox = await startSandbox(inject("adminUrl"))
    app = sandbox.app
    admin = sandbox.admin
  })
  afterAll(() => sandbox.close())

  describe("an export", () => {
    const collect = async (request: Parameters<typeof admin.exportLedger>[0]) => {
      const parts = []
      for await (const part of admin.exportLedger(request)) parts.push(part)
      return { parts, text: parts.map(({ text }) => text).join("") }
    }

    it("has every entry once, as NDJSON and as CSV, and goes on from any part of it", async () => {
      await sandbox.grant("exported", 500)
      for (let index = 0; index < 250; index++) await sandbox.work("exported", "1")
      await admin.grant.apply({
        userId: "exported",
        grant: { type: "manual", credits: 1, accessPeriodDays: 1, justification: 'a "quoted", note' }
      })
      await sandbox.later()
      const [{ count } = {}] = await sandbox.owner.query("SELECT count(*)::integer AS count FROM public.ledger_entries")
      const { parts, text } = await collect({ format: "ndjson" })
      const lines = text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      expect(lines).toHaveLength(Number(count))
      expect(new Set(lines.map(({ entryId }) => entryId)).size).toBe(Number(count))
      expect(parts.length).toBeGreaterThan(1)
      for (const [index, { cursor }] of parts.entries()) {
        const rest = await collect({ format: "ndjson", cursor })
        expect(rest.text).toBe(
          parts
            .slice(index + 1)
            .map((part) => part.text)
            .join("")
        )
      }
      const csv = await collect({ format: "csv" })
      expect(csv.text.split("\n")).toHaveLength(Number(count) + 2)
      expect(csv.text).toContain('"a ""quoted"", note"')
      expect(csv.text.split("\n")[0]).toBe(
        "userId,entryId,seq,amount,balanceAfter,reason,lotId,operationId,workflowId,operationType,resourceAmount,resourceUnit,capturedRate,note,actor,effectiveAt,createdAt,hash"
      )
      const [first] = csv.parts
      const rest = await collect({ format: "csv", cursor: first?.cursor ?? "" })
      expect(`${first?.text}${rest.text}`).toBe(csv.text)
    })

    it("of one user is in the user's order; of two times has each entry in one of them", async () => {
      const one = await collect({ format: "ndjson", userId: "exported" })
      const lines = one.text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 252 }, (_, index) => index + 1))
      const middle = lines[100].createdAt
      const [early, late, all] = await Promise.all([
        collect({ format: "ndjson", to: middle }),
        collect({ format: "ndjson", from: middle }),
        collect({ format: "ndjson" })
      ])
      const sorted = (text: string) => text.trimEnd().split("\n").toSorted()
      expect(sorted(early.text + late.text)).toEqual(sorted(all.text))
      expect((await collect({ format: "csv", userId: "nobody" })).text.split("\n")).toHaveLength(2)
      expect((await collect({ format: "ndjson", userId: "nobody" })).text).toBe("")
    })

    it("refuses a time that is not settled, and the cursor of another export", async () => {
      const now = await sandbox.nowOf("exported")
      await expect(collect({ format: "csv", to: now })).rejects.toMatchObject({ _tag: "InvalidRequest", field: "to" })
      const { parts } = await collect({ format: "csv", userId: "exported" })
      const cursor = parts[0]?.cursor ?? ""
      await expect(collect({ format: "csv", cursor })).rejects.toMatchObject({ field: "cursor" })
      await expect(collect({ format: "csv", userId: "exported", from: now, cursor })).rejects.toMatchObject({
        field: "cursor"
      })
      await expect(app.exportLedger({ format: "csv" })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        _tag: "Forbidden"
      })
    })
  })
})
