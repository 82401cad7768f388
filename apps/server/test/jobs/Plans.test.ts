import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { now } from "../migrations/Ledger.ts"
import { HOUR, lay, moveClock } from "./Ground.ts"

let database: MerchantDatabase
let owner: Session
let jobs: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  owner = await openSession(database.ownerUrl)
  jobs = await openSession(database.runtimeUrl)
  await jobs.query("SET ROLE credit_jobs")
  for (const table of ["accounts", "lots", "operations", "idempotency_tracking"]) {
    await owner.query(`ALTER TABLE public.${table} SET (autovacuum_enabled = false)`)
  }
})
afterAll(async () => {
  await Promise.all([owner.close(), jobs.close()])
  await database.drop()
})

/** What a batch read, in a transaction that is then undone: tables from end to end, and rows by their index. */
const reads = async (batch: string) => {
  await jobs.query("BEGIN")
  await jobs.query(`SELECT app.job_batch('${batch}', '{}')`)
  const found = await jobs.query(
    `SELECT coalesce(sum(seq_scan) FILTER (WHERE relname IN ('accounts', 'lots', 'operations', 'idempotency_tracking')
         OR relname LIKE 'ledger_entries_%'), 0)::integer AS whole,
       coalesce(max(idx_tup_fetch), 0) < 2000 AS few
     FROM pg_catalog.pg_stat_xact_user_tables`
  )
  await jobs.query("ROLLBACK")
  return found[0]
}

describe("no batch of a job costs more as tables grow", () => {
  it("what is due is found by an index, also in a session that planned when all was empty, without statistics", async () => {
    const all = ["lot_expiry", "operation_cleanup", "idempotency_cleanup", "ledger_verification"]
    for (const job of all) await reads(job)
    const t0 = await now(owner)
    // Twenty thousand accounts of which nothing is due, and thirty of which something is.
    const later = Array.from({ length: 20_000 }, (_, index) => ({
      userId: `later-${index}`,
      lots: [{ credits: 5, issuedAt: t0, expiresAt: t0 + 900 * HOUR }],
      operations: [{ held: 1, openedAt: t0, expiresAt: t0 + 900 * HOUR }]
    }))
    const due = Array.from({ length: 30 }, (_, index) => ({
      userId: `due-${index}`,
      lots: [{ credits: 5, issuedAt: t0, expiresAt: t0 + HOUR }],
      operations: index % 2 === 0 ? [] : [{ held: 1, openedAt: t0, expiresAt: t0 + HOUR }]
    }))
    await lay(owner, [...later, ...due], t0)
    await owner.query(
      `INSERT INTO public.idempotency_tracking (command_type, idempotency_key, state, fingerprint, contract_version,
         response, transaction_id, claimed_at, expires_at)
       SELECT 'Test', g::text, 'SUCCEEDED', decode(repeat('00', 32), 'hex'), 1, '{}', gen_random_uuid(), t,
         t + CASE WHEN g <= 30 THEN interval '1 hour' ELSE interval '900 hours' END
       FROM date_trunc('milliseconds', app.now()) AS t, generate_series(1, 20000) AS g`
    )
    await moveClock(owner, 2)
    for (const job of all) expect({ job, ...(await reads(job)) }).toEqual({ job, whole: 0, few: true })
  })
})
