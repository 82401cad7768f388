import { afterEach, beforeEach, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { account, now, partitions } from "../migrations/Ledger.ts"
import { expiries, HOUR, jobRuns, lay, moveClock, type Plan, unpaced } from "./Ground.ts"

const JOBS = {
  operation_cleanup: "CALL app.cleanup_expired_operations()",
  lot_expiry: "CALL app.expire_lots()",
  idempotency_cleanup: "CALL app.cleanup_idempotency()",
  partition_creation: "CALL app.create_partitions()",
  ledger_verification: "CALL app.verify_ledger()"
} as const

let database: MerchantDatabase
let owner: Session
let admin: Session
/** The service's login, which runs jobs. */
let jobs: Session
beforeEach(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  owner = await openSession(database.ownerUrl)
  admin = await openSession(database.adminUrl)
  jobs = await jobSession()
  await unpaced(owner)
})
afterEach(async () => {
  await Promise.all([owner.close(), admin.close(), jobs.close()])
  await database.drop()
})

const jobSession = async () => {
  const session = await openSession(database.runtimeUrl)
  await session.query("SET ROLE credit_jobs")
  return session
}

/** So many accounts with one lot of 10 that expires after an hour. */
const accounts = (count: number, t0: number): ReadonlyArray<Plan> =>
  Array.from({ length: count }, (_, index) => ({
    userId: `user-${String(index).padStart(3, "0")}`,
    lots: [{ credits: 10, issuedAt: t0, expiresAt: t0 + HOUR + index }],
    operations: []
  }))

const layDue = async (count: number) => {
  const t0 = await now(owner)
  await lay(owner, accounts(count, t0), t0)
  await moveClock(owner, 2)
}

const set = (column: string, value: number) =>
  owner.query(`UPDATE public.merchant_settings SET ${column} = $1::integer`, [value])

const runOf = async (job: keyof typeof JOBS) => (await jobRuns(owner, job)).at(-1)

