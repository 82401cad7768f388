import type { Command, Result } from "@credit/domain/decide"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { NewId } from "@credit/domain/Uuid"
import type { MerchantUnknown, ServiceUnavailable } from "@credit/rpc/Errors"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type BatchOutcome, runBatch } from "./Batch.ts"
import { BatchError, loggable } from "./BatchError.ts"
import { EncodedExit, failed, namedUser } from "./Submission.ts"
import { FAILED_RETRIABLE } from "./Write.ts"

/** What the engine needs of a merchant's database. */
export interface EngineDatabase {
  /** A connection for this scope alone. */
  readonly connection: Effect.Effect<PgConnection, ServiceUnavailable, Scope.Scope>
  /** Takes a connection that went wrong out of use. */
  readonly discard: (connection: PgConnection) => Effect.Effect<void>
}

/** The answer to one command, or that its account is held elsewhere; with the user it turned out to be about. */
export type Ending =
  | { readonly _tag: "Answered"; readonly exit: EncodedExit; readonly user: string | undefined }
  | { readonly _tag: "Busy"; readonly user: string | undefined }

export interface RunnerOptions {
  readonly database: Effect.Effect<EngineDatabase, MerchantUnknown | ServiceUnavailable>
  readonly newId: NewId
  readonly silence: Duration.Duration
  /** Is told of every batch that was committed. */
  readonly onCommitted: (batch: CommittedBatch) => void
}

/** What a batch came to. */
export interface CommittedBatch {
  readonly commands: number
  readonly seconds: number
  readonly entries: ReadonlyArray<EntryState>
}

/** How often a batch that met another writer, or lost its connection, is run again. */
const TRIES = 3

/** How long a caller waits before asking again when the database failed its command. */
const RETRY_AFTER_SECONDS = 1

/**
 * Runs a batch to its end: every command is answered, or found busy. Meeting another writer runs the batch again; what the
 * database refuses for its content is run one by one, so that one poisoned command cannot fail its neighbours; a lost
 * answer to a COMMIT is found out by running the same commands again, which replays what landed.
 */
export const runToEnd = Effect.fnUntraced(function* (
  commands: ReadonlyArray<Command>,
  busy: "skip" | "wait",
  maybeNew: ReadonlyArray<string>,
  options: RunnerOptions
): Effect.fn.Return<ReadonlyArray<Ending>> {
  let mode = busy
  for (let left = TRIES; ; left--) {
    const exit = yield* Effect.result(attempt(commands, mode, maybeNew, options))
    if (exit._tag === "Success") return endings(exit.success)
    const error = exit.failure
    if (error._tag !== "BatchError") return commands.map((it) => answered(it, error))
    if (left > 0 && error.kind !== "rejected") {
      // The lost transaction may still hold its accounts: wait for it, then find what it wrote.
      if (error.committing) mode = "wait"
      if (error.kind === "partition") yield* ensurePartitions(options)
      continue
    }
    if (commands.length > 1 && error.kind !== "connection") {
      const alone = yield* Effect.forEach(commands, (command) =>
        runToEnd(
          [command],
          mode,
          maybeNew.filter((user) => user === namedUser(command)),
          options
        )
      )
      return alone.flat()
    }
    return yield* Effect.forEach(commands, (command) => giveUp(command, error, options))
  }
})

const attempt = (
  commands: ReadonlyArray<Command>,
  busy: "skip" | "wait",
  maybeNew: ReadonlyArray<string>,
  options: RunnerOptions
) =>
  Effect.suspend(() => {
    const started = performance.now()
    return withConnection(options, (connection) =>
      runBatch(connection, commands, { busy, maybeNew, newId: options.newId, silence: options.silence })
    ).pipe(
      Effect.tap(({ entries }) =>
        Effect.sync(() =>
          options.onCommitted({ commands: commands.length, seconds: (performance.now() - started) / 1000, entries })
        )
      )
    )
  })

/** Lends a connection. One that failed as such is not given back: its transaction may still be open. */
const withConnection = <A>(
  options: RunnerOptions,
  use: (connection: PgConnection) => Effect.Effect<A, BatchError>
): Effect.Effect<A, BatchError | MerchantUnknown | ServiceUnavailable> =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* options.database
      const connection = yield* database.connection
      return yield* use(connection).pipe(
        Effect.tapError((error) => (error.kind === "connection" ? database.discard(connection) : Effect.void)),
        Effect.tapDefect(() => database.discard(connection))
      )
    })
  )

const encodedExit = (result: Result): EncodedExit =>
  result._tag === "Replayed"
    ? new EncodedExit(result.response, "Success", true)
    : new EncodedExit(result.response, result.outcome === "succeeded" ? "Success" : result.outcome)

const endings = ({ results, users }: BatchOutcome): ReadonlyArray<Ending> =>
  results.map((result, index) =>
    result === undefined
      ? { _tag: "Busy", user: users[index] }
      : { _tag: "Answered", exit: encodedExit(result), user: users[index] }
  )

const answered = (command: Command, { _tag }: { readonly _tag: "MerchantUnknown" | "ServiceUnavailable" }): Ending => ({
  _tag: "Answered",
  exit: failed(command, _tag === "MerchantUnknown" ? { _tag } : { _tag, retryAfterSeconds: RETRY_AFTER_SECONDS }),
  user: undefined
})

/** Makes the ledger's missing months in a transaction of its own, after which the batch can write. */
const ensurePartitions = (options: RunnerOptions) =>
  Effect.ignore(
    withConnection(options, (connection) =>
      Effect.mapError(
        connection.query("SELECT app.ensure_partitions(app.now())"),
        (cause) => new BatchError({ kind: "rerun", committing: false, cause })
      )
    ),
    // The batch that runs again says what is wrong, if this did not help.
    { log: "Warn" }
  )

/**
 * A command that failed alone. It is stored as retriable, best effort, so that its payload is bound to its key; then the
 * caller is told to try again, or, where trying again cannot help, that the service failed.
 */
const giveUp = Effect.fnUntraced(function* (command: Command, error: BatchError, options: RunnerOptions) {
  if (error.kind === "connection" || error.kind === "rerun") {
    yield* Effect.logWarning("A command failed for want of the database", loggable(error))
    return answered(command, { _tag: "ServiceUnavailable" })
  }
  const correlationId = options.newId(Date.now())
  yield* Effect.logError("A command failed", loggable(error)).pipe(
    Effect.annotateLogs({ correlationId, command: command.intent.type, transactionId: command.transactionId })
  )
  if (!command.dryRun) yield* storeRetriable(command, options)
  const ending: Ending = {
    _tag: "Answered",
    exit: failed(command, { _tag: "InternalError", correlationId }),
    user: undefined
  }
  return ending
})

const storeRetriable = (command: Command, options: RunnerOptions) =>
  Effect.ignore(
    withConnection(options, (connection) =>
      Effect.mapError(
        connection.query(FAILED_RETRIABLE, [
          command.intent.type,
          command.key,
          command.fingerprint,
          JSON.stringify(command.fieldHashes),
          command.transactionId
        ]),
        (cause) => new BatchError({ kind: "rejected", committing: false, cause })
      )
    ),
    { log: "Warn" }
  )
