import { type AccountState, emptyAccount } from "@credit/domain/Account"
import type { EntryState } from "@credit/domain/LedgerEntry"
import { makeUuidV7 } from "@credit/domain/Uuid"
import { ACCOUNT_COLUMNS, ENTRY_COLUMNS, jsonRows, LOT_COLUMNS, OPERATION_COLUMNS } from "@credit/server/ledger/rows"
import type { Session } from "../../../../test/utils/Postgres.ts"
import { type Entry, firstHead, follow, insertEntries, rows } from "../migrations/Ledger.ts"

export const HOUR = 3_600_000

/** What an account is to have, times in epoch milliseconds. */
export interface Plan {
  readonly userId: string
  readonly lots: ReadonlyArray<{ readonly credits: number; readonly issuedAt: number; readonly expiresAt: number }>
  readonly operations: ReadonlyArray<{ readonly held: number; readonly openedAt: number; readonly expiresAt: number }>
}

const newId = makeUuidV7()

/** Makes accounts, their lots filled as they are issued, and their operations: few statements, however many accounts. */
export const lay = async (owner: Session, plans: ReadonlyArray<Plan>, at: number): Promise<void> => {
  await owner.query(
    `INSERT INTO public.accounts (user_id) SELECT json_array_elements_text($1::json) ON CONFLICT DO NOTHING`,
    [JSON.stringify(plans.map(({ userId }) => userId))]
  )
  const lots = plans.flatMap(({ lots, userId }) =>
    lots.toSorted((a, b) => a.issuedAt - b.issuedAt).map((lot) => ({ ...lot, userId, lotId: newId(at) }))
  )
  await owner.query(
    `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
     SELECT l."lotId", l."userId", 'manual', l.credits, timestamptz 'epoch' + l."issuedAt" * interval '1 millisecond',
       timestamptz 'epoch' + l."expiresAt" * interval '1 millisecond'
     FROM json_to_recordset($1::json) AS l (
       "lotId" uuid, "userId" text, credits bigint, "issuedAt" bigint, "expiresAt" bigint
     )`,
    [JSON.stringify(lots)]
  )
  const entries: Array<Entry> = []
  let head = firstHead("")
  for (const { credits, issuedAt, lotId, userId } of lots) {
    if (head.userId !== userId) head = firstHead(userId)
    const [entry, next] = follow(head, { amount: credits, lotId, createdAt: issuedAt })
    entries.push(entry)
    head = next
  }
  await owner.query(insertEntries, rows(...entries))
  const operations = plans.flatMap(({ operations, userId }) =>
    operations.map((operation) => ({ ...operation, userId, operationId: newId(at) }))
  )
  await owner.query(
    `INSERT INTO public.operations (operation_id, user_id, operation_type_code, captured_rate, resource_unit,
       estimated_amount, held, opened_at, expires_at, updated_at)
     SELECT o."operationId", o."userId", 'api_call', 1, 'REQUESTS', nullif(o.held, 0), o.held, o.opened, o.expires,
       o.opened
     FROM (
       SELECT r.*, timestamptz 'epoch' + r."openedAt" * interval '1 millisecond' AS opened,
         timestamptz 'epoch' + r."expiresAt" * interval '1 millisecond' AS expires
       FROM json_to_recordset($1::json) AS r (
         "operationId" uuid, "userId" text, held bigint, "openedAt" bigint, "expiresAt" bigint
       )
     ) AS o`,
    [JSON.stringify(operations)]
  )
}

/** Every account as the engine would load it. */
export const accountStates = async (session: Session): Promise<ReadonlyArray<AccountState>> => {
  const [row] = await session.query(`SELECT json_build_object(
    'accounts', ${jsonRows(`SELECT ${ACCOUNT_COLUMNS} FROM public.accounts AS a`)},
    'lots', ${jsonRows(`SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.active`)},
    'open', ${jsonRows(`SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.status = 'open'`)}
  )::text AS json`)
  const loaded: {
    readonly accounts: ReadonlyArray<AccountState>
    readonly lots: ReadonlyArray<AccountState["lots"][number]>
    readonly open: ReadonlyArray<AccountState["operations"][number]>
  } = JSON.parse(String(row?.json))
  const lots = Map.groupBy(loaded.lots, ({ userId }) => userId)
  const open = Map.groupBy(loaded.open, ({ userId }) => userId)
  return loaded.accounts.map((account) => ({
    ...emptyAccount(account.userId),
    ...account,
    lots: lots.get(account.userId) ?? [],
    operations: open.get(account.userId) ?? []
  }))
}

/** The expiries in the ledger, by account, in order. */
export const expiries = async (session: Session) => {
  const [row] = await session.query(
    `SELECT ${jsonRows(`
      SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e WHERE e.reason = 'expiry' ORDER BY e.user_id, e.seq`)}::text
     AS json`
  )
  const entries: ReadonlyArray<EntryState> = JSON.parse(String(row?.json))
  return Map.groupBy(entries, ({ userId }) => userId)
}

/** Moves a sandbox's clock to so many hours ahead of the database's. */
export const moveClock = (owner: Session, hours: number) =>
  owner.query("UPDATE public.merchant_settings SET clock_offset_hours = $1::integer", [hours])

/** Runs of jobs, newest last. */
export const jobRuns = async (session: Session, job?: string) => {
  const found = await session.query(
    `SELECT run_id::integer AS run, job_name::text AS job, state::text, started_by, batches::integer,
       affected_rows::integer AS rows, detail, sql_state, error, finished_at IS NOT NULL AS finished
     FROM app.job_runs WHERE $1::text IS NULL OR job_name = $1::text ORDER BY run_id`,
    [job ?? null]
  )
  return found
}

/** Jobs at full speed. */
export const unpaced = (owner: Session) => owner.query("UPDATE public.merchant_settings SET job_work_percent = 100")
