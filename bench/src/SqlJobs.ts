import { openSession, type Session } from "../../test/utils/Session.ts"
import type { Merchant } from "./Merchants.ts"

/** The jobs that write or read much, in the order of the night. */
const JOBS = ["expire_lots", "cleanup_expired_operations", "cleanup_idempotency", "verify_ledger"]

/**
 * Moves a sandbox's clock on by two days, while nobody works: then every job has something to do. Lots come due, and from the
 * fourth time on keys are past their week.
 */
export const advanceClock = (merchant: Merchant): Promise<void> =>
  asOwner(merchant, async (owner) => {
    await owner.query("UPDATE public.merchant_settings SET clock_offset_hours = clock_offset_hours + 48")
    await owner.query("SELECT app.ensure_partitions(app.now())")
  })

/** Runs each job that the merchant's database has once, one after the other. Tells what ran. */
export const runJobs = (merchant: Merchant): Promise<string> =>
  asOwner(merchant, async (owner) => {
    const rows = await owner.query(
      `SELECT p.proname::text AS name FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'app'::regnamespace AND p.prokind = 'p' AND p.proname = ANY ($1::text[])`,
      [JOBS]
    )
    const present = JOBS.filter((name) => rows.some((row) => row.name === name))
    for (const name of present) await owner.query(`CALL app.${name}()`)
    return present.length === 0 ? "this version has no jobs in its database: pairs alone" : `ran ${present.join(", ")}`
  })

const asOwner = async <A>({ database }: Merchant, run: (owner: Session) => Promise<A>): Promise<A> => {
  const owner = await openSession(database.ownerUrl)
  try {
    return await run(owner)
  } finally {
    await owner.close()
  }
}
