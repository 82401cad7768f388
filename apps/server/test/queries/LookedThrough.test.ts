import { LotId, MerchantId, UserId } from "@credit/domain/Ids"
import { explain } from "@credit/server/explanations/queries"
import { getLedgerHistory } from "@credit/server/ledger/queries"
import type { MerchantDatabase as Opened } from "@credit/server/merchants/MerchantDatabase"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../../test/utils/Postgres.ts"
import { openDatabases, type TestDatabases, urlsOf } from "../utils/Databases.ts"

const ENTRIES = 12_000
const RARE = "00000000-0000-7000-8000-000000000001"
const COMMON = "00000000-0000-7000-8000-000000000002"

describe("What is rare among a user's many entries", () => {
  let database: MerchantDatabase
  let databases: TestDatabases
  let merchant: Opened
  const userId = UserId.make("long")

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "looker" })
    const owner = await openSession(database.ownerUrl)
    for (const table of ["ledger_entries", "lots"])
      await owner.query(`ALTER TABLE public.${table} DISABLE TRIGGER USER`)
    await owner.query("INSERT INTO public.accounts (user_id) VALUES ('long')")
    for (const lot of [RARE, COMMON]) {
      await owner.query(
        `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
         VALUES ('${lot}', 'long', 'manual', 9, date_trunc('month', now(), 'UTC'), '2999-01-01')`
      )
    }
    // The first, one in the middle and the last are of the rare reason and lot.
    await owner.query(
      `INSERT INTO public.ledger_entries (entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
         resource_amount, resource_unit, effective_at, created_at, hash)
       SELECT gen_random_uuid(), 'long', g, CASE WHEN r.rare THEN '${RARE}' ELSE '${COMMON}' END::uuid, 1, 1,
         CASE WHEN r.rare THEN 'promo' ELSE 'manual' END, 'x', 1, 'CREDIT', at, at, sha256('')
       FROM generate_series(1, ${ENTRIES}) AS g,
         LATERAL (SELECT date_trunc('month', now(), 'UTC') + g * interval '1 millisecond' AS at) AS clock,
         LATERAL (SELECT g IN (1, 6000, ${ENTRIES}) AS rare) AS r`
    )
    await owner.close()
    databases = await openDatabases([urlsOf("looker", database.runtimeUrl)])
    merchant = await Effect.runPromise(databases.databases.get(MerchantId.make("looker")))
  })
  afterAll(async () => {
    await databases.close()
    await database.drop()
  })

  /** All pages of a list, by what each of them has. */
  const pages = async <A>(
    ask: (
      cursor: string | undefined
    ) => Effect.Effect<{ readonly entries: ReadonlyArray<A>; readonly nextCursor?: string }, unknown>
  ) => {
    const found: Array<ReadonlyArray<A>> = []
    let cursor: string | undefined
    do {
      const page = await Effect.runPromise(ask(cursor))
      found.push(page.entries)
      cursor = page.nextCursor
    } while (cursor !== undefined)
    return found
  }

  it("is found in history, each once, though some pages are short or empty", async () => {
    const found = await pages((cursor) =>
      getLedgerHistory(merchant, { userId, reasons: ["promo"], limit: 2, ...(cursor === undefined ? {} : { cursor }) })
    )
    expect(found.flat().map(({ seq }) => seq)).toEqual([ENTRIES, 6000, 1])
    expect(found.length).toBeGreaterThan(2)
  })

  it("is found for a lot, in order", async () => {
    const caller = {
      merchantId: merchant.merchantId,
      role: "app",
      subject: "looker",
      tokenId: "t",
      userId: undefined
    } as const
    const found = await pages((cursor) =>
      explain(merchant, { lotId: LotId.make(RARE), limit: 2, ...(cursor === undefined ? {} : { cursor }) }, caller)
    )
    expect(found.flat().map(({ seq }) => seq)).toEqual([1, 6000, ENTRIES])
    expect(found.length).toBeGreaterThan(2)
  })
})
