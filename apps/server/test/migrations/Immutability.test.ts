import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addFundedAccount, follow, insertInto, partitions, rows } from "./Ledger.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
let funded: Awaited<ReturnType<typeof addFundedAccount>>
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
  funded = await addFundedAccount(runtime, "user", 100)
  await runtime.query(
    `INSERT INTO public.purchases (external_ref, user_id, product_code, lot_id, receipt_number, credits, country,
       currency, amount, order_placed_at, settled_at, purchased_at)
     SELECT 'pay-1', 'user', 'starter', $1::uuid, 'R-2026-0001', 100, 'AM', 'USD', 9.99, t, t, t FROM app.now() AS t`,
    [funded.lotId]
  )
  await runtime.query(
    `INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
     SELECT 'R' || app.receipt_suffix(y, 1), y, 1, 'pay-1', 'user', $1::uuid, t, '{}'
     FROM app.now() AS t, LATERAL (SELECT extract(year FROM t AT TIME ZONE 'UTC')::integer AS y) AS year`,
    [funded.lotId]
  )
  await runtime.query("INSERT INTO public.grants_once SELECT 'user', 'welcome', $1::uuid, app.now()", [funded.lotId])
  await runtime.query(
    `INSERT INTO public.audit_log (audit_id, at, jti, actor, role, command, idempotency_key, transaction_id, outcome)
     VALUES ($1::uuid, app.now(), 'j', 'ann', 'admin', 'Grant.Apply', 'k', $1::uuid, 'succeeded')`,
    [randomUUID()]
  )
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

/** A column of each table, to be set to what it is. */
const immutable = [
  ["ledger_entries", "note"],
  ["purchases", "amount"],
  ["receipts", "snapshot"],
  ["reversals", "credits"],
  ["grants_once", "granted_at"],
  ["audit_log", "outcome"],
  ["product_prices", "amount"]
] as const

