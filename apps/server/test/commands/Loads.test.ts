import { randomUUID } from "node:crypto"
import { composeLoad, LOOKED_UP_BY } from "@credit/server/commands/Loads"
import type { Needs } from "@credit/server/commands/Needs"
import { PLANNING } from "@credit/server/merchants/CheckedConnection"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addFundedAccount } from "../migrations/Ledger.ts"

let database: MerchantDatabase
let owner: Session
/** A session as the service's pool makes it, that has planned while every table was empty. */
let veteran: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  veteran = await openSession(database.runtimeUrl)
  for (const [name, value] of Object.entries(PLANNING)) await veteran.query(`SET ${name} = '${value}'`)
  // Statistics never come: the plans have to be right without.
  for (const table of GROWING) await owner.query(`ALTER TABLE public.${table} SET (autovacuum_enabled = false)`)
})
afterAll(async () => {
  await Promise.all([owner.close(), veteran.close()])
  await database.drop()
})

const GROWING = ["accounts", "lots", "operations", "purchases", "receipts", "grants_once", "idempotency_tracking"]

const needs: Needs = {
  users: ["early"],
  operations: [randomUUID()],
  references: ["pay-1"],
  reversed: ["pay-2"],
  products: ["starter"],
  changedProducts: ["starter"],
  operationTypes: ["api_call"],
  changedRates: ["api_call"],
  welcomes: ["early"],
  keyTypes: ["Operation.Open"],
  keys: ["k-1"]
}

/** Every list a batch can look up by alone, and all of them at once. */
const kinds: ReadonlyArray<ReadonlySet<keyof Needs>> = [
  ...LOOKED_UP_BY.map((name) => new Set([name])),
  new Set(LOOKED_UP_BY)
]

const load = async (session: Session, present: ReadonlySet<keyof Needs>) => {
  const { parameters, sql } = composeLoad(present)
  const [row] = await session.query(
    sql,
    parameters.map((name) => needs[name])
  )
  return JSON.parse(String(row?.loaded))
}

describe("what a batch loads", () => {
  it("is looked up by key in any composition, also in a session that planned when there was nothing", async () => {
    await addFundedAccount(owner, "early", 1000)
    for (const present of kinds) await load(veteran, present)

    await owner.query("INSERT INTO public.accounts (user_id) SELECT 'late-' || g FROM generate_series(1, 5000) AS g")
    await owner.query(
      `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
       SELECT gen_random_uuid(), 'late-' || g, 'manual', 1, t, t + interval '1 hour'
       FROM generate_series(1, 5000) AS g, app.now() AS t`
    )
    await owner.query(
      `INSERT INTO public.operations (operation_id, user_id, operation_type_code, captured_rate, resource_unit,
         estimated_amount, held, opened_at, expires_at, updated_at)
       SELECT gen_random_uuid(), 'late-' || g, 'api_call', 1, 'REQUESTS', 1, 1, t, t + interval '1 hour', t
       FROM generate_series(1, 5000) AS g, app.now() AS t`
    )
    await owner.query(
      `INSERT INTO public.idempotency_tracking (command_type, idempotency_key, state, fingerprint, contract_version,
         response, transaction_id, claimed_at, expires_at)
       SELECT 'Operation.Open', 'late-' || g, 'SUCCEEDED', sha256('x'), 1, '{}', gen_random_uuid(), t, t + interval '1 hour'
       FROM generate_series(1, 5000) AS g, app.now() AS t`
    )

    for (const present of kinds) {
      await veteran.query("BEGIN")
      const loaded = await load(veteran, present)
      if (present.has("users")) expect(loaded.accounts).toMatchObject([{ userId: "early", balance: 1000 }])
      const read = await veteran.query(
        `SELECT relname::text AS name, seq_scan::integer AS whole, seq_tup_read::integer + idx_tup_fetch::integer AS rows
         FROM pg_catalog.pg_stat_xact_user_tables WHERE relname = ANY ($1::text[])`,
        [GROWING]
      )
      for (const { name, rows, whole } of read) {
        expect({ name, whole, few: Number(rows) < 20 }, [...present].join()).toEqual({ name, whole: 0, few: true })
      }
      await veteran.query("COMMIT")
    }
  })

  it("has a part for what a batch needs and for nothing else", async () => {
    expect(Object.keys(await load(veteran, new Set<keyof Needs>(["users", "keys"]))).sort()).toEqual([
      ...["accounts", "keys", "lots", "maintenance", "now", "open", "settings"]
    ])
    expect(Object.keys(await load(veteran, new Set<keyof Needs>())).sort()).toEqual(["maintenance", "now", "settings"])
  })
})
