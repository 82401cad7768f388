import * as PgConnection from "@effect/sql-pg/PgConnection"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"

/** How the sessions of the service's own runs are called in `app.job_runs`. */
const APPLICATION_NAME = "credit-service"

/**
 * A session of its own for jobs: a run may take hours, so its statement has no limit; it has the rights of jobs and no
 * others, where the login is a member of their role (as every member of `credit_runtime` is). A server that dies, or lets the session go, ends the run within a
 * second: the job's next run closes its story and goes on.
 */
export const openJobSession = Effect.fn("Jobs.openSession")(function* (
  urls: MerchantUrls,
  connectTimeout: Duration.Duration
) {
  const session = yield* PgConnection.make({
    url: urls.runtimeUrl,
    applicationName: APPLICATION_NAME,
    connectTimeout,
    // So that giving up the wait for a run does not cancel it, which would be told as a failure.
    multiplex: true,
    prepare: false,
    startupParameters: {
      TimeZone: "UTC",
      statement_timeout: "0",
      idle_in_transaction_session_timeout: "10s",
      client_connection_check_interval: "1s"
    }
  })
  const { rows } = yield* session.query("SELECT pg_has_role('credit_jobs', 'MEMBER') AS member")
  if (rows[0]?.member === true) yield* session.query("SET ROLE credit_jobs")
  return session
})
