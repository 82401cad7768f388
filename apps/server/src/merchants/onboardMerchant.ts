import { InvalidRequest } from "@credit/domain/Refusal"
import type { Operator } from "@credit/rpc/Access"
import {
  MerchantCheck,
  MerchantInvalid,
  type MerchantProblem,
  type Merchants,
  OnboardingFailed,
  type OnboardingStep,
  OnboardingStepOutcome
} from "@credit/rpc/Merchants"
import type { RpcPayload } from "@credit/rpc/types"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { decideToken, IssuedFacts } from "../access/issueToken.ts"
import { TokenSigner } from "../access/TokenSigner.ts"
import { tokenRequest } from "../access/tokenRequest.ts"
import { databaseTrouble } from "../commands/onMerchant.ts"
import { type Answered, type Asked, metaOf, type Procedure, procedureOf } from "../commands/Procedure.ts"
import type { Tell } from "../commands/procedureStream.ts"
import { type Lease, runLeased } from "../commands/runProcedure.ts"
import { Settings } from "../config/Settings.ts"
import { loadMigrations, type MigrationFile } from "../migrations/MigrationFile.ts"
import { type MigrationProgress, migrate } from "../migrations/Migrations.ts"
import { serverError } from "../migrations/ServerError.ts"
import { checkMerchant } from "./checks.ts"
import { inspectMerchant, sameLogin } from "./inspectMerchant.ts"
import { MerchantDatabases } from "./MerchantDatabases.ts"
import { MerchantDirectory } from "./MerchantDirectory.ts"
import { isMerchantId, type MerchantUrls } from "./MerchantUrls.ts"
import { OnboardingHooks } from "./OnboardingHooks.ts"
import { openSession, ownerUrl } from "./OwnerSession.ts"
import { createDatabase, fillCatalog, grantAccess, initialise, type StepDone } from "./onboardingSteps.ts"
import { plannedSteps } from "./plannedSteps.ts"

export type OnboardPayload = RpcPayload<typeof Merchants, "Merchant.Onboard">
type StepOutcome = typeof OnboardingStepOutcome.Type
type Problem = typeof MerchantProblem.Type

/** What is told while a merchant is onboarded. */
export type Progress =
  | { readonly _tag: "StepStarted"; readonly step: OnboardingStep; readonly position: number; readonly total: number }
  | {
      readonly _tag: "Migrated"
      readonly id: number
      readonly name: string
      readonly position: number
      readonly total: number
      readonly durationMillis: number
    }
  | (StepOutcome & { readonly _tag: "StepDone" })

/** What the merchant's database keeps as the answer: everything but the token's signature. */
const Onboarded = Schema.Struct({
  steps: Schema.Array(OnboardingStepOutcome),
  checks: Schema.Array(MerchantCheck),
  token: Schema.optionalKey(IssuedFacts)
})
type Onboarded = typeof Onboarded.Type

/** In their order; see the contract. */
export const STEPS = [
  "validate",
  "database",
  "migrate",
  "access",
  "settings",
  "catalog",
  "jobs",
  "monitoring",
  "token",
  "check"
] as const satisfies ReadonlyArray<OnboardingStep>

/**
 * Onboards a merchant, or finishes what an earlier try began: every step looks whether it is done. What comes before there
 * is a database that keeps keys is safe by itself (a lock in the server's `postgres`, the migration runner's lock); from
 * then on a lease and its fence keep two tries of one command apart.
 */
export const onboardMerchant = Effect.fn("Merchant.onboard")(function* (
  payload: OnboardPayload,
  asked: Asked,
  named: Operator["Service"]["merchantId"],
  tell: Tell<Progress>
) {
  if (named !== undefined && named !== payload.merchantId) {
    return yield* new InvalidRequest({ field: "merchantId", message: "X-Merchant-Id names another merchant" })
  }
  const files = yield* loadMigrations().pipe(Effect.orDie)
  const steps = new Steps(tell)
  const { ground, procedure, urls } = yield* validate(payload, asked, files)
  if (asked.dryRun) {
    const planned = yield* plannedSteps(urls, payload, files, ground).pipe(failing("validate"))
    return { merchantId: procedure.merchantId, steps: planned, checks: [], meta: metaOf(procedure, false) }
  }
  const context = { payload, procedure, urls, files, steps }
  const answer =
    ground?.keepsKeys === true
      ? yield* lease(context, (held) => Effect.andThen(makeGround(context, held), settle(context, held)))
      : yield* Effect.andThen(
          makeGround(context, undefined),
          lease(context, (held) => settle(context, held))
        )
  return yield* signed(procedure, answer)
})

const signed = Effect.fnUntraced(function* (
  { merchantId }: Procedure<Onboarded>,
  { token: facts, ...answer }: Answered<Onboarded>
) {
  const { sign } = yield* TokenSigner
  if (facts === undefined || sign === undefined) return { merchantId, ...answer }
  return { merchantId, ...answer, token: { token: yield* sign(facts), ...facts } }
})

