import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"

/** How long, and at what pace, a call is sent again. */
export interface RetryOptions {
  /** From the first attempt on, after which nothing is sent or waited for any more. Default 30 seconds. */
  readonly total?: Duration.Input
  /** The first pause at most; each later one is at most twice as long as the one before. Default 100 milliseconds. */
  readonly firstDelay?: Duration.Input
  /** No pause of our own is longer; what the service asks for (`retryAfterSeconds`) may be. Default 5 seconds. */
  readonly maxDelay?: Duration.Input
  /** Whether to wait for the end of a maintenance, too, as far as `total` allows. Default false. */
  readonly maintenance?: boolean
}

/** When a failed attempt may be followed by another; `undefined` for never. */
export type RetryHint = { readonly afterMillis: number } | undefined

/** Refusals that pass by themselves, and whose next attempt cannot do harm. */
const PASSING = new Set(["RequestInProgress", "ServiceUnavailable", "RateLimited"])

/** What a typed error, in wire form, says about another attempt. */
export const hintOf = (error: unknown, options: { readonly maintenance: boolean }): RetryHint => {
  if (!Predicate.hasProperty(error, "_tag") || !Predicate.isString(error._tag)) return undefined
  if (!PASSING.has(error._tag) && !(options.maintenance && error._tag === "MaintenanceMode")) return undefined
  const seconds = Predicate.hasProperty(error, "retryAfterSeconds") ? Number(error.retryAfterSeconds) : 0
  return { afterMillis: Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : 0 }
}

/** A {@link RetryOptions} with its defaults, in milliseconds. */
export interface RetryPolicy {
  readonly totalMillis: number
  readonly firstDelayMillis: number
  readonly maxDelayMillis: number
  readonly maintenance: boolean
}

export const retryPolicy = (options: RetryOptions = {}): RetryPolicy => ({
  totalMillis: Duration.toMillis(options.total ?? "30 seconds"),
  firstDelayMillis: Duration.toMillis(options.firstDelay ?? "100 millis"),
  maxDelayMillis: Duration.toMillis(options.maxDelay ?? "5 seconds"),
  maintenance: options.maintenance ?? false
})

/**
 * Runs attempts until one needs no other, or until the next could not begin before `totalMillis` are over; the last
 * outcome, success or failure, is the outcome. Pauses double and are spread at random, so that callers who failed together
 * do not come back together; a pause is never shorter than the hint.
 *
 * `attempt` gets its number, from 1, and the milliseconds left.
 */
export const withRetries = <A, E, R>(
  policy: RetryPolicy,
  attempt: (number: number, leftMillis: number) => Effect.Effect<A, E, R>,
  hint: { readonly onSuccess: (value: A) => RetryHint; readonly onFailure: (error: E) => RetryHint }
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const started = yield* now
    let left = policy.totalMillis
    for (let number = 1; ; number++) {
      const outcome = yield* Effect.result(attempt(number, left))
      const another = outcome._tag === "Success" ? hint.onSuccess(outcome.success) : hint.onFailure(outcome.failure)
      if (another === undefined) return yield* Effect.fromResult(outcome)
      const ceiling = Math.min(policy.maxDelayMillis, policy.firstDelayMillis * 2 ** (number - 1))
      const spread = yield* Random.next
      const pause = another.afterMillis > 0 ? another.afterMillis + ceiling * spread : ceiling * (0.5 + spread / 2)
      left = policy.totalMillis - ((yield* now) - started) - pause
      if (left <= 0) return yield* Effect.fromResult(outcome)
      yield* Effect.sleep(pause)
    }
  })

/** Monotonic, so that a wall clock set right in between neither stretches nor cuts the total. */
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
