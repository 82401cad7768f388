import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { fromTemplate, isMerchantId, readMerchantUrls } from "../merchants/MerchantUrls.ts"
import { exitCode, reportFailure } from "../process.ts"
import { readCronUrls } from "./CronUrls.ts"
import { registerJobsOf, unregisterJobs, unregisterJobsOf } from "./JobRegistration.ts"

/** The command cannot do what it was asked; the message says what to do. */
class JobsRefused extends Schema.TaggedError<JobsRefused>()("JobsRefused", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** The URLs of a merchant that the environment knows. */
const urlsOf = Effect.fnUntraced(function* (merchant: string) {
  const environment = readMerchantUrls(process.env)
  if (environment.problems.length > 0) return yield* new JobsRefused({ problem: environment.problems.join("; ") })
  const urls = isMerchantId(merchant)
    ? (environment.configured.get(merchant) ?? fromTemplate(environment, merchant))
    : undefined
  if (urls === undefined) return yield* new JobsRefused({ problem: `No database is configured for ${merchant}` })
  return urls
})

const merchant = Flag.String("merchant").pipe(Flag.withDescription("The merchant whose jobs they are"))

const register = Command.make(
  "register",
  { merchant },
  Effect.fn(function* ({ merchant }) {
    const found = yield* registerJobsOf(yield* urlsOf(merchant))
    yield* Console.log(
      found.runner === "service"
        ? `${merchant}: its jobs are run by the service`
        : `${merchant}: its jobs are run by the pg_cron of ${found.cronDatabase}, as ${found.username}`
    )
  })
).pipe(Command.withDescription("Finds who runs a merchant's jobs, and has them run. Migrating does the same."))

const unregister = Command.make(
  "unregister",
  {
    merchant: Flag.optional(merchant),
    database: Flag.optional(
      Flag.String("database").pipe(Flag.withDescription("The name of a database that is gone already"))
    )
  },
  Effect.fn(function* ({ database, merchant }) {
    if (Option.isSome(merchant) === Option.isSome(database)) {
      return yield* new JobsRefused({ problem: "Say either --merchant ID or --database NAME" })
    }
    if (Option.isSome(database)) {
      const removed = yield* unregisterJobs({ database: database.value, url: undefined, cronUrls: yield* readCronUrls })
      return yield* Console.log(`${database.value}: ${removed} jobs taken from pg_cron`)
    }
    const name = Option.getOrElse(merchant, () => "")
    const removed = yield* unregisterJobsOf(yield* urlsOf(name))
    yield* Console.log(
      `${name}: ${removed} jobs taken from pg_cron; the service runs them, where it serves the merchant`
    )
  })
).pipe(
  Command.withDescription("Takes a merchant's jobs from pg_cron: before its database is dropped, or for the service.")
)

Command.make("jobs").pipe(
  Command.withSubcommands([register, unregister]),
  Command.withDescription("Who runs the jobs of merchants' databases"),
  Command.run({ version: "1" }),
  reportFailure,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: exitCode })
)
