import type { MerchantId } from "@credit/domain/Ids"
import { type IntentConflict, type InvalidRequest, RequestInProgress } from "@credit/domain/Refusal"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { Migrations } from "@credit/rpc/Migrations"
import type { RpcPayload } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Asked, inProgress, metaOfAll, procedureOf } from "../commands/Procedure.ts"
import type { Tell } from "../commands/procedureStream.ts"
import { runLeased, runOnce } from "../commands/runProcedure.ts"
import { Settings } from "../config/Settings.ts"
import { registerJobsOf } from "../jobs/JobRegistration.ts"
import { allMerchants } from "../merchants/AllMerchants.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { openSession, ownerUrl, readGround } from "../merchants/OwnerSession.ts"
import { loadMigrations, type MigrationFile } from "./MigrationFile.ts"
import { type MigrationProgress, type MigrationReport, migrate, migrationStatus } from "./Migrations.ts"
import { serverError } from "./ServerError.ts"

type Payload = RpcPayload<typeof Migrations, "Migration.Run">

/** So many databases are migrated at a time. */
const CONCURRENCY = 4

const Applied = Schema.Array(Schema.Struct({ id: Schema.Int, name: Schema.String, durationMillis: Schema.Int }))

/** What each merchant's database keeps as its part of the answer. */
const Part = Schema.Struct({
  outcome: Schema.Literals(["migrated", "up_to_date"]),
  version: Schema.Int,
  applied: Applied
})

/** What is told while databases are migrated. */
export type Progress =
  | { readonly _tag: "Waiting"; readonly merchantId: MerchantId }
  | (Place & { readonly _tag: "Applying" })
  | (Place & { readonly _tag: "Applied"; readonly durationMillis: number })
  | (Outcome & { readonly _tag: "MerchantDone" })

interface Place {
  readonly merchantId: MerchantId
  readonly id: number
  readonly name: string
  readonly position: number
  readonly total: number
}

interface Outcome {
  readonly merchantId: MerchantId
  readonly outcome: "migrated" | "up_to_date" | "pending" | "in_progress" | "failed"
  readonly version?: number
  readonly applied: (typeof Applied)["Type"]
  readonly pending?: ReadonlyArray<{ readonly id: number; readonly name: string }>
  readonly problem?: string
}

/** Why a merchant's part did not come about; the others' go on. */
class PartFailed extends Schema.TaggedError<PartFailed>()("PartFailed", { problem: Schema.String }) {}

/** Migrates many merchants' databases, each with its own part of the command under the key. */
export const runMigrations = Effect.fn("Migration.run")(function* (
  payload: Payload,
  asked: Asked,
  tell: Tell<Progress>
) {
  const files = yield* loadMigrations().pipe(Effect.orDie)
  const targets = yield* targetsOf(payload.merchantIds)
  const parts = yield* Effect.forEach(
    targets,
    (target) =>
      runPart(target, payload, asked, files, tell).pipe(
        Effect.catchTag("RequestInProgress", () =>
          Effect.succeed(unreplayed({ merchantId: target.merchantId, outcome: "in_progress", applied: [] }))
        ),
        Effect.catchTag("PartFailed", ({ problem }) =>
          Effect.succeed(unreplayed({ merchantId: target.merchantId, outcome: "failed", applied: [], problem }))
        ),
        Effect.tap(({ outcome, replayed }) => (replayed ? Effect.void : tell({ _tag: "MerchantDone", ...outcome })))
      ),
    { concurrency: CONCURRENCY }
  )
  const meta = metaOfAll("Migration.Run", asked.key, parts)
  const merchants = parts.map(({ outcome }) => outcome)
  if (merchants.length > 0 && merchants.every(({ outcome }) => outcome === "in_progress")) {
    return yield* new RequestInProgress({ retryAfterSeconds: 1, meta })
  }
  return { merchants, meta }
})

interface Target {
  readonly merchantId: MerchantId
  readonly urls: MerchantUrls | undefined
  /** Found by its name alone: it may be something else than a merchant's. */
  readonly found: boolean
}

const targetsOf = Effect.fnUntraced(function* (merchantIds: ReadonlyArray<MerchantId> | undefined) {
  const directory = yield* MerchantDirectory
  if (merchantIds !== undefined) {
    return [...new Set(merchantIds)].map(
      (merchantId): Target => ({ merchantId, urls: directory.lookup(merchantId), found: false })
    )
  }
  const all = yield* allMerchants(directory).pipe(
    Effect.catchTag("MerchantsNotListed", ({ problem }) =>
      Effect.andThen(
        Effect.logWarning(`The merchants cannot be listed: ${problem}`),
        Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 5 }))
      )
    )
  )
  return all.map((urls): Target => ({ merchantId: urls.merchantId, urls, found: urls.fromTemplate }))
})

