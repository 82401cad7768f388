import type { MerchantId } from "@credit/domain/Ids"
import type { JobsStatus } from "@credit/domain/Job"
import { timestampText } from "@credit/domain/Timestamp"
import * as Effect from "effect/Effect"
import { JOBS_STATUS, presentJobs, type StoredJobsStatus } from "../jobs/queries.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"

/** How one merchant stands. */
export interface MerchantHealth {
  readonly merchantId: MerchantId
  /** `maintenance` is no fault: its queries are answered. */
  readonly status: "healthy" | "unhealthy" | "maintenance"
  /** What is wrong, or why it is in maintenance. */
  readonly detail?: string
  /** When maintenance is to end, if that was said. */
  readonly until?: string
  /** Accounts whose balance is negative, counted up to {@link MOST_IN_DEBT}. */
  readonly accountsInDebt?: number
  /** How its jobs stand: who runs them, when each last succeeded, what failed since. */
  readonly jobs?: (typeof JobsStatus.Encoded)["jobs"]
}

const MOST_IN_DEBT = 100_000

const STATUS = `
SELECT json_build_object(
  'status', s.status, 'reason', s.reason, 'until', app.epoch_milliseconds(s.until),
  'accountsInDebt', (
    SELECT count(*) FROM (SELECT FROM public.accounts AS a WHERE a.debt > 0 LIMIT ${MOST_IN_DEBT}) AS d
  ),
  'jobs', ${JOBS_STATUS}
)::text AS json
FROM public.service_status AS s`

interface Status {
  readonly status: "ready" | "maintenance"
  readonly reason: string | null
  readonly until: number | null
  readonly accountsInDebt: number
  readonly jobs: StoredJobsStatus
}

/** How long a merchant's database may take to answer before it counts as unhealthy. */
export const PROBE_LIMIT = "1 second"

/** Asks a merchant's database how it stands. Never fails, and never takes longer than {@link PROBE_LIMIT}. */
export const merchantHealth = (database: MerchantDatabase): Effect.Effect<MerchantHealth> => {
  const { merchantId } = database
  const unhealthy = (detail: string): MerchantHealth => ({ merchantId, status: "unhealthy", detail })
  return database.examine<Status>(STATUS).pipe(
    Effect.match({
      onFailure: ({ detail }) => unhealthy(detail),
      onSuccess: ({ accountsInDebt, jobs: stored, reason, status, until }): MerchantHealth => ({
        merchantId,
        status: status === "ready" ? "healthy" : status,
        ...(status === "ready" || reason === null ? {} : { detail: reason }),
        ...(status === "ready" || until === null ? {} : { until: timestampText(until) }),
        accountsInDebt,
        jobs: presentJobs(stored).jobs
      })
    }),
    Effect.timeoutOrElse({
      duration: PROBE_LIMIT,
      orElse: () => Effect.succeed(unhealthy("the database does not answer within a second"))
    })
  )
}
