import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** Told while nothing else is. */
interface Working {
  readonly _tag: "Working"
  readonly elapsedMillis: number
}

/** A caller's patience with one part of a stream is 10 seconds unless it says otherwise. */
const SILENCE_MILLIS = 3000

/** Tells something of what goes on. */
export type Tell<P> = (progress: P) => Effect.Effect<void>

/**
 * A procedure as a stream: what it tells on its way, and its answer as the last element. It is not held up by a slow reader;
 * what it tells is bounded by what it does.
 */
export const procedureStream = <P, A extends object, E, R>(
  run: (tell: Tell<P>) => Effect.Effect<A, E, R>
): Stream.Stream<P | Working | (A & { readonly _tag: "Done" }), E, R> =>
  Stream.callback<P | Working | (A & { readonly _tag: "Done" }), E, R>((queue) => {
    const started = performance.now()
    let told = started
    const offer = (element: P | Working) => {
      told = performance.now()
      return Effect.asVoid(Queue.offer(queue, element))
    }
    const beat = Effect.sleep(SILENCE_MILLIS).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          const now = performance.now()
          const elapsedMillis = Math.round(now - started)
          return now - told < SILENCE_MILLIS ? Effect.void : offer({ _tag: "Working", elapsedMillis })
        })
      ),
      Effect.forever
    )
    return Effect.raceFirst(run(offer), beat).pipe(
      Effect.flatMap((answer) => Queue.offer(queue, { ...answer, _tag: "Done" as const })),
      Effect.andThen(Queue.end(queue))
    )
  })
