import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { account, addAccount, now } from "./Ledger.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

interface Opened {
  readonly operationId: string
  readonly openedAt: number
}

const insert = `
INSERT INTO public.operations (operation_id, user_id, operation_type_code, captured_rate, resource_unit,
  estimated_amount, held, status, opened_at, expires_at, updated_at)
SELECT o.operation_id, o.user_id, 'api_call', 1, 'REQUESTS', o.estimated_amount, o.held, o.status,
  o.at, o.at + interval '60 minutes', o.at
FROM json_to_recordset($1::json) AS r (operation_id uuid, user_id text, estimated_amount numeric, held bigint, status text, at bigint),
  LATERAL (SELECT r.operation_id, r.user_id, r.estimated_amount, r.held, r.status,
    timestamptz 'epoch' + r.at * interval '1 millisecond' AS at) AS o`

const row = (userId: string, held: number, at: number, status = "open") => ({
  operation_id: randomUUID(),
  user_id: userId,
  estimated_amount: held === 0 ? null : `${held}`,
  held,
  status,
  at
})

const open = async (userId: string, held: number): Promise<Opened> => {
  const at = Math.max(await now(runtime), (await account(runtime, userId)).lastAt)
  const operation = row(userId, held, at)
  await runtime.query(insert, [JSON.stringify([operation])])
  return { operationId: operation.operation_id, openedAt: at }
}

const at = (milliseconds: number) => `timestamptz 'epoch' + ${milliseconds} * interval '1 millisecond'`

/** Columns and the SQL they are set to. Written at the account's latest time unless it says otherwise. */
type Change = Readonly<Record<string, string>>

const assignments = (change: Change) =>
  Object.entries({
    updated_at: "(SELECT a.last_at FROM public.accounts AS a WHERE a.user_id = operations.user_id)",
    ...change
  })
    .map(([column, value]) => `${column} = ${value}`)
    .join(", ")
const updating = (change: Change) => `UPDATE public.operations SET ${assignments(change)} WHERE operation_id = $1::uuid`
const update = (session: Session, { operationId }: Opened, change: Change) =>
  session.query(updating(change), [operationId])
const refusedUpdate = (session: Session, { operationId }: Opened, change: Change) =>
  session.refusal(updating(change), [operationId])

const expired: Change = { status: "'expired'" }
const cancelled = (milliseconds: number): Change => ({ status: "'cancelled'", closed_at: at(milliseconds) })
const closed = (milliseconds: number, late = false): Change => ({
  status: "'closed'",
  closed_at: at(milliseconds),
  resource_amount: "1",
  final_cost: "1",
  completed_at: at(milliseconds),
  late: `${late}`
})
const extended: Change = { expires_at: "expires_at + interval '1 hour'" }
const noResult: Change = { resource_amount: "NULL", final_cost: "NULL", completed_at: "NULL" }

let user = 0
const freshAccount = async () => {
  const userId = `user-${user++}`
  await addAccount(runtime, userId)
  return userId
}

