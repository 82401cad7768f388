import type { IntentConflict, InvalidRequest, RequestInProgress } from "@credit/domain/Refusal"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { type Answered, inProgress, type LeaseLost, type Procedure, readAnswer } from "./Procedure.ts"
import { claim, conclude, hold, letGo } from "./ProcedureRecord.ts"

/** Why a procedure was not run, or not to its end. */
export type NotRun = InvalidRequest | IntentConflict | RequestInProgress | SqlError

/** Runs statements in one transaction: all of them or none. */
export const inTransaction = <A, E>(
  connection: PgConnection,
  body: Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  Effect.gen(function* () {
    yield* connection.query("BEGIN")
    const result = yield* Effect.onError(body, () => Effect.ignore(connection.query("ROLLBACK"), { log: "Debug" }))
    yield* connection.query("COMMIT")
    return result
  })

/** What a procedure made, and what its line in the audit log adds. */
export interface Made<A> {
  readonly value: A
  readonly detail?: object
}

/**
 * Runs a procedure that fits into one transaction: key, effect, answer and audit commit together. `work` refuses before it
 * writes. A dry run is rolled back.
 */
export const runOnce = Effect.fnUntraced(function* <A>(
  connection: PgConnection,
  procedure: Procedure<A>,
  work: (connection: PgConnection) => Effect.Effect<Made<A>, InvalidRequest | SqlError>
): Effect.fn.Return<Answered<A>, NotRun> {
  const transaction = Effect.gen(function* () {
    const found = yield* claim(connection, procedure, 1)
    if (found._tag === "Answered") return { response: found.response, replayed: true }
    const decided = yield* Effect.matchEffect(work(connection), {
      onSuccess: ({ detail, value }) => Effect.succeed({ _tag: "Success" as const, value, detail }),
      onFailure: (error) =>
        error._tag === "InvalidRequest"
          ? Effect.succeed({ _tag: "Failure" as const, refusal: error })
          : Effect.fail(error)
    })
    const response = yield* conclude(connection, procedure, found.fence, decided)
    return { response, replayed: false }
  }).pipe(Effect.catchTag("LeaseLost", Effect.die))
  const { replayed, response } = yield* procedure.dryRun
    ? dropped(connection, transaction)
    : inTransaction(connection, transaction)
  return yield* readAnswer(procedure, response, replayed)
})

const dropped = <A, E>(connection: PgConnection, body: Effect.Effect<A, E>) =>
  Effect.andThen(
    connection.query("BEGIN"),
    Effect.ensuring(body, Effect.ignore(connection.query("ROLLBACK"), { log: "Debug" }))
  )

/** What a procedure under way may do to a database. */
export interface Lease {
  /** Runs statements in one transaction, unless somebody else has taken over. */
  readonly effect: <A, E>(
    connection: PgConnection,
    body: Effect.Effect<A, E>
  ) => Effect.Effect<A, E | LeaseLost | SqlError>
  /** What {@link effect} begins with, for a transaction that is open already: whether it may go on. */
  readonly holds: (connection: PgConnection) => Effect.Effect<boolean, SqlError>
}

/**
 * Runs a procedure that reaches beyond one transaction. Its key stands `PENDING` under a lease that is extended while it
 * runs; a process that dies leaves a lease that runs out, and whoever comes then takes over with a higher fence. The lease
 * decides who tries, the fence who may: what the former holder still sends is refused.
 *
 * Ends `SUCCEEDED`, or `FAILED_FINAL` for a refusal; with any other failure the key is left to the next try.
 */
export const runLeased = Effect.fnUntraced(function* <A, E>(
  keeper: PgConnection,
  procedure: Procedure<A>,
  lease: Duration.Duration,
  work: (lease: Lease) => Effect.Effect<Made<A>, E | InvalidRequest | LeaseLost | SqlError>
): Effect.fn.Return<Answered<A>, Exclude<E, LeaseLost> | NotRun> {
  const millis = Duration.toMillis(lease)
  const found = yield* inTransaction(keeper, claim(keeper, procedure, millis))
  if (found._tag === "Answered") return yield* readAnswer(procedure, found.response, true)
  const { fence } = found
  const holding = (connection: PgConnection) => hold(connection, procedure, fence, millis)
  // A statement that is under way is let end: a cancelled one could take the next one with it.
  const extend: Effect.Effect<never, LeaseLost | SqlError> = Effect.sleep(millis / 3).pipe(
    Effect.andThen(Effect.uninterruptible(holding(keeper))),
    Effect.forever
  )
  const held: Lease = {
    holds: (connection) =>
      holding(connection).pipe(
        Effect.as(true),
        Effect.catchTag("LeaseLost", () => Effect.succeed(false))
      ),
    effect: (connection, body) => inTransaction(connection, Effect.andThen(holding(connection), body))
  }
  const run = Effect.matchEffect(Effect.raceFirst(work(held), extend), {
    onSuccess: ({ detail, value }) => Effect.succeed({ _tag: "Success" as const, value, detail }),
    onFailure: (error) =>
      isRefusal(error) ? Effect.succeed({ _tag: "Failure" as const, refusal: error }) : Effect.fail(error)
  })
  const response = yield* Effect.flatMap(run, (decided) =>
    inTransaction(keeper, conclude(keeper, procedure, fence, decided))
  ).pipe(
    Effect.onError(() => Effect.ignore(letGo(keeper, procedure, fence), { log: "Debug" })),
    Effect.catchIf(isLeaseLost, () => Effect.fail(inProgress(procedure, 1)))
  )
  return yield* readAnswer(procedure, response, false)
})

const isLeaseLost = (error: unknown): error is LeaseLost =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "LeaseLost"

const isRefusal = (error: unknown): error is InvalidRequest =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "InvalidRequest"