describe("every job", () => {
  it("is a procedure that may be called by hand, and tells its run", async () => {
    for (const [job, command] of Object.entries(JOBS)) {
      await jobs.query(command)
      expect((await jobRuns(owner)).at(-1)).toMatchObject({ job, state: "succeeded", started_by: "credit-tests" })
    }
    expect(await owner.query("SELECT count(*)::integer AS held FROM pg_locks WHERE locktype = 'advisory'")).toEqual([
      { held: 0 }
    ])
  })

  it("runs once at a time: a second run at the same time is told as skipped", async () => {
    const [row] = await owner.query("SELECT lock_key FROM app.jobs WHERE job_name = 'lot_expiry'")
    await layDue(3)
    await owner.query("SELECT pg_advisory_lock(1129465156, $1::integer)::text", [row?.lock_key])
    await jobs.query(JOBS.lot_expiry)
    expect(await runOf("lot_expiry")).toMatchObject({ state: "skipped", rows: 0, error: "another run is at work" })
    expect((await account(owner, "user-000")).balance).toBe(10)
    await owner.query("SELECT pg_advisory_unlock(1129465156, $1::integer)", [row?.lock_key])
    await jobs.query(JOBS.lot_expiry)
    expect(await runOf("lot_expiry")).toMatchObject({ state: "succeeded", rows: 3 })
  })

  it("does any backlog in one call, a transaction per batch", async () => {
    await layDue(45)
    await set("job_batch_accounts", 10)
    await jobs.query(JOBS.lot_expiry)
    expect(await runOf("lot_expiry")).toMatchObject({
      state: "succeeded",
      batches: 5,
      rows: 45,
      detail: { accounts: 45, credits: 450 }
    })
    const [row] = await owner.query(
      "SELECT count(DISTINCT xmin::text)::integer AS transactions FROM public.ledger_entries WHERE reason = 'expiry'"
    )
    expect(row).toEqual({ transactions: 5 })
    expect(await faults(owner)).toEqual([])
  })

  it("that is killed in the middle keeps what it had done; the next run closes its story and goes on", async () => {
    await layDue(40)
    await set("job_batch_accounts", 1)
    // Of the time it works a hundredth: it rests while it is looked at.
    await set("job_work_percent", 1)
    const call = jobs.query(JOBS.lot_expiry).then(
      () => "ended",
      () => "killed"
    )
    await untilSome("expiries", async () => (await expiries(owner)).size >= 2)
    await admin.query("SELECT pg_terminate_backend($1::integer)", [jobs.processId])
    expect(await call).toBe("killed")
    const done = (await expiries(owner)).size
    expect(done).toBeLessThan(40)
    expect(await runOf("lot_expiry")).toMatchObject({ state: "running", rows: done, finished: false })

    const other = await jobSession()
    await unpaced(owner)
    await other.query(JOBS.lot_expiry)
    await other.close()
    expect(await jobRuns(owner, "lot_expiry")).toMatchObject([
      { state: "interrupted", rows: done, finished: true, error: expect.stringContaining("cut off") },
      { state: "succeeded", rows: 40 - done }
    ])
    expect((await expiries(owner)).size).toBe(40)
    expect(await faults(owner)).toEqual([])
  })

  it("that is cancelled, batch or rest, is told as failed and says so to its caller", async () => {
    await layDue(40)
    await set("job_batch_accounts", 1)
    await set("job_work_percent", 1)
    const call = jobs.refusal(JOBS.lot_expiry)
    await untilSome("expiries", async () => (await expiries(owner)).size >= 2)
    await admin.query("SELECT pg_cancel_backend($1::integer)", [jobs.processId])
    expect(await call).toMatchObject({ code: "57014" })
    expect(await runOf("lot_expiry")).toMatchObject({ state: "failed", sql_state: "57014" })
    // The session lives on, and has given up the job's lock.
    await unpaced(owner)
    await jobs.query(JOBS.lot_expiry)
    expect(await runOf("lot_expiry")).toMatchObject({ state: "succeeded" })
  })

  it("passes by the account that fails, does all others, and is told as failed", async () => {
    await layDue(25)
    await set("job_batch_accounts", 10)
    // Something is wrong with one account, so that no entry can follow.
    await admin.query(
      `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'no entry for %', NEW.user_id USING ERRCODE = 'P0013'; END $$`
    )
    await admin.query(
      `CREATE TRIGGER refuse BEFORE UPDATE ON public.accounts FOR EACH ROW WHEN (OLD.user_id = 'user-013' AND NEW.seq > OLD.seq)
       EXECUTE FUNCTION public.refuse()`
    )
    expect(await jobs.refusal(JOBS.lot_expiry)).toMatchObject({
      code: "P0013",
      message: "lot_expiry failed: no entry for user-013"
    })
    expect(await runOf("lot_expiry")).toMatchObject({
      state: "failed",
      rows: 24,
      sql_state: "P0013",
      error: "no entry for user-013",
      detail: { failures: 1, accounts: 24 }
    })
    expect((await account(owner, "user-024")).balance).toBe(0)
  })

  it("forgets its own runs after their retention, but never its last success", async () => {
    await jobs.query(JOBS.partition_creation)
    await owner.query(
      `INSERT INTO app.job_runs (job_name, state, started_at, finished_at)
       SELECT 'partition_creation', 'failed', clock_timestamp(), clock_timestamp() FROM generate_series(1, 3)`
    )
    await owner.query("UPDATE app.job_runs SET started_at = started_at - interval '721 hours'")
    await owner.query(
      `INSERT INTO app.job_runs (job_name, state, started_at, finished_at)
       VALUES ('lot_expiry', 'failed', clock_timestamp() - interval '721 hours', clock_timestamp())`
    )
    await jobs.query(JOBS.partition_creation)
    expect((await jobRuns(owner, "partition_creation")).map(({ state }) => state)).toEqual([
      "succeeded",
      "failed",
      "failed",
      "failed",
      "succeeded"
    ])
    await jobs.query(JOBS.partition_creation)
    expect((await jobRuns(owner, "partition_creation")).map(({ state }) => state)).toEqual(["succeeded", "succeeded"])
    expect(await jobRuns(owner, "lot_expiry")).toHaveLength(1)
  })

  it("rests in proportion to its work, outside of its batches' transactions", async () => {
    await layDue(30)
    await set("job_batch_accounts", 10)
    await set("job_work_percent", 5)
    const started = performance.now()
    await jobs.query(JOBS.lot_expiry)
    const elapsed = performance.now() - started
    const [row] = await owner.query(
      "SELECT longest_batch_ms, batches::integer FROM app.job_runs ORDER BY run_id DESC LIMIT 1"
    )
    expect(row).toMatchObject({ batches: 3 })
    // Three batches, of which the longest is one; after two of them it rests for 19 times as long.
    expect(elapsed).toBeGreaterThan(Number(row?.longest_batch_ms) * 2)
  })

  it("may do nothing to the ledger but add to it, nor read or write a month of it", async () => {
    await layDue(1)
    const month = (await partitions(owner))[0]
    for (const statement of [
      "UPDATE public.ledger_entries SET note = 'x'",
      "DELETE FROM public.ledger_entries",
      "TRUNCATE public.ledger_entries",
      `DELETE FROM public.${month}`,
      `SELECT FROM public.${month}`,
      "DELETE FROM public.operations",
      "DELETE FROM public.idempotency_tracking",
      "SELECT FROM public.idempotency_tracking",
      "UPDATE public.accounts SET balance = 0",
      "UPDATE public.accounts SET held = 0",
      "UPDATE public.lots SET remaining = 0",
      "ALTER TABLE public.ledger_entries DISABLE TRIGGER ALL",
      "SET session_replication_role = replica",
      "INSERT INTO app.jobs VALUES ('x', 'CALL app.expire_lots()', 99, '* * * * *')"
    ]) {
      expect(await jobs.refusal(statement)).toMatchObject({ code: "42501" })
    }
  })
})

