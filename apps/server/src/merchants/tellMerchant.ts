import { presentServiceStatus, presentSettings, type SettingsState } from "@credit/domain/Merchant"
import { timestampText } from "@credit/domain/Timestamp"
import type { Merchants } from "@credit/rpc/Merchants"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { jsonRows, SETTINGS_COLUMNS } from "../ledger/rows.ts"
import { checkMerchant } from "./checks.ts"
import type { MerchantDatabase } from "./MerchantDatabase.ts"

type Status = RpcSuccessEncoded<typeof Merchants, "Merchant.Status">

/** So many operations and accounts are counted; beyond that they are told as more, or estimated. */
const COUNTED = 10_000
const MAXIMUM = Number.MAX_SAFE_INTEGER

/**
 * A merchant at a glance. Every part is one row, a catalog, or stops at so many rows: $1, how many are counted. The sample is
 * of whole pages, drawn so that it has about as many accounts as are counted.
 */
const GLANCE = `
SELECT json_build_object(
  'asOf', app.epoch_milliseconds(app.now()),
  'service', (SELECT row_to_json(x) FROM (
    SELECT s.status, s.reason, app.epoch_milliseconds(s.until) AS until FROM public.service_status AS s
  ) AS x),
  'settings', (SELECT row_to_json(x) FROM (
    SELECT ${SETTINGS_COLUMNS}
    FROM public.merchant_settings AS s
  ) AS x),
  'clockOffsetHours', (SELECT s.clock_offset_hours FROM public.merchant_settings AS s),
  'catalog', json_build_object(
    'sellableProducts', (SELECT count(*) FROM public.products AS p
      WHERE p.distribution = 'sellable' AND (p.archived_at IS NULL OR p.archived_at > app.now())),
    'grantProducts', (SELECT count(*) FROM public.products AS p
      WHERE p.distribution = 'grant' AND (p.archived_at IS NULL OR p.archived_at > app.now())),
    'archivedProducts', (SELECT count(*) FROM public.products AS p WHERE p.archived_at <= app.now()),
    'operationTypes', (SELECT count(*) FROM public.operation_types AS t
      WHERE t.effective_at <= app.now() AND (t.archived_at IS NULL OR t.archived_at > app.now()))
  ),
  'migration', (SELECT row_to_json(x) FROM (
    SELECT m.id AS version, app.epoch_milliseconds(m.applied_at) AS "appliedAt"
    FROM public.migrations AS m ORDER BY m.id DESC LIMIT 1
  ) AS x),
  'open', (SELECT count(*) FROM (
    SELECT FROM public.operations AS o WHERE o.status = 'open' LIMIT $1::integer + 1
  ) AS x),
  'counted', (SELECT row_to_json(x) FROM (
    SELECT count(*) AS accounts, coalesce(sum(a.balance), 0) AS balance, coalesce(sum(a.debt), 0) AS debt,
      coalesce(sum(a.held), 0) AS held
    FROM (SELECT c.balance, c.debt, c.held FROM public.accounts AS c LIMIT $1::integer + 1) AS a
  ) AS x),
  'jobs', to_regclass('app.job_runs') IS NOT NULL AND to_regclass('app.jobs') IS NOT NULL
)::text AS json`

/**
 * Totals from a sample of pages. How many accounts there are is PostgreSQL's own estimate, from its last look at the table
 * and the table's size now; $1: how many accounts the sample should have.
 */
const SAMPLE = `
WITH size AS MATERIALIZED (
  SELECT greatest(
    1,
    CASE WHEN c.reltuples < 0 OR c.relpages = 0 THEN 0
      ELSE c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::integer)
    END
  ) AS accounts
  FROM pg_catalog.pg_class AS c WHERE c.oid = 'public.accounts'::regclass
),
sample AS MATERIALIZED (
  SELECT count(*) AS accounts, coalesce(sum(a.balance), 0) AS balance, coalesce(sum(a.debt), 0) AS debt,
    coalesce(sum(a.held), 0) AS held
  FROM public.accounts AS a TABLESAMPLE SYSTEM (least(100, 100.0 * $1::integer / (SELECT accounts FROM size)))
)
SELECT json_build_object(
  'accounts', round(z.accounts), 'balance', round(s.balance * f.factor), 'debt', round(s.debt * f.factor),
  'held', round(s.held * f.factor)
)::text AS json
FROM size AS z, sample AS s, LATERAL (SELECT (z.accounts / greatest(s.accounts, 1))::numeric AS factor) AS f`

