import { hintOf, type RetryHint, type RetryPolicy, retryPolicy, withRetries } from "@credit/client/Retry"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

/** Fails with each of `hints` in turn, then succeeds; records when it was tried. */
const troubled = (hints: ReadonlyArray<RetryHint>) => {
  const times: Array<number> = []
  const left: Array<number> = []
  const run = (policy: RetryPolicy) =>
    withRetries(
      policy,
      (number, leftMillis) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          times.push(now)
          left.push(leftMillis)
          return number > hints.length ? Effect.succeed(number) : Effect.fail(number)
        }),
      { onSuccess: () => undefined, onFailure: (number) => hints[number - 1] }
    )
  return { run, times, left }
}

const pauses = (times: ReadonlyArray<number>) => times.slice(1).map((time, index) => time - (times[index] ?? 0))

const now: RetryHint = { afterMillis: 0 }

describe("Sending again", () => {
  it.effect("does not happen after a success, and costs no time", () =>
    Effect.gen(function* () {
      const call = troubled([])
      assert.strictEqual(yield* call.run(retryPolicy()), 1)
      assert.deepStrictEqual(call.times, [0])
    })
  )

  it.effect("does not happen after an error that stays", () =>
    Effect.gen(function* () {
      const call = troubled([undefined])
      assert.strictEqual(yield* Effect.flip(call.run(retryPolicy())), 1)
      assert.deepStrictEqual(call.times, [0])
    })
  )

  it.effect("waits at least as long as the service asks for, and not much longer", () =>
    Effect.gen(function* () {
      const call = troubled([{ afterMillis: 7_000 }, { afterMillis: 3_000 }])
      const fiber = yield* Effect.forkChild(call.run(retryPolicy()))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), 3)
      const [first = 0, second = 0] = pauses(call.times)
      assert.isTrue(first >= 7_000 && first <= 7_100, `${first}`)
      assert.isTrue(second >= 3_000 && second <= 3_200, `${second}`)
    })
  )

  it.effect("doubles its pauses up to the longest, each spread over the upper half", () =>
    Effect.gen(function* () {
      const call = troubled([now, now, now, now, now, now])
      const policy = retryPolicy({ firstDelay: "100 millis", maxDelay: "1 second" })
      const fiber = yield* Effect.forkChild(call.run(policy))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const ceilings = [100, 200, 400, 800, 1_000, 1_000]
      for (const [index, pause] of pauses(call.times).entries()) {
        const ceiling = ceilings[index] ?? 0
        assert.isTrue(pause >= ceiling / 2 && pause <= ceiling, `pause ${index}: ${pause} of ${ceiling}`)
      }
    })
  )

  it.effect("spreads callers who failed together", () =>
    Effect.gen(function* () {
      for (const hint of [now, { afterMillis: 1_000 }]) {
        const calls = Array.from({ length: 20 }, () => troubled([hint]))
        const fiber = yield* Effect.forkChild(
          Effect.forEach(calls, (call) => call.run(retryPolicy()), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.isAbove(new Set(calls.map((call) => call.times[1])).size, 10)
      }
    })
  )

  it.effect("ends with the last outcome when the next attempt could not begin in time", () =>
    Effect.gen(function* () {
      const hints = Array.from({ length: 100 }, () => now)
      const call = troubled(hints)
      const fiber = yield* Effect.forkChild(Effect.flip(call.run(retryPolicy({ total: "30 seconds" }))))
      yield* TestClock.adjust("1 minute")
      const last = yield* Fiber.join(fiber)
      assert.strictEqual(last, call.times.length)
      assert.isTrue((call.times.at(-1) ?? 0) < 30_000)
      assert.isTrue((call.times.at(-1) ?? 0) > 24_000, "it gave up long before the total was used up")
    })
  )

  it.effect("tells every attempt how much of the total is left", () =>
    Effect.gen(function* () {
      const call = troubled([{ afterMillis: 4_000 }])
      const fiber = yield* Effect.forkChild(call.run(retryPolicy({ total: "10 seconds", firstDelay: 0 })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(call.left, [10_000, 6_000])
    })
  )

  it.effect("does not wait for a time beyond the total", () =>
    Effect.gen(function* () {
      const call = troubled([{ afterMillis: 31_000 }])
      assert.strictEqual(yield* Effect.flip(call.run(retryPolicy({ total: "30 seconds" }))), 1)
    })
  )
})

describe("A typed error", () => {
  const passing = (error: unknown, maintenance = false) => hintOf(error, { maintenance })

  it.each(["RequestInProgress", "ServiceUnavailable", "RateLimited"])("%s passes, after the time it names", (_tag) => {
    assert.deepStrictEqual(passing({ _tag, retryAfterSeconds: 3 }), { afterMillis: 3_000 })
  })

  it.each([
    "InsufficientBalance",
    "OperationClosed",
    "IntentConflict",
    "InvalidRequest",
    "Unauthorized",
    "Forbidden",
    "InternalError"
  ])("%s stays", (_tag) => {
    assert.isUndefined(passing({ _tag, retryAfterSeconds: 3 }))
  })

  it("MaintenanceMode passes only for those who want to wait for its end", () => {
    const error = { _tag: "MaintenanceMode", retryAfterSeconds: 60 }
    assert.isUndefined(passing(error))
    assert.deepStrictEqual(passing(error, true), { afterMillis: 60_000 })
  })

  it("that names no sensible time is sent again at the client's own pace", () => {
    for (const retryAfterSeconds of [undefined, -5, "soon", Number.POSITIVE_INFINITY]) {
      assert.deepStrictEqual(passing({ _tag: "RateLimited", retryAfterSeconds }), { afterMillis: 0 })
    }
  })
})