interface Onboarding {
  readonly payload: OnboardPayload
  readonly procedure: Procedure<Onboarded>
  readonly urls: MerchantUrls
  readonly files: ReadonlyArray<MigrationFile>
  readonly steps: Steps
}

/** The steps as they go: each is told when it starts and when it is done, and kept for the answer. */
class Steps {
  readonly outcomes: Array<StepOutcome> = []
  readonly #tell: Tell<Progress>

  constructor(tell: Tell<Progress>) {
    this.#tell = tell
  }

  run<E, R>(step: OnboardingStep, work: Effect.Effect<Omit<StepOutcome, "step">, E, R>): Effect.Effect<void, E, R> {
    const place = { step, position: STEPS.indexOf(step) + 1, total: STEPS.length }
    return Effect.andThen(
      this.#tell({ _tag: "StepStarted", ...place }),
      Effect.flatMap(work, (outcome) => {
        const done = { step, ...outcome }
        this.outcomes.push(done)
        return this.#tell({ _tag: "StepDone", ...done })
      })
    )
  }

  migrated(progress: MigrationProgress): Effect.Effect<void> {
    if (progress._tag !== "Applied") return Effect.void
    const { durationMillis, migration, position, total } = progress
    const { id, name } = migration
    return this.#tell({ _tag: "Migrated", id, name, position, total, durationMillis })
  }
}

const outcomeOf = ({ changed, detail }: StepDone): Omit<StepOutcome, "step"> => ({
  outcome: changed ? "done" : "already_done",
  detail
})

/** Turns whatever a step fails with into words on that step. */
const failing =
  (step: OnboardingStep) =>
  <A, E extends { readonly message: string }, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, OnboardingFailed, R> =>
    Effect.mapError(work, (error) => new OnboardingFailed({ step, problem: wordsOf(error) }))

const wordsOf = (error: { readonly message: string }): string => {
  if (isSqlError(error)) return serverError(error).message
  return "problem" in error && typeof error.problem === "string" ? error.problem : error.message
}

/** Everything that can be found to be wrong beforehand, at once. */
const validate = Effect.fnUntraced(function* (
  payload: OnboardPayload,
  asked: Asked,
  files: ReadonlyArray<MigrationFile>
) {
  const problems: Array<Problem> = [...(yield* payloadProblems(payload))]
  const directory = yield* MerchantDirectory
  const { merchantId } = payload
  if (!isMerchantId(merchantId)) {
    const message = `"${merchantId}" is no merchant id: a lower-case letter, then 1–30 of [a-z0-9-]`
    return yield* new MerchantInvalid({ problems: [{ code: "id_form", message }, ...problems] })
  }
  const procedure = procedureOf("Merchant.Onboard", merchantId, payload, asked, Onboarded)
  const meta = metaOf(procedure, false)
  const urls = directory.lookup(merchantId)
  if (urls === undefined) {
    const variable = `MERCHANT_${merchantId.toUpperCase().replaceAll("-", "_")}_DATABASE_URL`
    const message = `nothing says where its database is: set ${variable} or MERCHANT_DATABASE_URL_TEMPLATE`
    return yield* new MerchantInvalid({ problems: [...problems, { code: "no_database_url", message }], meta })
  }
  const { ground, problems: found } = yield* inspectMerchant(urls, files, payload.sandbox)
  problems.push(...found)
  if (problems.length > 0) return yield* new MerchantInvalid({ problems, meta })
  return { urls, procedure, ground }
})

const payloadProblems = Effect.fnUntraced(function* ({ settings = {}, tokenLifetimeSeconds }: OnboardPayload) {
  const problems: Array<Problem> = []
  const regime = settings.taxRegime ?? "none"
  if (regime === "none" && settings.taxRate !== undefined) {
    problems.push({ code: "tax", message: "a tax rate needs a tax regime" })
  }
  if (regime === "vat" && settings.taxRate === undefined) {
    problems.push({ code: "tax", message: "the tax regime vat needs a tax rate" })
  }
  const longest = Math.floor(Duration.toSeconds((yield* Settings).jwtMaximumAge))
  if (tokenLifetimeSeconds !== undefined && tokenLifetimeSeconds > longest) {
    problems.push({ code: "token_lifetime", message: `no token is accepted for longer than ${longest} seconds` })
  }
  return problems
})