/** Each job with its newest run and its last success: lookups by index. */
const JOBS = `
SELECT ${jsonRows(`
  SELECT j.job_name AS job, app.epoch_milliseconds(r.started_at) AS "lastStartedAt", r.state AS "lastState",
    r.error AS "lastError", app.epoch_milliseconds(s.finished_at) AS "lastSucceededAt"
  FROM app.jobs AS j
  LEFT JOIN LATERAL (
    SELECT n.started_at, n.state, n.error FROM app.job_runs AS n
    WHERE n.job_name = j.job_name ORDER BY n.run_id DESC LIMIT 1
  ) AS r ON true
  LEFT JOIN LATERAL (
    SELECT n.finished_at FROM app.job_runs AS n
    WHERE n.job_name = j.job_name AND n.state = 'succeeded' ORDER BY n.run_id DESC LIMIT 1
  ) AS s ON true
  ORDER BY j.job_name`)}::text AS json`

interface Totals {
  readonly accounts: number
  readonly balance: number
  readonly debt: number
  readonly held: number
}

interface Glance {
  readonly asOf: number
  readonly service: {
    readonly status: "ready" | "maintenance"
    readonly reason: string | null
    readonly until: number | null
  }
  readonly settings: SettingsState
  readonly clockOffsetHours: number
  readonly catalog: Status["catalog"]
  readonly migration: { readonly version: number; readonly appliedAt: number }
  readonly open: number
  readonly counted: Totals
  readonly jobs: boolean
}

interface JobRow {
  readonly job: string
  readonly lastStartedAt: number | null
  readonly lastState: string | null
  readonly lastError: string | null
  readonly lastSucceededAt: number | null
}

/** How a merchant stands, at a cost that does not grow with its ledger. */
export const tellMerchant = Effect.fn("Merchant.status")(function* (database: MerchantDatabase, needed: number) {
  const glance = yield* database.json<Glance>(GLANCE, [`${COUNTED}`])
  const exact = glance.counted.accounts <= COUNTED
  const totals = exact ? glance.counted : yield* database.json<Totals>(SAMPLE, [`${COUNTED}`])
  const jobs = glance.jobs ? yield* database.json<ReadonlyArray<JobRow>>(JOBS) : []
  const { appliedAt, version } = glance.migration
  const { reason, status: state, until } = glance.service
  const status: Status = {
    merchantId: database.merchantId,
    asOf: timestampText(glance.asOf),
    service: presentServiceStatus(state === "ready" ? null : { reason: reason ?? "", until }),
    settings: presentSettings(glance.settings),
    clockOffsetHours: glance.clockOffsetHours,
    catalog: glance.catalog,
    migrations: { version, needed, appliedAt: timestampText(appliedAt) },
    jobs: jobs.map(presentJob),
    operations: { open: Math.min(glance.open, COUNTED), more: glance.open > COUNTED },
    totals: {
      exact,
      accounts: totals.accounts,
      balance: bounded(totals.balance),
      debt: bounded(totals.debt),
      held: bounded(totals.held)
    },
    checks: yield* checkMerchant(database, needed)
  }
  return status
})

const bounded = (credits: number): number => Math.max(-MAXIMUM, Math.min(MAXIMUM, credits))

const presentJob = ({ job, ...row }: JobRow): Status["jobs"][number] => ({
  job,
  ...(row.lastStartedAt === null ? {} : { lastStartedAt: timestampText(row.lastStartedAt) }),
  ...(row.lastState === null ? {} : { lastState: row.lastState }),
  ...(row.lastSucceededAt === null ? {} : { lastSucceededAt: timestampText(row.lastSucceededAt) }),
  ...(row.lastError === null ? {} : { lastError: row.lastError })
})
