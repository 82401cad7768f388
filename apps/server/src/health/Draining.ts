import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Whether the process was told to end: from then on it asks to be sent nothing more. */
export class Draining extends Context.Service<Draining, { readonly isDraining: () => boolean }>()(
  "@credit/server/health/Draining"
) {
  static readonly layer = Layer.effect(
    Draining,
    Effect.gen(function* () {
      let draining = false
      const begin = () => {
        draining = true
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.once("SIGTERM", begin)
          process.once("SIGINT", begin)
        }),
        () =>
          Effect.sync(() => {
            process.off("SIGTERM", begin)
            process.off("SIGINT", begin)
          })
      )
      return Draining.of({ isDraining: () => draining })
    })
  )
}
