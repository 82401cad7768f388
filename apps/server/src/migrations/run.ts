import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { registerJobsOf } from "../jobs/JobRegistration.ts"
import { fromTemplate, isMerchantId, type MerchantUrls, readMerchantUrls } from "../merchants/MerchantUrls.ts"
import { ownerUrl, runtimeLogin } from "../merchants/OwnerSession.ts"
import { exitCode, reportFailure } from "../process.ts"
import { loadMigrations } from "./MigrationFile.ts"
import { grantRuntime, type MigrationProgress, type MigrationTarget, migrateAll } from "./Migrations.ts"
import { serverError } from "./ServerError.ts"

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
    return urls.filter((it) => it !== undefined)
  })

const targetOf = (urls: MerchantUrls): MigrationTarget => ({ merchantId: urls.merchantId, url: ownerUrl(urls) })

/** Says whose database it is, and lets the login that serves it do so. Done again it changes nothing. */
const makeReady = Effect.fnUntraced(function* (urls: MerchantUrls, sandbox: boolean) {
  const { merchantId, url } = targetOf(urls)
  yield* Effect.scoped(
    Effect.flatMap(PgConnection.make({ url }), (connection) =>
      connection.query("SELECT app.initialise_merchant($1::text, $2::boolean)", [merchantId, sandbox])
    )
  ).pipe(Effect.mapError((error) => new MigrateRefused({ problem: serverError(error).message })))
  const login = runtimeLogin(urls)
  if (urls.migrationUrl !== undefined && login !== "") {
    yield* Effect.mapError(
      grantRuntime({ url, login }),
      ({ message }) =>
        new MigrateRefused({
          problem: `${message}; as an administrator of the server run: GRANT credit_runtime TO "${login}"`
        })
    )
  }
  yield* registerJobsOf(urls)
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
    allMerchants: Flag.Boolean("all-merchants").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Every merchant that the environment names")
    ),
    sandbox: Flag.Boolean("sandbox").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Make a new merchant a sandbox, whose clock can be moved; for ever")
    )
  },
  Effect.fn(function* ({ allMerchants, merchant, sandbox }) {
    const files = yield* loadMigrations()
    const urls = yield* targets(merchant, allMerchants)
    const outcomes = yield* migrateAll(urls.map(targetOf), { files, onProgress: report })
    const failed: Array<string> = []
    for (const [index, { merchantId, result }] of outcomes.entries()) {
      const served = urls[index]
      if (served === undefined) continue
      const done = yield* Effect.fromResult(result).pipe(
        Effect.tap(() => makeReady(served, sandbox)),
        Effect.result
      )
      if (Result.isSuccess(done)) {
        yield* Console.log(`${merchantId}: at version ${done.success.version}, ${done.success.applied.length} applied`)
      } else {
        failed.push(merchantId)
        yield* Console.error(`${merchantId}: ${done.failure.message}`)
      }
    }
    if (failed.length > 0) return yield* new MigrateRefused({ problem: `Not migrated: ${failed.join(", ")}` })
  })
).pipe(
  Command.withDescription(
    "Applies the migrations a merchant's database has not had yet, makes a new one the merchant's, and has its jobs run."
  ),
  Command.withExamples([{ command: "npm run migrate -- --all-merchants", description: "Before a deploy" }])
)

Command.run(migrate, { version: "1" }).pipe(
  reportFailure,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: exitCode })
)
