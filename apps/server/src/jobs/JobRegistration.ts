import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { databaseName, ownerUrl, runtimeLogin } from "../merchants/OwnerSession.ts"
import { serverError } from "../migrations/ServerError.ts"
import { readCronUrls } from "./CronUrls.ts"

/** The jobs of a database could not be given to a runner; what was before goes on, or nobody runs them until it is tried again. */
export class JobRegistrationFailed extends Schema.TaggedError<JobRegistrationFailed>()("JobRegistrationFailed", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** Who runs the jobs of a database from now on. */
export type JobRunner =
  | { readonly runner: "service" }
  | { readonly runner: "pg_cron"; readonly cronDatabase: string; readonly username: string }

export interface JobRegistrationOptions {
  /** The owner's URL. */
  readonly url: Redacted.Redacted
  /** The login that serves the database, and whose sessions run the jobs where pg_cron may be told so. */
  readonly login: string
  /** Databases that have pg_cron, one for each server of databases; those of other servers are not used. */
  readonly cronUrls: ReadonlyArray<Redacted.Redacted>
}

const Here = Schema.Struct({
  database: Schema.String,
  /** The same for all databases of a server, and different for any two servers. */
  server: Schema.String,
  has_cron: Schema.Boolean,
  superuser: Schema.Boolean,
  username: Schema.String
})
type Here = typeof Here.Type

const HERE = `
SELECT current_database()::text AS database, pg_postmaster_start_time()::text AS server,
  EXISTS (SELECT FROM pg_extension AS x WHERE x.extname = 'pg_cron') AS has_cron,
  (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) AS superuser, current_user::text AS username`

const Job = Schema.Struct({ name: Schema.String, command: Schema.String, schedule: Schema.String })
type Job = typeof Job.Type

const Scheduled = Schema.Struct({
  id: Schema.String,
  ...Job.fields,
  username: Schema.String,
  active: Schema.Boolean
})

const Standing = Schema.Struct({ runner: Schema.String, cron_database: Schema.NullOr(Schema.String) })

/**
 * Finds who can run the jobs of a migrated database and has it run them: the pg_cron of the database itself; else that of a
 * given database of the same server; else the service. May be repeated: a schedule that has changed is registered anew, what
 * is right already is left alone. Never both: `app.jobs` says whose they are before pg_cron is told to start, and says
 * otherwise only after it was told to stop.
 *
 * Fails where a pg_cron that runs the jobs cannot be told to stop, and where the login of its sessions may not run them.
 */
export const registerJobs = Effect.fn("Jobs.register")(function* (options: JobRegistrationOptions) {
  const owner = yield* open(options.url)
  const here = yield* look(owner)
  const cron = yield* findCron(owner, here, options.cronUrls)
  const found = yield* decoded(owner, Standing, "SELECT DISTINCT j.runner, j.cron_database FROM app.jobs AS j")
  for (const { cron_database: other, runner } of found) {
    if (runner !== "pg_cron" || other === cron?.here.database) continue
    // The extension is gone from this very database, and its jobs with it.
    if (other === here.database) continue
    return yield* new JobRegistrationFailed({
      problem: `its jobs are run by the pg_cron of the database ${other}: set CRON_DATABASE_URL to it, or unregister them first`
    })
  }
  if (cron === undefined) {
    yield* setRunner(owner, "service", null)
    const runner: JobRunner = { runner: "service" }
    return runner
  }
  const username = cron.here.superuser ? options.login || cron.here.username : cron.here.username
  yield* mayRun(owner, username, here.database)
  yield* setRunner(owner, "pg_cron", cron.here.database)
  const jobs = yield* decoded(owner, Job, "SELECT j.job_name AS name, j.command, j.schedule FROM app.jobs AS j")
  yield* scheduleAll(cron.session, jobs, { database: here.database, username, cron: cron.here })
  const runner: JobRunner = { runner: "pg_cron", cronDatabase: cron.here.database, username }
  return runner
}, Effect.scoped)

/** {@link registerJobs} for a merchant, with what the environment says of pg_cron. */
export const registerJobsOf = Effect.fnUntraced(function* (urls: MerchantUrls) {
  const cronUrls = yield* readCronUrls
  return yield* registerJobs({ url: ownerUrl(urls), login: runtimeLogin(urls), cronUrls })
})

/** Takes a merchant's jobs from pg_cron, and gives them to the service; says how many there were. */
export const unregisterJobsOf = Effect.fnUntraced(function* (urls: MerchantUrls) {
  const cronUrls = yield* readCronUrls
  return yield* unregisterJobs({ database: databaseName(urls), url: ownerUrl(urls), cronUrls })
})

/**
 * Takes the jobs of a database from pg_cron, before it is dropped or to give them to the service; says how many were
 * registered. The database may be gone already: then `database` is its name, and the URLs are those of pg_cron.
 */
export const unregisterJobs = Effect.fn("Jobs.unregister")(function* (options: {
  readonly database: string
  /** The owner's URL, where the database still is. */
  readonly url: Redacted.Redacted | undefined
  readonly cronUrls: ReadonlyArray<Redacted.Redacted>
}) {
  let removed = 0
  const owner = options.url && (yield* open(options.url))
  const own = owner && (yield* look(owner))
  const sessions = yield* Effect.forEach(options.cronUrls, open)
  if (owner !== undefined && own?.has_cron === true) sessions.push(owner)
  for (const session of sessions) {
    const cron = yield* look(session)
    if (!cron.has_cron || (own !== undefined && cron.server !== own.server)) continue
    const { rows } = yield* query(
      session,
      "SELECT cron.unschedule(j.jobid) FROM cron.job AS j WHERE j.database = $1 AND starts_with(j.jobname, $2)",
      [options.database, jobName(options.database, "")]
    )
    removed += rows.length
  }
  if (owner !== undefined) yield* setRunner(owner, "service", null)
  return removed
}, Effect.scoped)

/** How pg_cron calls a job: one name for each database and job of its server. */
const jobName = (database: string, job: string): string => `credit:${database}:${job}`

const findCron = Effect.fnUntraced(function* (
  owner: PgConnection.PgConnection,
  here: Here,
  cronUrls: ReadonlyArray<Redacted.Redacted>
) {
  if (here.has_cron) return { session: owner, here }
  for (const url of cronUrls) {
    const session = yield* open(url)
    const there = yield* look(session)
    if (there.server !== here.server) continue
    if (there.has_cron) return { session, here: there }
    return yield* new JobRegistrationFailed({
      problem: `the database ${there.database} of CRON_DATABASE_URL has no pg_cron: run CREATE EXTENSION pg_cron there`
    })
  }
  return undefined
})

/** A run that may not connect, or may not call, would fail every time, and nobody would see it but pg_cron. */
const mayRun = Effect.fnUntraced(function* (owner: PgConnection.PgConnection, username: string, database: string) {
  const { rows } = yield* query(
    owner,
    `SELECT has_database_privilege($1::name, current_database(), 'CONNECT')
       AND has_function_privilege($1::name, 'app.run_job(text, jsonb)', 'EXECUTE') AS may`,
    [username]
  )
  if (rows[0]?.may === true) return
  return yield* new JobRegistrationFailed({
    problem:
      `pg_cron would run the jobs as ${username}, which may not: as an administrator run ` +
      `GRANT CONNECT ON DATABASE "${database}" TO "${username}"; GRANT credit_jobs TO "${username}"`
  })
})

/** All or none. A job that stands as it should is left alone, and one that should not stand is removed. */
const scheduleAll = Effect.fnUntraced(function* (
  session: PgConnection.PgConnection,
  jobs: ReadonlyArray<Job>,
  target: { readonly database: string; readonly username: string; readonly cron: Here }
) {
  const { cron, database, username } = target
  const standing = yield* decoded(
    session,
    Scheduled,
    `SELECT j.jobid::text AS id, j.jobname::text AS name, j.schedule, j.command, j.username, j.active
     FROM cron.job AS j WHERE j.database = $1 AND starts_with(j.jobname, $2)`,
    [database, jobName(database, "")]
  )
  const stands = (job: Job) =>
    standing.filter(
      (it) =>
        it.active &&
        it.username === username &&
        it.name === jobName(database, job.name) &&
        it.schedule === job.schedule &&
        it.command === job.command
    )
  const right = new Set(jobs.flatMap((job) => stands(job).map(({ id }) => id)))
  yield* query(session, "BEGIN", [])
  for (const { id } of standing) {
    if (!right.has(id)) yield* query(session, "SELECT cron.unschedule($1::bigint)", [id])
  }
  for (const job of jobs) {
    if (stands(job).length > 0) continue
    const named = [jobName(database, job.name), job.schedule, job.command]
    // In its own database any login may schedule for itself; for another one, or as somebody else, it takes the long form.
    if (database === cron.database && username === cron.username) {
      yield* query(session, "SELECT cron.schedule($1, $2, $3)", named)
    } else {
      yield* query(session, "SELECT cron.schedule_in_database($1, $2, $3, $4, $5, true)", [
        ...named,
        database,
        username
      ])
    }
  }
  yield* query(session, "COMMIT", [])
})

const setRunner = (owner: PgConnection.PgConnection, runner: "service" | "pg_cron", cronDatabase: string | null) =>
  query(
    owner,
    `UPDATE app.jobs SET runner = $1, cron_database = $2, scheduled_since = clock_timestamp()
     WHERE (runner, cron_database) IS DISTINCT FROM ($1, $2)`,
    [runner, cronDatabase]
  )

const open = (url: Redacted.Redacted) =>
  Effect.catchTag(
    PgConnection.make({ url, applicationName: "credit-jobs", prepare: false }),
    "SqlError",
    registrationFailed
  )

const look = (session: PgConnection.PgConnection) =>
  Effect.flatMap(decoded(session, Here, HERE), ([here]) =>
    here === undefined ? Effect.die(new Error("a SELECT without FROM has one row")) : Effect.succeed(here)
  )

const decoded = <A>(
  session: PgConnection.PgConnection,
  schema: Schema.Codec<A, unknown>,
  text: string,
  parameters: ReadonlyArray<string> = []
) =>
  query(session, text, parameters).pipe(
    Effect.flatMap(({ rows }) => Schema.decodeUnknownEffect(Schema.Array(schema))(rows)),
    Effect.catchTag("SchemaError", Effect.die)
  )

const query = (session: PgConnection.PgConnection, text: string, parameters: ReadonlyArray<string | null>) =>
  Effect.catchTag(session.query(text, parameters), "SqlError", registrationFailed)

const registrationFailed = (error: SqlError) =>
  Effect.fail(new JobRegistrationFailed({ problem: `its jobs could not be registered: ${serverError(error).message}` }))