interface Told {
  readonly outcome: Outcome
  readonly replayed: boolean
}

const unreplayed = (outcome: Outcome): Told => ({ outcome, replayed: false })

/** One merchant's part: under a lease where its database keeps keys already, else recorded when it does. */
const runPart = Effect.fnUntraced(function* (
  { found, merchantId, urls }: Target,
  payload: Payload,
  asked: Asked,
  files: ReadonlyArray<MigrationFile>,
  tell: Tell<Progress>
): Effect.fn.Return<Told, PartFailed | IntentConflict | InvalidRequest | RequestInProgress, Settings> {
  if (urls === undefined) return yield* new PartFailed({ problem: "The service has no such merchant" })
  const { procedureLease } = yield* Settings
  const url = ownerUrl(urls)
  const procedure = procedureOf("Migration.Run", merchantId, payload, asked, Part)
  const part = Effect.gen(function* () {
    const keeper = yield* openSession(url)
    const ground = yield* readGround(keeper)
    if (ground.merchantId !== undefined && ground.merchantId !== merchantId) {
      return yield* new PartFailed({ problem: `The database is the merchant ${ground.merchantId}'s` })
    }
    if (ground.merchantId === undefined && (found || ground.occupied)) {
      return yield* new PartFailed({ problem: "The database is no merchant's" })
    }
    if (asked.dryRun) return unreplayed(yield* pendingOf(merchantId, url, files))
    const options = { url, files, onProgress: (progress: MigrationProgress) => tell(progressOf(merchantId, progress)) }
    // Who runs its jobs is part of a migration: it may bring jobs and change schedules.
    const withJobs = <E>(migrated: Effect.Effect<MigrationReport, E>) =>
      Effect.tap(migrated, () => registerJobsOf(urls))
    const { meta, ...done } = ground.keepsKeys
      ? yield* runLeased(keeper, procedure, procedureLease, ({ holds }) =>
          Effect.map(withJobs(migrate({ ...options, mayGoOn: holds })), partOf)
        )
      : yield* Effect.flatMap(withJobs(migrate(options)), (report) =>
          runOnce(keeper, procedure, () => Effect.succeed(partOf(report)))
        )
    return { outcome: { merchantId, ...done }, replayed: meta.replayed }
  })
  return yield* Effect.scoped(part).pipe(
    Effect.catchTags({
      JobRegistrationFailed: ({ problem }) => Effect.fail(new PartFailed({ problem: `It is migrated; ${problem}` })),
      CronUrlsInvalid: ({ problem }) => Effect.fail(new PartFailed({ problem: `It is migrated; ${problem}` })),
      SessionFailed: ({ problem }) => Effect.fail(new PartFailed({ problem })),
      SqlError: (error) =>
        serverError(error).code === LOCK_TIMEOUT
          ? Effect.fail(inProgress(procedure, 1))
          : Effect.fail(new PartFailed({ problem: serverError(error).message })),
      MigrationFailed: ({ message }) => Effect.fail(new PartFailed({ problem: message })),
      MigrationHistoryInvalid: ({ problem }) => Effect.fail(new PartFailed({ problem })),
      MigrationDatabaseUnavailable: ({ problem }) => Effect.fail(new PartFailed({ problem }))
    })
  )
})

const LOCK_TIMEOUT = "55P03"

const partOf = ({ applied, version }: MigrationReport) => ({
  value: { outcome: applied.length > 0 ? ("migrated" as const) : ("up_to_date" as const), version, applied },
  detail: { version, applied: applied.map(({ id }) => id) }
})

const pendingOf = (merchantId: MerchantId, url: MerchantUrls["runtimeUrl"], files: ReadonlyArray<MigrationFile>) =>
  Effect.flatMap(migrationStatus({ url, files }), ({ applied, fault, pending }) => {
    if (fault !== undefined) return Effect.fail(fault)
    const outcome: Outcome = {
      merchantId,
      outcome: pending.length > 0 ? "pending" : "up_to_date",
      version: applied.length,
      applied: [],
      pending: pending.map(({ id, name }) => ({ id, name }))
    }
    return Effect.succeed(outcome)
  })

const progressOf = (merchantId: MerchantId, progress: MigrationProgress): Progress => {
  if (progress._tag === "Waiting") return { _tag: "Waiting", merchantId }
  const { migration, position, total } = progress
  const place = { merchantId, id: migration.id, name: migration.name, position, total }
  return progress._tag === "Started"
    ? { _tag: "Applying", ...place }
    : { _tag: "Applied", ...place, durationMillis: progress.durationMillis }
}