describe("app.expire_lots", () => {
  it("leaves accounts that hold credits for open operations, and those that somebody is at", async () => {
    const t0 = await now(owner)
    const [busy, holding, idle] = accounts(3, t0)
    if (busy === undefined || holding === undefined || idle === undefined) throw new Error("three accounts")
    await lay(
      owner,
      [busy, { ...holding, operations: [{ held: 4, openedAt: t0, expiresAt: t0 + 100 * HOUR }] }, idle],
      t0
    )
    await moveClock(owner, 2)
    await owner.query("BEGIN")
    await owner.query("SELECT FROM public.accounts WHERE user_id = $1 FOR UPDATE", [busy.userId])
    await jobs.query(JOBS.lot_expiry)
    await owner.query("COMMIT")
    expect(await runOf("lot_expiry")).toMatchObject({
      state: "succeeded",
      rows: 1,
      detail: { busy: 1, holding: 1, accounts: 1 }
    })
    expect([...(await expiries(owner)).keys()]).toEqual([idle.userId])
    await jobs.query(JOBS.lot_expiry)
    expect([...(await expiries(owner)).keys()]).toEqual([busy.userId, idle.userId])
  })

  it("pauses in maintenance, before or between batches, and a later run goes on", async () => {
    await layDue(20)
    await owner.query("UPDATE public.service_status SET status = 'maintenance', reason = 'moving house'")
    for (const job of ["lot_expiry", "operation_cleanup"] as const) {
      await jobs.query(JOBS[job])
      expect(await runOf(job)).toMatchObject({ state: "paused", rows: 0 })
    }
    // What moves no credits goes on.
    for (const job of ["idempotency_cleanup", "partition_creation", "ledger_verification"] as const) {
      await jobs.query(JOBS[job])
      expect(await runOf(job)).toMatchObject({ state: "succeeded" })
    }
    await owner.query("UPDATE public.service_status SET status = 'ready'")

    await set("job_batch_accounts", 1)
    await set("job_work_percent", 1)
    const call = jobs.query(JOBS.lot_expiry)
    await untilSome("expiries", async () => (await expiries(owner)).size >= 1)
    await owner.query("BEGIN")
    await owner.query("SELECT pg_advisory_xact_lock(1129465156, 2)::text")
    await owner.query("UPDATE public.service_status SET status = 'maintenance'")
    await owner.query("COMMIT")
    const booked = (await expiries(owner)).size
    await call
    expect(await runOf("lot_expiry")).toMatchObject({ state: "paused", rows: booked })
    expect((await expiries(owner)).size).toBe(booked)
    await owner.query("UPDATE public.service_status SET status = 'ready'")
    await unpaced(owner)
    await jobs.query(JOBS.lot_expiry)
    expect((await expiries(owner)).size).toBe(20)
  })

  it("books all due lots of an account at once, however many, each since its own time", async () => {
    const t0 = await now(owner)
    const lots = Array.from({ length: 700 }, (_, index) => ({
      credits: 1 + (index % 3),
      issuedAt: t0,
      expiresAt: t0 + HOUR + ((index * 7919) % 700) * 1000
    }))
    await lay(owner, [{ userId: "hoarder", lots, operations: [] }, ...accounts(5, t0)], t0)
    await set("job_batch_accounts", 10)
    await moveClock(owner, 2)
    await jobs.query(JOBS.lot_expiry)
    const booked = (await expiries(owner)).get("hoarder") ?? []
    expect(booked.map(({ effectiveAt }) => effectiveAt)).toEqual(
      lots.map(({ expiresAt }) => expiresAt).toSorted((a, b) => a - b)
    )
    expect(new Set(booked.map(({ createdAt }) => createdAt)).size).toBe(1)
    expect(await faults(owner)).toEqual([])
  })
})

