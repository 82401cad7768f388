import { readFileSync } from "node:fs"
import type { EntryFields } from "@credit/domain/EntryHash"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addFundedAccount, follow, insertEntries, rows } from "./Ledger.ts"

interface Vector {
  readonly name: string
  readonly previous: string
  readonly entry: EntryFields
  readonly canonical: string
  readonly hash: string
}

const vectors: ReadonlyArray<Vector> = JSON.parse(
  readFileSync(new URL("../../../../test/fixtures/entry-hash.json", import.meta.url), "utf8")
)

let database: MerchantDatabase
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await runtime.close()
  await database.drop()
})

const sql = `
SELECT app.entry_canonical(e) AS canonical, encode(app.entry_hash(decode($2, 'hex'), e), 'hex') AS hash
FROM json_to_record($1::json) AS r (
  "entryId" uuid, "userId" text, seq bigint, "lotId" uuid, amount bigint, "balanceAfter" bigint, reason text,
  "operationType" text, "resourceAmount" numeric, "resourceUnit" text, "capturedRate" numeric, "operationId" uuid,
  "workflowId" text, note text, actor text, "effectiveAt" bigint, "createdAt" bigint
), LATERAL (
  SELECT (r."entryId", r."userId", r.seq, r."lotId", r.amount, r."balanceAfter", r.reason, r."operationType",
    r."resourceAmount", r."resourceUnit", r."capturedRate", r."operationId", r."workflowId", r.note, r.actor,
    timestamptz 'epoch' + r."effectiveAt" * interval '1 millisecond',
    timestamptz 'epoch' + r."createdAt" * interval '1 millisecond', NULL)::public.ledger_entries AS e
) AS built`

describe("the hash of an entry, as the database takes it", () => {
  it.each(vectors)("is the known one of $name", async ({ canonical, entry, hash, previous }) => {
    expect(await runtime.query(sql, [JSON.stringify(entry), previous])).toEqual([{ canonical, hash }])
  })

  it("does not depend on how a decimal was written, nor on session settings", async () => {
    const [vector] = vectors.filter(({ entry }) => entry.capturedRate === "0.57")
    if (vector === undefined) throw new Error("no vector with a rate")
    const padded = { ...vector.entry, resourceAmount: "101.500000", capturedRate: "0.570000" }
    for (const setting of [
      "timezone = 'Asia/Kathmandu'",
      "datestyle = 'SQL, DMY'",
      "intervalstyle = 'postgres_verbose'",
      "extra_float_digits = 0",
      "bytea_output = 'escape'"
    ]) {
      await runtime.query(`SET ${setting}`)
      expect(await runtime.query(sql, [JSON.stringify(padded), vector.previous]), setting).toEqual([
        { canonical: vector.canonical, hash: vector.hash }
      ])
    }
  })

  it("of a stored entry can be taken again from what is stored", async () => {
    const { createdAt, entry, head, lotId } = await addFundedAccount(runtime, "stored", 100)
    const [next] = follow(head, { amount: -7, lotId, createdAt }, { note: "überprüft ✓", resourceAmount: "6.25" })
    await runtime.query(insertEntries, rows(next))
    const taken = await runtime.query(
      `SELECT encode(e.hash, 'hex') AS stored,
         encode(app.entry_hash(coalesce(lag(e.hash) OVER (ORDER BY e.seq), decode(repeat('00', 32), 'hex')), e), 'hex') AS taken
       FROM public.ledger_entries AS e WHERE e.user_id = 'stored' ORDER BY e.seq`
    )
    const hashes = [entry, next].map(({ hash }) => Buffer.from(hash).toString("hex"))
    expect(taken).toEqual(hashes.map((hash) => ({ stored: hash, taken: hash })))
  })
})
