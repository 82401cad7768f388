import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

const integer = (name: string, minimum: number, maximum: number) =>
  Config.schema(
    Schema.NumberFromString.check(
      Schema.isInt(),
      Schema.isBetween({ minimum, maximum }, { expected: `a whole number from ${minimum} to ${maximum}` })
    ),
    name
  )

const share = (name: string) =>
  Config.schema(
    Schema.NumberFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 }, { expected: "a number from 0 to 1" })),
    name
  )

/** A duration such as `250 millis`, `10 seconds` or `5 minutes`. */
const duration = (
  name: string,
  fallback: Duration.Duration,
  // A day is more than anything here waits for; from 25 days on Node's timers would not wait at all.
  maximum: Duration.Duration = Duration.days(1)
) =>
  Config.schema(
    Schema.DurationFromString.check(
      Schema.makeFilter<Duration.Duration>(
        (value) => Duration.between(value, { minimum: Duration.millis(1), maximum }),
        { expected: `a duration from 1 millisecond to ${Duration.format(maximum)}` }
      )
    ),
    name
  ).pipe(Config.withDefault(fallback))

/**
 * Every setting the service reads from its environment, with its default. A merchant's database has a variable of its own
 * (`MERCHANT_<ID>_DATABASE_URL`, see `merchants/MerchantUrls.ts`).
 */
export const settings = {
  /** `production`, `development` or `test`. In production nothing is made up: what is missing is an error. */
  environment: Config.Literals(["production", "development", "test"], "NODE_ENV").pipe(
    Config.withDefault("development" as const)
  ),
  /** The port of the HTTP server; 0 lets the system choose. */
  port: integer("PORT", 0, 65_535).pipe(Config.withDefault(3000)),
  /** The address the HTTP server binds. Default: every interface in production, the loopback otherwise. */
  host: Config.option(Config.NonEmptyString("HOST")),

  /** The shared secret that signs and verifies tokens (HS256); at least 32 bytes. This or `JWT_JWKS_URL` is needed. */
  jwtSecret: Config.option(Config.Redacted("JWT_SECRET")),
  /** The secret before the last rotation: verifies, never signs. At least 32 bytes. */
  jwtSecretPrevious: Config.option(Config.Redacted("JWT_SECRET_PREVIOUS")),
  /** Where the public keys of an identity provider are; then only its asymmetric signatures count. */
  jwtJwksUrl: Config.option(Config.URL("JWT_JWKS_URL")),
  /** The `iss` a token must have. */
  jwtIssuer: Config.NonEmptyString("JWT_ISSUER").pipe(Config.withDefault("credit-service")),
  /** The `aud` a token must have. */
  jwtAudience: Config.NonEmptyString("JWT_AUDIENCE").pipe(Config.withDefault("credit-ledger-api")),
  /** How long after its `iat` a token is refused, whatever its `exp` says. */
  jwtMaximumAge: duration("JWT_MAX_AGE", Duration.days(400), Duration.days(36_500)),
  /** How often the revocations of a merchant in use are read; what is three times as old decides nothing. */
  revocationRefresh: duration("REVOCATION_REFRESH", Duration.seconds(15), Duration.seconds(15)),
  /** How many verified tokens are remembered. */
  tokenCacheSize: integer("TOKEN_CACHE_SIZE", 1, 1_000_000).pipe(Config.withDefault(10_000)),

  /** The largest body of a request, in bytes. */
  maximumBodyBytes: integer("MAX_BODY_BYTES", 1024, 16_777_216).pipe(Config.withDefault(262_144)),
  /** How many calls one HTTP request may hold. */
  maximumCallsPerRequest: integer("MAX_CALLS_PER_REQUEST", 1, 10_000).pipe(Config.withDefault(100)),
  /** How many calls may be in work at once; beyond it the answer is `RateLimited`. */
  maximumCallsInFlight: integer("MAX_CALLS_IN_FLIGHT", 1, 1_000_000).pipe(Config.withDefault(10_000)),
  /** How many calls of one merchant may be in work at once. */
  merchantCallsInFlight: integer("MERCHANT_CALLS_IN_FLIGHT", 1, 1_000_000).pipe(Config.withDefault(3000)),
  /** How many calls one merchant may send in a second. */
  merchantCallsPerSecond: integer("MERCHANT_CALLS_PER_SECOND", 1, 1_000_000).pipe(Config.withDefault(20_000)),
  /** How many connections callers may have open. */
  maximumConnections: integer("MAX_CONNECTIONS", 1, 1_000_000).pipe(Config.withDefault(10_000)),
  /** How long a caller waits for an answer. A command runs on after it. */
  requestDeadline: duration("REQUEST_DEADLINE", Duration.seconds(10)),
  /** How long the process may take from SIGTERM to its end. */
  shutdownDeadline: duration("SHUTDOWN_DEADLINE", Duration.seconds(25)),

  /** How many connections one merchant's pool may have. */
  merchantPoolSize: integer("MERCHANT_POOL_SIZE", 1, 1000).pipe(Config.withDefault(8)),
  /** How many connections all merchants' pools may have together. */
  totalPoolSize: integer("TOTAL_POOL_SIZE", 1, 10_000).pipe(Config.withDefault(90)),
  /** After so long without use a merchant's pool is closed. */
  merchantPoolIdle: duration("MERCHANT_POOL_IDLE", Duration.minutes(5)),
  /** How long to wait for a connection of a merchant's pool. */
  acquireTimeout: duration("DATABASE_ACQUIRE_TIMEOUT", Duration.seconds(1)),
  /** How long the making of a connection may take. */
  connectTimeout: duration("DATABASE_CONNECT_TIMEOUT", Duration.seconds(3)),
  /** The server-side limit of one SQL statement. */
  statementTimeout: duration("DATABASE_STATEMENT_TIMEOUT", Duration.seconds(5)),
  /** The server-side limit of one wait for a lock. */
  lockTimeout: duration("DATABASE_LOCK_TIMEOUT", Duration.seconds(3)),

  /** How many commands one batch of a merchant's engine takes at most. */
  engineBatchSize: integer("ENGINE_BATCH_SIZE", 1, 10_000).pipe(Config.withDefault(100)),
  /** How many commands may wait in a merchant's queue; beyond it the answer is `RateLimited`. */
  engineQueueBound: integer("ENGINE_QUEUE_BOUND", 1, 1_000_000).pipe(Config.withDefault(2000)),
  /**
   * How many batches of one merchant may be in flight. With two the database writes one while the service decides the other;
   * more make smaller batches, which cost the database more, and callers wait longer.
   */
  engineBatchesInFlight: integer("ENGINE_BATCHES_IN_FLIGHT", 1, 64).pipe(Config.withDefault(2)),

  /** How long a server may be silent before another takes over what it was doing to a merchant's database. */
  procedureLease: duration("PROCEDURE_LEASE", Duration.seconds(30), Duration.hours(1)),

  /** Whether this server runs jobs of merchants whose database has no pg_cron; `off` where other servers do. */
  jobScheduler: Config.Literals(["on", "off"], "JOB_SCHEDULER").pipe(Config.withDefault("on" as const)),

  /** The least level that is logged. */
  logLevel: Config.LogLevel("LOG_LEVEL").pipe(Config.withDefault("Info" as const)),
  /** What the service calls itself in telemetry. */
  serviceName: Config.NonEmptyString("SERVICE_NAME").pipe(Config.withDefault("credit-service")),
  /** Who asks for `/metrics` must send this as a bearer token. Without it anybody may who reaches the port. */
  metricsToken: Config.option(Config.Redacted("METRICS_TOKEN")),
  /** How many merchants have series of their own at `/metrics`; the others share the label `other`. */
  metricsMaximumMerchants: integer("METRICS_MAX_MERCHANTS", 1, 10_000).pipe(Config.withDefault(200)),
  /** Where errors, traces and profiles are sent. Nothing is sent without it. */
  sentryDsn: Config.option(Config.Redacted("SENTRY_DSN")),
  /** The share of calls that is traced. */
  sentryTracesSampleRate: share("SENTRY_TRACES_SAMPLE_RATE").pipe(Config.withDefault(0.1)),
  /** The share of processes that is profiled while they trace. */
  sentryProfilesSampleRate: share("SENTRY_PROFILES_SAMPLE_RATE").pipe(Config.withDefault(0)),
  /** The commit that runs; set by the platform. */
  release: Config.NonEmptyString("RAILWAY_GIT_COMMIT_SHA").pipe(Config.withDefault("unknown"))
}