describe("app.cleanup_expired_operations", () => {
  it("deletes what ended without a charge, once nothing can refer to it any more", async () => {
    const t0 = await now(owner)
    const [plan] = accounts(1, t0)
    if (plan === undefined) throw new Error("one account")
    const operation = { held: 1, openedAt: t0, expiresAt: t0 + HOUR }
    await lay(owner, [{ ...plan, operations: [operation, operation, operation] }], t0)
    await owner.query(
      `UPDATE public.operations SET status = 'cancelled', closed_at = updated_at
       WHERE operation_id = (SELECT operation_id FROM public.operations LIMIT 1)`
    )
    const states = async () =>
      (await owner.query("SELECT status::text FROM public.operations ORDER BY status")).map(({ status }) => status)
    await moveClock(owner, 2)
    await jobs.query(JOBS.operation_cleanup)
    expect(await states()).toEqual(["cancelled", "expired", "expired"])
    expect((await account(owner, plan.userId)).held).toBe(0)

    await set("operation_retention_hours", 168)
    await set("late_close_hours", 200)
    await moveClock(owner, 200)
    await jobs.query(JOBS.operation_cleanup)
    expect(await states()).toHaveLength(3)
    await moveClock(owner, 202)
    await jobs.query(JOBS.operation_cleanup)
    expect(await states()).toEqual([])
    expect(await runOf("operation_cleanup")).toMatchObject({ detail: { deleted: 3 } })
  })
})

