import { randomUUID } from "node:crypto"
import { type EntryFields, entryHash, noPredecessor } from "@credit/domain/EntryHash"
import type { Session } from "../../../../test/utils/Postgres.ts"

/** An account's head as a writer knows it. */
export interface Head {
  readonly userId: string
  readonly seq: number
  readonly balance: number
  readonly hash: Uint8Array
}

export interface Entry extends EntryFields {
  readonly hash: Uint8Array
}

/** What a test says of an entry; the rest follows from the head. */
export interface Movement {
  readonly amount: number
  readonly lotId: string | null
  readonly createdAt: number
  readonly reason?: string
  readonly effectiveAt?: number
}

export const firstHead = (userId: string): Head => ({ userId, seq: 0, balance: 0, hash: noPredecessor })

/** The entry that follows a head, and the head after it. */
export const follow = (head: Head, movement: Movement, changes: Partial<EntryFields> = {}): [Entry, Head] => {
  const { amount, createdAt, effectiveAt = createdAt, lotId } = movement
  const reason = movement.reason ?? (amount > 0 ? "manual" : "debit")
  const fields: EntryFields = {
    entryId: randomUUID(),
    userId: head.userId,
    seq: head.seq + 1,
    lotId,
    amount,
    balanceAfter: head.balance + amount,
    reason,
    operationType: reason === "debit" ? "api_call" : reason,
    resourceAmount: `${Math.abs(amount)}`,
    resourceUnit: reason === "debit" ? "REQUESTS" : "CREDIT",
    capturedRate: reason === "debit" ? "1" : null,
    operationId: reason === "debit" ? randomUUID() : null,
    workflowId: null,
    note: null,
    actor: null,
    effectiveAt,
    createdAt,
    ...changes
  }
  const entry: Entry = { ...fields, hash: entryHash(head.hash, fields) }
  return [entry, { userId: entry.userId, seq: entry.seq, balance: entry.balanceAfter, hash: entry.hash }]
}

/** Several in a row. */
export const followAll = (head: Head, movements: ReadonlyArray<Movement>): [ReadonlyArray<Entry>, Head] => {
  const entries: Array<Entry> = []
  let latest = head
  for (const movement of movements) {
    const [entry, next] = follow(latest, movement)
    entries.push(entry)
    latest = next
  }
  return [entries, latest]
}

const columns = `entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type, resource_amount,
  resource_unit, captured_rate, operation_id, workflow_id, note, actor, effective_at, created_at, hash`

/** INSERT of entries ($1: JSON rows of `entryRow`) into the ledger or, to see it refused, into one month. */
export const insertInto = (table: string): string => `
INSERT INTO ${table} (${columns})
SELECT e.entry_id, e.user_id, e.seq, e.lot_id, e.amount, e.balance_after, e.reason, e.operation_type, e.resource_amount,
  e.resource_unit, e.captured_rate, e.operation_id, e.workflow_id, e.note, e.actor,
  timestamptz 'epoch' + e.effective_at * interval '1 millisecond',
  timestamptz 'epoch' + e.created_at * interval '1 millisecond', decode(e.hash, 'hex')
FROM json_to_recordset($1::json) AS e (
  entry_id uuid, user_id text, seq bigint, lot_id uuid, amount bigint, balance_after bigint, reason text,
  operation_type text, resource_amount numeric, resource_unit text, captured_rate numeric, operation_id uuid,
  workflow_id text, note text, actor text, effective_at bigint, created_at bigint, hash text
)`

export const insertEntries = insertInto("public.ledger_entries")

export const rows = (...entries: ReadonlyArray<Entry>): ReadonlyArray<unknown> => [
  JSON.stringify(
    entries.map((entry) => ({
      entry_id: entry.entryId,
      user_id: entry.userId,
      seq: entry.seq,
      lot_id: entry.lotId,
      amount: entry.amount,
      balance_after: entry.balanceAfter,
      reason: entry.reason,
      operation_type: entry.operationType,
      resource_amount: entry.resourceAmount,
      resource_unit: entry.resourceUnit,
      captured_rate: entry.capturedRate,
      operation_id: entry.operationId,
      workflow_id: entry.workflowId,
      note: entry.note,
      actor: entry.actor,
      effective_at: entry.effectiveAt,
      created_at: entry.createdAt,
      hash: Buffer.from(entry.hash).toString("hex")
    }))
  )
]

export const now = async (session: Session): Promise<number> => {
  const [row] = await session.query("SELECT app.epoch_milliseconds(app.now())::text AS now")
  return Number(row?.now)
}

export const addAccount = (session: Session, userId: string) =>
  session.query("INSERT INTO public.accounts (user_id) VALUES ($1)", [userId])

/** An empty lot of an account, valid for 30 days. The entry that fills it has to be of the same instant. */
export const addLot = async (session: Session, userId: string, credits: number, issuedAt: number): Promise<string> => {
  const lotId = randomUUID()
  await session.query(
    `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
     SELECT $1::uuid, $2, 'manual', $3::bigint, t, t + interval '720 hours'
     FROM (SELECT timestamptz 'epoch' + $4::bigint * interval '1 millisecond') AS clock (t)`,
    [lotId, userId, credits, issuedAt]
  )
  return lotId
}

/** An account with one lot, filled by its first entry. */
export const addFundedAccount = async (session: Session, userId: string, credits: number) => {
  await addAccount(session, userId)
  const createdAt = await now(session)
  const lotId = await addLot(session, userId, credits, createdAt)
  const [entry, head] = follow(firstHead(userId), { amount: credits, lotId, createdAt })
  await session.query(insertEntries, rows(entry))
  return { lotId, head, createdAt, entry }
}

export const account = async (session: Session, userId: string) => {
  const [row] = await session.query(
    `SELECT balance::text, held::text, debt::text, seq::text, encode(hash, 'hex') AS hash,
       app.epoch_milliseconds(last_at)::text AS last_at
     FROM public.accounts WHERE user_id = $1`,
    [userId]
  )
  return {
    balance: Number(row?.balance),
    held: Number(row?.held),
    debt: Number(row?.debt),
    seq: Number(row?.seq),
    hash: String(row?.hash),
    lastAt: Number(row?.last_at)
  }
}

export const lot = async (session: Session, lotId: string) => {
  const [row] = await session.query("SELECT remaining::text, active FROM public.lots WHERE lot_id = $1::uuid", [lotId])
  return { remaining: Number(row?.remaining), active: row?.active }
}

/** The months of the ledger. */
export const partitions = async (session: Session): Promise<ReadonlyArray<string>> => {
  const found = await session.query(
    `SELECT inhrelid::regclass::text AS name FROM pg_catalog.pg_inherits
     WHERE inhparent = 'public.ledger_entries'::regclass ORDER BY 1`
  )
  return found.map(({ name }) => String(name).replace(/^public\./, ""))
}
