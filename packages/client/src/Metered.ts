import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CreditClientError } from "./CreditClientError.ts"

/** The steps of metered work, whatever the values look like. */
export interface Steps<Opened, Used, Closed, EO, EW, RW, EC> {
  /** Always with the same key, so that asking again finds what was opened. */
  readonly open: Effect.Effect<Opened, EO>
  readonly work: (opened: Opened) => Effect.Effect<Used, EW, RW>
  readonly close: (opened: Opened, used: Used) => Effect.Effect<Closed, EC>
  /** Gives the hold back, and deals with its own failures: what went wrong before is what the caller shall hear. */
  readonly cancel: (opened: Opened, reason: string) => Effect.Effect<void>
}

/**
 * Opens, works, closes. What does not come to a close is cancelled, exactly then when no close was sent:
 *
 * - The work fails, dies or is interrupted: the operation is cancelled, which no interruption can stop.
 * - Interrupted while opening, when nobody knows whether it opened: opened again with the same key, which answers with the
 *   operation there is, and cancelled.
 * - The work succeeds: it is charged. The close is not interrupted, and whatever becomes of it, nothing is cancelled.
 */
export const metered = <Opened, Used, Closed, EO, EW, RW, EC>(
  steps: Steps<Opened, Used, Closed, EO, EW, RW, EC>
): Effect.Effect<Closed, EO | EW | EC, RW> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const opened = yield* restore(steps.open).pipe(
        Effect.onInterrupt(() =>
          Effect.matchEffect(steps.open, {
            onFailure: (error) =>
              error instanceof CreditClientError
                ? Effect.logWarning(
                    "Interrupted while opening: if an operation opened, it stays so until it expires",
                    error
                  )
                : Effect.void, // Refused: there is none.
            onSuccess: (opened) => steps.cancel(opened, "interrupted")
          })
        )
      )
      const used = yield* restore(Effect.suspend(() => steps.work(opened))).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : steps.cancel(opened, whyOf(exit.cause))))
      )
      return yield* steps.close(opened, used)
    })
  )

/** Recorded with the cancelled operation. What the work says about itself stays with the caller. */
const whyOf = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "interrupted" : "the work failed"