describe("app.cleanup_idempotency", () => {
  it("deletes keys of all four states past their time, one at work only past its lease; in batches", async () => {
    await owner.query(
      `INSERT INTO public.idempotency_tracking (command_type, idempotency_key, state, fingerprint, contract_version,
         response, transaction_id, claimed_at, expires_at, lease_until)
       SELECT 'Test', concat_ws('-', s.state, l.lease, e.hours, g), s.state, decode(repeat('00', 32), 'hex'), 1, '{}',
         gen_random_uuid(), t - interval '1 hour', t + e.hours * interval '1 hour',
         t + l.lease * interval '1 hour'
       FROM date_trunc('milliseconds', app.now()) AS t, generate_series(1, 25) AS g,
         unnest(ARRAY['PENDING', 'SUCCEEDED', 'FAILED_FINAL', 'FAILED_RETRIABLE']) AS s (state),
         unnest(ARRAY[1, 100]) AS e (hours), unnest(ARRAY[1, 100]) AS l (lease)`
    )
    await set("job_batch_rows", 7)
    await moveClock(owner, 2)
    await jobs.query(JOBS.idempotency_cleanup)
    const left = await owner.query(
      `SELECT left(idempotency_key, -length('-' || split_part(reverse(idempotency_key), '-', 1))) AS kind,
         count(*)::integer AS keys
       FROM public.idempotency_tracking GROUP BY 1 ORDER BY 1`
    )
    expect(left).toEqual(
      [
        "FAILED_FINAL-1-100",
        "FAILED_FINAL-100-100",
        "FAILED_RETRIABLE-1-100",
        "FAILED_RETRIABLE-100-100",
        "PENDING-1-100",
        "PENDING-100-1",
        "PENDING-100-100",
        "SUCCEEDED-1-100",
        "SUCCEEDED-100-100"
      ].map((kind) => ({ kind, keys: 25 }))
    )
    expect(await runOf("idempotency_cleanup")).toMatchObject({ state: "succeeded", rows: 175, batches: 26 })
  })
})

describe("the functions that delete", () => {
  it("delete nothing before its time, whatever they are told the time is", async () => {
    const t0 = await now(owner)
    const [plan] = accounts(1, t0)
    if (plan === undefined) throw new Error("one account")
    await lay(owner, [{ ...plan, operations: [{ held: 1, openedAt: t0, expiresAt: t0 + HOUR }] }], t0)
    await moveClock(owner, 2)
    await jobs.query(JOBS.operation_cleanup)
    await owner.query(
      `INSERT INTO public.idempotency_tracking (command_type, idempotency_key, state, fingerprint, contract_version,
         transaction_id, claimed_at, expires_at)
       SELECT 'Test', 'key', 'FAILED_RETRIABLE', decode(repeat('00', 32), 'hex'), 1, gen_random_uuid(), t,
         t + interval '168 hours'
       FROM app.now() AS t`
    )
    const later = '{"until": "2200-01-01T00:00:00Z"}'
    await jobs.query("SELECT app.cleanup_idempotency_batch($1::jsonb)", [later])
    await jobs.query("SELECT app.delete_ended_operations($1::jsonb)", [later])
    const [left] = await owner.query(
      `SELECT (SELECT count(*)::integer FROM public.operations) AS operations,
         (SELECT count(*)::integer FROM public.idempotency_tracking) AS keys`
    )
    expect(left).toEqual({ operations: 1, keys: 1 })
  })
})

describe("app.create_partitions", () => {
  it("keeps three months ahead of the merchant's clock, a sandbox's too", async () => {
    await moveClock(owner, 24 * 100)
    await jobs.query(JOBS.partition_creation)
    const found = await partitions(owner)
    const ahead = new Date(await now(owner))
    ahead.setUTCDate(1)
    ahead.setUTCMonth(ahead.getUTCMonth() + 3)
    expect(found.at(-1)).toBe(`ledger_entries_${ahead.toISOString().slice(0, 7).replace("-", "_")}`)
    expect(await runOf("partition_creation")).toMatchObject({ state: "succeeded" })
  })
})