describe("open operations hold credits", () => {
  it("an account's held is the sum over its open ones, whatever ends them", async () => {
    const userId = await freshAccount()
    const [toClose, toCancel, toExpire, kept] = [
      await open(userId, 10),
      await open(userId, 20),
      await open(userId, 40),
      await open(userId, 80)
    ]
    expect(await account(runtime, userId)).toMatchObject({ held: 150, lastAt: kept.openedAt })
    await update(runtime, toClose, closed(kept.openedAt))
    expect(await account(runtime, userId)).toMatchObject({ held: 140 })
    await update(runtime, toCancel, { ...cancelled(kept.openedAt), cancel_reason: "'no need'" })
    expect(await account(runtime, userId)).toMatchObject({ held: 120 })
    await update(runtime, toExpire, expired)
    expect(await account(runtime, userId)).toMatchObject({ held: 80 })
  })

  it("many, of many accounts, in one statement", async () => {
    const users = await Promise.all(Array.from({ length: 10 }, freshAccount))
    const opened = await now(runtime)
    const operations = users.flatMap((userId) => [
      row(userId, 5, opened),
      row(userId, 7, opened),
      row(userId, 0, opened)
    ])
    await runtime.query(insert, [JSON.stringify(operations)])
    for (const userId of users) expect(await account(runtime, userId)).toMatchObject({ held: 12, lastAt: opened })
    await runtime.query(
      `UPDATE public.operations SET status = 'expired', updated_at = ${at(opened + 1)} WHERE held IN (0, 5) AND user_id = ANY ($1::text[])`,
      [users]
    )
    for (const userId of users) expect(await account(runtime, userId)).toMatchObject({ held: 7, lastAt: opened + 1 })
  })

  it("an extension holds what it held, and moves the account's time", async () => {
    const userId = await freshAccount()
    const operation = await open(userId, 10)
    const later = operation.openedAt + 60_000
    await update(runtime, operation, { ...extended, updated_at: at(later) })
    expect(await account(runtime, userId)).toMatchObject({ held: 10, lastAt: later })
  })

  it("one expired may be closed late, which holds and releases nothing", async () => {
    const userId = await freshAccount()
    const operation = await open(userId, 10)
    const late = operation.openedAt + 2 * 3_600_000
    await update(runtime, operation, { ...expired, updated_at: at(late) })
    await update(runtime, operation, closed(late, true))
    expect(await account(runtime, userId)).toMatchObject({ held: 0 })
  })

  it("at most one without an estimate per user", async () => {
    const userId = await freshAccount()
    const first = await open(userId, 0)
    const second = row(userId, 0, first.openedAt)
    expect(await runtime.refusal(insert, [JSON.stringify([second])])).toMatchObject({
      code: "23505",
      constraint: "operations_one_without_estimate"
    })
    await open(userId, 5)
    await update(runtime, first, expired)
    await runtime.query(insert, [JSON.stringify([{ ...second, at: await now(runtime) }])])
  })

  it("two writers without locks: both holds count", async () => {
    const userId = await freshAccount()
    const [one, two] = await Promise.all([openSession(database.runtimeUrl), openSession(database.runtimeUrl)])
    const opened = await now(runtime)
    await one.query("BEGIN")
    await one.query(insert, [JSON.stringify([row(userId, 10, opened)])])
    const waiting = two.query(insert, [JSON.stringify([row(userId, 20, opened)])])
    await one.query("COMMIT")
    await waiting
    await Promise.all([one.close(), two.close()])
    expect(await account(runtime, userId)).toMatchObject({ held: 30 })
  })
})

