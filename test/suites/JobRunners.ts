import { expect } from "vitest"
import { type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"

/** A merchant's database with sessions on it, for suites about who runs its jobs. */
export interface Merchant {
  readonly database: MerchantDatabase
  readonly owner: Session
}

export const merchantOf = async (database: MerchantDatabase): Promise<Merchant> => ({
  database,
  owner: await openSession(database.ownerUrl)
})

/** So many accounts with a lot of 10 that expires as soon as it is there. */
export const layDueLots = async (owner: Session, count: number, prefix = "due"): Promise<void> => {
  await owner.query(
    "INSERT INTO public.accounts (user_id) SELECT $2 || '-' || g FROM generate_series(1, $1::integer) AS g",
    [count, prefix]
  )
  await owner.query(
    `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
     SELECT app.uuid_v7(t), $2 || '-' || g, 'manual', 10, t, t + interval '1 millisecond'
     FROM app.now() AS t, generate_series(1, $1::integer) AS g`,
    [count, prefix]
  )
  await owner.query(
    `WITH entry AS (
       SELECT ROW(app.uuid_v7(l.issued_at), l.user_id, 1, l.lot_id, 10, 10, 'manual', 'manual', 10, 'CREDIT', NULL, NULL, NULL, NULL,
         NULL, l.issued_at, l.issued_at, NULL)::public.ledger_entries AS e
       FROM public.lots AS l WHERE starts_with(l.user_id, $1)
     )
     INSERT INTO public.ledger_entries (entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
       resource_amount, resource_unit, effective_at, created_at, hash)
     SELECT (e).entry_id, (e).user_id, (e).seq, (e).lot_id, (e).amount, (e).balance_after, (e).reason, (e).operation_type,
       (e).resource_amount, (e).resource_unit, (e).effective_at, (e).created_at,
       app.entry_hash(decode(repeat('00', 32), 'hex'), e)
     FROM entry`,
    [prefix]
  )
}

/** How many expiries are booked. */
export const booked = async (owner: Session): Promise<number> => {
  const [row] = await owner.query(
    "SELECT count(*)::integer AS expiries FROM public.ledger_entries WHERE reason = 'expiry'"
  )
  return Number(row?.expiries)
}

/** Jobs that work a hundredth of the time, an account at a time: there is a middle to be in. */
export const slowDown = (owner: Session) =>
  owner.query("UPDATE public.merchant_settings SET job_work_percent = 1, job_batch_accounts = 1")

export const speedUp = (owner: Session) =>
  owner.query("UPDATE public.merchant_settings SET job_work_percent = 100, job_batch_accounts = 100")

/** The runs of a job, oldest first. */
export const runsOf = (owner: Session, job: string) =>
  owner.query(
    `SELECT state::text, started_by, affected_rows::integer AS rows, backend_pid AS pid FROM app.job_runs
     WHERE job_name = $1 ORDER BY run_id`,
    [job]
  )

/** Asks every so often until it is so. */
export const until = async (what: string, seconds: number, isSo: () => Promise<boolean>): Promise<void> => {
  const limit = performance.now() + seconds * 1000
  while (!(await isSo())) {
    if (performance.now() > limit) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Waits until a run has booked two expiries more than there were, and says which process it is. */
export const inTheMiddle = async (owner: Session, seconds: number, before = 0): Promise<number> => {
  await until("a run in its middle", seconds, async () => (await booked(owner)) >= before + 2)
  const [run] = (await runsOf(owner, "lot_expiry")).filter(({ state }) => state === "running")
  expect(run).toBeDefined()
  return Number(run?.pid)
}