describe("app.verify_ledger", () => {
  /** What an administrator could do who takes the guards off. */
  const tamper = async (statement: string) => {
    await admin.query("SET session_replication_role = replica")
    for (const table of ["accounts", "lots", "operations", "ledger_entries", (await partitions(owner))[0]]) {
      await admin.query(`ALTER TABLE public.${table} DISABLE TRIGGER ALL`)
    }
    await admin.query(statement)
  }

  it("follows each account from where it was verified before", async () => {
    const t0 = await now(owner)
    await lay(owner, accounts(30, t0), t0)
    await jobs.query(JOBS.ledger_verification)
    expect(await runOf("ledger_verification")).toMatchObject({ state: "succeeded", rows: 30 })
    await moveClock(owner, 2)
    await jobs.query(JOBS.lot_expiry)
    await jobs.query(JOBS.ledger_verification)
    // Those that moved, and no others were there to move.
    expect(await runOf("ledger_verification")).toMatchObject({ state: "succeeded", detail: {} })
    await moveClock(owner, 5)
    await jobs.query(JOBS.ledger_verification)
    await moveClock(owner, 8)
    await jobs.query(JOBS.ledger_verification)
    expect(await runOf("ledger_verification")).toMatchObject({ state: "succeeded", rows: 0 })
    await jobs.query("CALL app.verify_ledger(afresh => true)")
    expect(await runOf("ledger_verification")).toMatchObject({ state: "succeeded", rows: 30 })
    expect(await owner.query("SELECT DISTINCT seq::integer, lots FROM app.verified_accounts")).toEqual([
      { seq: 2, lots: {} }
    ])
  })

  it("an account longer than a batch is followed in parts", async () => {
    const t0 = await now(owner)
    const lots = Array.from({ length: 95 }, () => ({ credits: 5, issuedAt: t0, expiresAt: t0 + HOUR }))
    await lay(owner, [{ userId: "long", lots, operations: [] }, ...accounts(2, t0)], t0)
    await set("job_batch_rows", 10)
    await jobs.query(JOBS.ledger_verification)
    expect(await runOf("ledger_verification")).toMatchObject({ state: "succeeded", rows: 3 })
    expect(await owner.query("SELECT seq::integer FROM app.verified_accounts WHERE user_id = 'long'")).toEqual([
      { seq: 95 }
    ])
  })

  it.each([
    ["an account's balance", "UPDATE public.accounts SET balance = 11 WHERE user_id = 'user-001'", "a balance of 11"],
    ["an account's head", "UPDATE public.accounts SET hash = sha256('x') WHERE user_id = 'user-001'", "its head"],
    ["a lot", "UPDATE public.lots SET remaining = 9 WHERE user_id = 'user-001'", "has 9 left; its entries come to 10"],
    ["a hold", "UPDATE public.accounts SET held = 3 WHERE user_id = 'user-001'", "it holds 3"],
    ["an entry", "UPDATE public.ledger_entries SET note = 'x' WHERE user_id = 'user-001'", "entry 1: its hash"],
    [
      "a missing entry",
      "DELETE FROM public.ledger_entries WHERE user_id = 'user-001'",
      "its entries come to 0, 0 and 0"
    ]
  ])("finds drift of %s, tells it, repairs nothing, and asks again until it is gone", async (_, statement, problem) => {
    const t0 = await now(owner)
    await lay(owner, accounts(3, t0), t0)
    await tamper(statement)
    const before = await account(owner, "user-001")
    expect(await jobs.refusal(JOBS.ledger_verification)).toMatchObject({ code: "CR006" })
    expect(await runOf("ledger_verification")).toMatchObject({
      state: "failed",
      sql_state: "CR006",
      rows: 3,
      error: expect.stringContaining("account user-001: ")
    })
    const [finding] = await owner.query("SELECT user_id::text, problem FROM app.ledger_findings")
    expect(finding).toMatchObject({ user_id: "user-001", problem: expect.stringContaining(problem) })
    expect(await account(owner, "user-001")).toEqual(before)
    await moveClock(owner, 5)
    await jobs.refusal(JOBS.ledger_verification)
    await admin.query("DELETE FROM public.ledger_entries WHERE user_id = 'user-001'")
    await admin.query("DELETE FROM public.lots WHERE user_id = 'user-001'")
    await admin.query(
      `UPDATE public.accounts SET (balance, held, seq, hash) = (0, 0, 0, decode(repeat('00', 32), 'hex'))
       WHERE user_id = 'user-001'`
    )
    await jobs.query(JOBS.ledger_verification)
    expect(await owner.query("SELECT FROM app.ledger_findings")).toEqual([])
  })
})

/** Asks until it is so; a step of a test that waits for another session. */
const untilSome = async (what: string, isSo: () => Promise<boolean>) => {
  const limit = performance.now() + 30_000
  while (!(await isSo())) if (performance.now() > limit) throw new Error(`never came to be: ${what}`)
}
