import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { isSqlError } from "effect/sql/SqlError"
import { Settings } from "../config/Settings.ts"
import { Reporter } from "./Reporter.ts"

/** How long the end of the process waits for the last reports. */
const FLUSH_MILLIS = 2000

/**
 * Errors, traces and profiles to Sentry where `SENTRY_DSN` says so; otherwise nothing, and nothing of it is loaded (that
 * alone takes some 300 ms). Of Sentry's own instrumentations none is used: what is told is what the service itself says.
 */
export const SentryLive = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* Settings
    if (Option.isNone(settings.sentryDsn)) return Reporter.layerNone
    const dsn = Redacted.value(settings.sentryDsn.value)
    const [Sentry, { nodeProfilingIntegration }, OtelTracer] = yield* Effect.promise(() =>
      Promise.all([
        import("@sentry/node"),
        import("@sentry/profiling-node"),
        import("@effect/opentelemetry/OtelTracer")
      ])
    )
    const client = Sentry.init({
      dsn,
      release: settings.release,
      environment: settings.environment,
      serverName: settings.serviceName,
      defaultIntegrations: false,
      integrations: settings.sentryProfilesSampleRate > 0 ? [nodeProfilingIntegration()] : [],
      tracesSampleRate: settings.sentryTracesSampleRate,
      profileSessionSampleRate: settings.sentryProfilesSampleRate,
      profileLifecycle: "trace"
    })
    if (client === undefined) return Reporter.layerNone
    Sentry.initOpenTelemetry(client)
    const reporter = Layer.effect(
      Reporter,
      Effect.acquireRelease(
        Effect.sync(() =>
          Reporter.of({
            enabled: true,
            fault: (cause, tags) => {
              Sentry.captureException(tellable(cause), { tags: { ...tags } })
            },
            alert: (message, tags) => {
              Sentry.captureMessage(message, { level: "warning", tags: { ...tags } })
            },
            flush: Effect.promise(() => Sentry.flush(FLUSH_MILLIS))
          })
        ),
        () => Effect.promise(() => Sentry.close(FLUSH_MILLIS))
      )
    )
    return Layer.merge(reporter, OtelTracer.layerGlobal)
  })
)

/**
 * An error with the stack of the cause. Texts that quote what was written or sent (those of the database, and of parsers) are
 * left out; what remains says what kind of fault it is.
 */
const tellable = (cause: unknown): Error => {
  const squashed: unknown = Cause.isCause(cause) ? Cause.squash(cause) : cause
  const inner: unknown = isSqlError(squashed) ? squashed.reason.cause : squashed
  const error = new Error(textOf(squashed, inner))
  error.name = inner instanceof Error ? inner.name : "Fault"
  // The first line of a stack repeats the message.
  const frames = inner instanceof Error ? (inner.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? []) : []
  error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n")
  return error
}

const LONGEST_TEXT = 200

const textOf = (error: unknown, inner: unknown): string => {
  if (isSqlError(error)) return `${error.reason._tag}${codeOf(inner)}`
  if (Predicate.hasProperty(error, "_tag")) return `${String(error._tag)}${codeOf(error)}`
  if (error instanceof Error && !(error instanceof SyntaxError)) return error.message.slice(0, LONGEST_TEXT)
  return error instanceof Error ? error.name : typeof error
}

const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? ` ${error.code}` : ""
