import type { MerchantId } from "@credit/domain/Ids"
import type { JobName } from "@credit/domain/Job"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Settings } from "../config/Settings.ts"
import { jsonRows } from "../ledger/rows.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { serverError } from "../migrations/ServerError.ts"
import { LOCKED } from "./JobLock.ts"
import { isDue, nextTime } from "./JobSchedule.ts"
import { openJobSession } from "./JobSession.ts"

/** How often the scheduler looks whether a merchant's time has come. */
const TICK = "1 second"
/** How long it goes by what a database said of its jobs: who runs them may change. */
const REREAD_MILLIS = 5 * 60_000
/** After so long it asks a database again that did not answer. */
const RETRY_MILLIS = 10_000
/** How many jobs one server runs at once; the others wait their turn. */
const JOBS_AT_ONCE = 4

/**
 * The jobs that the service has to run, with the time of their last run, and whether a session holds their lock. A run that
 * is told as running while no session holds the lock was cut off.
 */
const TO_RUN = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(clock_timestamp()),
  'jobs', ${jsonRows(`
    SELECT j.job_name AS name, j.command, j.lock_key AS "lockKey", j.schedule,
      app.epoch_milliseconds(greatest(j.scheduled_since, r.started_at)) AS since,
      coalesce(r.state = 'running', false) AS running, ${LOCKED} AS locked
    FROM app.jobs AS j
    LEFT JOIN LATERAL (
      SELECT r.started_at, r.state FROM app.job_runs AS r
      WHERE r.job_name = j.job_name AND r.state <> 'skipped' ORDER BY r.run_id DESC LIMIT 1
    ) AS r ON true
    WHERE j.runner = 'service'
    ORDER BY j.lock_key`)}
)::text AS json`

interface ToRun {
  readonly now: number
  readonly jobs: ReadonlyArray<ScheduledJob>
}

interface ScheduledJob {
  readonly name: JobName
  readonly command: string
  readonly lockKey: number
  readonly schedule: string
  /** When it was last started, or scheduled for the first time. */
  readonly since: number
  readonly running: boolean
  readonly locked: boolean
}

/** A run that was cut off is gone on with at once. */
const shouldRun = ({ running, schedule, since }: ScheduledJob, now: number): boolean =>
  running || isDue(schedule, since, now)

/**
 * Runs the jobs of merchants whose database has no pg_cron: the same procedures on the same schedules. `app.jobs` says whose
 * they are. Every server looks; the job's lock lets one of them start it, and who comes later sees under the lock that it
 * has been run. A time that was missed, for want of a server, is made up for once.
 */
export class JobScheduler extends Context.Service<JobScheduler, { readonly enabled: boolean }>()(
  "@credit/server/jobs/JobScheduler"
) {
  static readonly layer = Layer.effect(
    JobScheduler,
    Effect.gen(function* () {
      const { jobScheduler } = yield* Settings
      if (jobScheduler === "on") yield* schedule
      return JobScheduler.of({ enabled: jobScheduler === "on" })
    })
  )
}

const schedule = Effect.gen(function* () {
  const directory = yield* MerchantDirectory
  const databases = yield* MerchantDatabases
  const { connectTimeout } = yield* Settings
  const scope = yield* Effect.scope
  const turns = Semaphore.makeUnsafe(JOBS_AT_ONCE)
  const lookAgainAt = new Map<MerchantId, number>()
  const underWay = new Set<string>()

  const runJob = (urls: MerchantUrls, job: ScheduledJob) =>
    Effect.gen(function* () {
      const session = yield* openJobSession(urls, connectTimeout)
      const { rows } = yield* session.query("SELECT pg_try_advisory_lock(1129465156, $1::integer) AS mine", [
        job.lockKey
      ])
      if (rows[0]?.mine !== true) return
      // Under the lock: another server may have run it a moment ago, or it is pg_cron's by now.
      const { rows: again } = yield* session.query(TO_RUN)
      const read: ToRun = JSON.parse(String(again[0]?.json))
      const current = read.jobs.find(({ name }) => name === job.name)
      if (current === undefined || !shouldRun(current, read.now)) return
      yield* session.query(current.command)
    }).pipe(
      Effect.scoped,
      Effect.catchTag("SqlError", (error) =>
        Effect.logError(`The job ${job.name} failed: ${serverError(error).message}`).pipe(
          Effect.annotateLogs({ merchant_id: urls.merchantId, job: job.name, sql_state: serverError(error).code })
        )
      ),
      turns.withPermits(1)
    )

  /** Starts what is due, and says after how many milliseconds to look again. */
  const look = Effect.fn("JobScheduler.look")(function* (urls: MerchantUrls) {
    const database = yield* databases.get(urls.merchantId)
    const { jobs, now } = yield* database.json<ToRun>(TO_RUN)
    for (const job of jobs) {
      const name = `${urls.merchantId} ${job.name}`
      if (job.locked || underWay.has(name) || !shouldRun(job, now)) continue
      underWay.add(name)
      yield* Effect.forkIn(
        Effect.ensuring(
          runJob(urls, job),
          Effect.sync(() => underWay.delete(name))
        ),
        scope
      )
    }
    const waits = jobs.map((job) => (shouldRun(job, now) ? RETRY_MILLIS : nextTime(job.schedule, job.since) - now))
    return Math.min(REREAD_MILLIS, ...waits)
  })

  const visit = (urls: MerchantUrls) =>
    look(urls).pipe(
      Effect.catch((error) => Effect.as(Effect.logDebug(`The jobs cannot be read: ${error._tag}`), RETRY_MILLIS)),
      Effect.catchDefect((defect) =>
        Effect.as(Effect.logError("The scheduler of jobs met a fault", Cause.die(defect)), REREAD_MILLIS)
      ),
      Effect.annotateLogs({ merchant_id: urls.merchantId }),
      Effect.tap((wait) => Effect.sync(() => lookAgainAt.set(urls.merchantId, performance.now() + wait)))
    )

  yield* Effect.suspend(() => {
    const now = performance.now()
    const waiting = directory.list().filter(({ merchantId }) => now >= (lookAgainAt.get(merchantId) ?? 0))
    // Until it has looked: a database that does not answer is not asked every second.
    for (const { merchantId } of waiting) lookAgainAt.set(merchantId, now + RETRY_MILLIS)
    return Effect.forEach(waiting, (urls) => Effect.forkIn(visit(urls), scope), { discard: true })
  }).pipe(Effect.andThen(Effect.sleep(TICK)), Effect.forever, Effect.forkScoped)
})
