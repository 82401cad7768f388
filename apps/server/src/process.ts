import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Runtime from "effect/Runtime"
import { Settings } from "./config/Settings.ts"

/** Told to stop is a good end; anything else that ends the service is not. */
export const exitCode: Runtime.Teardown = (exit, onExit) =>
  onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)

/** What keeps the service from starting, in one line on the standard error; a stack only for what is a bug. */
export const reportFailure = <A, E, R>(service: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapCause(service, (cause) =>
    Effect.sync(() => {
      if (Cause.hasInterruptsOnly(cause)) return
      const error: unknown = Cause.squash(cause)
      process.stderr.write(`credit-service: ${Cause.hasDies(cause) ? Cause.pretty(cause) : oneLine(error)}\n`)
    })
  )

const oneLine = (error: unknown): string => {
  if (isServeError(error)) return `the port cannot be opened: ${message(error.cause)}${hint(error.cause)}`
  return message(error)
}

const hint = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE"
    ? " (the service may be running already; set PORT for another)"
    : ""

const isServeError = (error: unknown): error is { readonly cause: unknown } =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ServeError" && "cause" in error

const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")

/** What is left of the deadline to say that it has passed. */
const MARGIN_MILLIS = 1000

/**
 * Ends the process when the orderly shutdown takes longer than it may: better to go, saying so, than to be killed. Commands
 * that were not answered by then are in the database or not; their keys tell.
 */
export const ShutdownLimit = Layer.effectDiscard(
  Effect.gen(function* () {
    const { shutdownDeadline } = yield* Settings
    const onSignal = () => {
      setTimeout(() => {
        process.stderr.write("credit-service: the shutdown took too long and was cut short\n")
        process.exit(1)
      }, Duration.toMillis(shutdownDeadline) - MARGIN_MILLIS).unref()
    }
    process.once("SIGTERM", onSignal)
    process.once("SIGINT", onSignal)
  })
)
