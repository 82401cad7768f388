import type { ServiceUnavailable } from "@credit/rpc/Errors"
import type { MerchantCheck } from "@credit/rpc/Merchants"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "./MerchantDatabase.ts"

type Check = typeof MerchantCheck.Type

/** Months of the ledger that must lie ahead. */
const MONTHS_AHEAD = 2
/** How far the clocks of the server and of the database may be apart. */
const CLOCK_TOLERANCE_MILLIS = 5000

/** Looked at by the login that serves. The ledger's months have theirs in their names. */
const LOOK = `
SELECT json_build_object(
  'version', (SELECT max(m.id) FROM public.migrations AS m),
  'separated', NOT r.rolsuper AND NOT pg_has_role(r.oid, d.datdba, 'MEMBER'),
  'login', r.rolname,
  'monthsAhead', (
    SELECT (extract(year FROM age) * 12 + extract(month FROM age))::integer
    FROM (
      SELECT age(
        max(to_date(right(c.relname, 7), 'YYYY_MM')),
        date_trunc('month', app.now() AT TIME ZONE 'UTC')
      ) AS age
      FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'public.ledger_entries'::regclass
    ) AS x
  ),
  'clock', (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
  'unsafe', concat_ws(', ',
    CASE WHEN current_setting('fsync') = 'off' THEN 'fsync' END,
    CASE WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' END,
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit' END
  ),
  'cron', EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname = 'pg_cron')
)::text AS json
FROM pg_catalog.pg_roles AS r, pg_catalog.pg_database AS d
WHERE r.rolname = session_user AND d.datname = current_database()`

interface Looked {
  readonly version: number
  readonly separated: boolean
  readonly login: string
  readonly monthsAhead: number | null
  readonly clock: number
  readonly unsafe: string
  readonly cron: boolean
}

/** Looks at how a merchant is set up; by keys of the system's catalogs alone. */
export const checkMerchant = (
  database: MerchantDatabase,
  needed: number
): Effect.Effect<ReadonlyArray<Check>, ServiceUnavailable> =>
  Effect.suspend(() => {
    const asked = Date.now()
    return Effect.map(database.json<Looked>(LOOK), (looked) => checksOf(looked, needed, (asked + Date.now()) / 2))
  })

const checksOf = (looked: Looked, needed: number, here: number): ReadonlyArray<Check> => {
  const { cron, login, separated, unsafe, version } = looked
  const months = looked.monthsAhead ?? -1
  const apart = Math.round(Math.abs(looked.clock - here))
  return [
    { check: "migrations", ok: version >= needed, detail: `has ${version}, this server needs ${needed}` },
    {
      check: "roles_separated",
      ok: separated,
      detail: separated
        ? `${login} owns nothing`
        : `${login} serves and may change anything: set MERCHANT_<ID>_MIGRATION_DATABASE_URL to an owner of its own`
    },
    { check: "partitions", ok: months >= MONTHS_AHEAD, detail: `the ledger has months for ${months} to come` },
    { check: "clock", ok: apart <= CLOCK_TOLERANCE_MILLIS, detail: `${apart} ms from this server's` },
    { check: "durability", ok: unsafe === "", detail: unsafe === "" ? "every commit is kept" : `${unsafe} is off` },
    { check: "pg_cron", ok: true, detail: cron ? "pg_cron is there" : "no pg_cron: the service runs the jobs" }
  ]
}
