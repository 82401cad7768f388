import * as Effect from "effect/Effect"

/*
 * Other processes are waited for by the machine's time: a test clock, which `Effect.sleep` would obey, does not move them,
 * and a layer built under one would wait for ever.
 */

/** Waits `milliseconds` of real time. */
export const pause = (milliseconds: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), milliseconds)
    return Effect.sync(() => clearTimeout(timer))
  })

/** Milliseconds of real time since `start`, itself a `performance.now()`. */
export const elapsed = (start: number): number => performance.now() - start

/** Asks `condition` again and again until it says yes; `false` if it did not within `milliseconds`. */
export const waitUntil = Effect.fnUntraced(function* <E, R>(
  condition: Effect.Effect<boolean, E, R>,
  milliseconds: number
) {
  const start = performance.now()
  while (true) {
    if (yield* condition) return true
    if (elapsed(start) >= milliseconds) return false
    yield* pause(10)
  }
})