/** From nothing to a migrated database. */
const makeGround = Effect.fnUntraced(function* ({ files, steps, urls }: Onboarding, held: Lease | undefined) {
  yield* steps.run("validate", Effect.succeed({ outcome: "done", detail: "nothing stands in the way" }))
  yield* steps.run("database", Effect.map(createDatabase(urls), outcomeOf).pipe(failing("database")))
  const migrating = migrate({
    url: ownerUrl(urls),
    files,
    onProgress: (progress) => steps.migrated(progress),
    ...(held === undefined ? {} : { mayGoOn: held.holds })
  })
  yield* steps.run(
    "migrate",
    Effect.map(migrating, ({ applied, version }) =>
      outcomeOf({ changed: applied.length > 0, detail: `at version ${version}, ${applied.length} applied` })
    ).pipe(failing("migrate"))
  )
})

/** Runs what is left under the procedure's key, on a session that keeps its lease. */
const lease = Effect.fnUntraced(function* <E, R>(
  { procedure, urls }: Onboarding,
  work: (held: Lease) => Effect.Effect<Onboarded, E, R>
) {
  const { procedureLease } = yield* Settings
  const context = yield* Effect.context<R>()
  return yield* Effect.scoped(
    Effect.flatMap(openSession(ownerUrl(urls)).pipe(failing("settings")), (keeper) =>
      runLeased(keeper, procedure, procedureLease, (held) =>
        work(held).pipe(
          Effect.map((value) => ({ value, ...(value.token && { detail: { jti: value.token.jti } }) })),
          Effect.provideContext(context)
        )
      )
    )
  ).pipe(Effect.catchIf(isSqlError, (error) => databaseTrouble(procedure, error)))
})

/** From a migrated database to a merchant that is served. */
const settle = Effect.fnUntraced(function* ({ files, payload, procedure, steps, urls }: Onboarding, held: Lease) {
  const hooks = yield* OnboardingHooks
  const owner = yield* openSession(ownerUrl(urls)).pipe(failing("access"))
  /** A step whose effect is one transaction. */
  const effect = (step: OnboardingStep, body: Effect.Effect<StepDone, SqlError>) =>
    steps.run(step, Effect.map(held.effect(owner, body), outcomeOf).pipe(failing(step)))
  yield* steps.run(
    "access",
    sameLogin(urls)
      ? Effect.succeed({ outcome: "skipped" as const, detail: "the owner serves it: roles are not separated" })
      : Effect.map(grantAccess(owner, urls), outcomeOf).pipe(failing("access"))
  )
  yield* effect("settings", initialise(owner, urls, payload))
  yield* payload.catalog === "none"
    ? steps.run("catalog", Effect.succeed({ outcome: "skipped", detail: "not asked for" }))
    : effect("catalog", fillCatalog(owner))
  yield* steps.run("jobs", hooks.registerJobs(urls).pipe(failing("jobs")))
  yield* steps.run("monitoring", hooks.watch(urls).pipe(failing("monitoring")))
  const token = yield* issue(payload, procedure, owner, steps)
  const checks = yield* check(urls, files, steps)
  return { steps: steps.outcomes, checks, ...(token === undefined ? {} : { token }) } satisfies Onboarded
}, Effect.scoped)

const issue = Effect.fnUntraced(function* (
  { tokenLifetimeSeconds }: OnboardPayload,
  { merchantId, transactionId }: Procedure<Onboarded>,
  owner: PgConnection,
  steps: Steps
) {
  const { sign } = yield* TokenSigner
  if (sign === undefined) {
    const detail = "the identity provider of JWT_JWKS_URL issues the tokens"
    yield* steps.run("token", Effect.succeed({ outcome: "skipped", detail }))
    return undefined
  }
  const request = tokenRequest({
    role: "app",
    merchantId,
    subject: undefined,
    userId: undefined,
    lifetimeSeconds: tokenLifetimeSeconds
  })
  if ("field" in request) return yield* Effect.die(new Error(request.problem))
  const token = yield* decideToken(owner, request, transactionId).pipe(failing("token"))
  yield* steps.run("token", Effect.succeed({ outcome: "done", detail: `an app token, ${token.jti}` }))
  return token
})

/** The service takes the merchant in as it will for calls; one it had looked for in vain is looked for anew. */
const check = Effect.fnUntraced(function* (urls: MerchantUrls, files: ReadonlyArray<MigrationFile>, steps: Steps) {
  const directory = yield* MerchantDirectory
  const databases = yield* MerchantDatabases
  const opened = databases.status().find(({ merchantId }) => merchantId === urls.merchantId)?.state === "open"
  if (!opened) directory.add({ ...urls })
  const needed = files.reduce((newest, { id }) => Math.max(newest, id), 0)
  const checks = yield* Effect.flatMap(databases.get(urls.merchantId), (database) =>
    checkMerchant(database, needed)
  ).pipe(failing("check"))
  const failed = checks.filter(({ ok }) => !ok)
  const detail = failed.length === 0 ? "all is well" : failed.map((it) => `${it.check}: ${it.detail}`).join("; ")
  yield* steps.run("check", Effect.succeed({ outcome: "done", detail }))
  return checks
})