describe("rows that never change", () => {
  it.each(immutable)("%s: refused to its very owner, even where no row is touched", async (table, column) => {
    for (const sql of [
      `UPDATE public.${table} SET ${column} = ${column}`,
      `UPDATE public.${table} SET ${column} = ${column} WHERE false`,
      `DELETE FROM public.${table}`,
      `DELETE FROM public.${table} WHERE false`,
      `TRUNCATE public.${table}`,
      `TRUNCATE public.${table} CASCADE`
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003", table })
    }
  })

  it.each(immutable)("%s: the runtime has no right to", async (table, column) => {
    for (const sql of [
      `UPDATE public.${table} SET ${column} = ${column}`,
      `DELETE FROM public.${table}`,
      `TRUNCATE public.${table}`,
      `MERGE INTO public.${table} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE`
    ]) {
      expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
    }
  })

  it("every month of the ledger, by its own name too", async () => {
    const months = await partitions(owner)
    expect(months.length).toBeGreaterThanOrEqual(4)
    for (const month of months) {
      for (const sql of [
        `UPDATE public.${month} SET note = 'x'`,
        `DELETE FROM public.${month}`,
        `TRUNCATE public.${month}`
      ]) {
        expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003", table: month })
        expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
      }
    }
  })

  it("no entry enters a month by its own name: nothing would check that it chains", async () => {
    const [entry] = follow(funded.head, { amount: -1, lotId: funded.lotId, createdAt: funded.createdAt })
    for (const month of await partitions(owner)) {
      expect(await owner.refusal(insertInto(`public.${month}`), rows(entry))).toMatchObject({
        code: "CR003",
        table: month
      })
      expect(await runtime.refusal(insertInto(`public.${month}`), rows(entry))).toMatchObject({ code: "42501" })
      expect(await runtime.refusal(`SELECT FROM public.${month}`)).toMatchObject({ code: "42501" })
    }
  })

  it("not by way of an upsert or a merge either", async () => {
    const [entry] = follow(funded.head, { amount: -1, lotId: funded.lotId, createdAt: funded.createdAt })
    const upsert = `${insertInto("public.ledger_entries")} ON CONFLICT (entry_id, created_at) DO UPDATE SET note = 'x'`
    expect(await owner.refusal(upsert, rows(entry))).toMatchObject({ code: "CR003" })
    const merge = `MERGE INTO public.ledger_entries AS e USING (SELECT 1) AS s ON e.seq = 1
      WHEN MATCHED THEN UPDATE SET note = 'x'`
    expect(await owner.refusal(merge)).toMatchObject({ code: "CR003" })
  })

  it("the runtime cannot take the guards off", async () => {
    const months = await partitions(owner)
    for (const sql of [
      "ALTER TABLE public.ledger_entries DISABLE TRIGGER ledger_entries_are_immutable",
      "ALTER TABLE public.ledger_entries DISABLE TRIGGER ALL",
      `ALTER TABLE public.${months[0]} DISABLE TRIGGER ALL`,
      `ALTER TABLE public.ledger_entries DETACH PARTITION public.${months[0]}`,
      `DROP TABLE public.${months[0]}`,
      "DROP TRIGGER ledger_entries_chain ON public.ledger_entries",
      "CREATE OR REPLACE FUNCTION app.chain_entries() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
      "CREATE FUNCTION app.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
      "CREATE TABLE public.mine (id integer)",
      "CREATE TEMPORARY TABLE mine (id integer)",
      "SET session_replication_role = replica",
      `SET ROLE ${new URL(database.ownerUrl).username}`
    ]) {
      expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
    }
  })

  it("hold when a superuser replays changes as a replica, which switches ordinary triggers off", async () => {
    const admin = await openSession(database.adminUrl)
    try {
      await admin.query("SET session_replication_role = replica")
      for (const [table, column] of immutable) {
        expect(await admin.refusal(`UPDATE public.${table} SET ${column} = ${column}`)).toMatchObject({ code: "CR003" })
        expect(await admin.refusal(`TRUNCATE public.${table}`)).toMatchObject({ code: "CR003" })
      }
      const [entry] = follow(
        { ...funded.head, seq: 9 },
        { amount: -1, lotId: funded.lotId, createdAt: funded.createdAt }
      )
      expect(await admin.refusal(insertInto("public.ledger_entries"), rows(entry))).toMatchObject({ code: "CR001" })
    } finally {
      await admin.close()
    }
  })

  it("every guard fires always", async () => {
    const found = await owner.query(
      `SELECT tgname::text FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
       WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal AND t.tgenabled <> 'A'`
    )
    expect(found).toEqual([])
  })
})

describe("what entries move", () => {
  it("cannot be written by the runtime", async () => {
    for (const sql of [
      ...["balance", "held", "debt", "seq"].map((column) => `UPDATE public.accounts SET ${column} = 0`),
      "UPDATE public.accounts SET hash = hash",
      "UPDATE public.accounts SET last_at = last_at",
      "UPDATE public.accounts SET user_id = 'other'",
      "DELETE FROM public.accounts",
      "INSERT INTO public.accounts (user_id, balance) VALUES ('rich', 100)",
      "UPDATE public.lots SET remaining = credits",
      "UPDATE public.lots SET expires_at = expires_at + interval '1 hour'",
      "DELETE FROM public.lots",
      `INSERT INTO public.lots (lot_id, user_id, source, credits, remaining, issued_at, expires_at)
       SELECT gen_random_uuid(), 'user', 'manual', 1, 1, t, t + interval '1 hour' FROM app.now() AS t`,
      "UPDATE public.receipt_counter SET last_number = 0",
      "DELETE FROM public.receipt_counter",
      "DELETE FROM public.operations",
      "DELETE FROM public.idempotency_tracking",
      "UPDATE public.merchant_settings SET merchant_id = 'other'",
      "UPDATE public.merchant_settings SET sandbox = true",
      "INSERT INTO public.merchant_settings (merchant_id) VALUES ('other')",
      "SELECT app.initialise_merchant('other', false)",
      "UPDATE public.migrations SET checksum = ''",
      "DELETE FROM public.service_status"
    ]) {
      expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
    }
  })

  it("may be locked by the runtime, which is all its one updatable column is for", async () => {
    await runtime.query(
      `SELECT FROM public.accounts WHERE user_id = 'user' ORDER BY user_id COLLATE "C" FOR UPDATE SKIP LOCKED`
    )
    await runtime.query("SELECT FROM public.receipt_counter FOR UPDATE")
    expect(await runtime.refusal("UPDATE public.accounts SET lock_only = false")).toMatchObject({
      code: "23514",
      constraint: "accounts_lock_only"
    })
  })

  it("starts from nothing, also for the owner", async () => {
    for (const sql of [
      "INSERT INTO public.accounts (user_id, balance, seq) VALUES ('rich', 100, 1)",
      "INSERT INTO public.accounts (user_id, held) VALUES ('rich', 1)",
      "INSERT INTO public.accounts (user_id, last_at) VALUES ('rich', '2100-01-01T00:00:00Z')",
      "INSERT INTO public.accounts (user_id, hash) VALUES ('rich', sha256('x'))",
      `INSERT INTO public.lots (lot_id, user_id, source, credits, remaining, issued_at, expires_at)
       SELECT gen_random_uuid(), 'user', 'manual', 1, 1, t, t + interval '1 hour' FROM app.now() AS t`
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003" })
    }
  })

  it("keeps what a lot was issued with, and never goes away", async () => {
    for (const sql of [
      "UPDATE public.lots SET credits = credits + 1",
      "UPDATE public.lots SET expires_at = expires_at + interval '1 hour'",
      "UPDATE public.lots SET user_id = 'other'",
      "DELETE FROM public.lots",
      "TRUNCATE public.lots",
      "UPDATE public.accounts SET user_id = 'other'",
      "DELETE FROM public.accounts",
      "TRUNCATE public.accounts CASCADE"
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003" })
    }
  })
})

describe("the runtime role", () => {
  it("may do nothing that was not granted by name: no rights are left to PUBLIC", async () => {
    const tables = await owner.query(
      `SELECT c.relname::text FROM pg_catalog.pg_class AS c, LATERAL aclexplode(c.relacl) AS a
       WHERE c.relnamespace IN ('public'::regnamespace, 'app'::regnamespace) AND a.grantee = 0`
    )
    const functions = await owner.query(
      `SELECT p.proname::text FROM pg_catalog.pg_proc AS p
       WHERE p.pronamespace = 'app'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')`
    )
    expect([tables, functions]).toEqual([[], []])
  })

  it("cannot be led astray: functions that run with the owner's rights fix their search path", async () => {
    const definers = await owner.query(
      `SELECT p.proname::text AS name, p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'] AS fixed
       FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'app'::regnamespace AND p.prosecdef ORDER BY 1`
    )
    expect(definers).toEqual(
      [
        "chain_entries",
        "cleanup_idempotency_batch",
        "count_receipts",
        "delete_ended_operations",
        "ensure_partitions",
        "move_held"
      ].map((name) => ({ name, fixed: true }))
    )
  })

  it("of one merchant cannot connect to another's database", async () => {
    const other = await createMerchantDatabase(inject("adminUrl"))
    try {
      const [mine, theirs] = [new URL(database.runtimeUrl), new URL(other.runtimeUrl)]
      mine.pathname = theirs.pathname
      await expect(openSession(mine.href)).rejects.toThrow()
      const admin = await openSession(inject("adminUrl"))
      const [row] = await admin.query(
        `SELECT has_database_privilege($1, $2, 'CONNECT') AS mine, has_database_privilege($3, $2, 'CONNECT') AS theirs`,
        [mine.username, theirs.pathname.slice(1), theirs.username]
      )
      await admin.close()
      expect(row).toEqual({ mine: false, theirs: true })
    } finally {
      await other.drop()
    }
  })
})
