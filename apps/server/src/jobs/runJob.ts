import type { MerchantId } from "@credit/domain/Ids"
import { JobName, JobRun, movesCredits } from "@credit/domain/Job"
import { MaintenanceMode } from "@credit/domain/Refusal"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { Jobs } from "@credit/rpc/Jobs"
import type { RpcPayload } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { databaseTrouble } from "../commands/onMerchant.ts"
import { type Asked, inProgress, type Keyed, metaOf, procedureOf } from "../commands/Procedure.ts"
import { runLeased } from "../commands/runProcedure.ts"
import { Settings } from "../config/Settings.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { openSession } from "../merchants/OwnerSession.ts"
import { openJobSession } from "./JobSession.ts"
import { RUN_ASKED, readRunAsked } from "./queries.ts"

type Payload = RpcPayload<typeof Jobs, "Job.Run">

/** What is stored under the key. */
const Ran = Schema.Struct({ name: JobName, run: Schema.optionalKey(JobRun) })

export const jobProcedure = (payload: Payload, asked: Asked, merchantId: MerchantId) =>
  procedureOf("Job.Run", merchantId, payload, asked, Ran)

/** How long to wait before asking how a run goes. */
const RETRY_SECONDS = 5

/**
 * Runs a job because somebody asked for it, to its end, on a session of its own without a limit. The run is told with the
 * transaction id of the request, which the database takes once: who tries again, after a server that died, finds what became
 * of it.
 */
export const runJob = Effect.fn("Job.run")(function* (payload: Payload, asked: Asked, merchantId: MerchantId) {
  const { name } = payload
  const databases = yield* MerchantDatabases
  const { connectTimeout, procedureLease } = yield* Settings
  const database = yield* databases.get(merchantId)
  const procedure = jobProcedure(payload, asked, merchantId)
  if (movesCredits(name)) yield* refuseInMaintenance(database, procedure)
  if (asked.dryRun) return { name, meta: metaOf(procedure, false) }
  const keeper = yield* Effect.mapError(
    openSession(database.urls.runtimeUrl),
    () => new ServiceUnavailable({ retryAfterSeconds: 1 })
  )
  return yield* runLeased(keeper, procedure, procedureLease, () =>
    Effect.map(runOnce(database.urls, procedure, name, connectTimeout), (run) => ({
      value: { name, run },
      detail: { name, runId: run.runId, state: run.state }
    }))
  ).pipe(Effect.catchTag("SqlError", (error) => databaseTrouble(procedure, error)))
}, Effect.scoped)

const runOnce = Effect.fnUntraced(function* (
  urls: MerchantUrls,
  procedure: Keyed,
  name: JobName,
  connectTimeout: Duration.Duration
) {
  const session = yield* openJobSession(urls, connectTimeout)
  const find = Effect.map(session.query(RUN_ASKED, [procedure.transactionId]), ({ rows }) =>
    readRunAsked(rows[0]?.json)
  )
  if ((yield* find) === undefined) {
    yield* session.query("SELECT set_config('credit.job_request', $1, false)", [procedure.transactionId])
    const { rows } = yield* session.query("SELECT j.command FROM app.jobs AS j WHERE j.job_name = $1", [name])
    // A run that fails says so in its row, and raises: the row is what is answered.
    yield* Effect.catchTag(session.query(String(rows[0]?.command)), "SqlError", (error) =>
      Effect.flatMap(find, (run) => (run === undefined ? Effect.fail(error) : Effect.void))
    )
  }
  const found = yield* find
  if (found === undefined) return yield* Effect.die(new Error(`the run of ${name} was not told`))
  if (found.alive) return yield* inProgress(procedure, RETRY_SECONDS)
  return yield* Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(JobRun))(found.run))
}, Effect.scoped)

const refuseInMaintenance = Effect.fnUntraced(function* (database: MerchantDatabase, procedure: Keyed) {
  const { now, reason, status, until } = yield* database.json<{
    readonly status: string
    readonly reason: string
    readonly until: number | null
    readonly now: number
  }>(`
    SELECT json_build_object('status', s.status, 'reason', coalesce(s.reason, ''),
      'until', app.epoch_milliseconds(s.until), 'now', app.epoch_milliseconds(app.now()))::text AS json
    FROM public.service_status AS s`)
  if (status !== "maintenance") return
  return yield* new MaintenanceMode({
    reason,
    ...(until === null ? {} : { until: DateTime.makeUnsafe(until) }),
    retryAfterSeconds: until === null ? RETRY_SECONDS : Math.max(1, Math.ceil((until - now) / 1000)),
    meta: metaOf(procedure, false)
  })
})
