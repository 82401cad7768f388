import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addAccount, addFundedAccount, addLot, firstHead, follow, insertEntries, now, rows } from "./Ledger.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
  // Statistics never come: the plans have to be right without.
  for (const table of ["accounts", "lots", "operations"]) {
    await owner.query(`ALTER TABLE public.${table} SET (autovacuum_enabled = false)`)
  }
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

/** How often, in this transaction, a table was read from end to end. */
const scans = async (session: Session) => {
  const found = await session.query(
    `SELECT relname::text AS name, seq_scan::integer AS whole, (idx_tup_fetch < 1000) AS few
     FROM pg_catalog.pg_stat_xact_user_tables WHERE relname IN ('accounts', 'lots') ORDER BY 1`
  )
  return found
}

const openOperation = (session: Session, userId: string) =>
  session.query(
    `INSERT INTO public.operations (operation_id, user_id, operation_type_code, captured_rate, resource_unit,
       estimated_amount, held, opened_at, expires_at, updated_at)
     SELECT gen_random_uuid(), $1, 'api_call', 1, 'REQUESTS', 1, 1, t, t + interval '1 hour', t
     FROM (SELECT greatest(app.now(), max(a.last_at)) AS t FROM public.accounts AS a WHERE a.user_id = $1) AS clock`,
    [userId]
  )

describe("no write costs more as tables grow", () => {
  it("also in a session that planned when they were empty, without statistics", async () => {
    const veteran = await openSession(database.runtimeUrl)
    try {
      // Its first entries and operations: from now on it keeps the plans it made for tables of a row or two.
      let { head, lotId } = await addFundedAccount(veteran, "early", 1000)
      await openOperation(veteran, "early")
      await veteran.query("UPDATE public.operations SET status = 'expired' WHERE user_id = 'early'")

      await owner.query("INSERT INTO public.accounts (user_id) SELECT 'late-' || g FROM generate_series(1, 20000) AS g")
      await owner.query(
        `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
         SELECT gen_random_uuid(), 'late-' || g, 'manual', 1, t, t + interval '1 hour'
         FROM generate_series(1, 20000) AS g, app.now() AS t`
      )

      for (const session of [veteran, await openSession(database.runtimeUrl)]) {
        await session.query("BEGIN")
        const [entry, next] = follow(head, { amount: -1, lotId, createdAt: await now(session) })
        await session.query(insertEntries, rows(entry))
        await openOperation(session, "early")
        await session.query(
          "UPDATE public.operations SET status = 'expired' WHERE user_id = 'early' AND status = 'open'"
        )
        expect(await scans(session)).toEqual([
          { name: "accounts", whole: 0, few: true },
          { name: "lots", whole: 0, few: true }
        ])
        await session.query("COMMIT")
        head = next
        if (session !== veteran) await session.close()
      }
    } finally {
      await veteran.close()
    }
  })

  it("nor for a batch of 300 entries of 300 accounts", async () => {
    await runtime.query("BEGIN")
    const entries = []
    for (let index = 0; index < 300; index++) {
      const userId = `batch-${index}`
      await addAccount(runtime, userId)
      const createdAt = await now(runtime)
      const lotId = await addLot(runtime, userId, 10, createdAt)
      entries.push(follow(firstHead(userId), { amount: 10, lotId, createdAt })[0])
    }
    const at = Math.max(...entries.map(({ createdAt }) => createdAt))
    expect(at).toBeGreaterThan(0)
    await runtime.query("COMMIT")
    await runtime.query("BEGIN")
    await runtime.query(insertEntries, rows(...entries))
    expect(await scans(runtime)).toEqual([
      { name: "accounts", whole: 0, few: true },
      { name: "lots", whole: 0, few: true }
    ])
    await runtime.query("COMMIT")
  })
})

describe("reads go by their index", () => {
  const plan = async (sql: string) => {
    const explained = await runtime.query(`EXPLAIN (COSTS off) ${sql}`)
    return explained.map((row) => row["QUERY PLAN"]).join("\n")
  }

  it("a page of history, newest first: ordered months, no sorting, those after the cursor left out", async () => {
    const all = await plan(
      "SELECT * FROM public.ledger_entries WHERE user_id = 'early' ORDER BY created_at DESC, seq DESC LIMIT 50"
    )
    expect(all).not.toMatch(/Sort|Seq Scan|Merge/)
    expect(all).toMatch(/Append/)
    expect(all.match(/Index Scan Backward/g)?.length).toBeGreaterThanOrEqual(4)
    const page = await plan(
      `SELECT * FROM public.ledger_entries WHERE user_id = 'early'
         AND created_at <= date_trunc('month', now()) + interval '40 days'
         AND (created_at, seq) < (date_trunc('month', now()) + interval '40 days', 7)
       ORDER BY created_at DESC, seq DESC LIMIT 50`
    )
    expect(page).not.toMatch(/Sort|Seq Scan|Merge/)
    expect(page).toMatch(/Subplans Removed: 2/)
  })

  it("the active lots of an account", async () => {
    expect(await plan("SELECT * FROM public.lots WHERE user_id = 'early' AND active")).toMatch(/lots_active_by_user/)
  })

  it("a user's lots by id", async () => {
    expect(await plan("SELECT * FROM public.lots WHERE user_id = 'early' ORDER BY lot_id LIMIT 50")).toMatch(
      /lots_by_user/
    )
  })
})

describe("moving credits", () => {
  it("keeps updates off the indexes (HOT) while a lot stays active", async () => {
    const funded = await addFundedAccount(runtime, "hot", 1000)
    const { lotId } = funded
    await runtime.query("BEGIN")
    let [entry, head] = follow(funded.head, { amount: -1, lotId, createdAt: funded.createdAt })
    const before = await updates(runtime)
    for (let index = 0; index < 20; index++) {
      await runtime.query(insertEntries, rows(entry))
      ;[entry, head] = follow(head, { amount: -1, lotId, createdAt: entry.createdAt })
    }
    const after = await updates(runtime)
    await runtime.query("COMMIT")
    for (const [table, { hot, updated }] of after) {
      expect(updated - (before.get(table)?.updated ?? 0), table).toBe(20)
      expect(hot - (before.get(table)?.hot ?? 0), table).toBeGreaterThanOrEqual(15)
    }
  })
})

/** A session's updates so far, of which some touched no index. The counters hold until a transaction ends. */
const updates = async (session: Session) => {
  const found = await session.query(
    `SELECT relname::text AS name, n_tup_upd::integer AS updated, n_tup_hot_upd::integer AS hot
     FROM pg_catalog.pg_stat_xact_user_tables WHERE relname IN ('accounts', 'lots')`
  )
  return new Map(found.map(({ hot, name, updated }) => [String(name), { updated: Number(updated), hot: Number(hot) }]))
}
