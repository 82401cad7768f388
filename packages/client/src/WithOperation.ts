import * as Effect from "effect/Effect"
import { metered } from "./Metered.ts"
import { OperationNotClosed } from "./OperationNotClosed.ts"
import type { CommandOptions } from "./Options.ts"

/** What an operation used, and what came of it. */
export interface Metered<A, Amount, Instant> {
  /** The work's own result. */
  readonly value: A
  /** In the unit of the operation's rate; at most 6 decimals. */
  readonly resourceAmount: Amount
  /** If given, must be the unit of the operation's rate. */
  readonly resourceUnit?: string
  /** When the work ended; now, unless told. */
  readonly completedAt?: Instant
}

/** What is sent to close an operation. */
export interface Close<Id, Amount, Instant> extends Omit<Metered<unknown, Amount, Instant>, "value"> {
  readonly operationId: Id
  readonly completedAt: Instant
}

/** What may be said about a run of an operation. Its one key names all its commands: keys are told apart by command. */
export type OperationOptions = Omit<CommandOptions, "dryRun">

/** The commands that a run sends, in rich values or in JSON. */
interface OperationMethods<Open, Operation, Id, Amount, Instant, Closed, EO, EC, EX> {
  readonly open: (payload: Open, options: OperationOptions) => Effect.Effect<{ readonly operation: Operation }, EO>
  readonly recordAndClose: (payload: Close<Id, Amount, Instant>, options: OperationOptions) => Effect.Effect<Closed, EC>
  readonly cancel: (
    payload: { readonly operationId: Id; readonly reason: string },
    options: OperationOptions
  ) => Effect.Effect<unknown, EX>
}

/** Makes `withOperation` of a client's operation methods. */
export const withOperation =
  <Open, Operation extends { readonly operationId: Id }, Id extends string, Amount, Instant, Closed, EO, EC, EX>(
    methods: OperationMethods<Open, Operation, Id, Amount, Instant, Closed, EO, EC, EX>,
    newKey: Effect.Effect<string>,
    now: Effect.Effect<Instant>
  ) =>
  <A, E, R>(
    payload: Open,
    work: (operation: Operation) => Effect.Effect<Metered<A, Amount, Instant>, E, R>,
    given: OperationOptions = {}
  ): Effect.Effect<Closed & { readonly value: A }, E | EO | OperationNotClosed<A, Close<Id, Amount, Instant>, EC>, R> =>
    Effect.flatMap(given.idempotencyKey === undefined ? newKey : Effect.succeed(given.idempotencyKey), (key) => {
      const options = { ...given, idempotencyKey: key }
      return metered({
        open: methods.open(payload, options),
        work: ({ operation }) => Effect.zip(work(operation), now),
        close: ({ operation }, [used, ended]) => {
          const close = closeOf(operation.operationId, used, ended)
          return methods.recordAndClose(close, options).pipe(
            Effect.map((closed) => ({ ...closed, value: used.value })),
            Effect.mapError(
              (cause) =>
                new OperationNotClosed({
                  operationId: operation.operationId,
                  close,
                  idempotencyKey: key,
                  value: used.value,
                  cause
                })
            )
          )
        },
        cancel: ({ operation }, reason) =>
          methods.cancel({ operationId: operation.operationId, reason }, options).pipe(
            Effect.asVoid,
            // What went wrong before is what the caller shall hear; the hold ends by itself when the operation expires.
            Effect.catch((error) =>
              Effect.logWarning(
                `Operation ${operation.operationId} could not be cancelled: if it is open, it stays so until it expires`,
                error
              )
            )
          )
      })
    })

const closeOf = <Id, Amount, Instant>(
  operationId: Id,
  { completedAt, resourceAmount, resourceUnit }: Metered<unknown, Amount, Instant>,
  ended: Instant
): Close<Id, Amount, Instant> => ({
  operationId,
  resourceAmount,
  completedAt: completedAt ?? ended,
  ...(resourceUnit === undefined ? {} : { resourceUnit })
})