describe("an operation refuses", () => {
  it("to be written at a time before what happened last in its account", async () => {
    const userId = await freshAccount()
    const operation = await open(userId, 10)
    const earlier = row(userId, 5, operation.openedAt - 1)
    expect(await runtime.refusal(insert, [JSON.stringify([earlier])])).toMatchObject({
      code: "CR001",
      message: `an operation of account ${userId} is written at a time before what happened last`
    })
    expect(
      await refusedUpdate(runtime, operation, { ...expired, updated_at: at(operation.openedAt - 1) })
    ).toMatchObject({
      code: "CR001"
    })
    expect(await account(runtime, userId)).toMatchObject({ held: 10 })
  })

  it("an account that does not exist", async () => {
    const operation = row("nobody", 5, await now(runtime))
    expect(await runtime.refusal(insert, [JSON.stringify([operation])])).toMatchObject({ code: "CR002" })
  })

  it("to begin otherwise than open", async () => {
    const operation = row(await freshAccount(), 5, await now(runtime), "expired")
    expect(await runtime.refusal(insert, [JSON.stringify([operation])])).toMatchObject({ code: "CR003" })
  })

  it("an estimate that holds nothing, and a hold without an estimate", async () => {
    const operation = row(await freshAccount(), 5, await now(runtime))
    for (const wrong of [
      { ...operation, held: 0 },
      { ...operation, estimated_amount: null },
      { ...operation, held: -5 }
    ]) {
      expect(await runtime.refusal(insert, [JSON.stringify([wrong])])).toMatchObject({ code: "23514" })
    }
  })

  it("any change of what it was opened with, also by the owner", async () => {
    const operation = await open(await freshAccount(), 10)
    const what: Change = {
      operation_id: "operation_id",
      user_id: "'other'",
      operation_type_code: "'other'",
      captured_rate: "2",
      resource_unit: "'OTHER'",
      workflow_id: "'other'",
      estimated_amount: "1",
      held: "held",
      opened_at: "opened_at"
    }
    for (const [column, value] of Object.entries(what)) {
      expect(await refusedUpdate(owner, operation, { [column]: value }), column).toMatchObject({ code: "CR003" })
      expect(await refusedUpdate(runtime, operation, { [column]: value }), column).toMatchObject({ code: "42501" })
    }
  })

  it("a second end, a way back, an earlier expiry", async () => {
    const userId = await freshAccount()
    const toClose = await open(userId, 1)
    const toCancel = await open(userId, 2)
    const toExpire = await open(userId, 4)
    const last = toExpire.openedAt
    await update(runtime, toClose, closed(last))
    await update(runtime, toCancel, cancelled(last))
    await update(runtime, toExpire, expired)
    const refused: ReadonlyArray<[Opened, Change]> = [
      [toClose, closed(last)],
      [toClose, { status: "'open'", closed_at: "NULL", ...noResult }],
      [toClose, { ...cancelled(last), ...noResult }],
      [toClose, { final_cost: "2" }],
      [toCancel, closed(last)],
      [toCancel, { status: "'open'", closed_at: "NULL" }],
      [toCancel, { status: "'expired'", closed_at: "NULL" }],
      [toExpire, { status: "'open'" }],
      [toExpire, extended],
      [toExpire, cancelled(last)],
      [toExpire, closed(last)],
      [toExpire, { ...closed(last + 8_000_000, true), ...extended }],
      [await open(userId, 8), { expires_at: "expires_at - interval '1 minute'" }]
    ]
    for (const [operation, change] of refused) {
      expect(await refusedUpdate(runtime, operation, change), JSON.stringify(change)).toMatchObject({ code: "CR003" })
    }
    expect(await account(runtime, userId)).toMatchObject({ held: 8 })
  })

  it("a status without what belongs to it", async () => {
    const operation = await open(await freshAccount(), 1)
    const done = operation.openedAt
    const wrong: ReadonlyArray<Change> = [
      { status: "'paused'" },
      { status: "'closed'" },
      { ...closed(done), final_cost: "0" },
      { ...closed(done), final_cost: "NULL" },
      { ...closed(done), resource_amount: "NULL" },
      { ...closed(done), completed_at: "NULL" },
      { ...closed(done), cancel_reason: "'x'" },
      closed(done, true),
      closed(done + 7_200_000, false),
      { status: "'cancelled'" },
      { ...expired, closed_at: at(done) },
      { late: "true" },
      { cancel_reason: "'x'" }
    ]
    for (const change of wrong) {
      expect(await refusedUpdate(runtime, operation, change), JSON.stringify(change)).toMatchObject({ code: "23514" })
    }
  })

  it("to go away while it holds credits or has entries; cancelled and expired ones may", async () => {
    const userId = await freshAccount()
    const [opened, toClose, toCancel, toExpire] = [
      await open(userId, 1),
      await open(userId, 2),
      await open(userId, 4),
      await open(userId, 8)
    ]
    await update(runtime, toClose, closed(toExpire.openedAt))
    await update(runtime, toCancel, cancelled(toExpire.openedAt))
    await update(runtime, toExpire, expired)
    const remove = "DELETE FROM public.operations WHERE operation_id = $1::uuid"
    expect(await owner.refusal(remove, [opened.operationId])).toMatchObject({ code: "CR003" })
    expect(await owner.refusal(remove, [toClose.operationId])).toMatchObject({ code: "CR003" })
    expect(await owner.refusal("TRUNCATE public.operations")).toMatchObject({ code: "CR003" })
    await owner.query(remove, [toCancel.operationId])
    await owner.query(remove, [toExpire.operationId])
    expect(await account(runtime, userId)).toMatchObject({ held: 1 })
  })
})