type Values = { readonly [K in keyof typeof settings]: Effect.Success<(typeof settings)[K]> }

/** The environment lacks something or has something the service cannot work with. One line each; never a value. */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.problems.join("; ")
  }
}

/** The settings the process runs with, read once at its start. */
export class Settings extends Context.Service<Settings, Values & { readonly bindAddress: string }>()(
  "@credit/server/config/Settings"
) {
  static readonly layer = Layer.effect(
    Settings,
    Effect.suspend(() => load)
  )
}

const load = Effect.gen(function* () {
  const problems: Array<string> = []
  for (const config of Object.values<Config.Config<unknown>>(settings)) {
    yield* Effect.catch(config, (error) => Effect.sync(() => problems.push(describe(error))))
  }
  if (problems.length > 0) return yield* new SettingsInvalid({ problems })
  const values = yield* Effect.mapError(
    Config.all(settings),
    (error) => new SettingsInvalid({ problems: [describe(error)] })
  )
  problems.push(...contradictions(values))
  if (problems.length > 0) return yield* new SettingsInvalid({ problems })
  const everywhere = values.environment === "production" ? "0.0.0.0" : "127.0.0.1"
  return Settings.of({ ...values, bindAddress: Option.getOrElse(values.host, () => everywhere) })
})

const contradictions = (values: Values): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (Option.isNone(values.jwtSecret) && Option.isNone(values.jwtJwksUrl)) {
    problems.push("JWT_SECRET is missing: at least 32 bytes that sign and verify tokens (or JWT_JWKS_URL)")
  }
  if (Option.isSome(values.jwtSecret) && Option.isSome(values.jwtJwksUrl)) {
    problems.push("JWT_SECRET and JWT_JWKS_URL are both set: tokens are verified by one or the other")
  }
  for (const [name, secret] of [
    ["JWT_SECRET", values.jwtSecret],
    ["JWT_SECRET_PREVIOUS", values.jwtSecretPrevious]
  ] as const) {
    if (Option.isSome(secret) && Buffer.byteLength(Redacted.value(secret.value)) < 32) {
      problems.push(`${name} is too short: at least 32 bytes`)
    }
  }
  if (Option.isSome(values.jwtJwksUrl) && values.environment === "production") {
    if (values.jwtJwksUrl.value.protocol !== "https:") problems.push("JWT_JWKS_URL must be an https URL in production")
  }
  return problems
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** `NAME: what is wrong`, without the value that was found. */
const describe = (error: Config.ConfigError): string => {
  if (error.cause._tag !== "SchemaError") return error.cause.message
  const issue = format(error.cause.issue).issues[0]
  if (issue === undefined) return "a setting is not valid"
  return `${(issue.path ?? []).map(String).join("_")}: ${issue.message}`
}
