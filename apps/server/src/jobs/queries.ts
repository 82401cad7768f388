import type { MerchantId } from "@credit/domain/Ids"
import type { JobName, JobRun, JobsStatus } from "@credit/domain/Job"
import { timestampText } from "@credit/domain/Timestamp"
import * as Effect from "effect/Effect"
import { jsonRows } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { LOCKED } from "./JobLock.ts"
import { isOverdue } from "./JobSchedule.ts"

/** A run of `app.job_runs AS r`. */
const RUN_COLUMNS = `
  r.run_id AS "runId", r.state, r.started_by AS "startedBy", app.epoch_milliseconds(r.started_at) AS "startedAt",
  app.epoch_milliseconds(r.finished_at) AS "finishedAt", r.affected_rows AS "affectedRows", r.error`

/**
 * Every job with its last success, what failed since, its newest run, and whether a session holds its lock: a run that is
 * told as running and holds none is not. Lookups by index; failures are counted up to a thousand.
 */
export const JOBS_STATUS = `json_build_object(
  'now', app.epoch_milliseconds(clock_timestamp()),
  'driftedAccounts', (SELECT count(*) FROM app.ledger_findings),
  'jobs', ${jsonRows(`
    SELECT j.job_name AS name, j.schedule, j.runner, app.epoch_milliseconds(j.scheduled_since) AS "scheduledSince",
      ${LOCKED} AS running,
      app.epoch_milliseconds(s.finished_at) AS "lastSuccessAt",
      (
        SELECT count(*) FROM (
          SELECT FROM app.job_runs AS r
          WHERE r.job_name = j.job_name AND r.run_id > coalesce(s.run_id, 0) AND r.state IN ('failed', 'interrupted')
          LIMIT 1000
        ) AS f
      ) AS failures,
      (SELECT row_to_json(x) FROM (
        SELECT ${RUN_COLUMNS} FROM app.job_runs AS r
        WHERE r.job_name = j.job_name AND r.state <> 'skipped' ORDER BY r.run_id DESC LIMIT 1
      ) AS x) AS "lastRun"
    FROM app.jobs AS j
    LEFT JOIN LATERAL (
      SELECT r.run_id, r.finished_at FROM app.job_runs AS r
      WHERE r.job_name = j.job_name AND r.state = 'succeeded' ORDER BY r.run_id DESC LIMIT 1
    ) AS s ON true
    ORDER BY j.lock_key`)}
)`

interface StoredRun extends Pick<typeof JobRun.Encoded, "runId" | "state" | "startedBy" | "affectedRows"> {
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly error: string | null
}

/** What {@link JOBS_STATUS} makes. */
export interface StoredJobsStatus {
  readonly now: number
  readonly driftedAccounts: number
  readonly jobs: ReadonlyArray<{
    readonly name: JobName
    readonly schedule: string
    readonly runner: "pg_cron" | "service"
    readonly scheduledSince: number
    readonly running: boolean
    readonly lastSuccessAt: number | null
    readonly failures: number
    readonly lastRun: StoredRun | null
  }>
}

/** A run as it is told; one that nobody is at any more was interrupted, also before the next run says so. */
export const presentRun = (run: StoredRun, alive: boolean): typeof JobRun.Encoded => {
  const { error, finishedAt, startedAt, state, ...same } = run
  return {
    ...same,
    state: state === "running" && !alive ? "interrupted" : state,
    startedAt: timestampText(startedAt),
    ...(finishedAt === null ? {} : { finishedAt: timestampText(finishedAt) }),
    ...(error === null ? {} : { error })
  }
}

/** How the jobs of a merchant stand: for operators and for health. */
export const jobsStatus = (database: MerchantDatabase, merchantId: MerchantId) =>
  Effect.map(
    database.json<StoredJobsStatus>(`SELECT ${JOBS_STATUS}::text AS json`),
    (stored): typeof JobsStatus.Encoded => ({ merchantId, ...presentJobs(stored) })
  )

/** The wire form of how jobs stand. */
export const presentJobs = ({
  driftedAccounts,
  jobs,
  now
}: StoredJobsStatus): Omit<typeof JobsStatus.Encoded, "merchantId"> => ({
  driftedAccounts,
  jobs: jobs.map(({ lastRun, lastSuccessAt, scheduledSince, ...job }) => ({
    ...job,
    overdue: isOverdue(job.schedule, Math.max(lastSuccessAt ?? 0, scheduledSince), now),
    ...(lastSuccessAt === null
      ? {}
      : {
          lastSuccessAt: timestampText(lastSuccessAt),
          ageSeconds: Math.max(0, Math.floor((now - lastSuccessAt) / 1000))
        }),
    ...(lastRun === null ? {} : { lastRun: presentRun(lastRun, job.running) })
  }))
})

/** The run that a request ($1, its transaction id) asked for, and whether it is still at work; nothing before it began. */
export const RUN_ASKED = `
SELECT (SELECT row_to_json(x) FROM (
  SELECT ${RUN_COLUMNS}, ${LOCKED} AS alive
  FROM app.job_runs AS r JOIN app.jobs AS j ON j.job_name = r.job_name WHERE r.requested_by = $1::uuid
) AS x)::text AS json`

/** Reads {@link RUN_ASKED}. */
export const readRunAsked = (
  json: unknown
): { readonly run: typeof JobRun.Encoded; readonly alive: boolean } | undefined => {
  if (typeof json !== "string") return undefined
  const { alive, ...run }: StoredRun & { readonly alive: boolean } = JSON.parse(json)
  return { run: presentRun(run, alive), alive: alive && run.state === "running" }
}
