import * as Schema from "effect/Schema"
import { MerchantId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"

/** The jobs of a merchant's database. */
export const jobNames = [
  "operation_cleanup",
  "lot_expiry",
  "idempotency_cleanup",
  "partition_creation",
  "ledger_verification"
] as const

/**
 * - `operation_cleanup`: books that operations have expired; deletes those that ended without a charge, after a time
 * - `lot_expiry`: books the expiry of lots on accounts that nobody touches
 * - `idempotency_cleanup`: deletes keys past their 168 hours
 * - `partition_creation`: makes the ledger's months, three ahead
 * - `ledger_verification`: checks rules 1 to 3 on the accounts that moved; drift is told, never repaired
 */
export const JobName = Schema.Literals(jobNames)
export type JobName = typeof JobName.Type

/** The jobs that move credits or holds: they pause while the merchant is in maintenance, and may not be asked for then. */
export const movesCredits = (job: JobName): boolean => job === "lot_expiry" || job === "operation_cleanup"

/**
 * - `running`
 * - `succeeded`
 * - `failed`: an error, or drift that was found; what its batches had done stays
 * - `skipped`: another run was at work
 * - `paused`: the merchant is in maintenance; a later run goes on
 * - `interrupted`: its session or the server ended in the middle; what its batches had done stays
 */
export const JobRunState = Schema.Literals(["running", "succeeded", "failed", "skipped", "paused", "interrupted"])

/** One run of a job. Times are the database's wall clock, also of a sandbox. */
export const JobRun = Schema.Struct({
  runId: Schema.Int,
  state: JobRunState,
  /** The session's name: `pg_cron`, `credit-service`, `psql`… */
  startedBy: Schema.String,
  startedAt: Timestamp,
  finishedAt: Schema.optionalKey(Timestamp),
  /** Entries booked, operations released or deleted, keys deleted, months made, accounts verified. */
  affectedRows: Schema.Int,
  error: Schema.optionalKey(Schema.String)
})
export type JobRun = typeof JobRun.Type

/** How one job of a merchant stands. */
export const JobStatus = Schema.Struct({
  name: JobName,
  /** Minute, hour, day of month, month, day of week; GMT. */
  schedule: Schema.String,
  /** Who starts it: the `pg_cron` of the database's server, or the service. */
  runner: Schema.Literals(["pg_cron", "service"]),
  running: Schema.Boolean,
  /** Its schedule has come twice since it last succeeded. */
  overdue: Schema.Boolean,
  lastSuccessAt: Schema.optionalKey(Timestamp),
  /** Seconds since it last succeeded. */
  ageSeconds: Schema.optionalKey(Schema.Int),
  /** Runs that failed or were interrupted since it last succeeded. */
  failures: Schema.Int,
  /** The newest run, those that were skipped left out. */
  lastRun: Schema.optionalKey(JobRun)
})
export type JobStatus = typeof JobStatus.Type

/** How the jobs of a merchant stand. */
export const JobsStatus = Schema.Struct({
  merchantId: MerchantId,
  jobs: Schema.Array(JobStatus),
  /** Accounts that do not agree with their entries, as `ledger_verification` last saw them. */
  driftedAccounts: Schema.Int
})
export type JobsStatus = typeof JobsStatus.Type
