import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fromTemplate, isMerchantId, type MerchantUrls, readMerchantUrls } from "../merchants/MerchantUrls.ts"
import { exitCode, reportFailure } from "../process.ts"
import { loadMigrations } from "./MigrationFile.ts"
import { type MigrationProgress, type MigrationTarget, migrateAll } from "./Migrations.ts"

/** The command cannot do what it was asked; the message says what to do. */
class MigrateRefused extends Schema.TaggedError<MigrateRefused>()("MigrateRefused", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** Whose databases to migrate: by the owner's URL where there is one. */
const targets = (merchants: ReadonlyArray<string>, all: boolean) =>
  Effect.gen(function* () {
    const environment = readMerchantUrls(process.env)
    if (environment.problems.length > 0) return yield* new MigrateRefused({ problem: environment.problems.join("; ") })
    if (all === merchants.length > 0) {
      return yield* new MigrateRefused({ problem: "Say either --all-merchants or --merchant ID" })
    }
    const urls = all ? [...environment.configured.values()] : merchants.map((id) => lookup(environment, id))
    const unknown = merchants.filter((_, index) => urls[index] === undefined)
    if (unknown.length > 0) {
      return yield* new MigrateRefused({ problem: `No database is configured for ${unknown.join(", ")}` })
    }
    if (urls.length === 0) {
      return yield* new MigrateRefused({ problem: "No merchant is configured: set MERCHANT_<ID>_DATABASE_URL" })
    }
    return urls.flatMap(
      (it): ReadonlyArray<MigrationTarget> =>
        it === undefined ? [] : [{ merchantId: it.merchantId, url: it.migrationUrl ?? it.runtimeUrl }]
    )
  })

const lookup = (environment: ReturnType<typeof readMerchantUrls>, id: string): MerchantUrls | undefined =>
  isMerchantId(id) ? (environment.configured.get(id) ?? fromTemplate(environment, id)) : undefined

const report = (merchantId: string, progress: MigrationProgress) => {
  switch (progress._tag) {
    case "Waiting":
      return Console.error(`${merchantId}: another runner is at work, waiting for it`)
    case "Started":
      return Effect.void
    case "Applied":
      return Console.error(
        `${merchantId}: ${progress.position}/${progress.total} ${progress.migration.file} in ${progress.durationMillis} ms`
      )
  }
}

const migrate = Command.make(
  "migrate",
  {
    merchant: Flag.String("merchant").pipe(
      Flag.atMost(1000),
      Flag.withDescription("A merchant to migrate; repeatable")
    ),
    allMerchants: Flag.Boolean("all-merchants").pipe(Flag.withDescription("Every merchant that the environment names"))
  },
  Effect.fn(function* ({ allMerchants, merchant }) {
    const files = yield* loadMigrations()
    const outcomes = yield* migrateAll(yield* targets(merchant, allMerchants), { files, onProgress: report })
    for (const { merchantId, result } of outcomes) {
      yield* Result.isSuccess(result)
        ? Console.log(`${merchantId}: at version ${result.success.version}, ${result.success.applied.length} applied`)
        : Console.error(`${merchantId}: ${result.failure.message}`)
    }
    const failed = outcomes.filter(({ result }) => Result.isFailure(result)).map(({ merchantId }) => merchantId)
    if (failed.length > 0) return yield* new MigrateRefused({ problem: `Not migrated: ${failed.join(", ")}` })
  })
).pipe(
  Command.withDescription("Applies the migrations a merchant's database has not had yet."),
  Command.withExamples([{ command: "npm run migrate -- --all-merchants", description: "Before a deploy" }])
)

Command.run(migrate, { version: "1" }).pipe(
  reportFailure,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: exitCode })
)
