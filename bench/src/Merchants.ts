import { readFile } from "node:fs/promises"
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../../test/utils/Postgres.ts"
import { tokenFor } from "../../test/utils/Service.ts"
import { addSamples } from "../../test/utils/samples.ts"

/** A merchant with users who have credits that no run can use up. */
export interface Merchant {
  readonly database: MerchantDatabase
  /** Of its app. */
  readonly token: string
  readonly users: number
}

/** A lot that no run can use up, and those of a history, which its operations do. */
const ENDLESS = { credits: 1_000_000_000, days: 3650 }
const WORK = 9
const LOT = { credits: 90, days: 365 }

/** The entries of a session: the issue of its lot, and its debits. */
const SESSION = WORK + 1
/** So many users' sessions enter in one statement per table. */
const BATCH = 2000

/** A merchant whose users have just bought their first lot. */
export const makeMerchant = async (superuserUrl: string, users: number): Promise<Merchant> => {
  const database = await createMerchantDatabase(superuserUrl)
  await prepare(database, async (owner) => {
    await owner.query("SELECT bench.add_session(0, $1::integer, $2::bigint, $3::integer, 0, app.now())::text", [
      users,
      ENDLESS.credits,
      ENDLESS.days
    ])
    // Not the tables that are empty still: a real merchant's are never analysed empty, and plans made for that are bad ones.
    await owner.query("VACUUM (ANALYZE) public.accounts, public.lots, public.ledger_entries")
  })
  return { database, token: await tokenFor("app", database.merchantId), users }
}

/** A ledger with a year's history. */
export interface Grown extends Merchant {
  /** How many entries were asked for, and how many whole sessions of all users came to. */
  readonly size: number
  readonly entries: number
  /** What it took to load. */
  readonly entriesPerSecond: number
}

/**
 * A merchant at the end of a year: some `size` entries in twelve months' partitions, with their lots and closed operations.
 * Ten times as many users come ten times as often in a ledger a hundred times as large. It is a sandbox, whose clock the year
 * has moved ahead.
 */
export const growMerchant = async (superuserUrl: string, size: number): Promise<Grown> => {
  const database = await createMerchantDatabase(superuserUrl, { sandbox: true })
  const sessions = Math.max(1, Math.round(Math.sqrt(size) / 100))
  const users = Math.ceil(size / SESSION / sessions)
  let seconds = 0
  await prepare(database, async (owner) => {
    await owner.query("SELECT app.ensure_partitions(app.now() + interval '13 months')")
    const [row] = await owner.query("SELECT app.now()::text AS now")
    const begin = performance.now()
    await loadYear(database, { users, sessions, from: String(row?.now) })
    seconds = (performance.now() - begin) / 1000
    await owner.query("UPDATE public.merchant_settings SET clock_offset_hours = 361 * 24")
    await owner.query("VACUUM (ANALYZE)")
  })
  const entries = users * sessions * SESSION
  return {
    database,
    token: await tokenFor("app", database.merchantId),
    users,
    size,
    entries,
    entriesPerSecond: entries / seconds
  }
}

/** How many days of lots of users who never come again, and how many such users a day. */
const IDLE_DAYS = 60
const IDLE_USERS = 100

/**
 * A merchant whose jobs have work: besides the users who work there are those who left, whose lots come due one day after the
 * other from the fourth day on.
 */
export const makeWorkedMerchant = async (superuserUrl: string): Promise<Grown> => {
  const merchant = await growMerchant(superuserUrl, 10_000)
  const owner = await openSession(merchant.database.ownerUrl)
  try {
    for (let day = 0; day < IDLE_DAYS; day++) {
      await owner.query(
        `SELECT bench.add_session($1::integer, ${IDLE_USERS}, ${LOT.credits}, ${LOT.days}, 0,
          app.now() + make_interval(days => $2::integer - 361))::text`,
        [merchant.users + day * IDLE_USERS, day]
      )
    }
    await owner.query("VACUUM (ANALYZE) public.accounts, public.lots, public.ledger_entries")
  } finally {
    await owner.close()
  }
  return merchant
}

/** Each worker has users of its own and a connection; all go through the year together. */
const loadYear = async (
  database: MerchantDatabase,
  year: { readonly users: number; readonly sessions: number; readonly from: string }
): Promise<void> => {
  const workers = Math.min(4, availableParallelism(), Math.ceil(year.users / BATCH))
  const share = Math.ceil(year.users / workers)
  const work = async (worker: number) => {
    const owner = await openSession(database.ownerUrl)
    const end = Math.min(year.users, (worker + 1) * share)
    try {
      for (let session = 0; session < year.sessions; session++) {
        const lot = session === year.sessions - 1 ? ENDLESS : LOT
        for (let first = worker * share; first < end; first += BATCH) {
          await owner.query(
            `SELECT bench.add_session($1::integer, $2::integer, $3::bigint, $4::integer, ${WORK},
              $5::timestamptz + interval '360 days' * $6::float8)::text`,
            [
              ...[first, Math.min(BATCH, end - first), lot.credits, lot.days],
              ...[year.from, `${(session / year.sessions).toFixed(3)}`]
            ]
          )
        }
      }
    } finally {
      await owner.close()
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
}

const FUNCTIONS = ["id", "session", "open", "close"]

/** Gives a merchant the sample catalog and the bench's own functions, then what else it needs. */
const prepare = async (database: MerchantDatabase, fill: (owner: Session) => Promise<void>): Promise<void> => {
  await addSamples(database)
  const owner = await openSession(database.ownerUrl)
  try {
    await owner.query("CREATE SCHEMA bench")
    for (const name of FUNCTIONS) {
      await owner.query(await readFile(new URL(`../sql/${name}.sql`, import.meta.url), "utf8"))
    }
    await fill(owner)
  } finally {
    await owner.close()
  }
}

/** Several at a time; making a database is mostly waiting for the disk. */
export const makeMerchants = (superuserUrl: string, count: number, users: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.promise(() => makeMerchant(superuserUrl, users)), {
    concurrency: 4
  })
