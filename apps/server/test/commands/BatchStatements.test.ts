import { randomUUID } from "node:crypto"
import { lockStatement } from "@credit/server/commands/Lock"
import { PLANNING } from "@credit/server/merchants/CheckedConnection"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addAccount, addFundedAccount, follow, type Head, now } from "../migrations/Ledger.ts"

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

const GROWING = ["accounts", "lots", "operations", "purchases", "idempotency_tracking"]

const WRITE = "SELECT app.write_batch($1::json, $2::boolean, $3::json, $4::json, $5::json, $6::json)"

type Lists = Partial<Record<"keys" | "lots" | "changed" | "opened" | "entries", ReadonlyArray<object>>>

const parametersOf = ({ changed, entries, keys = [], lots, opened }: Lists, renews: boolean) => [
  JSON.stringify(keys),
  `${renews}`,
  ...[lots, changed, opened, entries].map((it) => (it === undefined ? null : JSON.stringify(it)))
]

const write = (session: Session, lists: Lists, renews = false) => session.query(WRITE, parametersOf(lists, renews))

const keyOf = (key: string, claimedAt: number) => ({
  type: "Operation.Open",
  key,
  state: "SUCCEEDED",
  fingerprint: "00".repeat(32),
  fieldHashes: "{}",
  contractVersion: 1,
  response: "{}",
  transactionId: randomUUID(),
  claimedAt,
  expiresAt: claimedAt + 3_600_000
})

const operationOf = (userId: string, openedAt: number) => ({
  operationId: randomUUID(),
  userId,
  operationTypeCode: "api_call",
  capturedRate: "1",
  resourceUnit: "REQUESTS",
  workflowId: null,
  estimatedAmount: "1",
  held: 1,
  status: "open",
  openedAt,
  expiresAt: openedAt + 3_600_000,
  closedAt: null,
  resourceAmount: null,
  finalCost: null,
  completedAt: null,
  late: false,
  cancelReason: null,
  updatedAt: openedAt
})

const cancelled = (operation: ReturnType<typeof operationOf>, at: number) => ({
  ...operation,
  status: "cancelled",
  closedAt: at,
  updatedAt: at
})

/** Every way to lock. */
const lockings = (operation: string) =>
  (["skip", "wait"] as const).flatMap((busy) =>
    [false, true].map((exclusive) =>
      lockStatement(
        { users: ["early"], operations: [operation], reversed: ["pay-1"] },
        { busy, exclusive, maybeNew: ["early"], receipts: true }
      )
    )
  )

/** One batch of everything that there is a list for. */
const batch = async (head: Head, lotId: string): Promise<Head> => {
  const at = await now(veteran)
  const operation = operationOf("early", at)
  const [entry, next] = follow(head, { amount: -1, lotId, createdAt: at })
  await write(veteran, {
    keys: [keyOf(randomUUID(), at)],
    opened: [operation],
    entries: [{ ...entry, hash: Buffer.from(entry.hash).toString("hex") }]
  })
  await write(veteran, { keys: [keyOf(randomUUID(), at)], changed: [cancelled(operation, at)] }, true)
  return next
}

describe("what a batch locks and writes", () => {
  it("is found by key, also in a session that planned when there was nothing", async () => {
    const { head, lotId } = await addFundedAccount(owner, "early", 1000)
    for (const { parameters, sql } of lockings(randomUUID())) await veteran.query(sql, parameters)
    const next = await batch(head, lotId)

    await owner.query("INSERT INTO public.accounts (user_id) SELECT 'late-' || g FROM generate_series(1, 5000) AS g")
    const at = await now(owner)
    const many = Array.from({ length: 5000 }, (_, index) => index + 1)
    await write(owner, {
      keys: many.map((n) => keyOf(`late-${n}`, at)),
      opened: many.map((n) => operationOf(`late-${n}`, at))
    })

    await veteran.query("BEGIN")
    for (const { parameters, sql } of lockings(randomUUID())) await veteran.query(sql, parameters)
    await batch(next, lotId)
    const read = await veteran.query(
      `SELECT relname::text AS name, seq_scan::integer AS whole, seq_tup_read::integer + idx_tup_fetch::integer AS rows
       FROM pg_catalog.pg_stat_xact_user_tables WHERE relname = ANY ($1::text[])`,
      [GROWING]
    )
    await veteran.query("COMMIT")
    for (const { name, rows, whole } of read) {
      expect({ name, whole, few: Number(rows) < 50 }).toEqual({ name, whole: 0, few: true })
    }
  })

  it("answers whose accounts it got, and leaves out those that somebody else holds unless told to wait", async () => {
    for (const userId of ["free", "held"]) await addAccount(owner, userId)
    const operation = operationOf("held", await now(owner))
    await write(owner, { opened: [operation] })
    const needs = { users: ["free", "new", "nobody"], operations: [operation.operationId], reversed: [] }
    const locks = { exclusive: false, maybeNew: ["new"], receipts: false }
    const lock = async (busy: "skip" | "wait") => {
      const { parameters, sql } = lockStatement(needs, { ...locks, busy })
      const [row] = await veteran.query(sql, parameters)
      return row?.users
    }

    await owner.query("BEGIN")
    await owner.query("SELECT FROM public.accounts WHERE user_id = 'held' FOR UPDATE")
    await veteran.query("BEGIN")
    expect(await lock("skip")).toEqual(["free", "new"])
    const waiting = lock("wait")
    await owner.query("COMMIT")
    expect(await waiting).toEqual(["free", "held", "new"])
    await veteran.query("ROLLBACK")
  })

  it("is refused as a whole where a key stands, and where an operation is not there", async () => {
    const at = await now(owner)
    const key = keyOf("taken", at)
    await write(veteran, { keys: [key] })
    await addAccount(owner, "whole")
    const opened = [operationOf("whole", at)]
    const refusal = (lists: Lists, renews = false) => veteran.refusal(WRITE, parametersOf(lists, renews))
    expect(await refusal({ keys: [key], opened })).toMatchObject({ code: "23505" })
    expect(await refusal({ keys: [key], opened }, true)).toMatchObject({ code: "CR005" })
    const changed = [cancelled(operationOf("whole", at), at)]
    expect(await refusal({ keys: [keyOf("new", at)], opened, changed })).toMatchObject({ code: "CR005" })
    expect(await owner.query("SELECT FROM public.operations WHERE user_id = 'whole'")).toEqual([])
  })

  it("lets its caller write what its caller may", async () => {
    const [row] = await owner.query(
      `SELECT bool_or(p.prosecdef) AS elevated, count(*)::integer AS functions FROM pg_catalog.pg_proc AS p
       WHERE p.oid = ANY (ARRAY['app.lock_batch', 'app.write_batch']::regproc[])`
    )
    expect(row).toEqual({ elevated: false, functions: 2 })
  })
})
